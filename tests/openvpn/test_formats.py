"""Every format of data packets, with the genuine openvpn at the other end."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from tests.lab import Lab, Program, skip_unless_possible, two_hosts
from tests.openvpn.abreast import abreast
from tests.openvpn.peers import INNER_V4, INNER_V6, Case, Ends


class FormatCase(SynchronousTestCase):
    skip = skip_unless_possible("openvpn", "ping")

    def both_roles(self, *cases: Case, said: tuple[str, ...] = (), sizes: tuple[int, ...] = (16, 1300)) -> None:
        """Our server with a stock client, and our client with a stock server; ``said``: what the stock end logs, where
        {cipher} and {digest} are the case's own.
        """

        def scene(role: tuple[str, Case]) -> None:
            ours, case = role
            with two_hosts() as lab:
                server, client, stock = self.meet(lab, ours, case)
                self.assert_carries(lab, sizes, server, client)
                for words in said:
                    stock.wait_for(words.format(cipher=case.cipher, digest=case.digest), 10)

        abreast(scene, [(ours, case) for case in cases for ours in ("server", "client")])

    def meet(self, lab: Lab, ours: str, case: Case) -> tuple[Program, Program, Program]:
        """(server, client, which of them is stock): ``ours`` is the server or the client."""
        ends = Ends(lab, case)
        server = ends.serve() if ours == "server" else ends.serve_stock()
        client = ends.join_stock() if ours == "server" else ends.join()
        return server, client, client if ours == "server" else server

    def assert_carries(self, lab: Lab, sizes: tuple[int, ...], *programs: Program) -> None:
        """Packets of these payload sizes come through and back, over IPv4 and IPv6."""
        for target in (INNER_V4, INNER_V6):
            for size in sizes:
                answered = lab.ping("client", target, 3, 0.1, size)
                self.assertEqual(answered, 3, "\n".join(program.output[-3000:] for program in programs))


class CBCTests(FormatCase):
    """The article's own form: EVP ciphers and HMAC."""

    def test_ciphers_and_digests(self) -> None:
        """AES-CBC in all sizes with all digests, V2 packets."""
        cases = [Case(protection="tls-crypt", cipher=cipher, digest=digest) for cipher, digest in (
            ("AES-256-CBC", "SHA256"), ("AES-128-CBC", "SHA1"), ("AES-192-CBC", "SHA512"), ("AES-256-CBC", "SHA384"),
        )]  # fmt: skip
        said = ("Data Channel: [Cc]ipher '{cipher}'", "auth '{digest}'|message hash '{digest}'")
        self.both_roles(*cases, said=said)

    def test_192_gcm(self) -> None:
        """The AEAD cipher that nobody has by default."""
        said = ("Data Channel: [Cc]ipher 'AES-192-GCM'",)
        self.both_roles(Case(protection="tls-crypt", cipher="AES-192-GCM"), said=said)

    def test_mixed_clients(self) -> None:
        """Clients with different ciphers, one of them by the fallback alone, on one server at the same time."""
        with Lab() as lab:
            hosts = {"one": "AES-256-GCM", "two": "AES-256-CBC", "three": "CHACHA20-POLY1305"}
            lab.host("server")
            for number, host in enumerate(hosts, 1):
                lab.host(host)
                lab.wire("server", [f"198.51.{number}.1/24"], host, [f"198.51.{number}.2/24"])
            ciphers = ":".join(hosts.values())
            ends = Ends(lab, Case(protection="tls-crypt", cipher=ciphers, server_lines=("auth SHA256",)))
            server = ends.serve()
            for number, (host, cipher) in enumerate(hosts.items(), 1):
                lines = (f"data-ciphers {cipher}", "auth SHA256")
                own = Ends(lab, replace(ends.case, outer=f"198.51.{number}.1", cipher=cipher, client_lines=lines))
                own.join_stock(host, f"{host}.conf")
            answered = [lab.ping(host, INNER_V4, 3) for host in hosts]
            self.assertEqual(answered, [3, 3, 3], server.output[-3000:])


