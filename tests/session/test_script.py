"""The reliable layer, packet by packet (docs/protocol/reliability.md; the notation is in script.py)."""

from __future__ import annotations

from tests.session.script import ScriptTestCase
from tvpn.session.event import KeyChosen, KeysDerived, Pushed, Reached, Step, TokenGiven
from tvpn.session.renegotiation import Limits

#: A client's way in, up to where data could flow: everything said is acked.
ADMITTED = """
        < CONTROL [1] acks 0 x100
        > ACK acks 1
        < CONTROL [2] acks 0 keys
        > CONTROL [1] acks 2,1
        < ACK acks 1
        admit
        > CONTROL [2] acks 2,1
        < ACK acks 2
        stage admitted
"""
#: Our own way in.
JOINED = """
        > HARD_RESET_CLIENT_V2 [0]
        < HARD_RESET_SERVER_V2 [0] acks 0
        > CONTROL [1] acks 0 x100
        < CONTROL [1] acks 1 x100
        > CONTROL [2] acks 1,0
        < CONTROL [2] acks 2 keys
        > ACK acks 2,1,0
        < CONTROL [3] "PUSH_REPLY,cipher AES-256-GCM,ping 10"
        > ACK acks 3,2,1,0
        stage admitted
"""


class OpeningScripts(ScriptTestCase):
    def test_client(self) -> None:
        """Our reset is repeated each second; what acks it is answered by the first word of TLS at once."""
        self.client("""
                > HARD_RESET_CLIENT_V2 [0]
            +1s > HARD_RESET_CLIENT_V2 [0]
            +1s > HARD_RESET_CLIENT_V2 [0]
           +20ms < HARD_RESET_SERVER_V2 [0] acks 0
                > CONTROL [1] acks 0 x100
            +1s > CONTROL [1] acks 0 x100
        """)

    def test_answered_twice(self) -> None:
        """A server without state answers each of our resets: the second answer is acked and begins nothing new."""
        self.client("""
                > HARD_RESET_CLIENT_V2 [0]
            +1s > HARD_RESET_CLIENT_V2 [0]
                < HARD_RESET_SERVER_V2 [0] acks 0
                > CONTROL [1] acks 0
                < HARD_RESET_SERVER_V2 [0] acks 0
                > ACK acks 0
                < ACK acks 1
            +9s quiet
        """)

    def test_no_answer_to_us(self) -> None:
        """A reset that does not ack ours, another opcode, or acks of another session: we know no server yet."""
        self.client("""
                > HARD_RESET_CLIENT_V2 [0]
                < HARD_RESET_SERVER_V2 [0] ! no-server-reset
                < HARD_RESET_SERVER_V2 [0] acks 1 ! no-server-reset
                < HARD_RESET_SERVER_V2 [0] acks 0 for stranger ! session-id-foreign
                < HARD_RESET_SERVER_V2 [1] acks 0 ! message-id-of-reset
                < CONTROL [1] acks 0 x100 ! no-server-reset
                < ACK acks 0 ! no-server-reset
            +1s > HARD_RESET_CLIENT_V2 [0]
                < HARD_RESET_SERVER_V2 [0] acks 0
                > CONTROL [1] acks 0
        """)

    def test_server_with_state(self) -> None:
        """A server's reset with state is repeated, acked or not heard of, until the client acks it."""
        self.server(
            """
                    > HARD_RESET_SERVER_V2 [0]
                    < HARD_RESET_CLIENT_V2 [0]
                    > HARD_RESET_SERVER_V2 [0] acks 0
                +1s > HARD_RESET_SERVER_V2 [0] acks 0
                    < HARD_RESET_CLIENT_V2 [0]
                    > ACK acks 0
                    < ACK acks 0
                +8s quiet
            """,
            stateless=False,
        )

    def test_both_first_words(self) -> None:
        """A client's first word may be TLS, or an ACK and then TLS: both go on with message 1."""
        for first in ("quiet", "< ACK acks 0"):
            self.server(f"""
                    {first}
                    < CONTROL [1] acks 0 x100
                    > ACK acks 1
            """)

    def test_patience(self) -> None:
        """Who proves an address and says nothing of TLS is forgotten after ten seconds, resets or not."""
        self.server("""
                    < ACK acks 0
              +9999ms stage opening
                 +1ms stage gone
        """)
        self.server(
            """
                    > HARD_RESET_SERVER_V2 [0]
                +1s > HARD_RESET_SERVER_V2 [0]
                +2s > HARD_RESET_SERVER_V2 [0]
                +4s > HARD_RESET_SERVER_V2 [0]
              +2999ms stage opening
                 +1ms stage gone
            """,
            stateless=False, longest_timeout=4.0,
        )  # fmt: skip

    def test_hand_window(self) -> None:
        """A handshake that has begun has a minute, as long as anybody likes to ask; then nothing is said any more."""
        self.server("""
                    < CONTROL [1] acks 0 x100
                    > ACK acks 1
               +30s < CONTROL [1] acks 0 x100
                    > ACK acks 1
            +29999ms stage opening
               +1ms stage gone
                    < CONTROL [1] acks 0 x100
               +60s quiet
        """)


