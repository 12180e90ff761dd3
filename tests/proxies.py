"""Small proxies: ``python -m tests.proxies http|socks HOST PORT [--login USER:PASSWORD] [--name NAME=ADDRESS]``.

``http`` speaks CONNECT alone, ``socks`` version 5 with CONNECT and UDP ASSOCIATE. What is asked for is told on standard
output, a line each, and with ``--hold SECONDS`` an association ends after that time.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import ipaddress
import struct
from typing import Any

LARGEST = 65536
PATIENCE = 10.0
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def say(*words: object) -> None:
    print(*words, flush=True)


async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(LARGEST):
            writer.write(data)
            await writer.drain()
    writer.close()


async def join(one: Streams, other: Streams) -> None:
    await asyncio.gather(pass_on(one[0], other[1]), pass_on(other[0], one[1]))


class Names:
    """The names that only the proxy knows."""

    def __init__(self, pairs: list[str]) -> None:
        self._known = dict(pair.split("=") for pair in pairs)

    def find(self, host: str) -> str:
        return self._known.get(host, host)


class HTTPProxy:
    def __init__(self, options: argparse.Namespace) -> None:
        self._names = Names(options.name)
        self._login = options.login

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)).decode()
        first, *fields = head.split("\r\n")
        if self._login:
            wanted = base64.b64encode(self._login.encode()).decode()
            if f"Proxy-Authorization: Basic {wanted}" not in fields:
                say("unknown", *(field for field in fields if "uthorization" in field))
                answer = 'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="test"\r\n\r\n'
                writer.write(answer.encode())
                writer.close()
                return
        method, target, _ = first.split()
        say(method, target, "|", *fields[:-2])
        host, _, port = target.rpartition(":")
        try:
            other = await asyncio.open_connection(self._names.find(host.strip("[]")), int(port))
        except OSError:
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
            writer.close()
            return
        writer.write(b"HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n")
        await join((reader, writer), other)


class SOCKSProxy:
    def __init__(self, options: argparse.Namespace) -> None:
        self._names = Names(options.name)
        self._login = options.login
        self._everywhere = options.everywhere
        self._seconds = options.hold

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            if not await self._welcome(reader, writer):
                writer.close()
                return
            _, command, _ = await reader.readexactly(3)
            host, port = await read_address(reader)
            host = self._names.find(host)
            if command == 1:
                say("connect", host, port)
                other = await asyncio.open_connection(host, port)
                writer.write(b"\5\0\0" + packed("0.0.0.0", 0))
                await join((reader, writer), other)
            elif command == 3:
                await self._associate(reader, writer)
        writer.close()

    async def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        version, number = await reader.readexactly(2)
        if version != 5:
            return False
        methods = await reader.readexactly(number)
        wanted = 2 if self._login else 0
        writer.write(bytes((5, wanted if wanted in methods else 255)))
        if wanted not in methods or not self._login:
            return wanted in methods
        _, size = await reader.readexactly(2)
        username = await reader.readexactly(size)
        password = await reader.readexactly((await reader.readexactly(1))[0])
        known = username + b":" + password == self._login.encode()
        writer.write(bytes((1, not known)))
        return known

    async def _associate(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        own = writer.get_extra_info("sockname")[0]
        loop = asyncio.get_running_loop()
        relay = Relay(self._names, writer.get_extra_info("peername")[0])
        inner, _ = await loop.create_datagram_endpoint(lambda: relay, (own, 0))
        # The way out is of the family of the server's address.
        relay.outer, _ = await loop.create_datagram_endpoint(lambda: Outside(relay), ("0.0.0.0", 0))
        port = inner.get_extra_info("sockname")[1]
        writer.write(b"\5\0\0" + packed("0.0.0.0" if self._everywhere else own, port))
        say("associate", own)
        with contextlib.suppress(asyncio.TimeoutError, OSError):
            await asyncio.wait_for(reader.read(1), self._seconds)
        say("association over, datagrams:", relay.number)
        inner.close()
        relay.outer.close()


class Relay(asyncio.DatagramProtocol):
    """Towards the client."""

    def __init__(self, names: Names, client: str) -> None:
        self.number = 0
        self.outer: Any = None
        self._names = names
        self._client = client
        self._back: Any = None

    def connection_made(self, transport: Any) -> None:
        self._inner = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        if address[0] != self._client or data[:3] != bytes(3):
            return
        self.number += 1
        self._back = address
        host, port, payload = parsed(data[3:])
        self.outer.sendto(payload, (self._names.find(host), port))

    def answer(self, data: bytes, address: Any) -> None:
        if self._back is not None:
            self._inner.sendto(bytes(3) + packed(*address[:2]) + data, self._back)


class Outside(asyncio.DatagramProtocol):
    """Towards the servers."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    def datagram_received(self, data: bytes, address: Any) -> None:
        self._relay.answer(data, address)


def packed(host: str, port: int) -> bytes:
    address = ipaddress.ip_address(host)
    return bytes((1 if address.version == 4 else 4,)) + address.packed + struct.pack("!H", port)


def parsed(data: bytes) -> tuple[str, int, bytes]:
    """(host, port, what follows) of an address."""
    kind, rest = data[0], data[1:]
    if kind == 3:
        size = rest[0]
        host, rest = rest[1 : 1 + size].decode(), rest[1 + size :]
    else:
        size = 4 if kind == 1 else 16
        host, rest = str(ipaddress.ip_address(rest[:size])), rest[size:]
    return host, struct.unpack("!H", rest[:2])[0], rest[2:]


async def read_address(reader: asyncio.StreamReader) -> tuple[str, int]:
    kind = await reader.readexactly(1)
    size = {b"\1": 4, b"\4": 16}.get(kind)
    length = b"" if size is not None else await reader.readexactly(1)
    data = kind + length + await reader.readexactly((length[0] if size is None else size) + 2)
    host, port, _ = parsed(data)
    return host, port


async def main() -> None:
    """Until it is ended."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=("http", "socks"))
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--login", default="")
    parser.add_argument("--name", action="append", default=[])
    parser.add_argument("--everywhere", action="store_true", help="tell no address of the relay")
    parser.add_argument("--hold", type=float)
    options = parser.parse_args()
    proxy = HTTPProxy(options) if options.kind == "http" else SOCKSProxy(options)
    server = await asyncio.start_server(proxy.serve, options.host, options.port)
    say("ready")
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
