"""News of the network: links, addresses and routes that come, go or change, as netlink tells them (rtnetlink(7)).

What has changed is not read here. Whoever is told looks at what concerns him, and so finds out as well whether he did
it himself.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IReadDescriptor
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from tvpn.errors import TvpnError

# linux/rtnetlink.h: RTMGRP_LINK, IPV4_IFADDR, IPV4_ROUTE, IPV6_IFADDR, IPV6_ROUTE.
GROUPS = 0x1 | 0x10 | 0x40 | 0x100 | 0x400
LARGEST_READ = 65536
SETTLE = 0.2
"""Seconds for one change to bring the others that belong to it."""
MOST_READS = 256
"""In one turn of the reactor: a router's thousand routes are not to keep the packets waiting."""


@implementer(IReadDescriptor)
class Monitor:
    """``changed`` is called once for each burst of news, a moment after the first of them."""

    _log = Logger()

    def __init__(self, reactor: Any, changed: Callable[[], None]) -> None:
        self._reactor = reactor
        self._changed = changed
        self._socket: socket.socket | None = None
        self._soon: IDelayedCall | None = None

    def start(self) -> None:
        """Listen from now on; raises TvpnError."""
        try:
            flags = socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
            opened = socket.socket(socket.AF_NETLINK, flags, socket.NETLINK_ROUTE)
            opened.bind((0, GROUPS))
        except OSError as error:
            raise TvpnError(f"cannot listen to the kernel's news of the network: {error.strerror}") from None
        self._socket = opened
        self._reactor.addReader(self)

    def fileno(self) -> int:
        return -1 if self._socket is None else self._socket.fileno()

    def logPrefix(self) -> str:
        return "netlink"

    def doRead(self) -> None:
        heard = 0
        try:
            while self._socket is not None and heard < MOST_READS:
                self._socket.recv(LARGEST_READ)
                heard += 1
        except BlockingIOError:
            pass
        except OSError as error:
            # ENOBUFS: more has happened than there was room for.
            if error.errno != errno.ENOBUFS:
                self._log.warn("the kernel tells no more news of the network: {error}", error=error.strerror)
                self.stop()
                return
            heard += 1
        if heard and self._soon is None:
            self._soon = self._reactor.callLater(SETTLE, self._tell)

    def _tell(self) -> None:
        self._soon = None
        try:
            self._changed()
        except TvpnError as error:
            self._log.warn("a change of the network could not be followed: {error}", error=str(error))
        except Exception:
            self._log.failure("a change of the network could not be followed")

    def connectionLost(self, reason: Failure) -> None:
        """The reactor has lost interest; nothing of ours leads here."""

    def stop(self) -> None:
        """No more of it."""
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None
        if self._socket is not None:
            self._reactor.removeReader(self)
            self._socket.close()
            self._socket = None
