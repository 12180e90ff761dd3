"""Where the log of a command goes: to standard error when it is asked for; what ends the command always does."""

from __future__ import annotations

import click
from twisted.logger import ILogObserver, LogEvent, LogLevel, eventAsText, formatEvent, globalLogBeginner
from zope.interface import implementer


def begin_log(verbose: bool) -> None:
    """From now on the service's log is told, or only why it cannot go on."""

    @implementer(ILogObserver)
    def observe(event: LogEvent) -> None:
        if verbose:
            complain(eventAsText(event, includeTimestamp=False, includeSystem=False))
        elif event["log_level"] >= LogLevel.critical:
            complain(formatEvent(event))

    globalLogBeginner.beginLoggingTo([observe], redirectStandardIO=False)


def complain(text: str) -> None:
    """A sentence for whoever started the command."""
    click.echo(f"tvpn: {text}", err=True)
