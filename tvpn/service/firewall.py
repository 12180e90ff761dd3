"""Forwarding and NAT: one nftables table of our own, loaded and removed in one transaction each.

Masquerading keeps to the ephemeral ports and the service's own ports are not tracked: else a client that binds the
service port on its side would receive what strangers send to the server (the port-shadow attack).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from tvpn.errors import TvpnError
from tvpn.service import nft

SYSCTL = Path("/proc/sys/net")
EPHEMERAL_PORTS = "32768-60999"


@dataclass(frozen=True, slots=True)
class Firewall:
    """NAT for the networks behind one TUN device. ``ports``: (udp or tcp, number) that the service listens on.

    ``isolates``: the kernel forwards nothing from one client to another.
    """

    device: str
    networks: tuple[IPv4Network | IPv6Network, ...]
    ports: tuple[tuple[str, int], ...]
    isolates: bool = True
    run: Callable[[str], None] = lambda script: nft.load(script)

    @property
    def table(self) -> str:
        return "tvpn_" + re.sub(r"[^A-Za-z0-9]", "_", self.device)

    def raise_up(self) -> None:
        """Load the table, in place of one that a killed server has left, and switch forwarding on: never without it."""
        self.run(f"add table inet {self.table}\ndelete table inet {self.table}\n{self.script()}")
        try:
            switch_forwarding_on(self.networks)
        except TvpnError:
            self.take_down()
            raise

    def take_down(self) -> None:
        """Remove the table; gone already is no error. Forwarding stays as it is: others may rely on it by now."""
        self.run(f"add table inet {self.table}\ndelete table inet {self.table}\n")

    def script(self) -> str:
        """The table in nft's words."""
        ports = ", ".join(f"{protocol} . {port}" for protocol, port in sorted(set(self.ports)))
        masquerades = []
        for network in self.networks:
            family = "ip" if network.version == 4 else "ip6"
            match = f'{family} saddr {network} oifname != "{self.device}"'
            masquerades.append(f"meta l4proto {{ tcp, udp }} {match} masquerade to :{EPHEMERAL_PORTS}")
            masquerades.append(f"{match} masquerade")
        isolation = f'iifname "{self.device}" oifname "{self.device}" drop\n  ' if self.isolates else ""
        return f"""table inet {self.table} {{
  chain untracked_in {{
    type filter hook prerouting priority raw; policy accept;
    iifname != "{self.device}" fib daddr type local meta l4proto . th dport {{ {ports} }} notrack
  }}
  chain untracked_out {{
    type filter hook output priority raw; policy accept;
    meta l4proto . th sport {{ {ports} }} notrack
  }}
  chain isolation {{
    type filter hook forward priority filter; policy accept;
  {isolation}}}
  chain masquerading {{
    type nat hook postrouting priority srcnat; policy accept;
    {chr(10).join("    " + line for line in masquerades).strip()}
  }}
}}
"""


def switch_forwarding_on(networks: Sequence[IPv4Network | IPv6Network], sysctl: Path = SYSCTL) -> None:
    """Let the kernel forward; a router's IPv6 interfaces that hear advertisements shall go on hearing them."""
    try:
        if any(network.version == 4 for network in networks):
            _write(sysctl / "ipv4/ip_forward", "1")
        if any(network.version == 6 for network in networks):
            for accept in sysctl.glob("ipv6/conf/*/accept_ra"):
                if accept.read_text().strip() == "1":
                    _write(accept, "2")
            _write(sysctl / "ipv6/conf/all/forwarding", "1")
    except OSError as error:
        raise TvpnError(f"cannot switch forwarding on: {error.filename}: {error.strerror}") from None


def _write(path: Path, value: str) -> None:
    if path.read_text().strip() != value:
        path.write_text(value)