class ReceiveScripts(ScriptTestCase):
    def test_in_order(self) -> None:
        """Each message is acked at once; free places repeat the newest acks."""
        self.server("""
                    < CONTROL [1] acks 0 x100
                    > ACK acks 1
                    < CONTROL [2] acks 0 x100
                    > ACK acks 2,1
                    < CONTROL [3] acks 0 x100
                    > ACK acks 3,2,1
        """)

    def test_eight_acks(self) -> None:
        """One ACK has up to eight, the oldest first; what finds no place is forgotten, and acked when it returns."""
        self.server("""
                    < CONTROL [1..10] acks 0 x100
                    > ACK acks 1,2,3,4,5,6,7,8
                +1s < CONTROL [9..10] acks 0 x100
                    > ACK acks 9,10,8,7,6,5,4,3
        """)

    def test_window(self) -> None:
        """Twelve messages from the next one on are kept; what is farther ahead is not even acked."""
        self.server("""
                    < CONTROL [13] x100
                    < CONTROL [4294967295] x100  # behind: acked as a duplicate
                    > ACK acks 4294967295
                    < CONTROL [12] x100
                    > ACK acks 12,4294967295
                    < CONTROL [1] x100
                    > ACK acks 1,12,4294967295
                    < CONTROL [13] x100
                    > ACK acks 13,1,12,4294967295
        """)

    def test_gap(self) -> None:
        """What comes early is acked and waits: the key exchange counts when the gap is closed."""
        self.server("""
                    < CONTROL [2] acks 0 keys
                    > ACK acks 2
                +1s stage opening
                    < CONTROL [1] acks 0 x100
                    > CONTROL [1] acks 1,2
                    stage judging
        """)

    def test_duplicates(self) -> None:
        """A duplicate is acked again and does nothing else, but its own acks count."""
        self.server("""
                    < CONTROL [1] acks 0 x100
                    > ACK acks 1
                    < CONTROL [2] acks 0 keys
                    > CONTROL [1] acks 2,1
                    < CONTROL [2] acks 1 keys
                    > ACK acks 2,1
               +20s quiet
                    stage judging
        """)

    def test_gap_that_stays(self) -> None:
        """A gap is never jumped over, however much comes behind it."""
        self.server("""
                    < CONTROL [2..9] x100
                    > ACK acks 2,3,4,5,6,7,8,9
                    < CONTROL [10..12] keys
                    > ACK acks 10,11,12,9,8,7,6,5
                    < CONTROL [13..20] keys
              +9999ms stage opening
                +1ms stage gone
        """)

    def test_foreign(self) -> None:
        """Another sender's packets and acks for another session end the whole packet: no ack, nothing forgotten."""
        self.server("""
                    < CONTROL [1] x100
                    > ACK acks 1
                    say 10
                    < ACK acks 1 stranger ! session-id-foreign
                    < ACK acks 1 for stranger ! session-id-foreign
                    < CONTROL [2] acks 1 x100 stranger ! session-id-foreign
                    < CONTROL [2] acks 1 x100 for stranger ! session-id-foreign
                    > CONTROL [1] acks 1 x10
                +1s > CONTROL [1] acks 1 x10
        """)

    def test_junk(self) -> None:
        """W-11: a first message that is no TLS is acked, ends the session once, and later words change nothing."""
        self.server("""
                    < CONTROL [1] acks 0 junk
                    > ACK acks 1
                    stage lingering
                    < CONTROL [2] acks 0 junk
                    < CONTROL [3] acks 0 keys
                +5s stage gone
        """)


