"""Passwords, tokens and questions, our client and our server."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from tests.whole.simulation import (
    SIGNER,
    Connected,
    Disconnected,
    Joined,
    Left,
    Limits,
    Node,
    Options,
    Verdict,
    World,
)
from tvpn.crypto.tls import Credentials
from tvpn.crypto.token import PREFIX, TokenRules, TokenSecret, TokenState
from tvpn.hub.event import ChallengeAsked, Complaint, PageAsked, ResponseGiven, VerdictRequest
from tvpn.session.event import TokenGiven, VerdictWanted
from tvpn.session.negotiation import Formats, agree, own_peer_info
from tvpn.wire.challenge import Challenge
from tvpn.wire.option import encode_options_string

ALICE = ("alice", "right")
#: A client that trusts the server's CA and shows no certificate.
NOBODY = Credentials(SIGNER.issue("unused").ca, "", "")
SECRET = TokenSecret(bytes(range(128)))
RULES = TokenRules(SECRET, lifetime=600, renewal=30)


def by_password(request: VerdictRequest) -> Verdict:
    """Yes to the right password and to a good token."""
    wanted = request.wanted
    good = wanted.token is TokenState.AUTHENTICATED or (wanted.username, wanted.password) == ALICE
    return Verdict(good, "" if good else "wrong", None if good else "wrong password")


def options(**changes: object) -> Options:
    return replace(Options(verdict=by_password, login=ALICE, server_limits=Limits(50, 50)), **changes)  # type: ignore[arg-type]


def asked(world: World) -> list[VerdictWanted]:
    """All that the policy was asked about, in order."""
    return [request.wanted for request in world.server.told(VerdictRequest)]


class PasswordOnlyTests(SynchronousTestCase):
    """verify-client-cert none and optional."""

    def test_by_name(self) -> None:
        """Without a certificate the user name is who one is; two users have addresses of their own."""
        for insistence in ("none", "optional"):
            world = World(options(insistence=insistence))
            alice = world.client(1, NOBODY)
            self.assertTrue(world.run(5, world.connected(alice)))
            self.assertTrue(world.passes(alice))
            (wanted,) = asked(world)
            self.assertEqual((wanted.identity.name, wanted.identity.key), ("alice", ":0:alice"))
            self.assertEqual(world.server.told(Joined)[0].name, "alice")

    def test_replaced(self) -> None:
        """The same user from elsewhere replaces the former session, as a device does."""
        world = World(options(insistence="none"))
        first, second = world.client(1, NOBODY), world.client(2, NOBODY)
        world.run(5, world.connected(first, second))
        self.assertEqual([left.reason for left in world.server.told(Left)], ["replaced by a newer connection"])

    def test_certificate_counts(self) -> None:
        """With optional, a certificate that is shown is judged and is who one is; none does not look at it."""
        world = World(options(insistence="optional"))
        world.run(5, world.connected(world.client(1, SIGNER.issue("phone"))))
        self.assertEqual([wanted.identity.name for wanted in asked(world)], ["phone"])
        world = World(options(insistence="optional"))
        stranger = world.client(1, SIGNER.issue("phone", ends=-0.5))
        world.run(5)
        self.assertEqual((asked(world), stranger.told(Connected)), ([], []))

    def test_nothing_shown(self) -> None:
        """Neither certificate nor a whole login: refused in words before the policy is asked."""
        for login in (("", ""), ("alice", ""), ("", "right")):
            world = World(options(insistence="none", login=login))
            client = world.client(1, NOBODY)
            world.run(5)
            self.assertIn("user name and password are missing", client.told(Disconnected)[0].reason)
            self.assertEqual((asked(world), world.server.told(Joined)), ([], []))

    def test_certificate_required(self) -> None:
        """By default a password without a certificate is not even looked at."""
        world = World(options())
        client = world.client(1, NOBODY)
        world.run(5)
        self.assertEqual((asked(world), client.told(Connected)), ([], []))

    def test_shared_certificate(self) -> None:
        """username-as-common-name: two users of one certificate do not replace each other; without it they do."""
        for known_by_name, joined in ((True, {"alice", "bob"}), (False, {"shared"})):
            world = World(options(username_as_common_name=known_by_name, verdict=lambda _: Verdict(True)))
            shared = SIGNER.issue("shared")
            world.client(1, shared)
            world.options.login = ("bob", "right")
            world.client(2, shared)
            world.run(5)
            self.assertEqual({event.name for event in world.server.told(Joined)}, joined)
            self.assertEqual(len(world.server.told(Left)), 0 if known_by_name else 1)


    def test_name_is_a_claim(self) -> None:
        """A user name beside certificates is no common name: whoever says it gets nothing that the certificate's owner
        gets; with username-as-common-name it is one.
        """
        for known_by_name, name in ((False, ""), (True, "router")):
            world = World(options(insistence="optional", username_as_common_name=known_by_name, login=("router", "x")))
            world.client(1, NOBODY)
            world.run(5)
            (wanted,) = asked(world)
            self.assertEqual((wanted.identity.name, wanted.common_name), ("router", name))
        world = World(options(insistence="optional"))
        world.run(5, world.connected(world.client(1, SIGNER.issue("router"))))
        self.assertEqual(asked(world)[0].common_name, "router")


class TokenTests(SynchronousTestCase):
    """auth-gen-token."""

    def _client(self, world: World) -> Node:
        client = world.client()
        self.assertTrue(world.run(5, world.connected(client)))
        return client

    def test_password_let_go(self) -> None:
        """With a token the session keeps no password; without one it needs it at each new key."""
        for tokens, kept in ((RULES, ""), (None, "right")):
            world = World(options(tokens=tokens))
            client = world.client()
            world.run(5, world.connected(client))
            self.assertEqual(client.hub.session.terms.password, kept)

    def test_stands_in(self) -> None:
        """The password is shown once; every renegotiation shows the newest token of the same login."""
        world = World(options(tokens=RULES))
        client = self._client(world)
        world.run(200)
        first, *later = asked(world)
        self.assertEqual((first.password, first.token), ("right", TokenState.INITIAL))
        self.assertGreaterEqual(len(later), 3)
        self.assertEqual({wanted.token for wanted in later}, {TokenState.AUTHENTICATED})
        shown = [SECRET.decode("alice", wanted.password) for wanted in later]
        self.assertEqual(len({(token.session_id, token.made) for token in shown if token}), 1)
        self.assertEqual(len({token.renewed for token in shown if token}), len(later))
        self.assertTrue(world.passes(client))

    def test_kept_over_a_restart(self) -> None:
        """A client that calls again shows its token, and the login goes on."""
        world = World(options(tokens=RULES))
        client = self._client(world)
        client.hub.connect(world.server_endpoint, world.now)
        client.flush()
        world.run(5)
        self.assertEqual([wanted.token for wanted in asked(world)], [TokenState.INITIAL, TokenState.AUTHENTICATED])
        self.assertEqual(len(client.told(Connected)), 2)

    def test_expired(self) -> None:
        """When its life is over the client reads so, and calls again with the password."""
        world = World(options(tokens=replace(RULES, lifetime=70)))
        client = self._client(world)
        world.run(120)
        (refused,) = client.told(Disconnected)
        self.assertEqual((refused.reason, refused.retry), ("the server refused us: SESSION: token expired", True))
        self.assertEqual(world.server.told(Left)[-1].reason, "alice: the token has expired")
        client.hub.connect(world.server_endpoint, world.now)
        client.flush()
        world.run(5)
        self.assertEqual((len(client.told(Connected)), asked(world)[-1].password), (2, "right"))

    def test_refused(self) -> None:
        """C-17: a token that is not ours or of another user ends the session, and no policy hears of it."""
        other = SECRET.encode("bob", RULES.renew(None, World(options()).terms(True, NOBODY).wall(), bytes))
        for login in (("alice", other), ("alice", PREFIX + "A" * 80), ("bob", PREFIX + "%" * 80)):
            world = World(options(tokens=RULES, login=login))
            client = world.client()
            world.run(5)
            self.assertEqual((asked(world), client.told(Connected)), ([], []))
            self.assertEqual(client.told(Disconnected)[0].reason, "the server refused us: no reason given")

    def test_other_login(self) -> None:
        """C-17: at a renegotiation only a token of this very login will do, even if it is good and the user's own."""
        world = World(options(tokens=RULES))
        client = self._client(world)
        token = RULES.renew(None, world.server.hub._door._terms.wall(), lambda size: b"x" * size)
        client.hub.session._token = TokenGiven(SECRET.encode("alice", token))
        client.hub.session.renegotiate(world.now)
        client.flush()
        world.run(5)
        self.assertTrue(client.told(Disconnected))
        self.assertEqual(len(asked(world)), 1)

    def test_external(self) -> None:
        """external-auth: the policy judges bad and old tokens, too, and is told what they are."""
        world = World(options(tokens=replace(RULES, external=True), login=("alice", PREFIX + "A" * 80)))
        client = world.client()
        world.run(5)
        self.assertEqual([wanted.token for wanted in asked(world)], [TokenState.INVALID])
        self.assertIn("wrong password", client.told(Disconnected)[0].reason)

    def test_renewed_between_keys(self) -> None:
        """Where a key outlives a token's renewal, a fresh one comes in between."""
        world = World(options(tokens=RULES, server_limits=Limits(0, 0), client_limits=Limits(0, 0)))
        client = self._client(world)
        before = client.hub.session._token
        world.run(31)
        self.assertNotEqual(client.hub.session._token, before)
        self.assertEqual((len(client.told(Connected)), client.told(Disconnected)), (1, []))

    def test_push_repeated(self) -> None:
        """Who asks for the push again long after gets the token of now."""
        world = World(options(tokens=RULES, server_limits=Limits(0, 0), client_limits=Limits(0, 0)))
        client = self._client(world)
        world.run(100)
        session = world.server.hub.roster.get(1).session
        tokens = [option.split()[1] for option in session._push if option.startswith("auth-token ")]
        self.assertEqual(tokens, [client.hub.session._token.token])
        self.assertEqual(RULES.judge("alice", tokens[0], session.terms.wall())[0], TokenState.AUTHENTICATED)

    def test_no_user(self) -> None:
        """Who has no user name gets no token."""
        world = World(options(tokens=RULES, login=("", ""), verdict=lambda _: Verdict(True)))
        self.assertFalse(self._client(world).hub.has_token)


