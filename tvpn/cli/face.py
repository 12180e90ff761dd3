"""What a person, or a program, sees of a client that runs: a line that lives, JSON, or nothing at all."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Protocol, TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from tvpn.hub.event import Advanced, Changed, Connected, Disconnected
from tvpn.hub.pushed import Tunnel
from tvpn.plane.verbs import Counters
from tvpn.service.narrator import clean, sentence
from tvpn.service.progress import Blocked, CallFailed, Calling, Progress, Waiting
from tvpn.wire.challenge import Challenge


class Face(Protocol):
    """Hears everything; is shown the counters every second while the tunnel is up."""

    def hear(self, progress: Progress) -> None: ...
    def show(self, counters: Counters) -> None: ...
    def close(self) -> None: ...


class SilentFace:
    """Of a client whose output nobody looks at: its failure is told elsewhere."""

    def hear(self, progress: Progress) -> None:
        """Nothing."""

    def show(self, counters: Counters) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class TerminalFace:
    """Stages as they are reached, and below them one line that lives."""

    def __init__(self, output: TextIO, now: Callable[[], float]) -> None:
        self._console = Console(file=output, highlight=False)
        self._live = Live(Text(""), console=self._console, auto_refresh=False, transient=True)
        self._live.start()
        self._now = now
        self._since = 0.0
        self._before: tuple[float, int, int] | None = None

    def hear(self, progress: Progress) -> None:
        if isinstance(progress, Advanced):
            self._status(progress.step.value)
            return
        if isinstance(progress, Connected):
            self._since, self._before = self._now(), None
            self._print(f"connected: {', '.join(_addresses(progress.tunnel))}", "green")
            self._status("up")
        said = sentence(progress)
        if isinstance(progress, Calling):
            where = progress.proxy or progress.address
            shown = f"{progress.host} ({where})" if progress.host != where else progress.host
            self._status(f"calling {clean(shown)}, {progress.protocol} port {progress.port}")
        elif isinstance(progress, Waiting):
            self._status(said or "")
        elif said is not None:
            self._print(said, "red" if isinstance(progress, Disconnected | CallFailed | Blocked) else "")

    def show(self, counters: Counters) -> None:
        now = self._now()
        before, self._before = self._before, (now, counters.received_bytes, counters.sent_bytes)
        if before is None or now <= before[0]:
            return
        down, up = (
            (count - earlier) * 8 / (now - before[0])
            for count, earlier in ((counters.received_bytes, before[1]), (counters.sent_bytes, before[2]))
        )
        totals = f"{size(counters.received_bytes)} in, {size(counters.sent_bytes)} out"
        self._status(f"up {clock(now - self._since)}   ↓ {rate(down)}   ↑ {rate(up)}   {totals}")

    def close(self) -> None:
        self._live.stop()

    def _status(self, text: str) -> None:
        self._live.update(Text(text, no_wrap=True, overflow="ellipsis"), refresh=True)

    def _print(self, text: str, style: str) -> None:
        self._console.print(Text(text, style=style))


class JSONFace:
    """An object a line: ``time``, ``event`` and what belongs to it; ``traffic`` every ten seconds that bring any."""

    EVERY = 10

    def __init__(self, output: TextIO) -> None:
        self._output = output
        self._seconds = 0
        self._shown = (0, 0)

    def hear(self, progress: Progress) -> None:
        values = {field.name: _plain(getattr(progress, field.name)) for field in fields(progress) if field.repr}
        if isinstance(progress, Connected | Changed):
            values = _plain_tunnel(progress.tunnel)
        elif isinstance(progress, Disconnected):
            # The rest is between the client's parts.
            values = {name: values[name] for name in ("reason", "retry", "wait")}
        name = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", type(progress).__name__).lower()
        self._write(name, values)

    def show(self, counters: Counters) -> None:
        self._seconds += 1
        carried = (counters.received_bytes, counters.sent_bytes)
        if self._seconds % self.EVERY == 0 and carried != self._shown:
            self._shown = carried
            self._write("traffic", {"received_bytes": carried[0], "sent_bytes": carried[1]})

    def close(self) -> None:
        self._write("stopped", {})

    def _write(self, event: str, values: dict[str, Any]) -> None:
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        print(json.dumps({"time": at, "event": event, **values}), file=self._output, flush=True)


class LastingFace:
    """Another face, as long as its output can be written to: a client goes on when nobody looks any more."""

    def __init__(self, face: Face, output: TextIO) -> None:
        self._face = face
        self._output = output

    def hear(self, progress: Progress) -> None:
        self._try(self._face.hear, progress)

    def show(self, counters: Counters) -> None:
        self._try(self._face.show, counters)

    def close(self) -> None:
        self._try(self._face.close)

    def _try(self, call: Callable[..., None], *values: object) -> None:
        try:
            call(*values)
        except OSError:
            self._face = SilentFace()
            # What is left in the buffer would fail again at the end, and be taken for our own failure.
            nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
            os.dup2(nowhere, self._output.fileno())
            os.close(nowhere)


def choose(as_json: bool) -> Face:
    """The face for standard output as it is."""
    from tvpn.net.clock import now

    if as_json:
        return LastingFace(JSONFace(sys.stdout), sys.stdout)
    return LastingFace(TerminalFace(sys.stdout, now), sys.stdout) if sys.stdout.isatty() else SilentFace()


def _addresses(tunnel: Tunnel) -> list[str]:
    return [str(address) for address in (tunnel.ipv4, tunnel.ipv6) if address is not None]


def _plain_tunnel(tunnel: Tunnel) -> dict[str, Any]:
    return {
        "addresses": _addresses(tunnel),
        "mtu": tunnel.mtu,
        "routes": [str(route) for route in (*tunnel.redirected, *tunnel.routes)],
        "name_servers": [str(address) for server in tunnel.names.servers for address, _ in server.places],
        "search_domains": list(tunnel.names.search),
        "ignored": tunnel.ignored,
    }


def _plain(value: object) -> object:
    """What JSON has a form for, and text for the rest."""
    if isinstance(value, Enum):
        return value.name.lower()
    if isinstance(value, Challenge):
        # What belongs to it otherwise is between us and the server.
        return value.text
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def rate(bits: float) -> str:
    """Bits a second for people."""
    return _scaled(bits, 1000, ("bit/s", "kbit/s", "Mbit/s", "Gbit/s"))


def size(number: int) -> str:
    """Bytes for people."""
    return _scaled(number, 1024, ("B", "KiB", "MiB", "GiB", "TiB"))


def _scaled(value: float, step: int, units: tuple[str, ...]) -> str:
    for unit in units[:-1]:
        if value < step:
            return f"{value:.0f} {unit}" if unit == units[0] else f"{value:.1f} {unit}"
        value /= step
    return f"{value:.1f} {units[-1]}"


def clock(seconds: float) -> str:
    """``1:02:03``."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
