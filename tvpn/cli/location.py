"""Which configuration a command is about. A server's: the named one, $TVPN_CONFIG's, or the first in its usual places;
a client's is always named.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tvpn.errors import TvpnError

if TYPE_CHECKING:
    from tvpn.config import Settings

VARIABLE = "TVPN_CONFIG"
PLACES = (Path("etc/server.ini"), Path("/etc/tvpn/server.ini"))


@dataclass(frozen=True)
class Location:
    """``--config`` and the environment; looked up only by the commands that need a configuration."""

    given: Path | None
    environment: Mapping[str, str]
    places: tuple[Path, ...] = PLACES

    def find(self) -> Path:
        """The configuration's path; raises TvpnError when there is none to be found."""
        if self.given is not None:
            return self.given
        named = self.environment.get(VARIABLE)
        if named:
            if not Path(named).is_file():
                raise TvpnError(
                    f"${VARIABLE} names {named}, which is no file; correct it or use --config FILE"
                )
            return Path(named)
        for place in self.places:
            if place.is_file():
                return place
        tried = ", ".join(str(place) for place in self.places)
        raise TvpnError(f"no configuration found (tried ${VARIABLE}, {tried}); use --config FILE")

    def load_server(self) -> Settings:
        """The settings of a server; raises TvpnError for a client's, ConfigError for bad ones."""
        from tvpn.config import load

        path = self.find()
        settings = load(path)
        if settings.role != "server":
            raise TvpnError(f"{path} describes a client, and devices belong to a server; use --config FILE")
        return settings


def load_client(profile: Path) -> Settings:
    """The settings of a client; raises TvpnError for a server's, ConfigError for bad ones."""
    from tvpn.config import load

    settings = load(profile)
    if settings.role != "client":
        raise TvpnError(f"{profile} describes a server; name a client's profile")
    return settings


def load_packets(profile: Path) -> Settings:
    """The same for what sends IP packets of its own."""
    settings = load_client(profile)
    if settings.is_tap:
        raise TvpnError(f"{profile}: its tunnel is an Ethernet (dev tap), and this sends packets; use tvpn connect")
    return settings
