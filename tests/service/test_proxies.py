"""What is said to proxies on whose behalf, and who is asked for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from unittest import mock

from twisted.internet.defer import ensureDeferred, succeed
from twisted.trial.unittest import SynchronousTestCase

from tvpn.config.address import Proxy, Remote
from tvpn.config.material import Material
from tvpn.net.dialogue import Dialogue, ProxyError
from tvpn.net.socks import SOCKSDialogue, packed_address
from tvpn.service import proxies
from tvpn.service.proxies import Proxies, login_of, name_of

HTTP = Proxy("http", "proxy.example", 3128, headers=(("User-Agent", "tester"),))
SOCKS = Proxy("socks", "2001:db8::9", 1080)
STREAM, DATAGRAMS = Remote("vpn.example", 443, protocol="tcp"), Remote("vpn.example", 1194)
ADDRESS = "192.0.2.9"
BASIC = "Proxy-Authorization"
REFUSED = ProxyError("refused", wants_login=True)


class ProxiesCase(SynchronousTestCase):
    """Nobody is called: what would be said first is written down, and ``answers`` says what comes of it."""

    def setUp(self) -> None:
        self.said: list[tuple[str, int, str, float]] = []
        self.asked: list[tuple[str, bool]] = []
        self.answers: list[Callable[[Any], object]] = []
        self.link = mock.Mock()
        self.patch(proxies, "call_proxy", self.call_proxy)
        self.patch(proxies, "can_be_asked", lambda: True)
        self.subject = Proxies(None, self.ask)

    async def call_proxy(self, reactor: Any, host: str, port: int, dialogue: Dialogue, patience: float) -> object:
        self.said.append((host, port, dialogue.begin().decode("latin-1"), patience))
        answer = self.answers.pop(0) if self.answers else lambda dialogue: None
        answer(dialogue)
        return self.link

    def ask(self, text: str, echo: bool) -> Any:
        self.asked.append((text, echo))
        return succeed("alice" if echo else "right")

    def call(self, proxy: Proxy, remote: Remote = STREAM) -> object:
        return self.successResultOf(ensureDeferred(self.subject.call(remote, proxy, ADDRESS, 15.0)))

    def refusal(self, proxy: Proxy, remote: Remote = STREAM) -> str:
        failure = self.failureResultOf(ensureDeferred(self.subject.call(remote, proxy, ADDRESS, 15.0)), ProxyError)
        return failure.getErrorMessage()

    def refuse(self, dialogue: object) -> None:
        raise REFUSED


class KindTests(ProxiesCase):
    """Which dialogue it is."""

    def test_http(self) -> None:
        """HTTP: the server by its name, with the fields of the file, at the proxy's address and port."""
        self.assertEqual(self.call(HTTP), (self.link, 0))
        [(host, port, said, patience)] = self.said
        self.assertEqual((host, port, patience), (ADDRESS, 3128, 15.0))
        self.assertTrue(said.startswith("CONNECT vpn.example:443 HTTP/1.1\r\n"))
        self.assertIn("User-Agent: tester", said)
        self.call(replace(HTTP, version="1.0"))
        self.assertIn("HTTP/1.0", self.said[1][2])

    def test_socks(self) -> None:
        """SOCKS: a connection for TCP, a relay for UDP; one that is elsewhere is hung up on."""

        def relay_at(host: str) -> Callable[[SOCKSDialogue], object]:
            return lambda dialogue: dialogue.receive(b"\5\0" + b"\5\0\0" + packed_address(host, 40000))

        self.answers = [lambda dialogue: None, relay_at(ADDRESS), relay_at("198.51.100.7")]
        self.assertEqual(self.call(SOCKS), (self.link, 0))
        self.assertEqual(self.call(SOCKS, DATAGRAMS), (self.link, 40000))
        self.link.hang_up.assert_not_called()
        self.assertIn("198.51.100.7:40000", self.refusal(SOCKS, DATAGRAMS))
        self.link.hang_up.assert_called_once_with()

    def test_name(self) -> None:
        """A proxy is named as the file names it."""
        self.assertEqual((name_of(HTTP), name_of(SOCKS)), ("proxy proxy.example:3128", "proxy [2001:db8::9]:1080"))


class LoginTests(ProxiesCase):
    """User name and password."""

    def test_file(self) -> None:
        """What the file says is said at once, each time, and nobody is asked, not even where it is refused."""
        proxy = replace(HTTP, credentials=Material("alice\nright\n", "login"))
        self.answers = [self.refuse]
        self.assertEqual(self.refusal(proxy), "refused")
        self.call(proxy)
        self.assertEqual([said.count(BASIC) for *_, said, _ in self.said], [1, 1])
        self.assertEqual(self.asked, [])

    def test_lines(self) -> None:
        """A line each; a password may be nothing."""
        for text, expected in (("a\r\nb\r\n", ("a", "b")), ("a\n\n", ("a", "")), ("a\nb\nc", ("a", "b"))):
            self.assertEqual(login_of(replace(HTTP, credentials=Material(text, "login"))), expected)
        self.assertIsNone(login_of(HTTP))

    def test_asked(self) -> None:
        """With ``auto`` somebody is asked once the proxy wants it, name seen, password not; that is kept for later."""
        proxy = replace(HTTP, ask=True)
        self.answers = [self.refuse]
        for _ in range(2):
            self.call(proxy)
        self.assertEqual([said.count(BASIC) for *_, said, _ in self.said], [0, 1, 1])
        name = "proxy proxy.example:3128"
        self.assertEqual(self.asked, [(f"User name for {name}", True), (f"Password for {name}", False)])

    def test_mistyped(self) -> None:
        """What was typed wrong is a refusal, and is forgotten: the next call asks again."""
        proxy = replace(HTTP, ask=True)
        self.answers = [self.refuse, self.refuse, self.refuse]
        self.assertEqual(self.refusal(proxy), "refused")
        self.call(proxy)
        self.assertEqual(len(self.asked), 4)

    def test_not_about_logins(self) -> None:
        """A proxy that is down makes nobody type, and what was typed is kept."""

        def down(dialogue: object) -> None:
            raise ProxyError("down")

        proxy = replace(HTTP, ask=True)
        self.answers = [down, self.refuse, lambda dialogue: None, down]
        self.assertEqual(self.refusal(proxy), "down")
        self.assertEqual(self.asked, [])
        self.call(proxy)
        self.assertEqual(self.refusal(proxy), "down")
        self.call(proxy)
        self.assertEqual(len(self.asked), 2)

    def test_nobody(self) -> None:
        """Where the file says nothing of asking, or nobody can be asked, the proxy's refusal is the answer."""
        self.answers = [self.refuse, self.refuse]
        self.assertEqual(self.refusal(HTTP), "refused")
        self.patch(proxies, "can_be_asked", lambda: False)
        self.assertEqual(self.refusal(replace(HTTP, ask=True)), "refused")
        self.assertEqual(self.asked, [])
