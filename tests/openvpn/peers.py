"""Configurations for both ends, and the genuine openvpn binaries."""

from __future__ import annotations

import fcntl
import os
import subprocess
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from unittest import SkipTest

from tests.certificates import Signer
from tests.lab import ROOT, Lab, Program
from tvpn.crypto.statickey import StaticKey, TLSCryptV2ServerKey
from tvpn.crypto.tls import Credentials

SIGNER = Signer(now=datetime.now(UTC))
SERVER = SIGNER.issue("server", "server")
STATIC_KEY = StaticKey.generate(os.urandom)
V2_KEY = TLSCryptV2ServerKey.generate(os.urandom)

SERVER_V4, SERVER_V6 = "198.51.100.1", "2001:db8:1::1"
INNER_V4, INNER_V6 = "10.99.0.1", "fd00:99::1"
READY = "Initialization Sequence Completed"


@cache
def openvpn27() -> str:
    """A genuine OpenVPN 2.7, unpacked once (kept beside the other temporary files for later runs); where it cannot be
    had, the test is skipped, unless nothing may be.
    """
    folder = Path(tempfile.gettempdir()) / "tvpn-openvpn27"
    folder.mkdir(exist_ok=True)
    # Several test processes may want it at once: one unpacks, the others wait.
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            _unpack(folder)
        except (OSError, subprocess.SubprocessError) as error:
            if os.environ.get("TVPN_NO_SKIP"):
                raise
            raise SkipTest(f"needs a genuine OpenVPN 2.7 from Debian's backports: {error}") from None
    return str(folder / "openvpn")


def _unpack(folder: Path) -> None:
    subprocess.run(["bash", str(ROOT / "tests/openvpn/openvpn27.sh"), str(folder)], check=True, timeout=300)


def binary(version: str) -> str:
    return openvpn27() if version == "2.7" else "openvpn"


@dataclass(frozen=True)
class Case:
    """One way to connect."""

    protection: str = "tls-crypt-v2"
    cipher: str = "AES-256-GCM"
    tls: str = "1.3"
    version: str = "2.6"
    outer: str = SERVER_V4
    proto: str = "udp"
    server_lines: tuple[str, ...] = ()
    client_lines: tuple[str, ...] = ()
    port: int = 1194
    dev: str = "tun"
    digest: str = ""
    """Of tls-auth and CBC ciphers; without a word SHA256 of tls-auth, and OpenVPN's SHA1 of the others."""


@dataclass
class Ends:
    """Files for both ends of a case, written into the lab's folder."""

    lab: Lab
    case: Case
    client: Credentials = field(default_factory=lambda: SIGNER.issue("alice"))
    server: Credentials = SERVER
    stock_serves: bool = False

    def server_config(self) -> Path:
        """As it would stand in a stock server.conf."""
        case = self.case
        lines = [
            f"dev {case.dev}", "topology subnet", f"port {case.port}", f"proto {self._proto('tcp-server')}",
            "server 10.99.0.0 255.255.255.0", "server-ipv6 fd00:99::/64", "dh none", "keepalive 10 60", "verb 4",
            f"data-ciphers {case.cipher}", "duplicate-cn", f"tls-version-max {case.tls}", *case.server_lines,
        ]  # fmt: skip
        return self._write("server.conf", lines, self.server, self._wrapping(server=True))

    def client_config(self, name: str = "client.conf") -> Path:
        """As it would stand in a stock client's profile."""
        case = self.case
        lines = [
            "client", f"dev {case.dev}", f"remote {case.outer} {case.port} {self._proto('tcp-client')}", "nobind",
            "remote-cert-tls server", "verb 4", f"data-ciphers {case.cipher}", "connect-retry 1 2", *case.client_lines,
        ]  # fmt: skip
        return self._write(name, lines, self.client, self._wrapping(server=False))

    def _proto(self, over_tcp: str) -> str:
        name, _, role = over_tcp.partition("-") if self.case.proto == "tcp" else ("udp", "", "")
        family = "6" if ":" in self.case.outer else "4"
        return f"{name}{family}-{role}" if role else f"{name}{family}"

    def _wrapping(self, server: bool) -> list[str]:
        protection = self.case.protection
        auth = [f"auth {self.case.digest}"] if self.case.digest else []
        if protection == "tls-crypt-v2":
            text = V2_KEY.pem if server else V2_KEY.issue(os.urandom, 1700000000).pem
            return [*auth, "<tls-crypt-v2>", text.strip(), "</tls-crypt-v2>"]
        if protection == "tls-crypt":
            return [*auth, "<tls-crypt>", STATIC_KEY.text.strip(), "</tls-crypt>"]
        if protection == "none":
            return auth
        direction = [f"key-direction {0 if server else 1}"] if protection == "tls-auth-directed" else []
        return [*direction, *(auth or ["auth SHA256"]), "<tls-auth>", STATIC_KEY.text.strip(), "</tls-auth>"]

    def _write(self, name: str, lines: list[str], own: Credentials, wrapping: list[str]) -> Path:
        blocks = [f"<{word}>\n{text.strip()}\n</{word}>" for word, text in
                  (("ca", own.ca), ("cert", own.certificate), ("key", own.key)) if text]  # fmt: skip
        return self.lab.write(name, "\n".join([*lines, *wrapping, *blocks, ""]))

    def serve(self) -> Program:
        """tvpn as the server, listening."""
        program = self.lab.twistd("server", self.server_config(), "tvpn-server")
        program.wait_for("listening on")
        return program

    def serve_stock(self, text: str = "") -> Program:
        """The genuine openvpn as the server; ``text``: its configuration, where it is to be another."""
        config = self.lab.write("server.conf", text) if text else self.server_config()
        # It looks for files that are named there where it runs.
        words = (binary(self.case.version), "--cd", str(self.lab.folder), "--config", str(config))
        program = self.lab.spawn("server", *words, name="openvpn-server")
        program.wait_for(READY)
        self.stock_serves = True
        return program

    def join_stock(self, host: str = "client", name: str = "client.conf") -> Program:
        """The genuine openvpn as the client, connected."""
        program = self.lab.spawn(host, binary(self.case.version), str(self.client_config(name)), name="openvpn-client")
        program.wait_for(READY, 30)
        return program

    def join(self, host: str = "client", name: str = "client.conf") -> Program:
        """tvpn as the client, connected."""
        program = self.lab.twistd(host, self.client_config(name), "tvpn-client")
        program.wait_for("connected: device", 30)
        if self.stock_serves:
            # It may drop what comes within a second of its push.
            any(self.lab.ping(host, INNER_V4, 1) for _ in range(4))
        return program
