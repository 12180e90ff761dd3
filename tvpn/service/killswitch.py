"""The kill switch: an nftables table of our own that lets nothing leave this machine but what goes to the server.

It is loaded before the first packet is sent and belongs to no process: a client that is killed leaves it closed. There
is one in a network namespace, under one name: who starts next takes it over, in one transaction and so without a gap,
unless the client that closed it still runs.
The kernel also keeps for us under which names the servers were known; behind it no name can be looked up.
"""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from twisted.internet.threads import deferToThread
from twisted.logger import Logger

from tvpn.config.address import Remote
from tvpn.errors import TvpnError
from tvpn.net.lookup import Place
from tvpn.service import nft, presence
from tvpn.service.itinerary import Itinerary

TABLE = "tvpn_kill"
REMOVE = f"add table inet {TABLE}\ndelete table inet {TABLE}\n"
#: What an element of a set may be commented with (nft takes no more than 128 bytes).
_NAME = re.compile(r"[A-Za-z0-9_.:%-]{1,120}")
AF_INET, AF_INET6 = 2, 10

LEFT_CLOSED = "the kill switch of a client that is gone stands in the way; open it with: tvpn disconnect"

Door = tuple[Remote, Place]
"""A server that may be reached, at one of its addresses."""


class KillSwitch:
    """``run`` loads a script in one transaction, ``ask`` answers what nft says, as JSON or text; ``clients``: the
    processes of all clients that run here.
    """

    _log = Logger()
    remedy = "the kill switch stays closed; start the client again, or open it with: tvpn disconnect"

    def __init__(
        self, run: Callable[[str], None] = nft.load, ask: Callable[..., str | None] = nft.ask,
        clients: Callable[[], list[int]] = presence.clients,
    ) -> None:  # fmt: skip
        self.is_up = False
        self._is_anothers = False
        self._run = run
        self._ask = ask
        self._clients = clients
        self._ended = False
        # Threads load, and whoever ends it must not be overtaken by one of them.
        self._lock = threading.Lock()

    async def raise_up(self, itinerary: Itinerary) -> None:
        """Up before anything is sent, once the servers' names are looked up; raises TvpnError."""
        if self.is_up:
            return
        await deferToThread(self._refuse_another)
        for remote, places in (await deferToThread(self.remembered, itinerary.remotes)).items():
            itinerary.remember(remote, places)
        try:
            doors = await itinerary.settle()
        except TvpnError as error:
            # No name can be looked up behind one that was loaded for other servers.
            if await deferToThread(self.stands):
                raise TvpnError(f"{error}; {LEFT_CLOSED}") from None
            raise
        await deferToThread(self._load, REMOVE + script(doors))
        self.is_up = True
        self._log.info("the kill switch is closed; servers' addresses that can be reached: {number}", number=len(doors))

    def _refuse_another(self) -> None:
        """Raises TvpnError for the table of a client that runs: it would be cut off, and open when we end."""
        others = [pid for pid in self._clients() if pid != os.getpid()]
        self._is_anothers = bool(others) and self.stands()
        if self._is_anothers:
            raise TvpnError(
                f"another client runs here (process {others[0]}) and the kill switch is closed; end it with: "
                "tvpn disconnect"
            )

    def admit(self, device: str) -> None:
        """What goes into this device, our tunnel, and comes out of it, may pass."""
        lines = f"flush set inet {TABLE} tunnels\nadd element inet {TABLE} tunnels {{ {_quoted(device)} }}\n"
        deferToThread(self._load, lines).addErrback(self._not_admitted)

    def _not_admitted(self, failure: Any) -> None:
        self._log.error("the kill switch keeps the tunnel closed: {error}", error=failure.getErrorMessage())

    def _load(self, lines: str) -> None:
        with self._lock:
            if not self._ended:
                self._run(lines)

    def take_down(self) -> None:
        """Open, and to stay so; raises TvpnError."""
        with self._lock:
            self.is_up, self._ended = False, True
            self._run(REMOVE)

    def end(self) -> None:
        """Open, at the end of a client that was asked to stop; what goes wrong is told. Another's stays closed."""
        if self._is_anothers:
            return
        try:
            self.take_down()
        except TvpnError as error:
            self._log.error("{error}; {remedy}", error=str(error), remedy=self.remedy)

    def stands(self) -> bool:
        """Whether one is there, ours or that of a client that is gone."""
        return self._ask("list", "table", "inet", TABLE) is not None

    def remembered(self, remotes: Sequence[Remote]) -> dict[Remote, list[Place]]:
        """Where these remotes were when a former kill switch was loaded; empty without one."""
        found: dict[Remote, list[Place]] = {}
        for name in ("servers4", "servers6"):
            answer = self._ask("--json", "list", "set", "inet", TABLE, name)
            for host, protocol, port, place in _elements(answer or "{}"):
                for remote in remotes:
                    if (remote.called, _protocol(remote)) == ((host, port), protocol):
                        found.setdefault(remote, []).append(place)
        return found


