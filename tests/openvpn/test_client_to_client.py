"""Stock clients of our server among themselves: with client-to-client and without."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from twisted.trial.unittest import SynchronousTestCase

from tests.lab import Lab, skip_unless_possible
from tests.openvpn.abreast import abreast
from tests.openvpn.peers import INNER_V4, INNER_V6, SIGNER, Case, Ends

#: Fixed addresses, so that each knows where the other is.
ADDRESSES = {"one": ("10.99.0.11", "fd00:99::11"), "two": ("10.99.0.12", "fd00:99::12")}
BEHIND = "192.168.7.5"
ROUTE = "route 192.168.7.0 255.255.255.0"


@contextmanager
def two_clients(*server_lines: str) -> Iterator[Lab]:
    """A server of ours and two stock clients on it, ``one`` and ``two``; behind the second a host, ``behind``."""
    with Lab() as lab:
        lab.host("server")
        (lab.folder / "ccd").mkdir()
        for number, (host, (v4, v6)) in enumerate(ADDRESSES.items(), 1):
            lines = [f"ifconfig-push {v4} 255.255.255.0", f"ifconfig-ipv6-push {v6}/64"]
            lab.write(f"ccd/{host}", "\n".join([*lines, ROUTE.replace("route", "iroute") if host == "two" else "", ""]))
            lab.host(host)
            lab.wire("server", [f"198.51.{number}.1/24"], host, [f"198.51.{number}.2/24"])
        lab.host("behind")
        lab.wire("two", ["192.168.7.1/24"], "behind", [f"{BEHIND}/24"])
        lab.ip("behind", "route", "add", "default", "via", "192.168.7.1")
        for host in ("server", "one", "two"):
            lab.run(host, "sysctl", "-qw", "net.ipv4.icmp_echo_ignore_broadcasts=0", "net.ipv4.ip_forward=1")
        lines = ("client-config-dir ccd", ROUTE, f'push "{ROUTE}"', *server_lines)
        server = Ends(lab, Case(server_lines=lines)).serve()
        for number, host in enumerate(ADDRESSES, 1):
            ends = Ends(lab, Case(outer=f"198.51.{number}.1"), SIGNER.issue(host))
            ends.join_stock(host, f"{host}.conf")
        yield lab
        assert "Traceback" not in server.output, server.output[-3000:]


def who_answers(lab: Lab, host: str, group: str, source: str) -> set[str]:
    """Whose answers a ping of a group of the tunnel gets, beside its own."""
    words = ("ping", "-n", "-b", "-c", "2", "-i", "0.3", "-W", "1", "-I", "tun0", "-I", source, group)
    lines = lab.run(host, *words, check=False).stdout.splitlines()
    return {line.split()[3].removesuffix(":") for line in lines if " bytes from " in line} - {source}


class ClientToClientTests(SynchronousTestCase):
    skip = skip_unless_possible("openvpn", "ping")

    def test_on(self) -> None:
        """Two stock clients reach each other, a host behind one, and all of a group, past the kernel; v4 and v6."""
        with two_clients("client-to-client") as lab:
            lab.run("server", "sysctl", "-qw", "net.ipv4.ip_forward=0")
            (v4, v6), (other_v4, other_v6) = ADDRESSES.values()

            def reached(way: tuple[str, str]) -> None:
                self.assertEqual(lab.ping(*way), 3)

            abreast(reached, (
                ("one", other_v4), ("one", other_v6), ("two", v4), ("two", v6), ("one", BEHIND), ("behind", v4),
                ("one", INNER_V4), ("server", BEHIND),
            ))  # fmt: skip
            self.assertEqual(who_answers(lab, "one", "224.0.0.1", v4), {INNER_V4, other_v4})
            self.assertEqual(who_answers(lab, "one", "10.99.0.255", v4), {INNER_V4, other_v4})
            self.assertEqual(who_answers(lab, "one", "ff02::1%tun0", v6), {INNER_V6, other_v6})
            self.assertEqual(who_answers(lab, "server", "224.0.0.1", INNER_V4), {v4, other_v4})

    def test_off(self) -> None:
        """Without it they reach the server alone; what the server says to a group still reaches both."""
        with two_clients() as lab:
            lab.run("server", "sysctl", "-qw", "net.ipv4.ip_forward=0")
            (v4, v6), (other_v4, other_v6) = ADDRESSES.values()

            def silent(way: tuple[str, str]) -> None:
                self.assertEqual(lab.ping(*way, 2), 0)

            abreast(silent, (("one", other_v4), ("one", other_v6), ("two", v4), ("one", BEHIND)))
            self.assertEqual([lab.ping("one", INNER_V4), lab.ping("server", BEHIND)], [3, 3])
            self.assertEqual(who_answers(lab, "one", "224.0.0.1", v4), {INNER_V4})
            self.assertEqual(who_answers(lab, "one", "ff02::1%tun0", v6), {INNER_V6})
            self.assertEqual(who_answers(lab, "server", "224.0.0.1", INNER_V4), {v4, other_v4})
            self.assertEqual(who_answers(lab, "server", "ff02::1%tun0", INNER_V6), {v6, other_v6})
