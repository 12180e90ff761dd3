"""User name, password and passphrase, asked of the person who starts our client; the genuine openvpn is the server."""

from __future__ import annotations

import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.corpus import PASSPHRASE, locked_key
from tests.lab import BIN, Program, skip_unless_possible, two_hosts
from tests.openvpn.peers import INNER_V4, Case, Ends

RIGHT = '[ "$(cat "$1")" = "alice\nright" ]\n'


class AskedCase(SynchronousTestCase):
    skip = skip_unless_possible("openvpn")

    def setUp(self) -> None:
        self.lab = self.enterContext(two_hosts())

    def serve(self, *client_lines: str, script: str = RIGHT, server_lines: tuple[str, ...] = ()) -> Ends:
        """A stock server that asks this script about user name and password; both ends' files."""
        verify = self.lab.write("verify.sh", f"#!/bin/sh\necho asked >> {self.lab.folder / 'book'}\n{script}")
        verify.chmod(0o700)
        lines = ("script-security 2", f"auth-user-pass-verify {verify} via-file", *server_lines)
        ends = Ends(self.lab, Case(client_lines=client_lines, server_lines=lines))
        self.server = ends.serve_stock()
        return ends

    def twistd(self, config: Path) -> list[str]:
        return [str(BIN / "twistd"), "-n", "--pidfile=", "tvpn", "--config", str(config)]

    def join(self, config: Path, *answers: str) -> Program:
        """Our client in a terminal where these answers are typed."""
        command = [sys.executable, "-m", "tests.typist", *answers, "--", *self.twistd(config)]
        return self.lab.spawn("client", *command, name="client")


class TerminalTests(AskedCase):
    def test_user_and_password(self) -> None:
        """Both are asked, the password is not shown; after the connection is lost they are still known."""
        ends = self.serve("auth-user-pass")
        client = self.join(ends.client_config(), "alice", "right")
        client.wait_for("connected: device", 20)
        self.assertIn("Username: alice", client.output)
        self.assertIn("Password: ", client.output)
        self.assertNotIn("right", client.output)

    def test_asked_again(self) -> None:
        """auth-retry interact: who is refused is asked again, and gets in with the right answer."""
        ends = self.serve("auth-user-pass", "auth-retry interact")
        client = self.join(ends.client_config(), "alice", "wrong", "alice", "right")
        client.wait_for("the server refused us", 20)
        client.wait_for("connected: device", 20)
        self.assertEqual((self.lab.folder / "book").read_text().count("asked"), 2)

    def test_refused(self) -> None:
        """auth-retry none, the default: who is refused ends, with status 1."""
        ends = self.serve("auth-user-pass")
        client = self.join(ends.client_config(), "alice", "wrong")
        client.wait_for("gave up: the server refused us", 20)
        self.assertEqual(client.process.wait(10), 1)

    def test_forgotten(self) -> None:
        """auth-nocache: a connection that is made anew asks anew."""
        ends = self.serve("auth-user-pass", "auth-nocache", server_lines=("keepalive 1 3",))
        client = self.join(ends.client_config(), "alice", "right", "alice", "right")
        client.wait_for("connected: device", 20)
        self.server.stop()
        ends.serve_stock()
        client.wait_for("Username: alice", 20, 2)
        client.wait_for("Password: ", 20, 2)
        for _ in range(20):
            if self.lab.ping("client", INNER_V4, 1):
                break
        else:
            self.fail(client.output)
        self.assertEqual((self.lab.folder / "book").read_text().count("asked"), 2)

    def test_passphrase(self) -> None:
        """A locked key is opened at the start; a wrong answer is asked again."""
        ends = self.serve(script="exit 0\n", server_lines=("auth-user-pass-optional",))
        config = ends.client_config()
        config.write_text(config.read_text().replace(ends.client.key.strip(), locked_key(ends.client.key).strip()))
        client = self.join(config, "wrong", PASSPHRASE)
        client.wait_for("connected: device", 20)
        self.assertEqual(client.output.count("Passphrase of inline <key>: "), 2)
        self.assertNotIn(PASSPHRASE, client.output)


class NobodyTests(AskedCase):
    """Without a terminal."""

    def test_sentence(self) -> None:
        """And without systemd: one sentence at the start, for the password as for the key."""
        ends = Ends(self.lab, Case(client_lines=("auth-user-pass",)))
        config = ends.client_config()
        command = ["env", "PATH=/nonexistent", *self.twistd(config)]
        client = self.lab.spawn("client", *command)
        client.wait_for("auth-user-pass: is asked, .*; start it in the foreground .*, or name a file", 10)
        self.assertEqual(client.process.wait(10), 1)
        config.write_text(config.read_text().replace(ends.client.key.strip(), locked_key(ends.client.key).strip()))
        client = self.lab.spawn("client", *command)
        client.wait_for("key: is locked by a passphrase: .*start it in the foreground of a terminal", 10)
        self.assertEqual(client.process.wait(10), 1)

    def test_systemd(self) -> None:
        """systemd-ask-password is asked; a script stands in for it, whose output is never logged."""
        ends = self.serve("auth-user-pass")
        folder = self.lab.folder / "bin"
        folder.mkdir()
        agent = folder / "systemd-ask-password"
        agent.write_text('#!/bin/sh\nfor last; do :; done\n[ "$last" = Username: ] && echo alice || echo right\n')
        agent.chmod(0o700)
        client = self.lab.spawn("client", "env", f"PATH={folder}:/usr/bin:/bin", *self.twistd(ends.client_config()))
        client.wait_for("connected: device", 20)
        self.assertNotIn("right", client.output)
