"""The kill switch as text, what the kernel keeps of the last one, and who is let through."""

from __future__ import annotations

import os
import socket
from unittest import mock

from twisted.internet.defer import ensureDeferred, execute, fail, succeed
from twisted.trial.unittest import SynchronousTestCase

from tests.lab import Lab, skip_unless_possible
from tvpn.config.address import Remote
from tvpn.errors import TvpnError
from tvpn.net.lookup import Place
from tvpn.service import killswitch
from tvpn.service.killswitch import REMOVE, KillSwitch, script

NAME, LITERAL = Remote("vpn.example"), Remote("2001:db8::1", 443, 6, "tcp")
V4, OTHER = Place(socket.AF_INET, ("192.0.2.1", 1194)), Place(socket.AF_INET, ("192.0.2.2", 1194))
V6 = Place(socket.AF_INET6, ("2001:db8::1", 443, 0, 0))
DOORS = [(NAME, V4), (NAME, OTHER), (LITERAL, V6)]


class ScriptTests(SynchronousTestCase):
    """What is loaded."""

    def test_closed(self) -> None:
        """Both hooks drop; an element each names the server's address, protocol and port."""
        text = script(DOORS)
        self.assertEqual(text.count("policy drop"), 2)
        self.assertNotIn("policy accept", text)
        self.assertIn('elements = { 192.0.2.1 . udp . 1194 comment "vpn.example", 192.0.2.2 . udp . 1194 comment', text)
        self.assertIn('elements = { 2001:db8::1 . tcp . 443 comment "2001:db8::1" }', text)

    def test_quotes(self) -> None:
        """No name says anything to nft but itself."""
        for host in ('a" } ; flush ruleset', "a\nb", "", "x" * 200):
            self.assertRaises(TvpnError, script, [(Remote(host), V4)])


class SwitchTests(SynchronousTestCase):
    """What is done when."""

    def setUp(self) -> None:
        self.patch(killswitch, "deferToThread", execute)
        self.ran: list[str] = []
        self.stands: str | None = None
        self.clients: list[int] = []
        self.switch = KillSwitch(self.ran.append, lambda *words: self.stands, lambda: self.clients)
        self.switch._log = mock.Mock()

    def raise_up(self) -> None:
        itinerary = mock.Mock(remotes=[NAME, LITERAL])
        itinerary.settle.return_value = succeed(DOORS)
        task = self.switch.raise_up(itinerary)
        self.assertRaises(StopIteration, task.send, None)

    def test_one_transaction(self) -> None:
        """Up in one script that replaces what stands, once; down in one."""
        self.raise_up()
        self.raise_up()
        self.assertEqual(self.ran, [REMOVE + script(DOORS)])
        self.switch.take_down()
        self.assertEqual(self.ran[1:], [REMOVE])

    def test_another(self) -> None:
        """The table of a client that still runs stays: taken over, it would cut that one off, and be gone with us.
        That of one that is gone, and a client without a table, are in nobody's way.
        """
        for stands, others, refused in (("{}", [1], True), (None, [1], False), ("{}", [], False)):
            self.stands, self.clients = stands, [os.getpid(), *others]
            self.switch.is_up, self.ran[:] = False, []
            if refused:
                failure = self.failureResultOf(ensureDeferred(self.switch.raise_up(mock.Mock())), TvpnError)
                self.assertIn("another client runs here (process 1) and the kill", failure.getErrorMessage())
                self.switch.end()
            else:
                self.raise_up()
            self.assertEqual(len(self.ran), 0 if refused else 1)

    def test_left_closed(self) -> None:
        """Nothing can be looked up behind the table of a client that is gone: the remedy is named, and only then."""
        self.stands = "{}"
        for stands, named in (("{}", True), (None, False)):
            self.stands = stands
            itinerary = mock.Mock(remotes=[NAME])
            itinerary.settle.return_value = fail(TvpnError("cannot find the address of vpn.example: no answer"))
            failure = self.failureResultOf(ensureDeferred(self.switch.raise_up(itinerary)), TvpnError)
            said = failure.getErrorMessage()
            self.assertTrue(said.startswith("cannot find the address of vpn.example: no answer"))
            self.assertEqual("open it with: tvpn disconnect" in said, named)
            self.assertEqual(self.ran, [])

    def test_without(self) -> None:
        """A client without one is told of a table that nobody stands behind; not of that of a client that runs."""
        for stands, others, told in (("{}", [], True), ("{}", [1], False), (None, [], False)):
            said = killswitch.left_closed(lambda *words: stands, lambda: [os.getpid(), *others])
            self.assertEqual(said, killswitch.LEFT_CLOSED if told else None)
        self.assertIsNone(killswitch.left_closed(mock.Mock(side_effect=TvpnError("there is no nft here")), list))

    def test_late(self) -> None:
        """What comes after the end closes nothing: a client that is stopped while it starts leaves no table."""
        self.switch.take_down()
        self.raise_up()
        self.switch.admit("tun3")
        self.assertEqual(self.ran, [REMOVE])

    def test_admit(self) -> None:
        """The tunnel of now takes the place of the one before; a device with a strange name is told, not loaded."""
        self.switch.admit("tun3")
        self.assertEqual(len(self.ran), 1)
        self.assertTrue(self.ran[0].startswith("flush set inet tvpn_kill tunnels\n"))
        self.assertIn('{ "tun3" }', self.ran[0])
        self.assertRaises(TvpnError, self.switch.admit, 'x"')
        self.assertEqual(len(self.ran), 1)

    def test_not_admitted(self) -> None:
        """nft that fails later is told."""
        self.switch._run = mock.Mock(side_effect=TvpnError("no nft"))
        self.switch.admit("tun3")
        self.switch._log.error.assert_called_once()
        self.switch.end()
        self.assertEqual(self.switch._log.error.call_count, 2)

    def test_none_before(self) -> None:
        """Without a table nothing stands and nothing is remembered."""
        self.assertFalse(self.switch.stands())
        self.assertEqual(self.switch.remembered([NAME]), {})


class KernelTests(SynchronousTestCase):
    """nft itself."""

    skip = skip_unless_possible("nft")

    def test_kept(self) -> None:
        """What was loaded is found again: under which name, protocol and port each address was known; others not."""
        with Lab() as lab:
            lab.host("here")
            load = str(lab.write("up.nft", REMOVE + script(DOORS)))
            for _ in range(2):
                lab.run("here", "nft", "-f", load)
            switch = KillSwitch(ask=lambda *words: lab.run("here", "nft", *words).stdout)
            self.assertTrue(switch.stands())
            moved = Remote("vpn.example", 1195)
            self.assertEqual(switch.remembered([NAME, LITERAL, moved]), {NAME: [V4, OTHER], LITERAL: [V6]})
            lab.run("here", "nft", "-f", str(lab.write("down.nft", REMOVE)))
            self.assertEqual(lab.run("here", "nft", "list", "tables").stdout, "")
