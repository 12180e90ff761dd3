"""What stations on an Ethernet do that ping does not: ask for an address, give one, send frames of no known type.

Run as ``python stations.py WORD DEVICE ...``; every word says on standard output what came of it.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
import sys

MAGIC = b"\x63\x82\x53\x63"
DISCOVER, OFFER, REQUEST, ACK = 1, 2, 3, 5
ETHERTYPE = b"\x88\xb5"
"""For experiments (IEEE 802); no kernel knows it."""
ETH_P_ALL, SOL_PACKET, PACKET_AUXDATA, PACKET_OUTGOING = 3, 263, 8, 4


def message(operation: int, transaction: bytes, given: str, hardware: bytes, kind: int, server: str) -> bytes:
    """A DHCP message (RFC 2131) that wants its answer by broadcast."""
    head = struct.pack("!BBBB4sHH", operation, 1, 6, 0, transaction, 0, 0x8000)
    addresses = bytes(4) + socket.inet_aton(given) + bytes(8)
    options = bytes([53, 1, kind, 54, 4]) + socket.inet_aton(server) + bytes([50, 4]) + socket.inet_aton(given)
    options += bytes([1, 4, 255, 255, 255, 0, 255])
    return head + addresses + hardware + bytes(10 + 192) + MAGIC + options


def kind_of(data: bytes) -> int:
    return data[242] if data[236:241] == MAGIC + b"\x35" else 0


def bound(device: str, port: int) -> socket.socket:
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    opened.bind(("0.0.0.0", port))
    return opened


def hardware_of(device: str) -> bytes:
    with open(f"/sys/class/net/{device}/address") as file:
        return bytes.fromhex(file.read().strip().replace(":", ""))


def give(device: str, own: str) -> None:
    """A DHCP server: everybody gets the addresses behind its own, one after the other."""
    opened = bound(device, 67)
    print("ready", flush=True)
    given: dict[bytes, str] = {}
    while True:
        data = opened.recv(2000)
        hardware = data[28:34]
        address = given.setdefault(hardware, str(ipaddress.ip_address(own) + 1 + len(given)))
        answer = {DISCOVER: OFFER, REQUEST: ACK}.get(kind_of(data))
        if answer is not None:
            opened.sendto(message(2, data[4:8], address, hardware, answer, own), ("255.255.255.255", 68))


def ask(device: str, seconds: str) -> None:
    """A DHCP client: the address that it was given, or nothing."""
    opened, hardware = bound(device, 68), hardware_of(device)
    opened.settimeout(float(seconds))
    given = server = "0.0.0.0"
    for kind in (DISCOVER, REQUEST):
        opened.sendto(message(1, b"tvpn", given, hardware, kind, server), ("255.255.255.255", 67))
        data = b""
        while kind_of(data) != {DISCOVER: OFFER, REQUEST: ACK}[kind]:
            try:
                data = opened.recv(2000)
            except TimeoutError:
                print("nothing", flush=True)
                return
        given, server = socket.inet_ntoa(data[16:20]), socket.inet_ntoa(data[245:249])
    print(f"given {given} by {server}", flush=True)


def packets(device: str) -> socket.socket:
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    opened.bind((device, ETH_P_ALL))
    opened.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    return opened


def receive(opened: socket.socket) -> tuple[int, bytes]:
    """The next frame of the unknown type and its VLAN, which the kernel has taken out of it; 0 without."""
    while True:
        frame, more, _, place = opened.recvmsg(2000, 100)
        if frame[12:14] == ETHERTYPE and place[2] != PACKET_OUTGOING:
            tags = [struct.unpack("=IIIHHHH", data[:20])[5] for _, kind, data in more if kind == PACKET_AUXDATA]
            return (tags[0] if tags else 0) & 0xFFF, frame


def echo(device: str, vlan: str = "0") -> None:
    """Answer frames of the unknown type in this VLAN, with their payload turned round."""
    opened, own = packets(device), hardware_of(device)
    tag = b"\x81\0" + struct.pack("!H", int(vlan)) if int(vlan) else b""
    print("ready", flush=True)
    while True:
        seen, frame = receive(opened)
        if seen == int(vlan) and frame[:6] in (own, b"\xff" * 6):
            opened.send(frame[6:12] + own + tag + frame[12:14] + frame[14:][::-1])


def call(device: str, target: str, seconds: str = "5") -> None:
    """Say something to all and then to who has answered; what came back each time."""
    opened, own = packets(device), hardware_of(device)
    opened.settimeout(float(seconds))
    to = bytes.fromhex(target.replace(":", ""))
    for size in (100, 1496):
        said = bytes(number % 251 for number in range(size))
        opened.send(to + own + ETHERTYPE + said)
        try:
            vlan, frame = receive(opened)
        except TimeoutError:
            print("nothing", flush=True)
            return
        is_same = frame[14:] == said[::-1] and frame[:6] == own and vlan == 0
        print("same" if is_same else "different", frame[6:12].hex(":"), flush=True)
        to = frame[6:12]


if __name__ == "__main__":
    {"give": give, "ask": ask, "echo": echo, "call": call}[sys.argv[1]](*sys.argv[2:])
