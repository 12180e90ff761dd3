"""``tvpn exec`` in the lab: a client who is nobody in particular, a server, and a host behind it that knows every name.

The client's machine has a way to that host outside the tunnel, too: what leaks arrives, and is counted.
"""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab import BIN, ROOT, Lab, Program, environment, two_hosts

ORACLE, PORT, NAME = "203.0.113.7", 7000, "oracle.example"
#: Of all that leaves the client's machine by the wire, what is no packet of the tunnel.
STRAY = """
table inet watch {
    counter tunnel { }
    counter stray { }
    chain out {
        type filter hook output priority 0;
        oif lo accept
        ip daddr 198.51.100.1 udp dport 1194 counter name tunnel accept
        # What the machine itself says to a server that still speaks to a former port.
        ip daddr 198.51.100.1 icmp type destination-unreachable accept
        meta l4proto { tcp, udp, icmp } counter name stray
    }
}
"""


@dataclass
class Client:
    """Somebody at the client's machine, with a profile."""

    lab: Lab
    profile: Path
    oracle: Program

    def argv(self, *command: str, who: Sequence[str] = (), options: Sequence[str] = ()) -> list[str]:
        """``who`` as tests/commoner.py has it."""
        # The folder of the lab is for root, and this profile is given to somebody else.
        self.lab.folder.chmod(0o755)
        self.profile.chmod(0o644)
        tvpn = [str(BIN / "tvpn"), "exec", *options, str(self.profile), *(["--", *command] if command else [])]
        return self.as_commoner(*tvpn, who=who)

    def as_commoner(self, *command: str, who: Sequence[str] = ()) -> list[str]:
        return [str(BIN / "python"), str(ROOT / "tests/commoner.py"), *who, "--", *command]

    def exec(
        self, *command: str, who: Sequence[str] = (), options: Sequence[str] = (), seconds: float = 40.0,
    ) -> subprocess.CompletedProcess[str]:  # fmt: skip
        argv = self.argv(*command, who=who, options=options)
        return self.lab.run("client", *argv, check=False, seconds=seconds)

    def spawn(self, *command: str, who: Sequence[str] = (), options: Sequence[str] = (), name: str = "exec") -> Program:
        return self.lab.spawn("client", *self.argv(*command, who=who, options=options), name=name)

    def witness(self, *who: str) -> dict[str, Any]:
        """What a program sees in there, once it has been to the host behind the server."""
        done = self.exec(*WITNESS, NAME, str(PORT), who=who)
        if done.returncode:
            raise AssertionError(f"the witness ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        seen: dict[str, Any] = json.loads(done.stdout)
        return seen

    def counted(self, name: str) -> int:
        """Packets since the watch began."""
        shown = self.lab.run("client", "nft", "list", "counter", "inet", "watch", name).stdout
        found = re.search(r"packets (\d+)", shown)
        return int(found[1]) if found else -1


WITNESS = (str(BIN / "python"), "-P", str(ROOT / "tests/witness.py"))


@contextlib.contextmanager
def three_hosts() -> Iterator[Lab]:
    """``client``, ``server`` and, behind it, ``oracle``; the client's machine is watched."""
    with two_hosts() as lab:
        lab.host("oracle")
        lab.wire("server", ["203.0.113.1/24"], "oracle", [f"{ORACLE}/24"])
        lab.ip("oracle", "route", "add", "default", "via", "203.0.113.1")
        lab.ip("client", "route", "add", "default", "via", "198.51.100.1")
        lab.resolv_conf("client").write_text(f"nameserver {ORACLE}\n")
        lab.run("server", "sysctl", "-qw", "net.ipv4.ip_forward=1")
        subprocess.run(
            lab.inside("client", ["nft", "-f", "-"]), input=STRAY, text=True, check=True, timeout=20, env=environment()
        )
        yield lab


def open_oracle(lab: Lab) -> Program:
    oracle = lab.spawn("oracle", str(BIN / "python"), str(ROOT / "tests/oracle.py"), ORACLE, str(PORT), name="oracle")
    oracle.wait_for("ready")
    return oracle
