"""Tokens: the vector of the real thing, and every field wrong in turn."""

from __future__ import annotations

import base64
from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from tests.recorded import each_bit_flipped, recorded
from tvpn.crypto.statickey import KeyFileError
from tvpn.crypto.token import PREFIX, Token, TokenRules, TokenSecret, TokenState

REAL = recorded("auth_token")
SECRET = TokenSecret.from_pem(REAL["secret_pem"])
USER, TEXT, MADE = REAL["username"], REAL["token"], REAL["initial_time"]
RULES = TokenRules(SECRET, lifetime=1000, renewal=100)
GOOD, BAD, OLD = TokenState.AUTHENTICATED, TokenState.INVALID, TokenState.EXPIRED


class TokenTests(SynchronousTestCase):
    """Of OpenVPN's own making."""

    def test_real(self) -> None:
        """A token of OpenVPN 2.6 is read, and made anew to the byte."""
        token = Token(bytes.fromhex(REAL["session_id"]), MADE, REAL["renewed_time"])
        self.assertEqual(SECRET.decode(USER, TEXT), token)
        self.assertEqual(SECRET.encode(USER, token), TEXT)
        self.assertEqual(SECRET.pem, REAL["secret_pem"])

    def test_good(self) -> None:
        """Good from the moment it was renewed until twice the renewal later."""
        for now in (MADE, MADE + 199.9):
            self.assertEqual(RULES.judge(USER, TEXT, now)[0], GOOD)

    def test_expired(self) -> None:
        """C-17: before its time, too long not renewed, or past its whole life."""
        for now in (MADE - 1, MADE + 200, MADE + 5000):
            self.assertEqual(RULES.judge(USER, TEXT, now)[0], OLD)
        long = replace(RULES, renewal=10**6)
        self.assertEqual([long.judge(USER, TEXT, MADE + at)[0] for at in (1000, 1001)], [GOOD, OLD])
        self.assertEqual(replace(long, lifetime=0).judge(USER, TEXT, MADE + 10**6)[0], GOOD)

    def test_other_user(self) -> None:
        """C-17: another user's token, and one shown without a name."""
        for username in ("user2", "", "user", USER + "\0"):
            self.assertEqual(RULES.judge(username, TEXT, MADE)[0], BAD)

    def test_other_secret(self) -> None:
        """C-17: a token of another server; of the secret only the signing half counts."""
        for at, state in ((63, GOOD), (64, BAD), (95, BAD), (96, GOOD)):
            data = bytearray(SECRET.data)
            data[at] ^= 1
            self.assertEqual(replace(RULES, secret=TokenSecret(bytes(data))).judge(USER, TEXT, MADE)[0], state, at)

    def test_flipped(self) -> None:
        """C-17: each bit of a token flipped is no token of ours."""
        for forged in each_bit_flipped(base64.b64decode(TEXT[len(PREFIX) :])):
            text = PREFIX + base64.b64encode(forged).decode()
            self.assertEqual(RULES.judge(USER, text, MADE), (BAD, None))

    def test_malformed(self) -> None:
        """C-17: what has not a token's length or prefix is a password; with them, but no base64, a bad token."""
        for text in ("", "secret", PREFIX, TEXT[:-1], TEXT + "A", TEXT.lower(), PREFIX + "A" * 4000):
            self.assertEqual(RULES.judge(USER, text, MADE), (TokenState.INITIAL, None))
        for text in (PREFIX + "%" * 80, PREFIX + "\u00e9" * 80, PREFIX + "=" * 80, PREFIX + "A" * 76 + "===="):
            self.assertEqual(RULES.judge(USER, text, MADE), (BAD, None))

    def test_renewed(self) -> None:
        """A renewed token keeps its session and its beginning; a first one draws them."""
        first = RULES.renew(None, 50.7, lambda size: b"r" * size)
        self.assertEqual(first, Token(b"r" * 12, 50, 50))
        self.assertEqual(RULES.renew(first, 80.0, lambda size: b"x" * size), Token(b"r" * 12, 50, 80))

    def test_secret_file(self) -> None:
        """A generated secret can be written and read; another block or a short one is refused."""
        secret = TokenSecret.generate(lambda size: bytes(range(size)))
        self.assertEqual(TokenSecret.from_pem(secret.pem), secret)
        self.assertNotIn("data", repr(secret))
        short = TokenSecret(bytes(127)).pem
        for text in ("", "x", short, secret.pem.replace("auth-token", "tls-crypt-v2")):
            self.assertRaises(KeyFileError, TokenSecret.from_pem, text)
