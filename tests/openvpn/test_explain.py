"""``tvpn explain`` with a genuine server."""

from __future__ import annotations

import re
import signal

from twisted.trial.unittest import SynchronousTestCase

from tests.lab import BIN, skip_unless_possible, two_hosts
from tests.openvpn.peers import INNER_V4, Case, Ends

STORY = (
    "HARD_RESET_CLIENT_V3 id 0", "HARD_RESET_SERVER_V2 id 0", "TLS ClientHello", "TLS ServerHello", "TLS Certificate: ",
    "TLS Finished", "TLS Certificate: ", "key method 2, inside TLS: a pre-master secret",
    "key method 2, inside TLS: two randoms", "PUSH_REPLY: the configuration", "data keys of key id 0 by TLS's exporter",
    f"── DATA a ping to {INNER_V4} ", "an IP packet of 84 bytes, sealed by AES-256-GCM", f"◄─ DATA {INNER_V4} answers",
    "EXIT: goodbye",
)  # fmt: skip


class ExplainTests(SynchronousTestCase):
    skip = skip_unless_possible("openvpn")

    def test_story(self) -> None:
        """The whole way is told in its order, from the reset to the first data packets and the goodbye; the capture
        holds every control packet told, the key log the secrets of this TLS session; no device is made.
        """
        with two_hosts() as lab:
            ends = Ends(lab, Case(version="2.7"))
            ends.serve_stock()
            files = {name: lab.folder / name for name in ("pcap", "keylog")}
            words = [word for name, path in files.items() for word in (f"--{name}", str(path))]
            profile = str(ends.client_config())
            done = lab.run("client", "setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs",
                           str(BIN / "tvpn"), "explain", *words, profile)  # fmt: skip
            at = 0
            for step in STORY:
                self.assertIn(step, done.stdout[at:], done.stdout + done.stderr)
                at = done.stdout.index(step, at) + len(step)
            data = re.findall(r"DATA .* (\d+) B ", done.stdout)
            self.assertEqual(data, ["112", "112"], "84 bytes in an epoch's packet: 4 + 8 + 16 more")
            told = len(re.findall(r" B (─►|──)│", done.stdout)) - len(data)
            capture = files["pcap"].read_bytes()
            self.assertEqual(packets(capture), told)
            self.assertIn(b"\x16\x03\x01", capture)
            self.assertRegex(files["keylog"].read_text(), r"(?m)^CLIENT_HANDSHAKE_TRAFFIC_SECRET [0-9a-f]{64} ")
            self.assertEqual({path.stat().st_mode & 0o777 for path in files.values()}, {0o600})
            self.assertEqual(done.stderr, "")

    def test_refused(self) -> None:
        """Nobody there: one sentence, exit status 1; a server's file is none of a client."""
        with two_hosts() as lab:
            ends = Ends(lab, Case())
            words = (str(BIN / "tvpn"), "explain", "--timeout", "2")
            done = lab.run("client", *words, str(ends.client_config()), check=False)
            self.assertEqual((done.returncode, done.stderr), (1, "the server did not let us in within 2 seconds\n"))
            self.assertIn("HARD_RESET_CLIENT_V3 id 0, again (no ack came in time)", done.stdout)
            done = lab.run("client", *words, str(ends.server_config()), check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn("describes a server; name a client's profile", done.stderr)

    def test_unwritten(self) -> None:
        """Who reads no further is told no more, and what cannot be written is one sentence; both at once."""
        with two_hosts() as lab:
            ends = Ends(lab, Case())
            command = f"{BIN / 'tvpn'} explain {ends.client_config()}"
            for end, status, said in (
                (" | head -n 1", 1, ""),
                (" --pcap /dev/full", 1, "what was to be told could not be written (no space left on device)\n"),
                (" > /dev/full", 1, "what was to be told could not be written (no space left on device)\n"),
            ):
                shell = ("bash", "-c", f"timeout 20 {command}{end}; exit ${{PIPESTATUS[0]}}")
                done = lab.run("client", *shell, check=False)
                self.assertEqual((done.returncode, done.stderr), (status, said), end)

    def test_stopped(self) -> None:
        """Ctrl-C is no lack of time."""
        with two_hosts() as lab:
            profile = str(Ends(lab, Case()).client_config())
            program = lab.spawn("client", str(BIN / "tvpn"), "explain", profile)
            program.wait_for("HARD_RESET_CLIENT_V3 id 0")
            self.assertEqual(program.stop(signal.SIGINT), 1)
            self.assertEqual(program.output.splitlines()[-1], "stopped before the server had let us in")

    def test_open_file(self) -> None:
        """A file that others may read holds secrets only once they may not."""
        with two_hosts() as lab:
            profile, file = str(Ends(lab, Case()).client_config()), lab.folder / "keylog"
            file.touch()
            file.chmod(0o666)
            words = ("explain", "--timeout", "1", "--keylog", str(file), profile)
            lab.run("client", str(BIN / "tvpn"), *words, check=False)
            self.assertEqual(file.stat().st_mode & 0o777, 0o600)


def packets(capture: bytes) -> int:
    """How many there are in a pcap file."""
    at, number = 24, 0
    while at < len(capture):
        at += 16 + int.from_bytes(capture[at + 8 : at + 12], "big")
        number += 1
    return number
