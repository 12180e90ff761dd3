"""Tokens that stand in for a password once it was shown (protocol: key-exchange.md 9).

::

    SESS_ID_AT_ || base64( session id (12) || u64 first made || u64 renewed || HMAC-SHA256 (32) )
    HMAC over: user name || session id || first made || renewed
"""

from __future__ import annotations

import base64
import binascii
import hmac
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from tvpn.crypto.statickey import KeyFileError, decode_pem, encode_pem

PREFIX = "SESS_ID_AT_"
SESSION_ID_SIZE = 12
SECRET_SIZE = 128
_TIMES = struct.Struct("!QQ")
_RAW_SIZE = SESSION_ID_SIZE + _TIMES.size + 32
_TEXT_SIZE = len(PREFIX) + _RAW_SIZE * 4 // 3
#: Of the secret these bytes are the HMAC key.
_KEY = slice(64, 96)

Random = Callable[[int], bytes]


class TokenState(Enum):
    """What a password turned out to be, in the words that OpenVPN has for scripts."""

    INITIAL = "Initial"
    AUTHENTICATED = "Authenticated"
    EXPIRED = "Expired"
    INVALID = "Invalid"


@dataclass(frozen=True, slots=True)
class Token:
    """What a token says; times are seconds since 1970."""

    session_id: bytes
    made: int
    renewed: int


@dataclass(frozen=True, slots=True)
class TokenSecret:
    """The key that signs tokens, as ``openvpn --genkey auth-token`` writes it."""

    NAME = "OpenVPN auth-token server key"

    data: bytes = field(repr=False)

    @classmethod
    def from_pem(cls, text: str) -> TokenSecret:
        """Raises KeyFileError."""
        data = decode_pem(cls.NAME, text)
        if len(data) != SECRET_SIZE:
            raise KeyFileError(f"an auth-token server key has {SECRET_SIZE} bytes, this one has {len(data)}")
        return cls(data)

    @classmethod
    def generate(cls, random: Random) -> TokenSecret:
        return cls(random(SECRET_SIZE))

    @property
    def pem(self) -> str:
        return encode_pem(self.NAME, self.data)

    def _sign(self, username: str, token: Token) -> bytes:
        message = username.encode() + token.session_id + _TIMES.pack(token.made, token.renewed)
        return hmac.digest(self.data[_KEY], message, "sha256")

    def encode(self, username: str, token: Token) -> str:
        raw = token.session_id + _TIMES.pack(token.made, token.renewed) + self._sign(username, token)
        return PREFIX + base64.b64encode(raw).decode("ascii")

    def decode(self, username: str, text: str) -> Token | None:
        """The token if we made it for this user, else None."""
        try:
            raw = base64.b64decode(text[len(PREFIX) :], validate=True)
        except (binascii.Error, ValueError):
            return None
        if len(raw) != _RAW_SIZE:
            return None
        made, renewed = _TIMES.unpack_from(raw, SESSION_ID_SIZE)
        token = Token(raw[:SESSION_ID_SIZE], made, renewed)
        return token if hmac.compare_digest(raw[-32:], self._sign(username, token)) else None


@dataclass(frozen=True, slots=True)
class TokenRules:
    """How long tokens are good, in seconds: ``lifetime`` in all (0: for ever), twice ``renewal`` unless renewed.

    ``external``: whoever judges passwords judges tokens, too, and is told the state.
    """

    secret: TokenSecret
    lifetime: int = 0
    renewal: int = 3600
    external: bool = False

    def judge(self, username: str, password: str, now: float) -> tuple[TokenState, Token | None]:
        """What this password is at wall-clock time ``now``; an INITIAL one is no token at all."""
        if not password.startswith(PREFIX) or len(password) != _TEXT_SIZE:
            return TokenState.INITIAL, None
        token = self.secret.decode(username, password)
        if token is None:
            return TokenState.INVALID, None
        fresh = token.renewed <= now < token.renewed + 2 * self.renewal
        alive = not self.lifetime or now <= token.made + self.lifetime
        return (TokenState.AUTHENTICATED if fresh and alive else TokenState.EXPIRED), token

    def renew(self, token: Token | None, now: float, random: Random) -> Token:
        """The next token of this login, or the first one."""
        if token is None:
            return Token(random(SESSION_ID_SIZE), int(now), int(now))
        return Token(token.session_id, token.made, int(now))
