"""From an empty folder to a running server, and every way to end."""

from __future__ import annotations

import signal
import stat
import time

from twisted.trial.unittest import SynchronousTestCase

from tests.kernel.scene import INNER_V4, INNER_V6, LISTENING, Site, tables
from tests.lab import BIN, Lab, skip_unless_possible, two_hosts

MADE = ["ca.key", "ca.crt", "server.key", "server.crt", "tls-crypt-v2.key", "tvpn.sqlite"]


class LonelyCase(SynchronousTestCase):
    """A server without anybody to call it."""

    skip = skip_unless_possible("nft")

    def setUp(self) -> None:
        self.lab = Lab()
        self.addCleanup(self.lab.close)
        self.lab.host("server")
        self.site = Site(self.lab)

    def links(self) -> str:
        return self.lab.ip("server", "-br", "link")


class FirstStartTests(LonelyCase):
    """With nothing but a short ini file."""

    def test_everything_made(self) -> None:
        """All keys are made, private ones for the owner alone; within three seconds it listens and says what next."""
        began = time.monotonic()
        server = self.site.start()
        output = server.wait_for("device add NAME")
        self.assertLess(time.monotonic() - began, 3)
        self.assertRegex(output, r"listening on udp 0\.0\.0\.0:1194, udp \[::\]:1194, device tun0 with "
                                 r"10\.87\.0\.1/24, fd00:87::1/64")  # fmt: skip
        self.assertIn(f"made in {self.site.state}: {', '.join(MADE)}", output)
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in self.site.state.iterdir()}
        self.assertLessEqual(set(MADE), set(modes))
        self.assertEqual({name for name, mode in modes.items() if mode != 0o600}, {"ca.crt", "server.crt"})
        self.assertEqual(stat.S_IMODE(self.site.state.stat().st_mode), 0o700)
        self.assertEqual([self.lab.ping("server", INNER_V4, 1), self.lab.ping("server", INNER_V6, 1)], [1, 1])

    def test_second_start(self) -> None:
        """The second start makes nothing and changes no key."""
        self.assertEqual(self.site.serve().stop(), 0)
        before = {name: (self.site.state / name).read_bytes() for name in MADE[:-1]}
        second = self.site.serve()
        self.assertEqual(second.stop(), 0)
        self.assertNotIn("made in", second.output)
        self.assertEqual({name: (self.site.state / name).read_bytes() for name in MADE[:-1]}, before)

    def test_random_network(self) -> None:
        """``server-ipv6 = auto`` is a random private network, the same at the next start."""
        config = self.lab.write("auto.ini", "[tvpn]\nstate = state\n[tunnel]\nserver-ipv6 = auto\n")
        seen = []
        for _ in range(2):
            server = self.lab.twistd("server", config)
            server.wait_for(LISTENING)
            seen.append(self.lab.ip("server", "-6", "-br", "addr", "show", "dev", "tun0").split()[2])
            server.stop()
        self.assertEqual(seen[0], seen[1])
        self.assertRegex(seen[0], r"\Afd[0-9a-f]{2}:[0-9a-f:]+::1/64\Z")


class RefusedStartTests(LonelyCase):
    """One sentence, exit status 1, nothing left behind."""

    def assert_refused(self, sentence: str) -> None:
        server = self.site.start()
        self.assertEqual(server.process.wait(10), 1, server.output)
        said = [line for line in server.output.splitlines() if "UnixAppLogger#info" not in line]
        self.assertEqual(len(said), 1, server.output)
        self.assertRegex(said[0], sentence)

    def test_port_in_use(self) -> None:
        """A port that another server has; the first server stays as it is."""
        first = self.site.serve()
        self.assert_refused(r" tvpn: cannot listen on udp 0\.0\.0\.0:1194: Address already in use; is another server")
        self.assertIsNone(first.process.poll())
        self.assertEqual(self.links().count("tun"), 1)

    def test_foreign_address(self) -> None:
        """An interface address that is not here; no device is left."""
        self.site.transport = ("listen = udp:1194:interface=203.0.113.9",)
        self.assert_refused(r" tvpn: cannot listen on udp 203\.0\.113\.9:1194: Cannot assign requested address")
        self.assertNotIn("tun", self.links())

    def test_device_in_use(self) -> None:
        """A device name that another server has."""
        self.site.tunnel = ("dev = tun5",)
        self.site.serve()
        self.site.transport = ("listen = udp:1195",)
        self.assert_refused(r" tvpn: .*tun5 is in use by another process")

    def test_prompt_in_use(self) -> None:
        """A manhole's port that somebody else has."""
        self.lab.write("authorized_keys", "")
        self.site.manhole = ("listen = tcp:2222:interface=127.0.0.1", "authorized-keys = authorized_keys")
        self.site.serve()
        self.site.transport = ("listen = udp:1195",)
        self.assert_refused(r" tvpn: .*2222.*in use")
        self.assertEqual(self.links().count("tun"), 1)

    def test_daemon(self) -> None:
        """In the background, too: the sentence on the terminal and in the log, status 1, and no pid file is left."""
        self.site.serve()
        log, pid_file = self.lab.folder / "twistd.log", self.lab.folder / "twistd.pid"
        done = self.lab.run(
            "server", str(BIN / "twistd"), f"--pidfile={pid_file}", f"--logfile={log}",
            "tvpn", "--config", str(self.site.config()), check=False,
        )  # fmt: skip
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("cannot listen on udp 0.0.0.0:1194: Address already in use", done.stderr)
        self.assertIn("tvpn: cannot listen on udp 0.0.0.0:1194: Address already in use; is another", log.read_text())
        self.assertNotIn("Traceback", log.read_text())
        self.assertFalse(pid_file.exists())

    def test_pid_file(self) -> None:
        """In the foreground no pid file is left either: it would name whoever has that number next."""
        self.site.serve()
        pid_file = self.lab.folder / "twistd.pid"
        done = self.lab.run(
            "server", str(BIN / "twistd"), "-n", f"--pidfile={pid_file}", "tvpn", "--config", str(self.site.config()),
            check=False,
        )  # fmt: skip
        self.assertEqual((done.returncode, pid_file.exists()), (1, False))