class SendScripts(ScriptTestCase):
    HELLO = """
                    < CONTROL [1] acks 0 x100
                    > ACK acks 1
    """

    def test_window(self) -> None:
        """Six messages may be on their way, counted from the lowest one that is not acked."""
        self.server(self.HELLO + """
                    say 20000
                    > CONTROL [1..6] acks 1 x1164
                    < ACK acks 3
                    < ACK acks 2
                    < ACK acks 1
                    > CONTROL [7..9] acks 1 x1164
                    < ACK acks 4,5,6,7
                    > CONTROL [10..13] acks 1 x1164
        """)

    def test_sizes(self) -> None:
        """Messages are cut so that the datagram with its outer headers fits max-packet-size."""
        for size, full, rest in ((1250, 1164, 672), (600, 514, 430), (154, 68, 8)):
            whole = (3000 - rest) // full
            last = min(whole, 6)
            self.server(
                self.HELLO + f"""
                    say 3000
                    > CONTROL [1..{last}] acks 1 x{full}
                """ + (f"    > CONTROL [{whole + 1}] acks 1 x{rest}" if whole < 6 else ""),
                max_packet_size=size,
            )  # fmt: skip

    def test_backoff(self) -> None:
        """Retransmissions come after 1, 2, 4 and 4 s with a longest timeout of 4, always the same, with newer acks."""
        self.server(
            self.HELLO + """
                    say 50
                    > CONTROL [1] acks 1 x50
                +1s > CONTROL [1] acks 1 x50
              +1900ms < CONTROL [2] x10
                    > ACK acks 2,1
              +100ms > CONTROL [1] acks 2,1 x50
                +4s > CONTROL [1] acks 2,1 x50
                +4s > CONTROL [1] acks 2,1 x50
                    < ACK acks 1
               +40s quiet
            """,
            longest_timeout=4.0,
        )  # fmt: skip

    def test_single_acks(self) -> None:
        """Acks are not cumulative: only what is named is forgotten; repeated and unknown ones do no harm."""
        self.server(self.HELLO + """
                    say 3000
                    > CONTROL [1..3] acks 1
                    < ACK acks 3,3,77,4294967295
                +1s > CONTROL [1..2] acks 1
                    < ACK acks 2
                +1s > CONTROL [1] acks 1
        """)

    def test_fast_retransmission(self) -> None:
        """Three acks of later messages send an earlier one again at once; two do not."""
        self.server(self.HELLO + """
                    say 6000
                    > CONTROL [1..6] acks 1
             +100ms < ACK acks 2
             +100ms < ACK acks 3,2
             +100ms < ACK acks 4,3,2
                    > CONTROL [1] acks 1
             +700ms > CONTROL [5..6] acks 1
             +300ms > CONTROL [1] acks 1
        """)

    def test_four_acks_beside_a_message(self) -> None:
        """At most four acks go with a message; what is left goes in an ACK of its own right behind."""
        self.server("""
                    < CONTROL [1] x100
                    > ACK acks 1
                    < CONTROL [3..8] x10
                    > ACK acks 3,4,5,6,7,8,1
                    < CONTROL [2] keys
                    > CONTROL [1] acks 2,8,7,6
        """)
        self.server("""
                    < CONTROL [2..6] x10
                    > ACK acks 2,3,4,5,6
                    < CONTROL [1] keys
                    > CONTROL [1] acks 1,6,5,4
        """)
        self.server("""
                    < CONTROL [1..6] keys
                    > CONTROL [1] acks 1,2,3,4
                    > ACK acks 5,6,4,3,2,1
        """)

    def test_ack_in_between(self) -> None:
        """What is sent again carries the acks of the moment, so no ACK follows."""
        self.server(self.HELLO + """
                    say 10
                    > CONTROL [1] acks 1
              +999ms < CONTROL [2] x10
                    > ACK acks 2,1
                +1ms > CONTROL [1] acks 2,1
        """)


