"""``tvpn device``: who may come in. Works beside a running server, and before its first start."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tvpn.cli import destination, remote
from tvpn.cli.location import Location
from tvpn.crypto.statickey import KeyFileError, TLSCryptV2ServerKey
from tvpn.errors import TvpnError
from tvpn.pki.authority import Issued
from tvpn.pki.profile import Remote, profile
from tvpn.pki.state import AUTHORITY_CERTIFICATE, AUTHORITY_KEY, DATABASE, State
from tvpn.store import device as devices
from tvpn.store.database import connect, transaction
from tvpn.store.device import Device

if TYPE_CHECKING:
    from tvpn.config import Settings


@click.group()
def device() -> None:
    """Add, list and revoke devices."""


@device.command()
@click.argument("name")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A new file for the profile (mode 0600).",
)
@click.option(
    "--remote",
    "remotes",
    multiple=True,
    metavar="HOST[:PORT]",
    help="The server's address (more than one possible); else those of 'advertise'.",
)
@click.pass_obj
def add(location: Location, name: str, output: Path | None, remotes: tuple[str, ...]) -> None:
    """Make a certificate for a device, and its profile on standard output or in FILE."""
    devices.check_name(name)
    settings = location.load_server()
    addresses = _addresses(settings, remotes)
    destination.check(output)
    state = _open_state(settings)
    if state.made:
        click.echo(f"made in {state.folder}: {', '.join(state.made)}", err=True)
    now = datetime.now(UTC)
    issued = state.authority.issue_device(name, now)
    text = _profile(settings, state, issued, addresses, now)
    end = issued.certificate.not_valid_after_utc
    entry = Device(name, issued.identity.serial, issued.identity.issuer, now.timestamp(), end.timestamp())
    with closing(connect(state.database_path)) as connection:
        # The row first, for a profile that the server does not know is worth nothing; but no lock is held
        # while a pipe is written, whose reader may be slow.
        with transaction(connection):
            devices.add(connection, entry)
        try:
            destination.deliver(text, output)
        except BaseException:
            with transaction(connection):
                devices.remove(connection, entry)
            raise
    click.echo(
        f"{name}: added, valid until {end:%Y-%m-%d}; keep the profile safe, it holds the private key",
        err=True,
    )


@device.command("list")
@click.option("--json", "as_json", is_flag=True, help="As JSON, times in ISO 8601.")
@click.pass_obj
def list_devices(location: Location, as_json: bool) -> None:
    """List all devices, the revoked ones, too."""
    found = _known(location.load_server())
    now = datetime.now(UTC).timestamp()
    rows = [
        {
            "name": one.name,
            "status": _status(one, now),
            "created": _iso(one.created),
            "expires": _iso(one.expires),
            "revoked": None if one.revoked is None else _iso(one.revoked),
            "serial": f"{one.serial:x}",
        }
        for one in found
    ]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    columns = ("name", "status", "created", "expires", "serial")
    table = [[column.upper() for column in columns]]
    # In the table a day is enough of a time.
    table += [
        [str(row[c])[:10] if c in ("created", "expires") else str(row[c]) for c in columns] for row in rows
    ]
    widths = [max(len(line[at]) for line in table) for at in range(len(columns))]
    for line in table:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


@device.command()
@click.argument("name")
@click.pass_obj
def revoke(location: Location, name: str) -> None:
    """Refuse a device from now on; its name may be given again."""
    path = _database_path(location.load_server())
    if not path.exists():
        raise TvpnError(f"there is no device {name!r}; none was ever added here")
    with closing(connect(path)) as connection, transaction(connection):
        gone = devices.revoke(connection, name, datetime.now(UTC).timestamp())
    # The row is what counts: the server looks at it whenever keys are negotiated. What ends a session that
    # is up belongs here, after the commit.
    click.echo(f"{gone.name}: revoked; new connections and renegotiations are refused from now on", err=True)


def _addresses(settings: Settings, given: tuple[str, ...]) -> Sequence[Remote]:
    if given:
        return remote.at_listeners([remote.parse(text) for text in given], settings.listen)
    if not settings.transport.advertise:
        raise TvpnError(
            "devices must know the server's address: use --remote HOST[:PORT], "
            "or set 'advertise' in section [transport] of the configuration"
        )
    return remote.at_listeners(settings.transport.advertise, settings.listen)


def _state_folder(settings: Settings) -> Path:
    if settings.tvpn.state is None:
        raise TvpnError(
            "devices are kept in a state folder, and there is none; set 'state' in section [tvpn]"
        )
    return settings.tvpn.state


def _database_path(settings: Settings) -> Path:
    return _state_folder(settings) / DATABASE


def _open_state(settings: Settings) -> State:
    """The state, its authority trusted by the server; raises TvpnError where another one is."""
    folder = _state_folder(settings)
    given = settings.tls.ca
    foreign = TvpnError(
        "this configuration names a CA of its own, so certificates come from that CA's tools; "
        "without ca, cert and key tvpn makes its own"
    )
    if settings.tls.cert is None:
        return State.open(folder, datetime.now(UTC))
    if given is None or not ((folder / AUTHORITY_KEY).exists() and (folder / AUTHORITY_CERTIFICATE).exists()):
        raise foreign
    state = State.open(folder, datetime.now(UTC))
    if state.authority.certificate_pem.strip() not in given.text.replace("\r\n", "\n"):
        raise foreign
    return state


def _profile(
    settings: Settings, state: State, issued: Issued, remotes: Sequence[Remote], now: datetime
) -> str:
    return profile(
        ca_pem=state.authority.certificate_pem,
        certificate_pem=issued.certificate_pem,
        key_pem=issued.key_pem,
        remotes=remotes,
        data_ciphers=settings.data.data_ciphers,
        comment=[
            f"{issued.identity.name}: made by tvpn on {now:%Y-%m-%d}; keep it safe, it holds a private key"
        ],
        is_tap=settings.is_tap,
        **_wrapping(settings, state, now),
    )


def _wrapping(settings: Settings, state: State, now: datetime) -> dict[str, Any]:
    """The words of ``profile`` for the way this server wraps its control channel."""
    control = settings.control
    if control.tls_crypt is not None:
        return {"tls_crypt_text": control.tls_crypt.text}
    if control.tls_auth is not None:
        direction = None if control.key_direction is None else 1 - control.key_direction
        auth = None if settings.data.auth == "SHA1" else settings.data.auth
        return {"tls_auth_text": control.tls_auth.text, "key_direction": direction, "auth": auth}
    key = state.tls_crypt_v2
    if control.tls_crypt_v2 is not None:
        try:
            key = TLSCryptV2ServerKey.from_pem(control.tls_crypt_v2.text)
        except KeyFileError as error:
            origin = control.tls_crypt_v2.origin
            raise TvpnError(f"{origin}: {error}; name the server's key as 'tls-crypt-v2'") from error
    return {"tls_crypt_v2_pem": key.issue(os.urandom, int(now.timestamp())).pem}


def _known(settings: Settings) -> list[Device]:
    path = _database_path(settings)
    if not path.exists():
        return []
    with closing(connect(path)) as connection, transaction(connection):
        return devices.all(connection)


def _status(device: Device, now: float) -> str:
    if device.revoked is not None:
        return "revoked"
    return "active" if now < device.expires else "expired"


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
