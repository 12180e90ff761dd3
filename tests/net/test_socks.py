"""SOCKS 5: the dialogue byte for byte and in whatever pieces it comes, and the header of datagrams."""

from __future__ import annotations

from ipaddress import ip_address

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tvpn.errors import Drop
from tvpn.net.dialogue import ProxyError, ProxyLogin
from tvpn.net.socks import SOCKSDialogue, datagram_header, header_of, is_from, packed_address

NAME = "proxy 192.0.2.9:1080"
LOGIN = ProxyLogin("alice", "s3cret")
TARGET = ("vpn.example", 1194)
#: Host and port, and their form in a request (RFC 1928 4).
ADDRESSES = (
    (("198.51.100.1", 1194), b"\1\xc6\x33\x64\x01\x04\xaa"),
    (("vpn.example", 443), b"\3\x0bvpn.example\x01\xbb"),
    (("2001:db8::1", 53), b"\4\x20\x01\x0d\xb8" + bytes(11) + b"\1\0\x35"),
)
GRANTED = b"\5\0\0\1\0\0\0\0\0\0"


def run(dialogue: SOCKSDialogue, *heard: bytes) -> list[bytes]:
    """All that is said."""
    return [dialogue.begin(), *map(dialogue.receive, heard)]


class DialogueTests(SynchronousTestCase):
    """What is said, and when it stands."""

    def test_stream(self) -> None:
        """Without a login: greeting, request with the address or the name itself, done."""
        for target, packed in ADDRESSES:
            dialogue = SOCKSDialogue(NAME, target)
            self.assertEqual(run(dialogue, b"\5\0"), [b"\5\1\0", b"\5\1\0" + packed])
            self.assertIsNone(dialogue.rest)
            self.assertEqual(dialogue.receive(GRANTED + b"hello"), b"")
            self.assertEqual(dialogue.rest, b"hello")

    def test_login(self) -> None:
        """RFC 1929: user name and password with their lengths, when the proxy chooses that."""
        dialogue = SOCKSDialogue(NAME, TARGET, LOGIN)
        request = b"\5\1\0" + packed_address(*TARGET)
        said = run(dialogue, b"\5\2", b"\1\0", GRANTED)
        self.assertEqual(said, [b"\5\2\0\2", b"\1\5alice\6s3cret", request, b""])
        self.assertEqual(dialogue.rest, b"")

    def test_login_not_wanted(self) -> None:
        """A proxy that lets everybody in is told no password."""
        said = run(SOCKSDialogue(NAME, TARGET, LOGIN), b"\5\0")
        self.assertNotIn(b"s3cret", b"".join(said))

    def test_relay(self) -> None:
        """A relay is asked for without an address; its own is told, or left out."""
        for address in ("192.0.2.9", "0.0.0.0"):
            dialogue = SOCKSDialogue(NAME, None)
            said = run(dialogue, b"\5\0", b"\5\0\0" + packed_address(address, 40000))
            self.assertEqual(said[1], b"\5\3\0\1\0\0\0\0\0\0")
            self.assertEqual(dialogue.relay_port("192.0.2.9"), 40000)

    @settings(deadline=None)
    @given(st.lists(st.integers(1, 5), max_size=60), st.booleans(), st.sampled_from(ADDRESSES), st.binary(max_size=9))
    def test_cuts(self, sizes: list[int], by_name: bool, bound: tuple[tuple[str, int], bytes], rest: bytes) -> None:
        """In whatever pieces the proxy's answers come, the same is said, and what follows is the server's."""
        dialogue = SOCKSDialogue(NAME, TARGET, LOGIN if by_name else None)
        login, welcome = (b"\1\5alice\6s3cret", b"\1\0") if by_name else (b"", b"")
        data = (b"\5\2" if by_name else b"\5\0") + welcome + b"\5\0\0" + bound[1] + rest
        said, begun = b"", 0
        for size in [*sizes, len(data)]:
            piece, begun = data[begun : begun + size], begun + size
            if dialogue.rest is None:
                said += dialogue.receive(piece)
            else:
                dialogue.rest += piece
        self.assertEqual((said, dialogue.rest), (login + b"\5\1\0" + packed_address(*TARGET), rest))


