"""The genuine ssh at a manhole in a lab: keys made by ssh-keygen, a terminal, and what is typed into it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.lab import Lab

PORT = 2222
MANHOLE = (f"listen = tcp:{PORT}:interface=127.0.0.1", "authorized-keys = authorized_keys")
"""Lines of the section [manhole] for a lab's server."""


def make_key(path: Path) -> str:
    """A new key pair at this path; the public line."""
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", str(path)]
    subprocess.run(command, check=True, timeout=20)
    return path.with_suffix(".pub").read_text()


def login(lab: Lab, host: str, key: Path, typed: str, *words: str) -> subprocess.CompletedProcess[str]:
    """ssh from the host to itself, with a terminal and these key strokes."""
    command = [
        "ssh", "-tt", "-F", "/dev/null", "-i", str(key), "-p", str(PORT), "-o", "BatchMode=yes",
        "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-o", "StrictHostKeyChecking=accept-new",
        "-o", f"UserKnownHostsFile={lab.folder / 'known_hosts'}", "-o", "ConnectTimeout=10",
        "operator@127.0.0.1", *words,
    ]  # fmt: skip
    environment = {**os.environ, "TERM": "dumb"}
    return subprocess.run(
        lab.inside(host, command), input=typed, capture_output=True, text=True, timeout=30, env=environment
    )
