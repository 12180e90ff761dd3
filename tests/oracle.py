"""A host to visit: ``python tests/oracle.py ADDRESS PORT``. Its port says by TCP from which address it is
called, and sends every datagram back; on port 53 it is the name server that knows every name: its own address.
"""

from __future__ import annotations

import ipaddress
import selectors
import socket
import struct
import sys


def answer(query: bytes, address: str) -> bytes:
    """One record for an A question, none for any other."""
    end = query.index(b"\0", 12) + 5
    asks_v4 = query[end - 4 : end - 2] == b"\0\1"
    record = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + ipaddress.ip_address(address).packed
    head = query[:2] + struct.pack("!HHHHH", 0x8180, 1, int(asks_v4), 0, 0)
    return head + query[12:end] + (record if asks_v4 else b"")


def name_of(query: bytes) -> str:
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode())
        at += 1 + query[at]
    return ".".join(labels)


def main(address: str, port: int) -> None:
    names, echo = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    names.bind((address, 53))
    echo.bind((address, port))
    listening = socket.create_server((address, port))
    selector = selectors.DefaultSelector()
    for each in (names, echo, listening):
        selector.register(each, selectors.EVENT_READ)
    print("ready", flush=True)
    while True:
        for key, _ in selector.select():
            if key.fileobj is listening:
                stream, source = listening.accept()
                with stream:
                    stream.sendall(f"{source[0]}\n".encode())
            elif key.fileobj is echo:
                echo.sendto(*echo.recvfrom(4096))
            else:
                query, source = names.recvfrom(4096)
                print(f"asked for {name_of(query)} by {source[0]}", flush=True)
                names.sendto(answer(query, address), source)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
