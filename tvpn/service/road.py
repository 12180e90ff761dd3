"""The road to the server: told by the kernel's news, and by a clock that has slept, when it is another one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from tvpn.errors import TvpnError
from tvpn.net.clock import slept
from tvpn.net.monitor import Monitor
from tvpn.net.way import Way, find_way

GLANCE = 2.0
"""Seconds between two looks at how long the machine has slept."""
NAP = 3.0
"""Seconds of sleep that no connection minds."""
ANSWER = 3.0
"""Seconds for the server to answer from the new way."""


class Road:
    """``changed`` hears that the way to the server is not what it was, or of any news while no server is called."""

    _log = Logger()

    def __init__(
        self, reactor: Any, changed: Callable[[], None],
        find: Callable[[str, tuple[str, ...]], Way | None] = find_way, asleep: Callable[[], float] = slept,
    ) -> None:  # fmt: skip
        self._reactor = reactor
        self._changed = changed
        self._find = find
        self._asleep = asleep
        self._monitor = Monitor(reactor, self._look)
        self._clock = LoopingCall(self._glance)
        self._clock.clock = reactor
        self._slept = 0.0
        self._host: str | None = None
        self._tunnels: tuple[str, ...] = ()
        self._way: Way | None = None
        self._verdict: IDelayedCall | None = None

    def start(self) -> None:
        self._slept = self._asleep()
        self._clock.start(GLANCE, now=False)
        try:
            self._monitor.start()
        except TvpnError as error:
            self._log.warn("{error}; a change of it is noticed later, by the server's silence", error=str(error))

    def ignore(self, device: str) -> None:
        """This is our tunnel: no way leads through it."""
        self._tunnels = (device,)

    def head_for(self, host: str) -> None:
        """This address is called from now on."""
        self._host = host
        self._way = self._find(host, self._tunnels)

    @property
    def is_open(self) -> bool:
        """There is a way to the server, as far as is known."""
        return self._host is None or self._way is not None

    def verify(self, answered: Callable[[], bool], failed: Callable[[], None]) -> None:
        """Give the server a moment to answer from the new way."""
        self.rest()
        self._verdict = self._reactor.callLater(ANSWER, self._judge, answered, failed)

    def _judge(self, answered: Callable[[], bool], failed: Callable[[], None]) -> None:
        self._verdict = None
        if not answered():
            failed()

    def rest(self) -> None:
        """No answer is waited for."""
        if self._verdict is not None:
            self._verdict.cancel()
            self._verdict = None

    def _look(self) -> None:
        if self._host is None:
            self._changed()
            return
        way = self._find(self._host, self._tunnels)
        if way != self._way:
            self._way = way
            self._log.info("the way to the server {change}", change="is gone" if way is None else "has changed")
            self._changed()

    def _glance(self) -> None:
        slept = self._asleep()
        gap, self._slept = slept - self._slept, slept
        if gap > NAP:
            self._log.info("this machine has slept for {gap:.0f} seconds", gap=gap)
            try:
                self._wake()
            except TvpnError as error:
                self._log.warn("{error}", error=str(error))
            except Exception:
                # The clock goes on, whatever the kernel said this time.
                self._log.failure("what a sleep has changed could not be followed")

    def _wake(self) -> None:
        if self._host is not None:
            self._way = self._find(self._host, self._tunnels)
        self._changed()

    def stop(self) -> None:
        self.rest()
        self._monitor.stop()
        if self._clock.running:
            self._clock.stop()