class QuestionTests(SynchronousTestCase):
    """AUTH_PENDING: the verdict waits for the person at the client."""

    METHOD = Challenge("code please", echo=True).encode_question()

    def _begin(self, **changes: object) -> tuple[World, Node, VerdictRequest]:
        world = World(options(verdict=lambda _: None, **changes))
        client = world.client()
        world.run(2)
        (request,) = world.server.told(VerdictRequest)
        return world, client, request

    def _pend(self, world: World, request: VerdictRequest, seconds: int = 40, method: str = METHOD) -> float:
        left = world.server.hub.pend(request.member, method, seconds, world.now)
        world.server.flush()
        world.run(1)
        return left

    def test_answered(self) -> None:
        """The question arrives, the answer comes back, and the verdict lets the client in; nothing flowed before."""
        world, client, request = self._begin()
        self.assertEqual(self._pend(world, request), 40)
        (question,) = client.told(ChallengeAsked)
        self.assertEqual((question.challenge.text, question.challenge.echo), ("code please", True))
        client.hub.answer("42")
        client.flush()
        world.run(1)
        self.assertEqual([event.text for event in world.server.told(ResponseGiven)], ["42"])
        self.assertEqual(client.told(Connected), [])
        world.server.hub.verdict(request.member, Verdict(True), world.now)
        world.server.flush()
        self.assertTrue(world.run(10, world.connected(client)))

    def test_longer(self) -> None:
        """Both sides wait as long as was said, past the usual minute; then it is over."""
        world, client, request = self._begin(server_limits=Limits(), client_limits=Limits())
        self._pend(world, request, 200)
        world.run(190)
        self.assertEqual((client.told(Disconnected), world.server.told(Left)), ([], []))
        world.run(15)
        self.assertTrue(client.told(Disconnected) and world.server.told(Left))

    def test_too_late(self) -> None:
        """Whose verdict did not come in time is told so, and may try again."""
        world, client, request = self._begin(server_limits=Limits(), client_limits=Limits(hand_window=90))
        self._pend(world, request, 30)
        world.run(70)
        (gone,) = client.told(Disconnected)
        self.assertEqual((gone.reason, gone.retry), ("the server refused us: try again later", True))
        self.assertEqual(world.server.told(Left)[0].reason, "the verdict did not finish within 60 seconds")

    def test_bounded(self) -> None:
        """Never longer than half the life of a key, whatever is asked for."""
        world, _, request = self._begin(server_limits=Limits(200, 200))
        self.assertApproximates(self._pend(world, request, 10**6), 98, 1)

    def test_without_keyword(self) -> None:
        """A client that does not know the keyword is told without seconds, and waits as long as for any handshake."""
        world, client, request = self._begin(peer_info={"IV_PROTO": "2", "IV_NCP": "2"}, server_limits=Limits())
        self.assertApproximates(self._pend(world, request, 200), 58, 1)
        self.assertEqual(len(client.told(ChallengeAsked)), 1)

    def test_page(self) -> None:
        """A page to open is told to the person."""
        world, client, request = self._begin()
        self._pend(world, request, method="WEB_AUTH::https://login.example/1")
        self.assertEqual([event.url for event in client.told(PageAsked)], ["https://login.example/1"])

    def test_unasked(self) -> None:
        """An answer that nobody asked for, and a second one, are not listened to."""
        world, client, request = self._begin()
        client.hub.answer("42")
        client.flush()
        world.run(1)
        self._pend(world, request)
        for text in ("43", "44"):
            client.hub.answer(text)
            client.flush()
            world.run(1)
        self.assertEqual([event.text for event in world.server.told(ResponseGiven)], ["43"])

    def test_unfit(self) -> None:
        """A question that the client has no room for, or that would break a line, is the policy's error."""
        world, _, request = self._begin()
        for method in ("CR_TEXT:R:" + "x" * 1010, "CR_TEXT:R:a\nb"):
            self.assertRaises(ValueError, world.server.hub.pend, request.member, method, 5, world.now)

    def test_dynamic(self) -> None:
        """CRV1: a refusal that asks; the client is told the challenge and does not just try again."""
        challenge = Challenge("code?", state="s1", username="alice")
        world = World(options(verdict=lambda _: Verdict(False, "code", challenge.encode_refusal())))
        client = world.client()
        world.run(5)
        (refused,) = client.told(Disconnected)
        self.assertEqual((refused.challenge, refused.retry), (challenge, False))
        self.assertEqual(refused.reason, "the server refused us: code?")


class FrameTests(SynchronousTestCase):
    def test_frames(self) -> None:
        """Our own client with a frame of its own is served by a server without one, as a stock one is."""
        framed = encode_options_string(False, None, "SHA1", 1500, frames=True)
        self.assertIn(",comp-lzo,", framed)
        agreement = agree(own_peer_info(("AES-256-GCM",), "1"), framed, Formats(("AES-256-GCM",), migrates=True), 1)
        self.assertEqual(agreement.framing, "stub-v2")


class FrequencyTests(SynchronousTestCase):
    def test_connect_freq(self) -> None:
        """Of one source prefix so many sessions in so many seconds; the rest come when there is room."""
        world = World(Options())
        world = World(options(rules=replace(world.options.rules, connect_freq=(2, 10), duplicate_cn=True)))
        near = [world.client(number) for number in (1, 2, 3)]
        world.run(3)
        self.assertEqual(sum(bool(client.told(Connected)) for client in near), 2)
        self.assertIn("connect-freq", [event.reason for event in world.server.told(Complaint)])
        self.assertTrue(world.run(20, world.connected(*near)))
