"""``tvpn exec`` with a genuine server: one program, all of whose packets go through the tunnel."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.enclosed import NAME, ORACLE, PORT, WITNESS, Client, open_oracle, three_hosts
from tests.lab import Program, skip_unless_possible
from tests.openvpn.peers import INNER_V6, Case, Ends

USER = 65534
FOREVER = "readlink /proc/self/ns/net; echo ready; while :; do sleep 0.1; done"
RESTARTS = ("explicit-exit-notify 1",)


@contextlib.contextmanager
def scene(case: Case | None = None) -> Iterator[tuple[Client, Program]]:
    """A client with a profile, and the server it is for."""
    with three_hosts() as lab:
        ends = Ends(lab, case or Case())
        server = ends.serve_stock()
        yield Client(lab, ends.client_config("office.conf"), open_oracle(lab)), server


class EnclosureTests(SynchronousTestCase):
    """What the program has, and what it has not."""

    skip = skip_unless_possible("openvpn", "nft", "ping")

    def test_packet(self) -> None:
        """A user who may not open /dev/net/tun: names, TCP, UDP and pings, IPv6 too, go through the tunnel and nowhere
        else; the program sees loopback and the tunnel's device and can change neither; it is who it was, and holds 0,
        1 and 2.
        """
        with scene() as (client, _):
            seen = client.witness()
            self._check(client, seen, USER)
            self.assertEqual(seen["change device"], "Operation not permitted")
            self.assertEqual(seen["packet socket"], "Operation not permitted")
            self.assertEqual(int(seen["capabilities"], 16), 0)
            self.assertEqual(client.exec("ping", "-n", "-c", "1", "-W", "5", INNER_V6).returncode, 0)
            # The twin: without tvpn the same goes by the wire, and the counter would have told.
            outside = client.lab.run("client", *client.as_commoner(*WITNESS, NAME, str(PORT)))
            self.assertIn('"seen as": "198.51.100.2"', outside.stdout)
            self.assertGreater(client.counted("stray"), 0)

    def test_tun(self) -> None:
        """A user on a machine where everybody may open /dev/net/tun."""
        with scene() as (client, _):
            seen = client.witness("tun")
            self._check(client, seen, USER)
            self.assertEqual(seen["change device"], "Operation not permitted")

    def test_root(self) -> None:
        """Root needs no user namespace, and stays root."""
        with scene() as (client, _):
            self._check(client, client.witness("root"), 0)

    def _check(self, client: Client, seen: dict[str, object], uid: int) -> None:
        whole = {"megabyte": True, "echo": True, "segments": True}
        self.assertEqual(seen["visit"], {"host": ORACLE, "seen as": "10.99.0.2", **whole})
        self.assertEqual(seen["devices"], ["lo", "vpn0"])
        self.assertEqual((seen["uid"], seen["gid"], seen["held"]), (uid, uid, [0, 1, 2]))
        self.assertEqual((seen["profile"], seen["hosts"]), ("office", ["hosts: files dns"]))
        self.assertEqual(seen["resolv.conf"], f"# by tvpn exec\nnameserver {ORACLE}\n")
        self.assertEqual(seen["blocked"], "0" * 16)
        self.assertTrue(seen["group"])
        self.assertTrue(seen["interrupt"])
        self.assertEqual(client.counted("stray"), 0)
        self.assertGreater(client.counted("tunnel"), 0)
        asked = client.oracle.wait_for(f"asked for {NAME} by ")
        self.assertNotIn("by 198.51.100.2", asked)


class StatusTests(SynchronousTestCase):
    """How it ends."""

    skip = skip_unless_possible("openvpn", "nft")

    def test_program(self) -> None:
        """Its own status, the signal it died of, 126 for one that cannot be run, 127 for none, all at once."""
        with scene() as (client, _):
            cases = (
                (("true",), 0, ""),
                (("sh", "-c", "exit 3"), 3, ""),
                (("sh", "-c", "kill -KILL $$"), -signal.SIGKILL, ""),
                (("sh", "-c", "kill -SEGV $$"), -signal.SIGSEGV, ""),
                (("/etc/passwd",), 126, "tvpn: /etc/passwd: cannot be run (permission denied)\n"),
                (("no-such-program",), 127, "tvpn: no-such-program: not found; check its name and PATH\n"),
            )
            started = [client.spawn(*command) for command, _, _ in cases]
            ended = [(program.process.wait(40), program.output) for program in started]
            self.assertEqual(ended, [(status, said) for _, status, said in cases])

    def test_signals(self) -> None:
        """SIGTERM, SIGHUP, SIGUSR1 and SIGUSR2 are the program's, and without a terminal SIGINT, too."""
        script = "trap 'echo got it; exit 7' {0}; echo ready; while :; do sleep 0.1; done"
        names = ("TERM", "HUP", "USR1", "USR2", "INT")
        with scene() as (client, _):
            started = [client.spawn("sh", "-c", script.format(name)) for name in names]
            for name, program in zip(names, started, strict=True):
                program.wait_for("ready")
                self.assertEqual(program.stop(getattr(signal, f"SIG{name}")), 7, program.output)
                self.assertIn("got it", program.output)