class RefusalTests(SynchronousTestCase):
    """What is said of it."""

    def refusal(self, *heard: bytes, login: ProxyLogin | None = None) -> ProxyError:
        dialogue = SOCKSDialogue(NAME, TARGET, login)
        for data in heard[:-1]:
            dialogue.receive(data)
        return self.assertRaises(ProxyError, dialogue.receive, heard[-1])

    def test_login(self) -> None:
        """Wanted or refused, it can be asked for, and the sentence does not repeat it."""
        wanted, refused = self.refusal(b"\5\xff"), self.refusal(b"\5\2", b"\1\1", login=LOGIN)
        self.assertIn("it wants a user name and a password; name a file with both", str(wanted))
        self.assertIn("refused the user name and password; correct them", str(refused))
        self.assertEqual((wanted.wants_login, refused.wants_login), (True, True))
        self.assertNotIn("alice", str(refused))
        self.assertFalse(self.refusal(b"\5\xff", login=LOGIN).wants_login)

    def test_reasons(self) -> None:
        """RFC 1928 6: each reason has its words, and one that is none has its number; two bytes are enough."""
        for number, words in ((2, "its rules do not allow it"), (4, "the host cannot be reached"), (77, "reason 77")):
            for reply in (bytes((5, number)), bytes((5, number)) + GRANTED[2:]):
                self.assertEqual(str(self.refusal(b"\5\0", reply)), f"{NAME} refused: {words}")

    def test_no_proxy(self) -> None:
        """Another version, a method we did not offer, an address that is none: it is no such proxy."""
        for heard in ((b"HTTP/1.1 400",), (b"\4",), (b"\5\1",), (b"\5\2",), (b"\5\0", b"\4\0\0\1\0\0\0\0\0\0"),
                      (b"\5\0", b"HTTP"), (b"\5\0", b"\5\0\0\2" + bytes(20))):  # fmt: skip
            self.assertIn("does not answer as a SOCKS 5 proxy does", str(self.refusal(*heard)))
        self.assertIn("does not answer", str(self.refusal(b"\5\2", b"\7\0", login=LOGIN)))

    def test_unsayable(self) -> None:
        """What does not fit its length byte is refused before anything is said."""
        for username, password in (("", "x"), ("x", ""), ("x" * 256, "x"), ("x", "ä" * 128)):
            error = self.assertRaises(ProxyError, SOCKSDialogue, NAME, TARGET, ProxyLogin(username, password))
            self.assertIn("1 to 255 bytes", str(error))

    def test_relay_elsewhere(self) -> None:
        """A relay at another address, at a name or at no port is not used."""
        for bound in (("198.51.100.7", 40000), ("relay.example", 40000), ("192.0.2.9", 0)):
            dialogue = SOCKSDialogue(NAME, None)
            run(dialogue, b"\5\0", b"\5\0\0" + packed_address(*bound))
            error = self.assertRaises(ProxyError, dialogue.relay_port, "192.0.2.9")
            self.assertIn("and not at its own address; use it for TCP", str(error))

    @settings(deadline=None)
    @given(st.lists(st.binary(max_size=20), max_size=4))
    def test_junk(self, pieces: list[bytes]) -> None:
        """Whatever a proxy says is waited for or refused, and what is kept of it is bounded."""
        dialogue = SOCKSDialogue(NAME, TARGET, LOGIN)
        try:
            for piece in pieces:
                if dialogue.rest is None:
                    dialogue.receive(piece)
        except ProxyError:
            return
        self.assertLess(len(dialogue._buffer), 4 + 256 + 2)


class HeaderTests(SynchronousTestCase):
    """RFC 1928 7, in front of datagrams."""

    def test_vectors(self) -> None:
        """Three zero bytes and the address; the size of each kind."""
        for target, packed in ADDRESSES:
            header = datagram_header(*target)
            self.assertEqual(header, bytes(3) + packed)
            self.assertEqual(header_of(header + b"payload"), header)
        self.assertEqual([len(datagram_header(host, 1)) for host in ("192.0.2.1", "::1", "a.example")], [10, 22, 16])

    def test_too_short(self) -> None:
        """Cut anywhere, there is no header; nor is there one in a fragment, or of another kind."""
        for target, _ in ADDRESSES:
            header = datagram_header(*target)
            for size in range(len(header)):
                self.assertRaises(Drop, header_of, header[:size])
        whole = datagram_header("192.0.2.1", 1)
        for data in (b"\0\0\1" + whole[3:], b"\1" + whole[1:], whole[:3] + b"\2" + whole[4:]):
            self.assertRaises(Drop, header_of, data)

    @settings(deadline=None)
    @given(st.ip_addresses().map(str), st.integers(0, 65535), st.binary(max_size=5))
    def test_any(self, host: str, port: int, payload: bytes) -> None:
        """Every address is found again."""
        header = datagram_header(host, port)
        self.assertEqual(header_of(header + payload), header)
        self.assertEqual(header[4:-2], ip_address(host).packed)

    def test_is_from(self) -> None:
        """An address is from itself alone, as IPv6 sees it, too; a name may be anywhere."""
        target = datagram_header("198.51.100.1", 1194)
        for host, port, same in (("198.51.100.1", 1194, True), ("::ffff:198.51.100.1", 1194, True),
                                 ("198.51.100.2", 1194, False), ("198.51.100.1", 1195, False),
                                 ("::ffff:198.51.100.1", 1195, False), ("vpn.example", 1194, False)):  # fmt: skip
            self.assertIs(is_from(datagram_header(host, port), target), same, host)
        self.assertTrue(is_from(target, datagram_header("vpn.example", 1194)))
