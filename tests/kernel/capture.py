"""What leaves a host although it should not: ``python -m tests.kernel.capture DEVICE PORT ADDRESS...``, at the other
end of its wire, tells each packet that does not go to one of these addresses and this port.

ARP and the neighbour discovery of IPv6 find the next hop and carry nothing.
"""

from __future__ import annotations

import socket
import sys
from ipaddress import ip_address

ARP, IPV4, IPV6 = 0x0806, 0x0800, 0x86DD
NEIGHBOURS = range(133, 137)


def stray(frame: bytes, port: int, servers: frozenset[str]) -> str | None:
    """What this frame is, None for what may leave."""
    kind = int.from_bytes(frame[12:14], "big")
    packet = frame[14:]
    if kind == ARP:
        return None
    if kind == IPV4:
        protocol, target, inner = packet[9], str(ip_address(packet[16:20])), packet[(packet[0] & 15) * 4 :]
    elif kind == IPV6:
        protocol, target, inner = packet[6], str(ip_address(packet[24:40])), packet[40:]
        if protocol == 58 and inner[0] in NEIGHBOURS:
            return None
    else:
        return f"ethertype {kind:#x}"
    to = int.from_bytes(inner[2:4], "big") if protocol in (6, 17) else inner[0]
    return None if target in servers and to == port else f"protocol {protocol} to {target} {to}"


def main() -> None:
    """Until it is ended."""
    device, port, servers = sys.argv[1], int(sys.argv[2]), frozenset(sys.argv[3:])
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as sock:
        sock.bind((device, 3))
        print("capturing", flush=True)
        while True:
            frame, where = sock.recvfrom(65535)
            said = None if where[2] == socket.PACKET_OUTGOING else stray(frame, port, servers)
            if said is not None:
                print("stray:", said, flush=True)


if __name__ == "__main__":
    main()
