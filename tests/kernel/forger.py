"""Forged ICMP errors: ``python -m tests.kernel.forger SENDER TARGET PORT SERVICE`` tells TARGET that the datagrams from
its PORT to SENDER's SERVICE did not arrive, for each of the reasons there are.
"""

from __future__ import annotations

import socket
import struct
import sys

#: (type, code, next-hop MTU).
ERRORS = ((3, 0, 0), (3, 1, 0), (3, 3, 0), (3, 4, 600), (3, 4, 68), (3, 13, 0), (11, 0, 0))
ROUNDS = 3


def checksum(data: bytes) -> int:
    return 0xFFFF - (int.from_bytes(data, "big") % 0xFFFF)


def error(sender: str, target: str, port: int, service: int, kind: int, code: int, mtu: int) -> bytes:
    """One message, with the beginning of the datagram that it is about."""
    inner = struct.pack(
        "!BBHHHBBH4s4s", 0x45, 0, 1200, 7, 0, 64, 17, 0, socket.inet_aton(target), socket.inet_aton(sender)
    )
    inner = inner[:10] + checksum(inner).to_bytes(2, "big") + inner[12:]
    quoted = inner + struct.pack("!HHHH", port, service, 1180, 0)
    message = struct.pack("!BBHHH", kind, code, 0, 0, mtu) + quoted
    return message[:2] + checksum(message).to_bytes(2, "big") + message[4:]


def main() -> None:
    """All of them, a few times."""
    sender, target, port, service = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as sock:
        for _ in range(ROUNDS):
            for kind, code, mtu in ERRORS:
                sock.sendto(error(sender, target, port, service, kind, code, mtu), (target, 0))


if __name__ == "__main__":
    main()
