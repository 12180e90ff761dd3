"""HTTP CONNECT: what is said, what is understood in whatever pieces it comes, and what is said of a refusal."""

from __future__ import annotations

from base64 import b64decode

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tvpn.net.connect import LARGEST_HEAD, ConnectDialogue
from tvpn.net.dialogue import ProxyError, ProxyLogin

NAME = "proxy 192.0.2.9:3128"
LOGIN = ProxyLogin("alice", "pässword: 1")


def dialogue(login: ProxyLogin | None = None) -> ConnectDialogue:
    return ConnectDialogue(NAME, "vpn.example", 443, login)


class RequestTests(SynchronousTestCase):
    """What is said."""

    def test_plain(self) -> None:
        """RFC 9110 9.3.6: host and port as the target and as Host."""
        wanted = b"CONNECT vpn.example:443 HTTP/1.1\r\nHost: vpn.example:443\r\n\r\n"
        self.assertEqual(dialogue().begin(), wanted)

    def test_ipv6(self) -> None:
        """An IPv6 address is in brackets."""
        said = ConnectDialogue(NAME, "2001:db8::1", 443).begin()
        self.assertTrue(said.startswith(b"CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n"), said)

    def test_login(self) -> None:
        """RFC 7617: user name and password behind a colon, in UTF-8 and base64."""
        said = dialogue(ProxyLogin("Aladdin", "open sesame")).begin()
        self.assertIn(b"\r\nProxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n", said)
        encoded = dialogue(LOGIN).begin().partition(b"Basic ")[2].strip()
        self.assertEqual(b64decode(encoded).decode(), "alice:pässword: 1")

    def test_options(self) -> None:
        """The version and further fields; a Host of the file's takes the place of ours."""
        fields = (("User-Agent", "tester/1"), ("host", "other.example"))
        said = ConnectDialogue(NAME, "vpn.example", 443, version="1.0", headers=fields).begin()
        wanted = b"CONNECT vpn.example:443 HTTP/1.0\r\nUser-Agent: tester/1\r\nhost: other.example\r\n\r\n"
        self.assertEqual(said, wanted)

    def test_colon(self) -> None:
        """A user name that Basic cannot say is refused, in words without it."""
        error = self.assertRaises(ProxyError, dialogue, ProxyLogin("al:ice", "x"))
        self.assertIn("a user name with a colon", str(error))
        self.assertNotIn("al:ice", str(error))

    @settings(deadline=None)
    @given(st.text(st.characters(), min_size=0, max_size=20), st.text(max_size=20), st.text(max_size=20))
    def test_injection(self, host: str, name: str, value: str) -> None:
        """Whatever stands in the file, what is said is one request with the lines it should have, or nothing."""
        try:
            said = ConnectDialogue(NAME, host, 443, ProxyLogin("a\r\nb", value), headers=((name, value),)).begin()
        except ProxyError:
            return
        self.assertTrue(said.endswith(b"\r\n\r\n"))
        lines = said.removesuffix(b"\r\n\r\n").split(b"\r\n")
        self.assertEqual(len(lines), 3 + (name.lower() != "host"))
        self.assertTrue(all(0x20 <= byte < 0x7F for line in lines for byte in line))

    def test_split(self) -> None:
        """The negative of it by hand: a line end in a host, a field or its value is refused."""
        for host, field in (("a\r\nX: y", ("B", "c")), ("a", ("B\nX", "c")), ("a", ("B", "c\r\n\r\nGET /"))):
            self.assertRaises(ProxyError, ConnectDialogue, NAME, host, 443, headers=(field,))


