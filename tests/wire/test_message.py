"""Control messages: cutting at NULs, and pushes in several parts."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tvpn.errors import Drop
from tvpn.wire.message import (
    LONGEST_OPTION,
    LONGEST_WAIT,
    PushReply,
    Refusal,
    decode_auth_failed,
    decode_messages,
    decode_restart,
    encode_auth_failed,
    encode_info,
    encode_message,
    encode_push_reply,
    encode_push_update,
    encode_restart,
)

OPTIONS = st.lists(
    st.text(st.characters(codec="ascii", exclude_characters=",", exclude_categories=["C"]), min_size=1, max_size=255)
    .map(str.strip).filter(lambda option: option and not option.startswith("push-continuation ")),
    max_size=60,
)  # fmt: skip


def collected(messages: list[str]) -> list[str] | None:
    """What a client has once the last part is in; no earlier part completes it."""
    reply = PushReply()
    for message in messages[:-1]:
        if reply.add(message) is not None:
            raise AssertionError("complete before the last part")
    return reply.add(messages[-1])


class MessageTests(SynchronousTestCase):
    def test_table(self) -> None:
        """Messages end at NULs; unterminated, empty and unprintable ones are left out, line ends are cut off."""
        table = [
            (b"PUSH_REQUEST\0", ["PUSH_REQUEST"]),
            (b"ONE\0TWO\0THREE", ["ONE", "TWO"]),
            (b"", []),
            (b"\0\0\0", []),
            (b"EXIT\r\n\0", ["EXIT"]),
            (b"EX\nIT\0OK\0", ["OK"]),
            (b"\x1b[31m\0\x07\0", []),
            (b"unterminated", []),
            ("größer\0".encode(), ["größer"]),
        ]
        for record, messages in table:
            self.assertEqual(list(decode_messages(record)), messages)

    @settings(deadline=None, max_examples=300)
    @given(st.binary(max_size=200))
    def test_garbage(self, record: bytes) -> None:
        """Whatever comes, messages are printable and not empty."""
        for message in decode_messages(record):
            self.assertTrue(message and message.isprintable())

    def test_words(self) -> None:
        """Refusal and restart as stock clients understand them, each surviving its own encoding."""
        table = [
            (encode_auth_failed(None), "AUTH_FAILED"),
            (encode_auth_failed("no"), "AUTH_FAILED,no"),
            (encode_restart(), "RESTART,[P]:"),
            (encode_restart("bye"), "RESTART,[P]:bye"),
        ]
        for text, expected in table:
            self.assertEqual(list(decode_messages(encode_message(text))), [expected])

    def test_restarts(self) -> None:
        """A RESTART has a reason, and perhaps flags in front of it; N leads to another server."""
        table = [
            ("RESTART", ("", False)),
            ("RESTART,maintenance", ("maintenance", False)),
            (encode_restart("bye"), ("bye", False)),
            ("RESTART,[N]", ("", True)),
            ("RESTART,[PN]:full", ("full", True)),
            ("RESTART,[no flags] here", ("[no flags] here", False)),
        ]
        for text, expected in table:
            self.assertEqual(decode_restart(text), expected, text)

    def test_refusals(self) -> None:
        """Whatever stands behind AUTH_FAILED is a reason (pitfalls A 62); only TEMP lets the client try again, after as
        many seconds as it says but never more than ten minutes (pitfalls B 51).
        """
        table = [
            ("AUTH_FAILED", Refusal("no reason given")),
            ("AUTH_FAILED,", Refusal("no reason given")),
            ("AUTH_FAILED,a, b: c", Refusal("a, b: c")),
            ("AUTH_FAILED,SESSION: token expired", Refusal("SESSION: token expired")),
            ("AUTH_FAILED,temp", Refusal("temp")),
            ("AUTH_FAILED,TEMP", Refusal("try again later", True)),
            ("AUTH_FAILED,TEMP:busy", Refusal("busy", True)),
            ("AUTH_FAILED,TEMP[backoff 42,advance no]:busy", Refusal("busy", True, 42, advance=False)),
            ("AUTH_FAILED,TEMP[advance remote,backoff 7]", Refusal("try again later", True, 7, advance=True)),
            ("AUTH_FAILED,TEMP[backoff 601]", Refusal("try again later", True, LONGEST_WAIT)),
            ("AUTH_FAILED,TEMP[backoff 2000000000]", Refusal("try again later", True, LONGEST_WAIT)),
            ("AUTH_FAILED,TEMP[backoff " + "9" * 500 + "]:x", Refusal("x", True, LONGEST_WAIT)),
            ("AUTH_FAILED,TEMP[backoff -1]:x", Refusal("x", True)),
            ("AUTH_FAILED,TEMP[backoff \u0663]:x", Refusal("x", True)),
        ]
        for text, refusal in table:
            self.assertEqual(decode_auth_failed(text), refusal, text)
        self.assertEqual(LONGEST_WAIT, 600)


class PushReplyTests(SynchronousTestCase):
    def test_single(self) -> None:
        """Few options are one message without any continuation."""
        self.assertEqual(encode_push_reply(["ping 10", "peer-id 0"]), ["PUSH_REPLY,ping 10,peer-id 0"])
        self.assertEqual(collected(["PUSH_REPLY,ping 10,peer-id 0"]), ["ping 10", "peer-id 0"])
        self.assertEqual(collected(["PUSH_REPLY"]), [])

    def test_continued(self) -> None:
        """In several parts each but the last says 2, the last says 1, and no continuation is left among the options."""
        options = [f"route 10.{number}.0.0 255.255.0.0" for number in range(100)]
        parts = encode_push_reply(options)
        self.assertEqual([part.rpartition(",")[2] for part in parts[:-1]], ["push-continuation 2"] * (len(parts) - 1))
        self.assertEqual(parts[-1].rpartition(",")[2], "push-continuation 1")
        self.assertEqual(collected(parts), options)

    def test_every_size(self) -> None:
        """For options of every size no part outgrows stock's buffer of 1024 bytes with its NUL, and all arrive."""
        for size in (*range(1, LONGEST_OPTION + 1, 6), 95, 254, LONGEST_OPTION):
            options = [(f"{number}" * size)[:size] for number in range(1, 30)]
            parts = encode_push_reply(options)
            self.assertLess(max(len(encode_message(part)) for part in parts), 1024, f"options of {size} bytes")
            self.assertEqual(collected(parts), options)

    def test_boundary(self) -> None:
        """Around the size at which a part is closed every total length is carried whole (959, 950, 940 and near)."""
        for total in range(920, 1000):
            head = ["a" * 200] * 4
            rest = total - sum(map(len, head)) - len(head) - len("PUSH_REPLY")
            options = [*head, "b" * rest, "c"]
            parts = encode_push_reply(options)
            self.assertTrue(all(len(encode_message(part)) <= 1024 for part in parts))
            self.assertEqual(collected(parts), options)

    @settings(deadline=None, max_examples=200)
    @given(OPTIONS)
    def test_any_options(self, options: list[str]) -> None:
        """All options arrive in order, whatever they are, and each part fits."""
        parts = encode_push_reply(options)
        self.assertTrue(all(len(encode_message(part)) <= 1024 for part in parts))
        self.assertEqual(collected(parts), options)

    def test_unfit_options(self) -> None:
        """An option with a comma, or longer than 255 bytes, cannot be pushed."""
        for option in ("dhcp-option DOMAIN a,b", "x" * 256, "ö" * 128):
            self.assertRaises(ValueError, encode_push_reply, ["ping 10", option])

    def test_endless(self) -> None:
        """A push that never ends is a Drop before it fills the memory."""
        reply = PushReply()
        part = "PUSH_REPLY," + "x" * 1000 + ",push-continuation 2"
        with self.assertRaises(Drop):
            for _ in range(100):
                reply.add(part)

    def test_update(self) -> None:
        """An update is cut in the same way, a little earlier, and read by the same reader."""
        changes = ["-dns", *(f"route 10.{number}.0.0 255.255.0.0" for number in range(100))]
        parts = encode_push_update(changes)
        self.assertTrue(all(part.startswith("PUSH_UPDATE,") and len(part) < 1024 - 84 for part in parts))
        self.assertGreater(len(parts), 1)
        self.assertEqual(collected(parts), changes)

    def test_info(self) -> None:
        """A text for the user is one line of bounded length."""
        self.assertEqual(encode_info("back at eight, or nine"), "INFO,back at eight, or nine")
        for text in ("a\0b", "a\nb", "\x1b[2J", "x" * 901):
            self.assertRaises(ValueError, encode_info, text)

    def test_second_push(self) -> None:
        """After a whole push the next one begins anew."""
        reply = PushReply()
        self.assertEqual(reply.add("PUSH_REPLY,a"), ["a"])
        self.assertEqual(reply.add("PUSH_REPLY,b"), ["b"])
