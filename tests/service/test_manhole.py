"""The prompt inside the process: where it may listen, whom it lets in, what is there."""

from __future__ import annotations

import stat
from pathlib import Path

from twisted.conch.ssh import keys
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.lab import Lab, Program, skip_unless_possible
from tests.service.prompt import MANHOLE, login, make_key
from tvpn.errors import TvpnError
from tvpn.service.manhole import HOST_KEY, AuthorizedKeys, build_manhole, load_host_key


class FileTests(SynchronousTestCase):
    """The host's key and the guests' keys."""

    skip = skip_unless_possible("ssh-keygen")

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()

    def test_host_key(self) -> None:
        """The host key is made once, readable by its owner alone, and is the same at the next start."""
        first = load_host_key(self.folder / HOST_KEY)
        self.assertEqual(stat.S_IMODE((self.folder / HOST_KEY).stat().st_mode), 0o600)
        self.assertEqual(load_host_key(self.folder / HOST_KEY).blob(), first.blob())
        self.assertEqual(first.sshType(), b"ssh-ed25519")

    def test_read_again(self) -> None:
        """The authorized keys are read at each login: a line taken out counts at once."""
        line = make_key(self.folder / "alice")
        path = self.folder / "authorized_keys"
        path.write_text(f"# people\n\n{line}")
        authorized = AuthorizedKeys(path)
        [key] = authorized.getAuthorizedKeys(b"anyone")
        self.assertEqual(key, keys.Key.fromString(line.encode()))
        path.write_text("# nobody\n")
        self.assertEqual(authorized.getAuthorizedKeys(b"anyone"), [])

    def test_missing_keys(self) -> None:
        """Without a file of keys nobody could come in: the start is refused, and the file named."""
        missing = self.folder / "authorized_keys"
        listen = "tcp:2222:interface=127.0.0.1"
        error = self.assertRaises(TvpnError, build_manhole, Clock(), listen, missing, self.folder, {})
        self.assertIn(str(missing), str(error))
        self.assertFalse((self.folder / HOST_KEY).exists())

    def test_not_an_endpoint(self) -> None:
        """What Twisted cannot read as an endpoint is a sentence."""
        path = self.folder / "authorized_keys"
        path.write_text("")
        for listen in ("tcp:ssh-port:interface=127.0.0.1", "tcp:2222:interface=127.0.0.1:colour=red"):
            error = self.assertRaises(TvpnError, build_manhole, Clock(), listen, path, self.folder, {})
            self.assertIn("not an endpoint", str(error))


class LoginTests(SynchronousTestCase):
    """The genuine ssh at the door of a running server."""

    skip = skip_unless_possible("ssh", "ssh-keygen")

    def serve(self, lab: Lab) -> Program:
        lab.host("server")
        line = make_key(lab.folder / "right")
        make_key(lab.folder / "wrong")
        lab.write("authorized_keys", line)
        config = lab.write("server.ini", "\n".join((
            "[tvpn]\nrole = server\nstate = state\n[tunnel]\nserver = 10.87.0.0/24\n[manhole]\n", *MANHOLE,
        )))  # fmt: skip
        program = lab.twistd("server", config)
        program.wait_for("listening on")
        return program

    def test_prompt(self) -> None:
        """The right key reaches a prompt that computes and has peers, plane, vpn and settings of the process."""
        typed = (
            "print(6*7)\rprint('peers', len(peers))\rprint(plane is vpn.plane)\r"
            "print(settings.tunnel.server)\rprint(vpn.tun.name)\r\x04"
        )
        with Lab() as lab:
            server = self.serve(lab)
            done = login(lab, "server", lab.folder / "right", typed)
            for said in ("42", "peers 0", "True", "10.87.0.0/24", "tun0"):
                self.assertRegex(done.stdout, rf"[\r\n]+(\x1b[^\r\n]*?)?{said}\b", server.output)
            self.assertNotIn("Traceback", done.stdout + server.output)
            refused = login(lab, "server", lab.folder / "right", "", "id")
            self.assertNotEqual(refused.returncode, 0)
            self.assertIn("There is a prompt here and no command", refused.stdout + refused.stderr)
            self.assertEqual(server.stop(), 0)

    def test_wrong_key(self) -> None:
        """Another key, a password, and a key that was taken out are refused; the server goes on."""
        with Lab() as lab:
            server = self.serve(lab)
            refused = login(lab, "server", lab.folder / "wrong", "print(6*7)\r\x04")
            self.assertEqual(refused.returncode, 255)
            self.assertIn("Permission denied (publickey)", refused.stderr)
            self.assertNotIn("42", refused.stdout)
            lab.write("authorized_keys", "")
            self.assertEqual(login(lab, "server", lab.folder / "right", "").returncode, 255)
            self.assertIsNone(server.process.poll(), server.output)
            mode = stat.S_IMODE((lab.folder / "state" / HOST_KEY).stat().st_mode)
            self.assertEqual(mode, 0o600)
