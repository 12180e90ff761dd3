"""``tvpn connect``: the whole machine joins, in the foreground, and whoever started it sees how it goes.

Exit status: 0 after Ctrl-C or SIGTERM, 1 and one sentence when it cannot start or go on, as after SIGHUP.
"""

from __future__ import annotations

from pathlib import Path

import click

from tvpn.cli.location import load_client


@click.command()
@click.argument("profile", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print events, a JSON object a line.")
@click.option("-v", "--verbose", is_flag=True, help="Show the log on standard error.")
def connect(profile: Path, as_json: bool, verbose: bool) -> None:
    """Connect this machine with PROFILE until Ctrl-C; needs root.

    At a terminal it shows the stages and a line with the rates; elsewhere it is quiet, unless --json is given. The exit
    status is 0 after Ctrl-C or SIGTERM, and 1 when it cannot start or has to give up.
    """
    from twisted.internet import reactor

    from tvpn.cli import face as faces
    from tvpn.cli.output import begin_log
    from tvpn.net.clock import steady
    from tvpn.service.build import build_client
    from tvpn.service.ending import end_on_signals
    from tvpn.service.foreground import Foreground
    from tvpn.service.memory import calm_collector
    from tvpn.service.privilege import require_net_admin

    settings = load_client(profile)
    require_net_admin()
    begin_log(verbose)
    steady(reactor)
    client = build_client(settings, reactor)
    end_on_signals(reactor, client.give_up)
    calm_collector()
    face = faces.choose(as_json)
    try:
        Foreground(reactor, client, face.hear, face.show).run()
    finally:
        face.close()
