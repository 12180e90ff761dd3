"""The frozen settings that everything else reads, and ``load``, which makes them from a file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tvpn.config import ini, openvpn
from tvpn.config.address import Listen, Remote
from tvpn.config.check import check
from tvpn.config.draft import draft
from tvpn.config.ethernet import Ethernet
from tvpn.config.fold import fold, own_lines
from tvpn.config.given import Read, read_file
from tvpn.config.table import Auth, Control, Data, Log, Manhole, Push, Tls, Transport, Tunnel, Tvpn
from tvpn.errors import ConfigError


@dataclass(frozen=True)
class Settings:
    """One attribute per section; ``warnings`` are sentences for the operator with file and line."""

    source: Path
    role: Literal["server", "client"]
    warnings: tuple[str, ...] = ()
    tvpn: Tvpn = field(default_factory=Tvpn)
    transport: Transport = field(default_factory=Transport)
    tunnel: Tunnel = field(default_factory=Tunnel)
    ethernet: Ethernet = field(default_factory=Ethernet)
    tls: Tls = field(default_factory=Tls)
    control: Control = field(default_factory=Control)
    data: Data = field(default_factory=Data)
    push: Push = field(default_factory=Push)
    auth: Auth = field(default_factory=Auth)
    manhole: Manhole = field(default_factory=Manhole)
    log: Log = field(default_factory=Log)
    own_lines: tuple[str, ...] = ()
    """What a client's file says of routes and names itself, in the text that a server would push."""

    @property
    def listen(self) -> tuple[Listen, ...]:
        """Where a server listens, OpenVPN's proto, port and local folded in; empty for a client."""
        return self.transport.listen

    @property
    def remotes(self) -> tuple[Remote, ...]:
        """What a client calls, in the order of the file, with port and family resolved."""
        return self.transport.remote

    @property
    def is_tap(self) -> bool:
        """Whether the tunnel carries Ethernet frames."""
        return self.tunnel.dev_type == "tap"

    @property
    def pushed_keepalive(self) -> tuple[int, int] | None:
        """(ping, ping-restart) in seconds for a server's clients: keepalive as written; None where not given."""
        return self.tunnel.keepalive if self.role == "server" else None


def load(path: Path | str, *, environ: Mapping[str, str] | None = None, read: Read = read_file) -> Settings:
    """The settings of an ini file or of one of OpenVPN's, decided by content; raises ConfigError."""
    source = Path(path).absolute()
    try:
        text = read(source).text
    except UnicodeDecodeError:
        raise ConfigError("is not UTF-8 text; name a configuration file", file=source) from None
    except OSError as error:
        reason = (error.strerror or "unreadable").lower()
        raise ConfigError(f"cannot be read ({reason}); check the path and its permissions", file=source) from None
    return parse(text, source, environ=environ, read=read)


def parse(text: str, source: Path, *, environ: Mapping[str, str] | None = None, read: Read = read_file) -> Settings:
    """The settings of a text that stands in ``source``; raises ConfigError."""
    text = text.removeprefix("\ufeff")
    significant = (line for line in text.split("\n") if line.strip() and line.strip()[0] not in "#;")
    first = next(significant, None)
    if first is None:
        raise ConfigError("has no option in it; see etc/server.ini for a complete example", file=source)
    is_ini = ini.is_header(first)
    made = draft((ini if is_ini else openvpn).read(text, source, read))
    role = fold(made, source, is_ini, os.environ if environ is None else environ)
    check(made, role, source)
    sections = made.values
    return Settings(
        source, role, tuple(made.warnings), Tvpn(**sections["tvpn"]), Transport(**sections["transport"]),
        Tunnel(**sections["tunnel"]), Ethernet(**sections["ethernet"]), Tls(**sections["tls"]),
        Control(**sections["control"]), Data(**sections["data"]), Push(**sections["push"]), Auth(**sections["auth"]),
        Manhole(**sections["manhole"]), Log(**sections["log"]), own_lines(made, role),
    )  # fmt: skip
