"""A tunnel that does not swallow itself."""

from __future__ import annotations

from ipaddress import ip_address

from twisted.trial.unittest import SynchronousTestCase

from tvpn.plane.merge import PLAIN
from tvpn.plane.recursion import Recursion


def packet(host: str, port: int, source: str = "") -> bytes:
    """A datagram's header and its ports."""
    address = ip_address(host)
    other = ip_address(source or ("192.0.2.9" if address.version == 4 else "2001:db8::9"))
    head = b"\x45" + bytes(11) if address.version == 4 else b"\x60" + bytes(7)
    return head + other.packed + address.packed + (40000).to_bytes(2, "big") + port.to_bytes(2, "big") + bytes(20)


class RecursionTests(SynchronousTestCase):
    def test_sifted(self) -> None:
        """What goes to the server's address and port is taken out; other ports of it, and other hosts, pass."""
        for server, other in (("198.51.100.1", "198.51.100.9"), ("2001:db8::1", "2001:db8::99")):
            ours = packet(server, 1194)
            rest = [packet(server, 443), packet(other, 1194), packet(other, 1194, server), b"", b"\x45"]
            recursion = Recursion((server, 1194))
            sifted = recursion.sift([(PLAIN, each) for each in (ours, *rest, ours)])
            self.assertEqual([each for _, each in sifted], rest)

    def test_frames(self) -> None:
        """The same where packets stand in frames; one that only looks so without its header passes."""
        for server, kind in (("198.51.100.1", b"\x08\0"), ("2001:db8::1", b"\x86\xdd")):
            ours, other = bytes(12) + kind + packet(server, 1194), bytes(12) + kind + packet(server, 443)
            rest = [other, packet(server, 1194), bytes(13), bytes(12) + kind]
            recursion = Recursion((server, 1194), 14)
            sifted = recursion.sift([(PLAIN, each) for each in (ours, *rest, ours)])
            self.assertEqual([each for _, each in sifted], rest)

    def test_nothing_to_do(self) -> None:
        """Without such a packet the batch is the same object: it costs a look."""
        batch = [(PLAIN, packet("203.0.113.7", 1194)), (PLAIN, packet("2001:db8::7", 1194))]
        self.assertIs(Recursion(("198.51.100.1", 1194)).sift(batch), batch)
        self.assertIs(Recursion(("fe80::1%eth0", 1194, 0, 3)).sift(batch), batch)
