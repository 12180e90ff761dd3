"""What goes between packet and seal: bursts of equal size, keepalives and the daemons' own words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from tvpn.wire.data import OCC_EXIT, OCC_MAGIC, PING

#: The kernel's limits for one UDP_SEGMENT send: 64 segments are safe everywhere, and 64 KiB with headers.
MOST_SEGMENTS = 64
LARGEST_BURST = 60000

#: Both magics are told from an IP packet by their first byte.
MAGIC_FIRST_BYTES = frozenset({PING[0], OCC_MAGIC[0]})


def bursts(packets: Sequence[bytes], overhead: int) -> Iterable[Sequence[bytes]]:
    """Cut into runs of equal size whose last may be shorter: each can be sent as one segmented buffer."""
    return (packets,) if len(packets) == 1 else _runs(packets, overhead)


def _runs(packets: Sequence[bytes], overhead: int) -> Iterator[Sequence[bytes]]:
    begin = 0
    while begin < len(packets):
        size = len(packets[begin])
        most = min(MOST_SEGMENTS, LARGEST_BURST // (size + overhead) or 1)
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


def is_exit(plain: bytes) -> bool:
    return plain.startswith(OCC_EXIT)
