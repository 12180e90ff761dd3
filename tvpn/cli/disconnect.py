"""``tvpn disconnect``: the client ends, the kill switch opens, and nothing of either is left."""

from __future__ import annotations

import click

from tvpn.errors import TvpnError


@click.command()
def disconnect() -> None:
    """End the client that runs on this machine, open its kill switch and put back what a killed one has left."""
    from tvpn.service import nft, presence
    from tvpn.service.killswitch import KillSwitch
    from tvpn.service.repair import repair

    ended = presence.end_all()
    for pid in ended:
        click.echo(f"the client (process {pid}) has ended")
    if not ended:
        click.echo("no client is running here")
    try:
        nft.program()
    except TvpnError:
        # Without nft there can be no kill switch.
        pass
    else:
        kill_switch = KillSwitch()
        if kill_switch.stands():
            kill_switch.take_down()
            click.echo("the kill switch is open")
    for sentence in repair():
        click.echo(sentence)
