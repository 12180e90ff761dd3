"""Profiles that we take, read by the genuine openvpn: it takes them, too."""

from __future__ import annotations

import subprocess
import tempfile
import time
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.config.test_corpus import ACCEPTED
from tests.corpus import PASSPHRASE, unpack
from tests.lab import skip_unless_possible, two_hosts
from tests.openvpn.peers import INNER_V4, SERVER_V4, STATIC_KEY, Case, Ends

#: Words of other versions and systems that 2.6 on Linux does not know.
OTHERS = {
    "blowfish": ("key-method",),
    "pfsense-bundle": ("ncp-disable",),
    "provider-prefix": ("keysize",),
    "windows-gui": (
        "ip-win32", "tap-sleep", "dhcp-", "register-dns", "show-net-up", "win-sys", "pause-exit", "service",
    ),
}  # fmt: skip


class ProfileTests(SynchronousTestCase):
    skip = skip_unless_possible("openvpn")

    def verdict(self, path: Path) -> str:
        """What it says up to the point where the file is read and found good."""
        command = [
            "openvpn", "--cd", str(path.parent), "--config", str(path), "--verb", "3", "--management",
            str(path.parent / "socket"), "unix", "--management-hold", "--management-query-passwords",
        ]  # fmt: skip
        log = path.parent / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
            try:
                until = time.monotonic() + 10
                while time.monotonic() < until and process.poll() is None and "hold release" not in log.read_text():
                    time.sleep(0.02)
            finally:
                process.terminate()
                process.wait(10)
        return log.read_text()

    def test_stock_takes_them(self) -> None:
        """Every accepted profile is read to its end, but for words of other systems and versions."""
        for name in ACCEPTED:
            with tempfile.TemporaryDirectory() as folder:
                path = unpack(name, Path(folder))
                lines = path.read_text().split("\n")
                path.write_text("\n".join(line for line in lines if not line.startswith(OTHERS.get(name, ()) or "\0")))
                said = self.verdict(path)
            self.assertIn("hold release", said, f"{name}: {said}")
            self.assertNotIn(PASSPHRASE, said)


class ConnectionTests(SynchronousTestCase):
    """Our client with connections that have keys of their own."""

    skip = skip_unless_possible("openvpn", "ping")

    def test_keys(self) -> None:
        """Each connection is wrapped in its own way: either comes first, and either server lets us in."""
        key = STATIC_KEY.text.strip()
        blocks = {
            "tls-auth": f"<connection>\nremote {SERVER_V4} 1194\nkey-direction 1\n<tls-auth>\n{key}\n</tls-auth>\n"
            "</connection>\n",
            "tls-crypt": f"<connection>\nremote {SERVER_V4} 1194\n<tls-crypt>\n{key}\n</tls-crypt>\n</connection>\n",
        }
        for first, second in (("tls-auth", "tls-crypt"), ("tls-crypt", "tls-auth")):
            with two_hosts() as lab:
                protection = "tls-auth-directed" if first == "tls-auth" else first
                Ends(lab, Case(protection)).serve_stock()
                config = Ends(lab, Case("none", client_lines=("auth SHA256",))).client_config()
                config.write_text(config.read_text() + blocks[first] + blocks[second])
                client = lab.twistd("client", config)
                client.wait_for("connected: device", 20)
                self.assertEqual(lab.ping("client", INNER_V4, 2), 2, client.output)