class EndScripts(ScriptTestCase):
    def test_exit(self) -> None:
        """After EXIT five seconds are left for acks, however often it is said; then there is silence."""
        self.server(ADMITTED + """
                    < CONTROL [3] "EXIT"
                    > ACK acks 3,2,1
                    stage lingering
                +3s < CONTROL [3] "EXIT"
                    > ACK acks 3,2,1
                    < CONTROL [4] "EXIT"
                    > ACK acks 4,3,2,1
             +1999ms stage lingering
                +1ms stage gone
                    < CONTROL [4] "EXIT"
                +9s quiet
        """)

    def test_refused(self) -> None:
        """Who is refused reads why, again and again until it is acked, and gets acks for five seconds; his words count
        for nothing.
        """
        self.server("""
                    < CONTROL [1] acks 0 x100
                    > ACK acks 1
                    < CONTROL [2] acks 0 keys
                    > CONTROL [1] acks 2,1
                    < ACK acks 1
                    refuse
                    > CONTROL [2] acks 2,1 "AUTH_FAILED,revoked"
                    stage lingering
                +1s > CONTROL [2] acks 2,1 "AUTH_FAILED,revoked"
                    < CONTROL [3] acks 2 "PUSH_REQUEST"
                    > ACK acks 3,2,1
                    admit
                    renegotiate
                    < SOFT_RESET [0] key 1 ! soft-reset-too-early
                +2s < CONTROL [4] "EXIT"
                    > ACK acks 4,3,2,1
             +1999ms stage lingering
                +1ms stage gone
        """)

    def test_pull(self) -> None:
        """A PUSH_REQUEST within thirty seconds of the reply is only acked; a later one is answered."""
        self.server(ADMITTED + """
                    < CONTROL [3] "PUSH_REQUEST"
                    > ACK acks 3,2,1
               +31s < CONTROL [4] "PUSH_REQUEST"
                    > CONTROL [3] acks 4,3,2,1
                    < ACK acks 3
               +29s < CONTROL [5] "PUSH_REQUEST"
                    > ACK acks 5,4,3,2,1
        """)

    def test_client_speaks_for_the_server(self) -> None:
        """What only a server may say means nothing from a client (pitfalls B 25)."""
        for text in ("PUSH_REPLY,ping 1", "AUTH_FAILED", "RESTART", "HALT", "INFO,hello", "CR_RESPONSE,eA=="):
            self.server(ADMITTED + f"""
                    < CONTROL [3] "{text}"
                    > ACK acks 3,2,1
               +90s stage admitted
            """)

    def test_hard_reset_within(self) -> None:
        """W-04: a reset of the same session with a later number, or once more with 0, does the session no harm."""
        self.server(ADMITTED + """
                    < HARD_RESET_CLIENT_V2 [1] ! message-id-of-reset
                    < HARD_RESET_CLIENT_V2 [3] ! message-id-of-reset
                    < HARD_RESET_CLIENT_V2 [2147483648] ! message-id-of-reset
                    < HARD_RESET_CLIENT_V2 [4294967295] ! message-id-of-reset
                    < HARD_RESET_CLIENT_V2 [0]
                    > ACK acks 0,2,1
               +90s stage admitted
        """)

    def test_token(self) -> None:
        """A token that comes late is kept, and nothing is configured anew (pitfalls A 32)."""
        self.client(JOINED + """
                    < CONTROL [4] "PUSH_REPLY,auth-token SESS_ID_AT_x"
                    > ACK acks 4,3,2,1,0
               +90s stage admitted
        """)
        events = self.session.take_events()
        self.assertEqual(events[:3], [Reached(Step.ANSWERED), Reached(Step.SECURED), Reached(Step.KEYED)])
        self.assertEqual([type(event) for event in events[3:]], [Pushed, KeysDerived, KeyChosen, TokenGiven])
        self.assertEqual(events[-1], TokenGiven("SESS_ID_AT_x"))

    def test_token_of_another_user(self) -> None:
        """auth-token-user goes with its token and with those after it; what is no name is none, without a token there
        is no user.
        """
        for words, expected in (
            (("auth-token x,auth-token-user Ym9i",), [TokenGiven("x", "bob")]),
            (("auth-token-user Ym9i,auth-token x", "auth-token y"), [TokenGiven("x", "bob"), TokenGiven("y", "bob")]),
            (("auth-token x,auth-token-user !",), [TokenGiven("x")]),
            (("auth-token x,auth-token-user AAo=",), [TokenGiven("x")]),
            (("auth-token x,auth-token-user",), [TokenGiven("x")]),
            ((f"auth-token x,auth-token-user {'YWFh' * 43}",), [TokenGiven("x")]),
            (("auth-token-user Ym9i",), []),
        ):
            lines = "".join(
                f"""
                    < CONTROL [{number}] "PUSH_REPLY,{word}"
                    > ACK acks {",".join(map(str, range(number, max(number - 8, -1), -1)))}
                """
                for number, word in enumerate(words, 4)
            )
            self.client(JOINED + lines)
            given = [event for event in self.session.take_events() if isinstance(event, TokenGiven)]
            self.assertEqual(given, expected)
            if expected:
                # What the next key exchange says of us.
                shown = self.session._new_exchange(1, 0.0)
                self.assertEqual((shown.own.username, shown.own.password), (expected[-1].username, expected[-1].token))

    def test_server_says_goodbye(self) -> None:
        """A client that is told to go acks it and lingers, and asks for nothing more."""
        for text in ("AUTH_FAILED,revoked", "RESTART", "HALT", "EXIT"):
            self.client(JOINED + f"""
                    < CONTROL [4] "{text}"
                    > ACK acks 4,3,2,1,0
                    stage lingering
                +5s stage gone
            """)


