"""``twistd tvpn``: options, and the service that the configuration describes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.application.service import IService
from twisted.python import usage

from tvpn.errors import TvpnError


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
    from tvpn.service.ending import Doorstep, end_on_signals
    from tvpn.service.memory import calm_collector
    from tvpn.service.privilege import require_net_admin

    try:
        settings = load(Path(options["config"]))
        require_net_admin()
        steady(reactor)
        service = Doorstep({} if options.parent is None else options.parent)
        built = build(settings, reactor)
        built.setServiceParent(service)
    except TvpnError as error:
        raise SystemExit(f"tvpn: {error}") from None
    vpn: Any = built.getServiceNamed("vpn")
    end_on_signals(reactor, vpn.give_up)
    calm_collector()
    return service