class EndTests(LonelyCase):
    """How it ends, and begins again."""

    def test_signals(self) -> None:
        """SIGTERM and SIGINT: status 0, the device and the table gone, and no traceback."""
        self.site.tunnel = ("nat = yes",)
        for number in (signal.SIGTERM, signal.SIGINT):
            server = self.site.serve()
            self.assertEqual(tables(self.lab), ["table inet tvpn_tun0"])
            self.assertEqual(server.stop(number), 0, server.output)
            self.assertNotIn("Traceback", server.output)
            self.assertNotIn("tun", self.links())
            self.assertEqual(tables(self.lab), [])

    def test_hung_up(self) -> None:
        """SIGHUP ends it with 1 and a sentence, and its table is taken down."""
        self.site.tunnel = ("nat = yes",)
        server = self.site.serve()
        self.assertEqual(server.stop(signal.SIGHUP), 1, server.output)
        self.assertIn("SIGHUP came, as it does when a terminal is closed; the server stops", server.output)
        self.assertEqual(tables(self.lab), [])

    def test_killed(self) -> None:
        """After kill -9 the next start works, and the table that was left is there once."""
        self.site.tunnel = ("nat = yes",)
        self.site.serve().stop(signal.SIGKILL)
        self.assertEqual(tables(self.lab), ["table inet tvpn_tun0"])
        second = self.site.serve()
        self.assertEqual(tables(self.lab), ["table inet tvpn_tun0"])
        rules = self.lab.run("server", "nft", "list", "table", "inet", "tvpn_tun0").stdout
        self.assertEqual(rules.count("masquerade"), 4)
        self.assertEqual(second.stop(), 0, second.output)
        self.assertEqual(tables(self.lab), [])

    def test_device_deleted(self) -> None:
        """A device that somebody deletes ends the server with 1, a sentence, and its table taken down."""
        self.site.tunnel = ("nat = yes",)
        server = self.site.serve()
        self.lab.ip("server", "link", "del", "tun0")
        self.assertEqual(server.process.wait(10), 1, server.output)
        self.assertIn("the TUN device tun0 vanished", server.output)
        self.assertIn("the server stops", server.output)
        self.assertNotIn("Traceback", server.output)
        self.assertEqual(tables(self.lab), [])


class ClientEndTests(SynchronousTestCase):
    """The client's side of the same."""

    skip = skip_unless_possible()

    def test_hung_up(self) -> None:
        """SIGHUP ends a client with 1 and a sentence; what it changed is undone, and the server hears of it."""
        with two_hosts() as lab:
            site = Site(lab)
            server = site.serve()
            before = lab.ip("client", "route")
            client = site.join(site.device("alice"))
            self.assertEqual(client.stop(signal.SIGHUP), 1, client.output)
            self.assertIn("SIGHUP came, as it does when a terminal is closed", client.output)
            self.assertEqual(lab.ip("client", "route"), before)
            server.wait_for("alice .*left")

    def test_device_deleted(self) -> None:
        """A client whose device is deleted ends with 1 and a sentence; the server goes on."""
        with two_hosts() as lab:
            site = Site(lab)
            server = site.serve()
            client = site.join(site.device("alice"))
            lab.ip("client", "link", "del", "tun0")
            self.assertEqual(client.process.wait(10), 1, client.output)
            self.assertIn("the TUN device tun0 vanished", client.output)
            self.assertNotIn("Traceback", client.output)
            self.assertIsNone(server.process.poll())
