"""``twistd tvpn``: options, and the service that the configuration describes."""

from __future__ import annotations

import gc
import os
from pathlib import Path

from twisted.application.service import IService
from twisted.python import usage

from tvpn.errors import TvpnError

CAP_NET_ADMIN = 12
YOUNG_OBJECTS = 20000


class Options(usage.Options):
    """twistd's view of us: one option, the rest is in the file it names."""

    synopsis = "--config FILE"
    longdesc = (
        "Runs the VPN that FILE describes: a server (an ini file as etc/server.ini, or an OpenVPN server.conf) "
        "or a client (an OpenVPN profile). 'tvpn options' lists every option, 'tvpn check FILE' checks a file."
    )
    optParameters = [["config", "c", None, "the configuration: .ini, .conf or .ovpn"]]

    def postOptions(self) -> None:
        if self["config"] is None:
            raise usage.UsageError("--config is required, as in: twistd tvpn --config etc/server.ini")


def makeService(options: Options) -> IService:
    """Check everything that can be checked before the reactor runs; one sentence and exit status 1 otherwise."""
    from twisted.internet import reactor

    from tvpn.config import load
    from tvpn.net.clock import steady
    from tvpn.service.build import build
    from tvpn.service.ending import Doorstep, end_quietly_on_signals

    try:
        settings = load(Path(options["config"]))
        require_net_admin()
        steady(reactor)
        service = Doorstep({} if options.parent is None else options.parent)
        build(settings, reactor).setServiceParent(service)
    except TvpnError as error:
        raise SystemExit(f"tvpn: {error}") from None
    end_quietly_on_signals(reactor)
    calm_collector()
    return service


def calm_collector() -> None:
    """What was loaded stays: the garbage collector need not look at it again and again, which costs every handshake
    a tenth of its time and now and then delays packets.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 20, 20)


def require_net_admin(status: Path = Path("/proc/self/status")) -> None:
    """Raises TvpnError, saying how to get it, unless this process may make a TUN device."""
    effective = next((line.split()[1] for line in status.read_text().splitlines() if line.startswith("CapEff:")), "0")
    if not int(effective, 16) >> CAP_NET_ADMIN & 1:
        raise TvpnError(
            f"making a TUN device needs root or the capability CAP_NET_ADMIN, and this process (uid {os.getuid()}) has "
            "neither; run it with sudo, or under systemd with AmbientCapabilities=CAP_NET_ADMIN"
        )
