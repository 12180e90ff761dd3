"""SOCKS 5, the client's side: no login or user name and password, CONNECT and UDP ASSOCIATE (RFC 1928, RFC 1929).

An address is ``type 1 | address | port 2``, both in a request and in front of each datagram::

    type 1: IPv4, 4 bytes    3: a name, length 1 and as many bytes    4: IPv6, 16 bytes
    datagram: 0 0 | fragment number 1 (always 0) | address | payload
"""

from __future__ import annotations

import struct
from ipaddress import ip_address

from tvpn.errors import Drop
from tvpn.net.dialogue import ProxyError, ProxyLogin, shown

VERSION, LOGIN_VERSION = 5, 1
NO_LOGIN, BY_PASSWORD, NO_METHOD = 0, 2, 0xFF
CONNECT, UDP_ASSOCIATE = 1, 3
_V4, _NAME, _V6 = 1, 3, 4
_MAPPED = bytes((*bytes(3), _V6, *bytes(10), 0xFF, 0xFF))
_SIZES = {_V4: 4, _V6: 16}
_LONGEST = 255
_PORT = struct.Struct("!H")
#: In front of a datagram's address.
_WHOLE = bytes(3)
ANYWHERE = bytes((_V4, 0, 0, 0, 0, 0, 0))
_REASONS = {
    1: "it failed", 2: "its rules do not allow it", 3: "the network cannot be reached", 4: "the host cannot be reached",
    5: "the connection was refused", 6: "the way is too long (TTL expired)", 7: "it does not know this command",
    8: "it does not know this kind of address",
}  # fmt: skip


def packed_address(host: str, port: int) -> bytes:
    """An address or name, and a port; a name is for the proxy to look up."""
    try:
        address = ip_address(host)
    except ValueError:
        return bytes((_NAME, len(host))) + host.encode("ascii") + _PORT.pack(port)
    return bytes((_V4 if address.version == 4 else _V6,)) + address.packed + _PORT.pack(port)


def datagram_header(host: str, port: int) -> bytes:
    """What stands in front of each datagram to this host and port."""
    return _WHOLE + packed_address(host, port)


def header_of(datagram: bytes) -> bytes:
    """The header of a datagram from the proxy; raises Drop where there is none, and for a fragment."""
    kind = datagram[3:4]
    if kind == b"\3":
        size = 5 + (datagram[4] if len(datagram) > 4 else 0)
    elif kind in (b"\1", b"\4"):
        size = 4 + _SIZES[kind[0]]
    else:
        raise Drop("proxy-header")
    if datagram[:3] != _WHOLE or len(datagram) < size + 2:
        raise Drop("proxy-header")
    return datagram[: size + 2]


def is_from(header: bytes, target: bytes) -> bool:
    """Whether a datagram with this header comes from where those with the other one go. Only the proxy knows which
    address a name has: there a stranger's packet is found out by its seal.
    """
    if header.startswith(_MAPPED):
        # An IPv4 address, as a proxy sees it that listens for IPv6.
        header = _WHOLE + bytes((_V4,)) + header[len(_MAPPED) :]
    return target[3] == _NAME or header == target


class SOCKSDialogue:
    """Asks for a connection to ``target``, or without one for a relay of datagrams."""

    def __init__(self, name: str, target: tuple[str, int] | None, login: ProxyLogin | None = None) -> None:
        self.name = name
        self.rest: bytes | None = None
        self._relay: tuple[bytes, int] = (b"", 0)
        self._login = None if login is None else (login.username.encode(), login.password.encode())
        if self._login is not None and not all(0 < len(each) <= _LONGEST for each in self._login):
            raise ProxyError(f"{name} takes user names and passwords of 1 to {_LONGEST} bytes; correct them")
        command = UDP_ASSOCIATE if target is None else CONNECT
        self._request = bytes((VERSION, command, 0)) + (ANYWHERE if target is None else packed_address(*target))
        self._buffer = b""
        self._step = self._chosen

    def begin(self) -> bytes:
        methods = (NO_LOGIN,) if self._login is None else (NO_LOGIN, BY_PASSWORD)
        return bytes((VERSION, len(methods), *methods))

    def receive(self, data: bytes) -> bytes:
        self._buffer += data
        answer = b""
        while self.rest is None and (said := self._step()) is not None:
            answer += said
        return answer

    def relay_port(self, own: str) -> int:
        """Where the proxy at this address takes datagrams; raises ProxyError unless that is at the same address: no
        other one is kept past a tunnel.
        """
        packed, port = self._relay
        is_own = not any(packed) or packed.removeprefix(_MAPPED[-12:]) == ip_address(own).packed
        if packed and port and is_own:
            return port
        where = shown(str(ip_address(packed)), port) if packed else "a place of another name"
        raise ProxyError(f"{self.name} takes datagrams at {where} and not at its own address; use it for TCP")

    def _take(self, size: int) -> bytes:
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken

    def _chosen(self) -> bytes | None:
        """The proxy's choice of a way to log in."""
        if self._buffer and self._buffer[0] != VERSION:
            raise self._stranger()
        if len(self._buffer) < 2:
            return None
        method = self._take(2)[1]
        if method == NO_LOGIN:
            self._step = self._granted
            return self._request
        if method == BY_PASSWORD and self._login is not None:
            self._step = self._welcomed
            username, password = self._login
            return bytes((LOGIN_VERSION, len(username))) + username + bytes((len(password),)) + password
        if method != NO_METHOD:
            raise self._stranger()
        if self._login is None:
            message = f"{self.name} refused: it wants a user name and a password; name a file with both in socks-proxy"
            raise ProxyError(message, wants_login=True)
        raise ProxyError(f"{self.name} refused: it takes neither user name and password nor nobody's")

    def _welcomed(self) -> bytes | None:
        """Its verdict on user name and password."""
        if len(self._buffer) < 2:
            return None
        version, status = self._take(2)
        # Some say 5, the version of the whole.
        if version not in (LOGIN_VERSION, VERSION):
            raise self._stranger()
        if status:
            message = f"{self.name} refused the user name and password; correct them in the file of socks-proxy"
            raise ProxyError(message, wants_login=True)
        self._step = self._granted
        return self._request

    def _granted(self) -> bytes | None:
        """Its answer to the request."""
        if len(self._buffer) < 5:
            if self._buffer[1:2] not in (b"", b"\0"):
                raise self._refusal()
            return None
        if self._buffer[0] != VERSION:
            raise self._stranger()
        if self._buffer[1]:
            raise self._refusal()
        kind = self._buffer[3]
        size = 1 + self._buffer[4] if kind == _NAME else _SIZES.get(kind)
        if size is None:
            raise self._stranger()
        if len(self._buffer) < 4 + size + 2:
            return None
        address, port = self._take(4 + size)[4:], self._take(2)
        self._relay = (b"" if kind == _NAME else address, _PORT.unpack(port)[0])
        self.rest, self._buffer = self._buffer, b""
        return b""

    def _refusal(self) -> ProxyError:
        if self._buffer[0] != VERSION:
            return self._stranger()
        reason = _REASONS.get(self._buffer[1], f"reason {self._buffer[1]}")
        return ProxyError(f"{self.name} refused: {reason}")

    def _stranger(self) -> ProxyError:
        return ProxyError(f"{self.name} does not answer as a SOCKS 5 proxy does; correct its port, or its kind")
