"""A host to visit: ``python tests/oracle.py ADDRESS PORT``. Its port says by TCP from which address it is called and
then sends back what it gets, as it does by UDP; on port 53 it is a name server that knows every name: its own address.
"""

from __future__ import annotations

import ipaddress
import socket
import socketserver
import struct
import sys
import threading


class Echo(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        try:
            self.request.sendall(f"{self.client_address[0]}\n".encode())
            while data := self.request.recv(65536):
                self.request.sendall(data)
        except OSError:
            return


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


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


def send_back(address: str, port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as echo:
        echo.bind((address, port))
        while True:
            echo.sendto(*echo.recvfrom(4096))


def know(names: socket.socket, address: str) -> None:
    while True:
        query, source = names.recvfrom(4096)
        print(f"asked for {name_of(query)} by {source[0]}", flush=True)
        names.sendto(answer(query, address), source)


def main(address: str, port: int) -> None:
    names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    names.bind((address, 53))
    with Server((address, port), Echo) as server:
        threading.Thread(target=send_back, args=(address, port), daemon=True).start()
        threading.Thread(target=know, args=(names, address), daemon=True).start()
        print("ready", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
