"""``tvpn explain``: how a connection comes about, told while it does. Needs no root, and changes nothing."""

from __future__ import annotations

import os
import stat
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import click

from tvpn.cli.location import load_packets
from tvpn.errors import TvpnError

PATIENCE = 60.0


@click.command()
@click.argument("profile", type=click.Path(path_type=Path))
@click.option("--pcap", type=click.Path(path_type=Path), metavar="FILE",
              help="Write the control packets, their wrapping taken off, for Wireshark.")  # fmt: skip
@click.option("--keylog", type=click.Path(path_type=Path), metavar="FILE",
              help="Write TLS's secrets (NSS key log format), for Wireshark to look into TLS.")  # fmt: skip
@click.option("--markdown", is_flag=True, help="Print a page in Markdown.")
@click.option("--show-keys", is_flag=True, help="Show data keys whole, not as fingerprints.")
@click.option("--timeout", type=click.FloatRange(min=1), default=PATIENCE, show_default=True, metavar="SECONDS",
              help="How long it may take to get in.")  # fmt: skip
def explain(
    profile: Path, pcap: Path | None, keylog: Path | None, markdown: bool, show_keys: bool, timeout: float
) -> None:
    """Connect with PROFILE and tell every control packet: what it is, what is in it, and why.

    The tunnel ends in this command: it makes no device, pings the server through the tunnel once, and leaves. The exit
    status is 0 if the server let us in.
    """
    from twisted.internet import reactor
    from twisted.logger import globalLogBeginner

    from tvpn.net.clock import steady
    from tvpn.service.build import build_client
    from tvpn.service.explanation import Explanation
    from tvpn.service.probe import Probe
    from tvpn.service.transcript import Transcript

    def tell(line: str) -> None:
        if not markdown:
            explanation.write(show, line)

    settings = load_packets(profile)
    steady(reactor)
    transcript = Transcript(tell, show_keys=show_keys)
    with ExitStack() as files:
        capture = None if pcap is None else files.enter_context(open_secret(pcap, os.O_TRUNC))
        log = None if keylog is None else files.enter_context(open_secret(keylog, os.O_APPEND))
        explanation = Explanation(reactor, transcript, capture, log, timeout)
        observer: Any = explanation.log
        globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)
        probe = Probe(reactor, explanation.data, explanation.end)
        explanation.run(build_client(settings, reactor, probe, explanation.prepare))
    complain_of(explanation.broken)
    if markdown:
        show(f"# How {profile.name} connects\n\n{transcript.markdown}")
    if not explanation.succeeded:
        raise TvpnError(explanation.reason)


def open_secret(path: Path, how: int) -> BinaryIO:
    """A file that only its owner may read; raises TvpnError."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | how
    try:
        # Unbuffered: what fails has to fail where somebody listens.
        file = os.fdopen(os.open(path, flags, 0o600), "wb", buffering=0)
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            os.fchmod(file.fileno(), 0o600)
        return file
    except OSError as error:
        raise TvpnError(f"{path}: cannot be written ({(error.strerror or 'unknown').lower()})") from None


def complain_of(broken: OSError | None) -> None:
    """Raises TvpnError for what could not be written; a pipe whose reader is gone is click's business."""
    if isinstance(broken, BrokenPipeError):
        raise broken
    if broken is not None:
        raise TvpnError(f"what was to be told could not be written ({(broken.strerror or 'unknown').lower()})")


def show(line: str) -> None:
    click.echo(line)
