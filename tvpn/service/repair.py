"""What clients have left behind that were killed is put right: at the next start of any, and by ``tvpn disconnect``."""

from __future__ import annotations

from pathlib import Path

from tvpn.errors import TvpnError
from tvpn.net.netlink import Netlink
from tvpn.service.journal import forget_record, journal_folder, left_behind
from tvpn.service.resolvconf import RESOLV_CONF, ResolvConf


def repair(folder: Path | None = None, resolv_conf: Path = RESOLV_CONF) -> list[str]:
    """Undo the work of dead processes, here in this network namespace; a sentence for each. What living ones need
    stays.
    """
    said = []
    folder = folder or journal_folder()
    for record in left_behind(folder):
        with Netlink() as netlink:
            for entry in reversed(record.entries):
                netlink.remove(entry)
        forget_record(folder, record)
        number = len(record.entries)
        routes = "1 route" if number == 1 else f"{number} routes"
        said.append(f"took back {routes} past the tunnel that a killed tvpn (process {record.owner.pid}) had left")
    try:
        owner = ResolvConf(resolv_conf).repair()
    except TvpnError as error:
        return [*said, str(error)]
    if owner is not None:
        said.append(f"put {resolv_conf} back as it was before a killed tvpn (process {owner.pid}) changed it")
    return said