class EpochTests(FormatCase):
    """OpenVPN 2.7's own format."""

    def test_epochs(self) -> None:
        """A genuine 2.7 in both roles, AES and ChaCha20, also after a renegotiation."""

        def scene(role: tuple[str, str]) -> None:
            cipher, ours = role
            case = Case(cipher=cipher, version="2.7", server_lines=("reneg-sec 4",), client_lines=("reneg-sec 0",))
            with two_hosts() as lab:
                *_, stock = self.meet(lab, ours, case)
                self.assertRegex(stock.output, "aead-epoch")
                self.assertEqual(lab.ping("client", INNER_V4, 110, 0.05), 110, stock.output[-3000:])
                stock.wait_for("Control Channel: TLSv", 10, 2)

        abreast(scene, [(cipher, ours) for cipher in ("AES-256-GCM", "CHACHA20-POLY1305")
                        for ours in ("server", "client")])  # fmt: skip

    def test_ourselves(self) -> None:
        """Our client and our server choose it, too."""
        with two_hosts() as lab:
            ends = Ends(lab, Case())
            server, client = ends.serve(), ends.join()
            self.assert_carries(lab, (16, 1300), server, client)


class ReplayTests(FormatCase):
    """Windows of other sizes."""

    def test_windows(self) -> None:
        """Strict order, and the largest window there is, at both ends. (With strict order and a wrapped control channel
        stock ends do not even understand each other.)
        """
        windows = (("replay-window 0", "none"), ("replay-window 65536 600", "tls-crypt"))
        self.both_roles(*(Case(protection=protection, server_lines=(line,), client_lines=(line,))
                          for line, protection in windows))  # fmt: skip


class FramingTests(FormatCase):
    """Compression that compresses nothing, and fragments."""

    def test_frames(self) -> None:
        """comp-lzo no, compress stub and stub-v2, written at both ends."""
        lines = ("comp-lzo no", "compress stub", "compress stub-v2")
        self.both_roles(*(Case(protection="tls-crypt", server_lines=(line,), client_lines=(line,)) for line in lines))

    def test_pushed(self) -> None:
        """A stock server that pushes a frame is followed; our server pushes its own to a client that has none."""
        with two_hosts() as lab:
            lines = ("comp-lzo no", 'push "comp-lzo no"')
            ends = Ends(lab, Case(protection="tls-crypt", server_lines=lines))
            self.assert_carries(lab, (16,), ends.serve_stock(), ends.join())
        with two_hosts() as lab:
            ends = Ends(lab, Case(protection="tls-crypt", server_lines=("comp-lzo no",)))
            self.assert_carries(lab, (16,), ends.serve(), ends.join_stock())

    def test_migrate(self) -> None:
        """A client that still says comp-lzo and one that does not are both served by one server, stock and ours, be it
        told to or not; and so are we by a stock server.
        """
        told = ("compress migrate",)

        def scene(lines: tuple[tuple[str, ...], tuple[str, ...]]) -> None:
            client, server = lines
            with two_hosts() as lab:
                ends = Ends(lab, Case(protection="tls-crypt", server_lines=server, client_lines=client))
                program = ends.serve()
                self.assert_carries(lab, (16, 1300), program, stock := ends.join_stock())
                stock.stop()
                self.assert_carries(lab, (16,), program, ends.join())

        abreast(scene, ((("comp-lzo",), told), ((), told), (("comp-lzo",), ())))
        with two_hosts() as lab:
            case = Case(protection="tls-crypt", server_lines=("compress migrate",), client_lines=("comp-lzo no",))
            ends = Ends(lab, case)
            self.assert_carries(lab, (16,), ends.serve_stock(), ends.join())

    def test_fragment(self) -> None:
        """Packets larger than a datagram may be, alone and in frames, with every kind of seal."""
        cases = [Case(protection="tls-crypt", cipher=cipher, server_lines=lines, client_lines=lines)
                 for cipher, lines in (
            ("AES-256-GCM", ("fragment 500",)), ("AES-128-CBC", ("fragment 700", "comp-lzo no")),
        )]  # fmt: skip
        self.both_roles(*cases, sizes=(16, 450, 480, 900, 1400, 1472))
