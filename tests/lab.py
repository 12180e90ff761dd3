"""A lab of network namespaces: hosts, wires between them, programs in them; everything is taken down again.

Names carry the process id and a counter, so that two labs can stand side by side. ``ip`` and programs are called with
argument vectors, in bounded time; only what was started here is ended, by its own process id.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
NAMESPACES = Path("/etc/netns")
#: What a host finds in its resolv.conf.
RESOLV_CONF = "# before\nnameserver 192.0.2.53\n"
_numbers = itertools.count(1)


def missing(*programs: str) -> str | None:
    """Why a lab with these programs cannot be had here, or None."""
    if os.geteuid() != 0:
        return "needs root for network namespaces"
    if not Path("/dev/net/tun").exists():
        return "needs /dev/net/tun"
    absent = [program for program in ("ip", *programs) if shutil.which(program) is None]
    return f"needs the programs {', '.join(absent)}" if absent else None


def skip_unless_possible(*programs: str) -> str | None:
    """For ``skip =``: the reason, or None. Where nothing may skip, the test is run and fails by itself."""
    return None if os.environ.get("TVPN_NO_SKIP") else missing(*programs)


class Program:
    """A running program whose output goes to a file."""

    def __init__(self, argv: Sequence[str], log: Path, environment: dict[str, str] | None = None) -> None:
        self.argv = list(argv)
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                self.argv, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                env=environment, cwd=ROOT, start_new_session=True,
            )  # fmt: skip

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_for(self, pattern: str, seconds: float = 20.0, count: int = 1) -> str:
        """The output once the pattern is in it ``count`` times; an AssertionError shows the output otherwise."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if len(re.findall(pattern, self.output)) >= count:
                return self.output
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        if len(re.findall(pattern, self.output)) >= count:
            return self.output
        raise AssertionError(f"{pattern!r} not seen in the output of {' '.join(self.argv[:8])}:\n{self.output[-6000:]}")

    def stop(self, number: int = signal.SIGTERM, seconds: float = 10.0) -> int:
        """Send the signal and wait; the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(seconds)
        return self.process.returncode


class Lab:
    """Namespaces and programs; a context manager."""

    def __init__(self) -> None:
        self.suffix = f"{os.getpid():x}{next(_numbers):x}"
        self.folder = Path(tempfile.mkdtemp(prefix="tvpn-lab-"))
        self._hosts: dict[str, str] = {}
        self._programs: list[Program] = []
        self._wires = 0

    def __enter__(self) -> Lab:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # Hosts and wires

    def host(self, name: str) -> str:
        """A namespace with loopback up."""
        namespace = f"tv{self.suffix}{name}"
        self._ip("netns", "add", namespace)
        self._hosts[name] = namespace
        # What a program does to its resolv.conf it does to this one (ip-netns(8)), not to that of this machine.
        folder = self.resolv_conf(name).parent
        folder.mkdir(parents=True)
        self.resolv_conf(name).write_text(RESOLV_CONF)
        # Nobody has an address twice here: it serves at once, on a tap device too, instead of seconds later.
        self.run(name, "sysctl", "-qw", *(f"net.ipv6.conf.{which}.accept_dad=0" for which in ("all", "default")))
        self.ip(name, "link", "set", "lo", "up")
        return namespace

    def resolv_conf(self, name: str) -> Path:
        return NAMESPACES / self._hosts[name] / "resolv.conf"

    def wire(
        self, one: str, one_addresses: Sequence[str], other: str, other_addresses: Sequence[str]
    ) -> tuple[str, str]:
        """A veth pair between two hosts, up, with these addresses; the device names."""
        self._wires += 1
        names = f"v{self._wires}a{self.suffix}"[:15], f"v{self._wires}b{self.suffix}"[:15]
        self._ip("link", "add", names[0], "netns", self._hosts[one], "type", "veth",
                 "peer", "name", names[1], "netns", self._hosts[other])  # fmt: skip
        for host, name, addresses in ((one, names[0], one_addresses), (other, names[1], other_addresses)):
            for address in addresses:
                self.ip(host, "addr", "add", address, "dev", name, *(["nodad"] if ":" in address else []))
            self.ip(host, "link", "set", name, "up")
        return names

    def ip(self, host: str, *words: str) -> str:
        return self._ip("-n", self._hosts[host], *words)

    def _ip(self, *words: str) -> str:
        done = subprocess.run(["ip", *words], capture_output=True, text=True, timeout=20)
        if done.returncode:
            raise AssertionError(f"ip {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout

    # Programs

    def inside(self, host: str, argv: Sequence[str]) -> list[str]:
        return ["ip", "netns", "exec", self._hosts[host], *argv]

    def run(self, host: str, *argv: str, seconds: float = 60.0, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A program to its end."""
        done = subprocess.run(
            self.inside(host, argv), capture_output=True, text=True, timeout=seconds, cwd=ROOT,
            stdin=subprocess.DEVNULL, env=environment(),
        )  # fmt: skip
        if check and done.returncode:
            raise AssertionError(f"{' '.join(argv)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return done

    def spawn(self, host: str, *argv: str, name: str = "program") -> Program:
        """A program in the background."""
        log = self.folder / f"{name}-{len(self._programs)}.log"
        program = Program(self.inside(host, argv), log, environment())
        self._programs.append(program)
        return program

    def twistd(self, host: str, config: Path, name: str = "tvpn") -> Program:
        return self.spawn(host, str(BIN / "twistd"), "-n", "--pidfile=", "tvpn", "--config", str(config), name=name)

    def ping(self, host: str, target: str, count: int = 3, interval: float = 0.2, size: int = 56) -> int:
        """How many of the pings were answered."""
        words = (target, str(count), str(interval), str(size))
        return int(self.run(host, sys.executable, "-I", "-S", str(ROOT / "tests/pinger.py"), *words).stdout.split()[0])

    def reach(self, host: str, target: str, tries: int = 10) -> None:
        """Wait until a ping is answered: a genuine server may drop what comes within a second of its push."""
        if not any(self.ping(host, target, 1) for _ in range(tries)):
            raise AssertionError(f"{target} answers {host} none of {tries} pings")

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o600)
        return path

    def close(self) -> None:
        """End what was started, forget what was made."""
        for program in reversed(self._programs):
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                program.stop()
        for namespace in self._hosts.values():
            subprocess.run(["ip", "netns", "del", namespace], capture_output=True, timeout=20)
            shutil.rmtree(NAMESPACES / namespace, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)


def environment() -> dict[str, str]:
    """Ours, with the checkout on Python's path."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "TVPN_CONFIG": ""}


@contextlib.contextmanager
def two_hosts() -> Iterator[Lab]:
    """``server`` (198.51.100.1, 2001:db8:1::1) and ``client`` (.2, ::2), wired."""
    with Lab() as lab:
        lab.host("server")
        lab.host("client")
        lab.wire("server", ["198.51.100.1/24", "2001:db8:1::1/64"], "client", ["198.51.100.2/24", "2001:db8:1::2/64"])
        yield lab
