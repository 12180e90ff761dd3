"""``tvpn``: look after a server from the shell; the server itself is started by ``twistd tvpn``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from tvpn import __version__
from tvpn.cli.connect import connect
from tvpn.cli.device import device
from tvpn.cli.disconnect import disconnect
from tvpn.cli.exec import exec_
from tvpn.cli.explain import explain
from tvpn.cli.location import Location
from tvpn.errors import TvpnError


class Sentences(click.Group):
    """A group whose errors of ours end as their sentence on standard error, exit status 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except TvpnError as error:
            click.echo(str(error), err=True)
            ctx.exit(1)


@click.group(cls=Sentences)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The configuration; else $TVPN_CONFIG, ./etc/server.ini, /etc/tvpn/server.ini.",
)
@click.version_option(__version__, prog_name="tvpn")
@click.pass_context
def main(context: click.Context, config: Path | None) -> None:
    """Look after a tvpn server; start it with: twistd -n tvpn --config FILE"""
    context.obj = Location(config, os.environ)


@main.command()
def options() -> None:
    """List every option with its section, default and meaning."""
    from tvpn.config.reference import reference

    click.echo(reference().rstrip("\n"))


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
def check(file: Path) -> None:
    """Read a configuration and say whether a start would accept it; nothing is made or changed."""
    from tvpn.config import load
    from tvpn.service import build

    settings = load(file)
    build.check(settings)
    number = len(settings.warnings)
    click.echo(f"{file}: ok ({settings.role}, {number} warning{'' if number == 1 else 's'})")
    for warning in settings.warnings:
        click.echo(f"warning: {warning}")


main.add_command(connect)
main.add_command(device)
main.add_command(disconnect)
main.add_command(exec_)
main.add_command(explain)
