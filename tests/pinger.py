"""Pings, and says how many were answered. ping(8) leaves one interval after the last of them when any was answered:
on a busy machine that is too soon for an answer that is late and not lost.

    python pinger.py ADDRESS COUNT INTERVAL SIZE
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import sys
import time

#: Seconds that the last answer may take.
LATE = 2.0
#: By family: protocol, the types of question and answer.
KINDS = {
    socket.AF_INET: (socket.IPPROTO_ICMP, 8, 0),
    socket.AF_INET6: (socket.IPPROTO_ICMPV6, 128, 129),
}


def checksum(message: bytes) -> int:
    """RFC 1071; for IPv6 the kernel's own replaces it."""
    words: int = sum(struct.unpack(f"!{len(message) // 2}H", message[: len(message) // 2 * 2]))
    words += message[-1] << 8 if len(message) % 2 else 0
    words = (words & 0xFFFF) + (words >> 16)
    return ~(words + (words >> 16)) & 0xFFFF


def question(kind: int, name: int, number: int, size: int) -> bytes:
    body = struct.pack("!HH", name, number) + bytes(index % 256 for index in range(size))
    return struct.pack("!BBH", kind, 0, checksum(struct.pack("!BBH", kind, 0, 0) + body)) + body


def ping(target: str, count: int, interval: float, size: int) -> int:
    """How many of the pings were answered."""
    family, _, _, _, address = socket.getaddrinfo(target, None, type=socket.SOCK_RAW)[0]
    protocol, asks, answers = KINDS[socket.AddressFamily(family)]
    sock = socket.socket(family, socket.SOCK_RAW, protocol)
    name, began, sent, asked = os.getpid() & 0xFFFF, time.monotonic(), 0, False
    answered: set[int] = set()
    due = began
    while sent < count or (asked and len(answered) < count and time.monotonic() < due + LATE - interval):
        if sent < count and time.monotonic() >= due:
            with contextlib.suppress(OSError):
                sock.sendto(question(asks, name, sent, size), address)
                asked = True
            sent, due = sent + 1, due + interval
        sock.settimeout(max(0.0005, (due if sent < count else due + LATE - interval) - time.monotonic()))
        try:
            packet, whence = sock.recvfrom(65536)
        except OSError:
            continue
        message = packet[(packet[0] & 15) * 4 :] if family == socket.AF_INET else packet
        kind, _, _, theirs, number = struct.unpack("!BBHHH", message[:8])
        if (kind, theirs, whence[0]) == (answers, name, address[0]) and message[8:] == question(asks, 0, 0, size)[8:]:
            answered.add(number)
    return len(answered)


if __name__ == "__main__":
    print(ping(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])), "received")
