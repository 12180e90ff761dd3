"""A server of ours from an empty folder, devices added by the command line, and clients of ours that join it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.lab import BIN, Lab, Program

SERVER_V4, SERVER_V6 = "198.51.100.1", "2001:db8:1::1"
INNER_V4, INNER_V6 = "10.87.0.1", "fd00:87::1"
LISTENING, CONNECTED = "listening on", "connected: device"


@dataclass
class Site:
    """The server's side in one lab; each list holds lines of the ini section of that name."""

    lab: Lab
    transport: tuple[str, ...] = ()
    tunnel: tuple[str, ...] = ()
    control: tuple[str, ...] = ()
    push: tuple[str, ...] = ()
    manhole: tuple[str, ...] = ()
    ethernet: tuple[str, ...] = ()
    network: tuple[str, ...] = ("server = 10.87.0.0/24", f"server-ipv6 = {INNER_V6[:-1]}/64")

    @property
    def state(self) -> Path:
        return self.lab.folder / "state"

    def config(self) -> Path:
        """The ini file, written anew."""
        sections = {
            "tvpn": ("role = server", "state = state"),
            "transport": self.transport,
            "tunnel": (*self.network, *self.tunnel),
            "ethernet": self.ethernet,
            "control": self.control,
            "push": self.push,
            "manhole": self.manhole,
        }
        text = "".join("\n".join([f"[{name}]", *lines, ""]) for name, lines in sections.items() if lines)
        return self.lab.write("server.ini", text)

    def start(self, host: str = "server") -> Program:
        return self.lab.twistd(host, self.config(), "tvpn-server")

    def serve(self, host: str = "server") -> Program:
        """Started, and listening."""
        program = self.start(host)
        program.wait_for(LISTENING)
        return program

    def tvpn(self, *words: str) -> str:
        """The command line beside the server; what it says on standard error."""
        return self.lab.run("server", str(BIN / "tvpn"), "--config", str(self.config()), *words).stderr

    def device(self, name: str, remote: str = SERVER_V4) -> Path:
        """A new device's profile."""
        path = self.lab.folder / f"{name}.ovpn"
        self.tvpn("device", "add", name, "--remote", remote, "--output", str(path))
        return path

    def join(self, profile: Path, host: str = "client") -> Program:
        """Our client with this profile, connected."""
        program = self.lab.twistd(host, profile, profile.stem)
        program.wait_for(CONNECTED)
        return program

    def address(self, host: str = "client") -> list[str]:
        """The addresses of the host's tunnel, without those of the link."""
        shown = self.lab.ip(host, "-br", "addr", "show", "dev", "tun0").split()[2:]
        return [address for address in shown if not address.startswith("fe80:")]


def tables(lab: Lab, host: str = "server") -> list[str]:
    """The nft tables of a host."""
    return lab.run(host, "nft", "list", "tables").stdout.splitlines()
