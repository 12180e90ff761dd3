"""HTTP CONNECT, the client's side (RFC 9110 9.3.6, RFC 9112; Basic: RFC 7617)."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence

from tvpn.net.dialogue import ProxyError, ProxyLogin, printable, shown

#: Status line and header fields, those of interim responses included.
LARGEST_HEAD = 16384
AUTHENTICATION_REQUIRED = 407
_START = b"HTTP/"
_END = re.compile(rb"\r?\n\r?\n")
_STATUS = re.compile(rb"HTTP/\d\.\d ([1-5]\d\d)(?: ([^\r\n]*))?")
_FIELD = re.compile(rb"(?im)^proxy-authenticate:[ \t]*([^\r\n]*)")
_QUOTED = re.compile(rb'"[^"]*"')
#: The name of a scheme stands first or behind a comma, and no equals sign behind it.
_SCHEME = re.compile(rb"(?:^|,)[ \t]*([A-Za-z][A-Za-z0-9-]*)(?=[ \t,]|$)")


class ConnectDialogue:
    """Asks an HTTP proxy for a connection to a host and port.

    ``headers`` are further header fields, such as User-Agent. Raises ProxyError for what cannot be said in one line.
    """

    def __init__(
        self, name: str, host: str, port: int, login: ProxyLogin | None = None, *, version: str = "1.1",
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:  # fmt: skip
        self.name = name
        self.rest: bytes | None = None
        self._has_login = login is not None
        self._buffer = b""
        self._looked = self._read = 0
        target = shown(host, port)
        fields = [*headers]
        if not any(each.lower() == "host" for each, _ in headers):
            fields.insert(0, ("Host", target))
        if login is not None:
            fields.append(("Proxy-Authorization", f"Basic {self._basic(login)}"))
        lines = [f"CONNECT {target} HTTP/{version}", *(f"{field}: {value}" for field, value in fields)]
        if not all(line.isascii() and line.isprintable() for line in lines):
            raise ProxyError(f"{name} cannot be told what is no plain text; correct http-proxy-option")
        self._request = "\r\n".join([*lines, "", ""]).encode()

    def _basic(self, login: ProxyLogin) -> str:
        if ":" in login.username:
            raise ProxyError(f"{self.name} cannot be told a user name with a colon in it (Basic); use another one")
        return b64encode(f"{login.username}:{login.password}".encode()).decode()

    def begin(self) -> bytes:
        return self._request

    def receive(self, data: bytes) -> bytes:
        self._buffer += data
        while self.rest is None:
            if not self._buffer.startswith(_START[: len(self._buffer)]):
                raise ProxyError(f"{self.name} does not answer as an HTTP proxy does; correct its port, or its kind")
            end = _END.search(self._buffer, self._looked)
            if self._read + (len(self._buffer) if end is None else end.end()) > LARGEST_HEAD:
                raise ProxyError(f"{self.name} answers with more than {LARGEST_HEAD} bytes of header fields")
            if end is None:
                # The end may have begun already.
                self._looked = max(len(self._buffer) - 3, 0)
                break
            head, self._buffer = self._buffer[: end.start()], self._buffer[end.end() :]
            self._read += end.end()
            self._looked = 0
            self._judge(head)
        return b""

    def _judge(self, head: bytes) -> None:
        """Interim responses lead to the next one, and any other but success nowhere."""
        status = _STATUS.fullmatch(head.partition(b"\n")[0].rstrip(b"\r"))
        if status is None:
            raise ProxyError(f"{self.name} answers with a status line that is none; correct its port, or its kind")
        number, reason = int(status[1]), printable(status[2] or b"")
        if 200 <= number < 300:
            self.rest, self._buffer = self._buffer, b""
        elif number >= 200 or number == 101:
            raise self._refusal(number, f"{number} {reason}".rstrip(), head)

    def _refusal(self, number: int, said: str, head: bytes) -> ProxyError:
        if number != AUTHENTICATION_REQUIRED:
            return ProxyError(f"{self.name} refused: {said}")
        if self._has_login:
            message = f"{self.name} refused the user name and password: {said}; correct them in http-proxy-user-pass"
            return ProxyError(message, wants_login=True)
        schemes = _schemes(head)
        if schemes and "basic" not in schemes:
            wanted = " or ".join(sorted(schemes))
            return ProxyError(f"{self.name} refused: {said}; it asks for {wanted}, and only basic is spoken here")
        message = f"{self.name} refused: {said}; give user name and password with http-proxy-user-pass"
        return ProxyError(message, wants_login=True)


def _schemes(head: bytes) -> set[str]:
    """The ways to log in that a proxy offers, in lower case."""
    fields = (_QUOTED.sub(b'""', field) for field in _FIELD.findall(head))
    return {scheme.decode().lower() for field in fields for scheme in _SCHEME.findall(field)}
