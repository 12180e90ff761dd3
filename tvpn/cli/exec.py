"""``tvpn exec``: one program whose every packet goes through the tunnel; the machine itself stays as it is.

It ends as the program does: with its status, or of the signal that ended it. 125 is a failure of ours, 126 a program
that cannot be run, 127 one that is not found, as env(1) has it.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from tvpn.cli.location import load_packets
from tvpn.errors import TvpnError

if TYPE_CHECKING:
    from tvpn.service.supervision import Outcome

FAILED = 125
PATIENCE = 60.0


class Wrapper(click.Command):
    """A command whose own mistakes in usage cannot be taken for the program's status."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        try:
            return super().make_context(*args, **kwargs)
        except click.UsageError as error:
            error.show()
            leave(FAILED)


@click.command("exec", cls=Wrapper, context_settings={"allow_interspersed_args": False})
@click.option(
    "--timeout", type=click.FloatRange(min=1), default=PATIENCE, show_default=True, metavar="SECONDS",
    help="How long the first connection may take.",
)  # fmt: skip
@click.option("-v", "--verbose", is_flag=True, help="Show the log of the connection.")
@click.argument("profile", type=click.Path(path_type=Path))
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def exec_(profile: Path, command: tuple[str, ...], timeout: float, verbose: bool) -> None:
    """Run one program so that all it can reach is the tunnel; needs no root.

    PROFILE is a client's configuration. Without COMMAND it is a shell ($SHELL). The exit status is the program's own;
    125: tvpn failed, 126: the program cannot be run, 127: it was not found.
    """
    words = command[1:] if command[:1] == ("--",) else command
    try:
        outcome = run(profile, words or (os.environ.get("SHELL") or "/bin/sh",), timeout, verbose)
    except TvpnError as error:
        complain(str(error))
        leave(FAILED)
    except KeyboardInterrupt:
        die_of(signal.SIGINT)
    if outcome.sentence:
        complain(outcome.sentence)
    if outcome.signal is not None:
        die_of(outcome.signal)
    if outcome.status is None:
        leave(FAILED)
    if os.WIFSIGNALED(outcome.status):
        die_of(os.WTERMSIG(outcome.status))
    leave(os.WEXITSTATUS(outcome.status))


def run(profile: Path, command: Sequence[str], timeout: float, verbose: bool) -> Outcome:
    """The client and the program, to the end of the program. Raises TvpnError."""
    settings = load_packets(profile)
    if verbose:
        for warning in settings.warnings:
            complain(f"warning: {warning}")
    from tvpn.net.enclosed import EnclosedProgram

    program = EnclosedProgram(command, profile.stem)
    try:
        from twisted.internet import reactor

        from tvpn.cli.output import begin_log
        from tvpn.net.clock import steady
        from tvpn.net.terminal import has_terminal
        from tvpn.service.build import build_client
        from tvpn.service.enclosure import Enclosure
        from tvpn.service.memory import calm_collector
        from tvpn.service.supervision import Supervision

        begin_log(verbose)
        steady(reactor)
        enclosure = Enclosure(reactor, program, program.device(), settings.tunnel.tun_mtu, complain)
        client = build_client(settings, reactor, enclosure)
        calm_collector()
        return Supervision(reactor, client, program, timeout, has_terminal(), complain).run()
    finally:
        program.close()


def complain(text: str) -> None:
    """A sentence on standard error; what it takes to say one is loaded only then."""
    from tvpn.cli import output

    output.complain(text)


def leave(status: int) -> NoReturn:
    """End with this status, whatever else was to happen at the end."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def die_of(number: int) -> NoReturn:
    """End of a signal, so that whoever waits sees what ended the program; without a core, which would be ours."""
    from tvpn.net.systemcall import hide_memory

    hide_memory()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.stderr.flush()
    if number not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])
    os.kill(os.getpid(), number)
    leave(128 + number)