def left_closed(
    ask: Callable[..., str | None] = nft.ask, clients: Callable[[], list[int]] = presence.clients
) -> str | None:
    """What a client without a kill switch should know: that one stands, and whose it was is gone. None where there is
    none, or no telling.
    """
    try:
        stands = ask("list", "table", "inet", TABLE) is not None
    except TvpnError:
        return None
    return LEFT_CLOSED if stands and not set(clients()) - {os.getpid()} else None


def _elements(answer: str) -> Iterable[tuple[str, str, int, Place]]:
    """(host, protocol, port, place) of each element of a set, as nft describes it."""
    for each in json.loads(answer).get("nftables", ()):
        for element in each.get("set", {}).get("elem", ()):
            described: Any = element.get("elem", {}) if isinstance(element, dict) else {}
            parts: Any = described.get("val", {}).get("concat", ()) if "comment" in described else ()
            if len(parts) == 3:
                address, protocol, port = str(parts[0]), str(parts[1]), int(parts[2])
                where: tuple[str | int, ...] = (address, port, 0, 0) if ":" in address else (address, port)
                yield described["comment"], protocol, port, Place(AF_INET6 if ":" in address else AF_INET, where)


def _protocol(remote: Remote) -> str:
    """A proxy is spoken to by TCP, whatever goes through it."""
    return remote.protocol if remote.proxy is None else "tcp"


def _quoted(name: str) -> str:
    """Fit for nft's quotes; raises TvpnError for what is not."""
    if _NAME.fullmatch(name) is None:
        raise TvpnError(f"{name!r} cannot be named to nft")
    return f'"{name}"'


def script(doors: Sequence[Door]) -> str:
    """The table in nft's words: of IPv6 a machine keeps what finds its neighbours, and both may renew their address."""
    sets = []
    for family, name, kind in ((AF_INET, "servers4", "ipv4_addr"), (AF_INET6, "servers6", "ipv6_addr")):
        elements = {
            f"{str(place.address[0]).partition('%')[0]} . {_protocol(remote)} . {remote.called[1]}":
                _quoted(remote.called[0])
            for remote, place in doors
            if place.family == family
        }
        listed = ", ".join(f"{element} comment {host}" for element, host in elements.items())
        filled = f"\n    elements = {{ {listed} }}" if listed else ""
        sets.append(f"  set {name} {{\n    type {kind} . inet_proto . inet_service;{filled}\n  }}")
    return f"""table inet {TABLE} {{
{chr(10).join(sets)}
  set tunnels {{
    type ifname;
  }}
  chain output {{
    type filter hook output priority filter - 10; policy drop;
    oifname "lo" accept
    oifname @tunnels accept
    ip daddr . meta l4proto . th dport @servers4 accept
    ip6 daddr . meta l4proto . th dport @servers6 accept
    meta nfproto ipv4 udp sport 68 udp dport 67 accept
    ip6 daddr {{ fe80::/10, ff02::1:2 }} udp sport 546 udp dport 547 accept
    icmpv6 type {{ nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert }} ip6 hoplimit 255 accept
  }}
  chain forward {{
    type filter hook forward priority filter - 10; policy drop;
    oifname @tunnels accept
    iifname @tunnels accept
  }}
}}
"""