class EndTests(SynchronousTestCase):
    """Nothing is left, and nothing ends too early."""

    skip = skip_unless_possible("openvpn", "nft")

    def test_killed(self) -> None:
        """When tvpn is killed, the program gets SIGTERM; neither a process nor the namespace is left."""
        script = f"trap 'echo asked to end; exit' TERM; {FOREVER}"
        with scene() as (client, _):
            program = client.spawn("sh", "-c", script)
            namespace = program.wait_for("ready").splitlines()[0]
            self.assertNotEqual(self.members(namespace), [])
            program.process.kill()
            program.process.wait(10)
            self.wait_until(lambda: "asked to end" in program.output)
            self.wait_until(lambda: not self.members(namespace))

    def test_stubborn(self) -> None:
        """A program that does not heed SIGTERM is killed after a few seconds."""
        script = f"trap '' TERM HUP; {FOREVER}"
        with scene() as (client, _):
            program = client.spawn("sh", "-c", script)
            namespace = program.wait_for("ready").splitlines()[0]
            program.process.kill()
            program.process.wait(10)
            self.wait_until(lambda: not self.members(namespace))

    def members(self, namespace: str) -> list[str]:
        """The processes in a network namespace."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if os.readlink(process / "ns/net") == namespace:
                    found.append(process.name)
        return found

    def wait_until(self, condition: object, seconds: float = 10.0) -> None:
        until = time.monotonic() + seconds
        while not condition():  # type: ignore[operator]
            self.assertLess(time.monotonic(), until)
            time.sleep(0.1)

    def test_restart(self) -> None:
        """The server goes and comes back: the same program goes on, and what it sent meanwhile went nowhere."""
        again = f"import socket,time\nwhile True:\n try:\n  s=socket.create_connection(('{ORACLE}',{PORT}),1)\n" \
            "  print('reached',flush=True)\n except OSError: print('lost',flush=True)\n time.sleep(0.2)"  # fmt: skip
        with scene(Case(server_lines=RESTARTS)) as (client, server):
            program = client.spawn(*WITNESS[:1], "-c", again, options=("-v",))
            program.wait_for("reached")
            server.stop(signal.SIGTERM)
            program.wait_for("lost")
            Ends(client.lab, Case(server_lines=RESTARTS)).serve_stock()
            program.wait_for("lost[^!]*reached", 30)
            self.assertEqual(client.counted("stray"), 0)
            self.assertEqual(program.stop(), -signal.SIGTERM)

    def test_two(self) -> None:
        """Two at once, each with an address of its own; one ends, the other goes on."""
        with scene() as (client, _):
            one = client.spawn("sh", "-c", "echo ready; while :; do sleep 0.1; done")
            one.wait_for("ready")
            seen = client.witness()
            self.assertEqual(seen["visit"]["seen as"], "10.99.0.3")
            self.assertIsNone(one.process.poll())
            self.assertEqual(one.stop(), -signal.SIGTERM)


class RefusalTests(SynchronousTestCase):
    """When it cannot begin: 125 and one sentence."""

    skip = skip_unless_possible("openvpn", "nft")

    def test_no_server(self) -> None:
        """The program never begins when there is no connection in time."""
        with scene() as (client, server):
            server.stop()
            done = client.exec("echo", "began", options=("--timeout", "1.5"))
            self.assertEqual((done.returncode, done.stdout), (125, ""))
            self.assertRegex(done.stderr, r"^tvpn: no connection within 1\.5 s.*\n$")

    def test_refused(self) -> None:
        """A server that refuses the password ends it at once, with the server's reason."""
        refusing = ("script-security 2", "auth-user-pass-verify /bin/false via-file")
        login = "<auth-user-pass>\nalice\nwrong\n</auth-user-pass>"
        with scene(Case(server_lines=refusing, client_lines=(login,))) as (client, _):
            done = client.exec("echo", "began")
            self.assertEqual((done.returncode, done.stdout), (125, ""))
            self.assertEqual(done.stderr, "tvpn: gave up: the server refused us: no reason given\n")

    def test_interrupted(self) -> None:
        """Ctrl-C while it connects ends it like any program, without a traceback."""
        with scene() as (client, server):
            server.stop()
            program = client.spawn("echo", "began", options=("-v",))
            program.wait_for("connecting to")
            self.assertEqual(program.stop(signal.SIGINT), -signal.SIGINT)
            self.assertNotIn("Traceback", program.output)
            self.assertNotIn("began", program.output)

    def test_no_namespaces(self) -> None:
        """Where user namespaces are forbidden, it says what forbids them and what to do."""
        with scene() as (client, _):
            done = client.exec("echo", "began", who=("confined",))
            self.assertEqual((done.returncode, done.stdout), (125, ""))
            self.assertIn("this machine allows none (user.max_user_namespaces is 0); have root say", done.stderr)
