"""Challenges as they travel."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tvpn.errors import Drop
from tvpn.wire.challenge import (
    Answer,
    Challenge,
    decode_page,
    decode_pending,
    decode_response,
    encode_page,
    encode_pending,
    encode_response,
)


class AnswerTests(SynchronousTestCase):
    """What stands in a password field."""

    def test_static(self) -> None:
        """Password and response, base64 each; what Debian's client sent for ``right`` and ``123``."""
        answer = Answer("right", "123")
        self.assertEqual(answer.encode(), "SCRV1:cmlnaHQ=:MTIz")
        self.assertEqual(Answer.decode("SCRV1:cmlnaHQ=:MTIz"), answer)
        self.assertEqual(Answer.decode("SCRV1::"), Answer())

    def test_dynamic(self) -> None:
        """The state, and a response that may have colons of its own."""
        for response in ("42", "", "a::b:c"):
            answer = Answer(response=response, state="s1")
            self.assertEqual(Answer.decode(answer.encode()), answer)
        self.assertEqual(Answer.decode("CRV1::s1::42"), Answer("", "42", "s1"))

    def test_malformed(self) -> None:
        """Whatever only looks like an answer is a password, whole."""
        for text in (
            "", "secret", "SCRV1", "SCRV1:", "SCRV1:cmlnaHQ=", "SCRV1:cmlnaHQ=:MTIz:x", "SCRV1:%:MTIz",
            "SCRV1:cmlnaHQ=:\u00e9", "SCRV1:/w==:MTIz", "SCRV1:Cg==:MTIz", "CRV1", "CRV1::s1", "CRV1::s1:42",
            "CRV1::::42", "CRV1:x:s1::42", "CRV1::s1:x:42", "scrv1:cmlnaHQ=:MTIz",
        ):  # fmt: skip
            self.assertEqual(Answer.decode(text), Answer(text))

    def test_secret(self) -> None:
        """Neither password nor response shows in a repr."""
        self.assertNotIn("right", repr(Answer("right", "right")))


class ChallengeTests(SynchronousTestCase):
    """Questions."""

    def test_refusal(self) -> None:
        """A dynamic challenge is a reason of an AUTH_FAILED, its text may have colons."""
        challenge = Challenge("Code: which?", echo=True, state="s1", username="alice")
        self.assertEqual(challenge.encode_refusal(), "CRV1:R,E:s1:YWxpY2U=:Code: which?")
        self.assertEqual(Challenge.decode_refusal("CRV1:R,E:s1:YWxpY2U=:Code: which?"), challenge)
        shown = Challenge("Look up", wants_response=False, state="s", username="")
        self.assertEqual(Challenge.decode_refusal(shown.encode_refusal()), shown)

    def test_no_refusal(self) -> None:
        """Other reasons are no challenges."""
        for reason in ("", "wrong password", "CRV1", "CRV1:R,E:s1:YWxpY2U=", "CRV1:R::YWxpY2U=:x", "CRV1:R:s:%:x"):
            self.assertIsNone(Challenge.decode_refusal(reason))

    def test_state_travels(self) -> None:
        """A state that would not come back is refused at once."""
        for state in ("", "a:b", "a\nb"):
            self.assertRaises(ValueError, Challenge("x", state=state).encode_refusal)

    def test_question(self) -> None:
        """A pending question, as in the live sequence of key-exchange.md 8.4."""
        challenge = Challenge("code please", echo=True)
        self.assertEqual(challenge.encode_question(), "CR_TEXT:R,E:code please")
        self.assertEqual(Challenge.decode_question("CR_TEXT:R,E:code please"), challenge)
        for method in ("", "CR_TEXT", "CR_TEXT:R", "WEB_AUTH::https://x", "XCR_TEXT:R,E:x"):
            self.assertIsNone(Challenge.decode_question(method))

    def test_page(self) -> None:
        """Both ways to name a page, the old one included."""
        self.assertEqual(encode_page("https://x.example/a:b"), "WEB_AUTH::https://x.example/a:b")
        for method in ("WEB_AUTH::https://x.example/a:b", "WEB_AUTH:hidden:https://x.example/a:b"):
            self.assertEqual(decode_page(method), "https://x.example/a:b")
        self.assertEqual(decode_page("OPEN_URL:https://x.example"), "https://x.example")
        self.assertIsNone(decode_page("CR_TEXT:R,E:x"))

    def test_pending(self) -> None:
        """With and without the keyword; numbers that are none count as absent."""
        self.assertEqual((encode_pending(30), encode_pending(None)), ("AUTH_PENDING,timeout 30", "AUTH_PENDING"))
        table = {"AUTH_PENDING,timeout 30": 30, "AUTH_PENDING": None, "AUTH_PENDING,timeout": None,
                 "AUTH_PENDING,timeout -1": None, "AUTH_PENDING,timeout 9" + "9" * 9: None,
                 "AUTH_PENDING,other x,timeout 5": 5}  # fmt: skip
        for message, seconds in table.items():
            self.assertEqual(decode_pending(message), seconds, message)

    def test_response(self) -> None:
        """The text comes back; what is no base64 of printable text is dropped."""
        self.assertEqual(decode_response(encode_response("42 \u00e9")), "42 \u00e9")
        self.assertEqual(decode_response("CR_RESPONSE,"), "")
        for message in ("CR_RESPONSE,%%%", "CR_RESPONSE,/w==", "CR_RESPONSE,Cg==", "CR_RESPONSE,NDI"):
            self.assertRaises(Drop, decode_response, message)