class RenegotiationScripts(ScriptTestCase):
    def test_peer_begins(self) -> None:
        """A soft reset is answered with our own; numbers begin again, session ids stay, nothing is pushed."""
        self.server(ADMITTED + """
                +2s < SOFT_RESET [0] key 1
                    > SOFT_RESET [0] acks 0 key 1
                    < CONTROL [1] acks 0 key 1 x100
                    > ACK acks 1,0 key 1
                    < CONTROL [2] key 1 keys
                    > CONTROL [1] acks 2,1,0 key 1
                    < ACK acks 1 key 1
                    admit
               +90s stage admitted
        """)

    def test_we_begin(self) -> None:
        """Our soft reset has no ack and goes out each second; the answer may be an ACK first."""
        self.server(ADMITTED + """
                    renegotiate
                    > SOFT_RESET [0] key 1
                +1s > SOFT_RESET [0] key 1
                    < ACK acks 0 key 1
                +5s < SOFT_RESET [0] key 1
                    > ACK acks 0 key 1
                    < CONTROL [1] key 1 x100
                    > ACK acks 1,0 key 1
        """)

    def test_client_begins(self) -> None:
        """Who is the TLS client stays so: after the server's answer we speak first."""
        self.client(JOINED + """
                    renegotiate
                    > SOFT_RESET [0] key 1
                    < SOFT_RESET [0] acks 0 key 1
                    > CONTROL [1] acks 0 key 1 x100
        """)

    def test_both_begin(self) -> None:
        """When both begin at once each takes the other's reset for the answer."""
        self.server(ADMITTED + """
                    renegotiate
                    > SOFT_RESET [0] key 1
                    < SOFT_RESET [0] key 1
                    > SOFT_RESET [0] acks 0 key 1
                    < SOFT_RESET [0] acks 0 key 1
                    > ACK acks 0 key 1
                    < CONTROL [1] acks 0 key 1 x100
                    > ACK acks 1,0 key 1
               +50s stage admitted
        """)

    def test_out_of_place(self) -> None:
        """S-07: key ids that are skipped, reused or 0, and other packets of keys that are not there, are dropped."""
        self.server(ADMITTED + """
                +2s < SOFT_RESET [0] key 2 ! soft-reset-out-of-place
                    < SOFT_RESET [0] key 7 ! soft-reset-out-of-place
                    < SOFT_RESET [1] key 1 ! message-id-of-reset
                    < CONTROL [1] key 1 x10 ! key-id-out-of-sync
                    < ACK acks 0 key 1 ! key-id-out-of-sync
                    < SOFT_RESET [0] key 1
                    > SOFT_RESET [0] acks 0 key 1
                    < SOFT_RESET [0] ! soft-reset-too-early
                    < SOFT_RESET [0] key 2 ! soft-reset-too-early
                    < CONTROL [3] "EXIT" ! key-id-out-of-sync
                    < SOFT_RESET [0] acks 0 key 1
                    > ACK acks 0 key 1
        """)

    def test_too_early(self) -> None:
        """A soft reset before the client is in, or within a second of the last one, is dropped."""
        self.server("""
                    < CONTROL [1] acks 0 x100
                    > ACK acks 1
                    < SOFT_RESET [0] key 1 ! soft-reset-too-early
                    < CONTROL [2] acks 0 keys
                    > CONTROL [1] acks 2,1
                    < ACK acks 1
                    < SOFT_RESET [0] key 1 ! soft-reset-too-early
                    admit
                    > CONTROL [2] acks 2,1
                    < ACK acks 2
             +999ms < SOFT_RESET [0] key 1 ! soft-reset-out-of-place
               +1ms < SOFT_RESET [0] key 1
                    > SOFT_RESET [0] acks 0 key 1
        """)

    def test_ids_go_round(self) -> None:
        """After key 7 comes 1: zero is for the first key alone."""
        script = ADMITTED
        for number in range(1, 10):
            key_id = (number - 1) % 7 + 1
            script += f"""
                +2s < SOFT_RESET [0] key {key_id}
                    > SOFT_RESET [0] acks 0 key {key_id}
                    < CONTROL [1] acks 0 key {key_id} x100
                    > ACK acks 1,0 key {key_id}
                    < CONTROL [2] key {key_id} keys
                    > CONTROL [1] acks 2,1,0 key {key_id}
                    < ACK acks 1 key {key_id}
                    admit
            """
        self.server(script)

    def test_unfinished(self) -> None:
        """A renegotiation that stops on its way ends the session after the hand-window, having asked all the time."""
        self.server(
            ADMITTED + """
                +2s < SOFT_RESET [0] key 1
                    > SOFT_RESET [0] acks 0 key 1
                    < ACK acks 0 key 1
             +4999ms stage admitted
                +1ms stage gone
            """,
            limits=Limits(longest=0, shortest=0, hand_window=5),
        )  # fmt: skip

    def test_by_the_clock(self) -> None:
        """A key that is an hour old is replaced, counted from when it was derived."""
        self.server(
            ADMITTED + """
            +3600s > SOFT_RESET [0] key 1
               +1s > SOFT_RESET [0] key 1
            """,
            limits=Limits(),
        )  # fmt: skip