class ResponseTests(SynchronousTestCase):
    """What is understood."""

    @settings(deadline=None)
    @given(st.lists(st.integers(1, 9), max_size=80), st.binary(max_size=30), st.sampled_from(["\r\n", "\n"]))
    def test_cuts(self, sizes: list[int], rest: bytes, end: str) -> None:
        """In whatever pieces it comes, an interim response is passed over, and what follows is the server's."""
        lines = ("HTTP/1.1 103 Early", "Link: x", "", "HTTP/1.0 200 Connection established", "Via: 1.1 test", "", "")
        data = end.join(lines).encode() + rest
        heard = dialogue()
        begun = 0
        for size in [*sizes, len(data)]:
            piece, begun = data[begun : begun + size], begun + size
            if heard.rest is None:
                self.assertEqual(heard.receive(piece), b"")
            else:
                heard.rest += piece
        self.assertEqual(heard.rest, rest)

    def test_each_byte(self) -> None:
        """It stands with the last byte of the response, and not one before."""
        heard = dialogue()
        for byte in b"HTTP/1.1 200 OK\r\nX: y\r\n\r\n":
            self.assertIsNone(heard.rest)
            heard.receive(bytes((byte,)))
        self.assertEqual(heard.rest, b"")

    def test_without_reason(self) -> None:
        """A success without its text, and one of another number, are successes."""
        for line in (b"HTTP/1.1 200\r\n\r\n", b"HTTP/1.1 204 Fine\r\n\r\n"):
            heard = dialogue()
            heard.receive(line)
            self.assertEqual(heard.rest, b"")

    @settings(deadline=None)
    @given(st.binary(max_size=60))
    def test_junk(self, data: bytes) -> None:
        """Anything else is waited for or refused, and nothing else happens."""
        heard = dialogue()
        try:
            heard.receive(b"HTTP/1." + data)
        except ProxyError:
            return
        self.assertTrue(heard.rest is None or data[2:4] == b"20" or b"\nHTTP/" in data, data)


class RefusalTests(SynchronousTestCase):
    """What is said of it."""

    def refusal(self, data: bytes, login: ProxyLogin | None = None) -> ProxyError:
        return self.assertRaises(ProxyError, dialogue(login).receive, data)

    def test_login_wanted(self) -> None:
        """407: what to give; it can be asked for."""
        for fields in (b"", b'Proxy-Authenticate: Digest realm="a, b", nonce="Basic"\r\nproxy-authenticate: BASIC\r\n',
                       b'Proxy-Authenticate: Negotiate, Basic realm="x"\r\n'):  # fmt: skip
            error = self.refusal(b"HTTP/1.1 407 Proxy Authentication Required\r\n" + fields + b"\r\n")
            self.assertEqual(
                str(error),
                f"{NAME} refused: 407 Proxy Authentication Required; give user name and password with "
                "http-proxy-user-pass",
            )
            self.assertTrue(error.wants_login)

    def test_other_scheme(self) -> None:
        """407 for NTLM or Digest alone: no user name and password helps, and none is asked for."""
        fields = b'Proxy-Authenticate: NTLM\r\nProxy-Authenticate: Digest realm="Basic, Basic"\r\n\r\n'
        error = self.refusal(b"HTTP/1.1 407 No\r\n" + fields)
        self.assertIn("it asks for digest or ntlm, and only basic is spoken here", str(error))
        self.assertFalse(error.wants_login)

    def test_login_refused(self) -> None:
        """407 for what we said: that is what is wrong, and the sentence does not repeat it."""
        error = self.refusal(b"HTTP/1.1 407 Nope\r\n\r\n", LOGIN)
        self.assertIn("refused the user name and password: 407 Nope; correct them", str(error))
        self.assertNotIn("alice", str(error))
        self.assertTrue(error.wants_login)

    def test_status(self) -> None:
        """Any other status is told as it is, cleaned."""
        self.assertEqual(str(self.refusal(b"HTTP/1.1 403 \x1b[31mNo\r\n\r\n")), f"{NAME} refused: 403 ?[31mNo")
        self.assertEqual(str(self.refusal(b"HTTP/1.1 502\r\n\r\n")), f"{NAME} refused: 502")
        self.assertEqual(str(self.refusal(b"HTTP/1.1 101 Other\r\n\r\n")), f"{NAME} refused: 101 Other")

    def test_no_proxy(self) -> None:
        """What is no HTTP is told from the first byte on, without waiting for more."""
        for data in (b"\x05\xff", b"S", b"HTTP 200 OK", b"HTTP/1.1 2000 Many\r\n\r\n", b"HTTP/1.1 OK\r\n\r\n"):
            self.assertIn("correct its port, or its kind", str(self.refusal(data)))

    def test_endless(self) -> None:
        """16 kB of header fields is the limit, in one piece, in many, and in many interim responses."""
        start, field = b"HTTP/1.1 200 OK\r\n", b"X: " + b"y" * 95 + b"\r\n"
        self.refusal(start + field * 200)
        for first, piece in ((start, field), (b"", b"HTTP/1.1 100 Go on\r\n\r\n")):
            heard = dialogue()
            heard.receive(first)
            taken = 0
            with self.assertRaises(ProxyError):
                while True:
                    heard.receive(piece)
                    taken += len(piece)
            self.assertLessEqual(LARGEST_HEAD - taken, 120)
            self.assertLessEqual(taken, LARGEST_HEAD)
