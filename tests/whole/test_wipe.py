"""What is left of keys in the memory of a process that needs them no more."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.lab import ROOT, environment

#: Bytes that are looked for together: any so long a piece of a secret is a trace of it.
PIECE = 16
CASES = (
    ("AES-256-GCM", "classic"), ("AES-128-GCM", "prf"), ("AES-256-GCM", "epochs"), ("CHACHA20-POLY1305", "classic"),
    ("CHACHA20-POLY1305", "epochs"), ("AES-256-CBC", "classic"),
)  # fmt: skip


def memory_of(process: int) -> list[bytes]:
    """All that a process can write to, read from outside."""
    parts = []
    with open(f"/proc/{process}/mem", "rb", buffering=0) as memory:
        for line in Path(f"/proc/{process}/maps").read_text().splitlines():
            place, rights, *_ = line.split()
            begin, end = (int(number, 16) for number in place.split("-"))
            if rights.startswith("rw"):
                memory.seek(begin)
                parts.append(memory.read(end - begin))
    return parts


def traces(secret: bytes, memory: list[bytes]) -> int:
    """How often the piece of the secret is there that is there most often."""
    pieces = [secret[at : at + PIECE] for at in range(0, len(secret), PIECE)]
    return max(sum(part.count(piece) for part in memory) for piece in pieces)


class Keeper:
    """tests/whole/keeper.py, running; ``secrets`` is what it has told: (kind, key id, secret)."""

    def __init__(self, cipher: str, form: str) -> None:
        self.secrets: list[tuple[str, int, bytes]] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.whole.keeper", cipher, form],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, env=environment(),
        )  # fmt: skip

    def listen(self, kind: str) -> dict[str, Any]:
        """Until it says a line of this kind."""
        assert self.process.stdout is not None
        while (said := json.loads(self.process.stdout.readline()))["kind"] != kind:
            secret = (said["kind"], said["key"], self.process.stdout.read(said["size"]))
            self.secrets += [] if secret in self.secrets else [secret]
        return dict(said)

    def go_on(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def stop(self) -> None:
        self.process.kill()
        self.process.communicate()


class WipeTests(SynchronousTestCase):
    timeout = 300

    def look(self, cipher: str, form: str) -> None:
        """One process with seven generations of keys, looked at while two are in use, and when none is."""
        keeper = Keeper(cipher, form)
        self.addCleanup(keeper.stop)
        last = keeper.listen("live")
        self.assertTrue(last["passes"])
        self.assertEqual(last["keys"][0], last["keys"][1])
        memory = memory_of(keeper.process.pid)
        kinds, retired = set(), 0
        for kind, key_id, secret in keeper.secrets:
            kinds.add(kind)
            if key_id in last["keys"][0] and kind == "data":
                self.assertGreater(traces(secret, memory), 0, f"{cipher} {form}: the live {kind} key was not found")
            elif key_id >= 0 and key_id not in last["keys"][0]:
                retired += 1
                self.assertEqual(traces(secret, memory), 0, f"{cipher} {form}: {kind} key {key_id} is still there")
        self.assertGreater(retired, 8)
        wanted = {"classic": {"exported"}, "prf": set(), "epochs": {"exported", "epoch"}}[form]
        self.assertLessEqual({"data", "tls-crypt"} | wanted, kinds)
        keeper.go_on()
        keeper.listen("over")
        memory = memory_of(keeper.process.pid)
        for kind, key_id, secret in keeper.secrets:
            self.assertEqual(traces(secret, memory), 0, f"{cipher} {form}: {kind} {key_id} was left at the end")

    def test_retired_keys(self) -> None:
        """C-11: of retired data keys, of what they were made of, and of the tls-crypt key of a session that is over
        nothing is found in the memory of the process, though its present keys are.
        """
        for cipher, form in CASES:
            self.look(cipher, form)
