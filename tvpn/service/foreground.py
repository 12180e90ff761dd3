"""A client that runs in the foreground for somebody who watches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.task import LoopingCall

from tvpn.hub.client import SERVER
from tvpn.plane.verbs import Counters
from tvpn.service.client import ClientService
from tvpn.service.progress import Progress

INTERVAL = 1.0


class Foreground:
    """``hear`` is told everything, ``show`` the counters every second while there is a tunnel."""

    def __init__(
        self, reactor: Any, client: ClientService, hear: Callable[[Progress], None], show: Callable[[Counters], None]
    ) -> None:
        self._reactor = reactor
        self._client = client
        self._show = show
        client.watchers.append(hear)
        self._looks = LoopingCall(self._look)
        self._looks.clock = reactor

    def run(self) -> None:
        """Until the reactor is stopped."""
        reactor = self._reactor
        reactor.callWhenRunning(self._client.startService)
        reactor.callWhenRunning(self._looks.start, INTERVAL, False)
        reactor.addSystemEventTrigger("before", "shutdown", self._client.stopService)
        reactor.run()

    def _look(self) -> None:
        if self._client.hub.is_connected:
            self._show(self._client.plane.counters(SERVER))
