"""What goes between packet and seal: bursts of equal size, the frames of compression without it, keepalives and the
daemons' own words (protocol: data-channel.md 9 and 10).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from tvpn.errors import Drop
from tvpn.wire.data import OCC_EXIT, OCC_MAGIC, PING, Framing

#: The kernel's limits for one UDP_SEGMENT send: 64 segments are safe everywhere, and 64 KiB with headers.
MOST_SEGMENTS = 64
LARGEST_BURST = 60000
#: More than any seal adds to a packet.
_MOST_OVERHEAD = 128

#: Both magics are told from an IP packet by their first byte.
MAGIC_FIRST_BYTES = frozenset({PING[0], OCC_MAGIC[0]})

#: What a frame adds at most.
FRAME_SIZES: dict[Framing, int] = {"none": 0, "lzo": 1, "swap": 1, "stub-v2": 0}
_LZO, _SWAP, _V2, _V2_PLAIN = b"\xfa", b"\xfb", b"\x50", b"\x50\0"


def bursts(packets: Sequence[bytes]) -> Iterable[Sequence[bytes]]:
    """Cut into runs of equal size whose last may be shorter: each can be sent as one segmented buffer."""
    return (packets,) if len(packets) == 1 else _runs(packets)


def _runs(packets: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    begin = 0
    while begin < len(packets):
        size = len(packets[begin])
        most = min(MOST_SEGMENTS, LARGEST_BURST // (size + _MOST_OVERHEAD) or 1)
        end = begin + 1
        while end < len(packets) and end - begin < most:
            length = len(packets[end])
            if length > size:
                break
            end += 1
            if length < size:
                break
        yield packets[begin:end]
        begin = end


Frame = Callable[[bytes], bytes]


def framing_of(name: Framing) -> tuple[Frame, Frame] | None:
    """What puts a packet into its frame and takes it out again; the latter raises Drop for any other frame, above all
    a compressed one. None where there are no frames.
    """
    frames: dict[Framing, tuple[Frame, Frame]] = {
        "lzo": (_into_lzo, _out_of_lzo), "swap": (_into_swap, _out_of_swap), "stub-v2": (_into_v2, _out_of_v2),
    }  # fmt: skip
    return frames.get(name)


def _into_lzo(packet: bytes) -> bytes:
    return _LZO + packet


def _out_of_lzo(plain: bytes) -> bytes:
    if plain[:1] != _LZO or len(plain) < 2:
        raise Drop("frame-unknown")
    return plain[1:]


def _into_swap(packet: bytes) -> bytes:
    return _SWAP + packet[1:] + packet[:1]


def _out_of_swap(plain: bytes) -> bytes:
    if plain[:1] != _SWAP or len(plain) < 2:
        raise Drop("frame-unknown")
    return plain[-1:] + plain[1:-1]


def _into_v2(packet: bytes) -> bytes:
    return _V2_PLAIN + packet if packet[:1] == _V2 else packet


def _out_of_v2(plain: bytes) -> bytes:
    if plain[:1] != _V2:
        return plain
    if plain[:2] != _V2_PLAIN or len(plain) < 3:
        raise Drop("frame-unknown")
    return plain[2:]


def is_exit(plain: bytes) -> bool:
    return plain.startswith(OCC_EXIT)
