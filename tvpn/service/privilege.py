"""What this process may do, asked before it is tried."""

from __future__ import annotations

import os
from pathlib import Path

from tvpn.errors import TvpnError

CAP_NET_ADMIN = 12


def require_net_admin(status: Path = Path("/proc/self/status")) -> None:
    """Raises TvpnError, saying how to get it, unless this process may make a TUN device."""
    effective = next((line.split()[1] for line in status.read_text().splitlines() if line.startswith("CapEff:")), "0")
    if not int(effective, 16) >> CAP_NET_ADMIN & 1:
        raise TvpnError(
            f"making a TUN device needs root or the capability CAP_NET_ADMIN, and this process (uid {os.getuid()}) has "
            "neither; run it with sudo, or under systemd with AmbientCapabilities=CAP_NET_ADMIN"
        )
