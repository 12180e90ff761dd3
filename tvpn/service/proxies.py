"""Calls to servers that go through a proxy, and who we say that we are there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from tvpn.config.address import Proxy, Remote
from tvpn.net.connect import ConnectDialogue
from tvpn.net.dialogue import ProxyError, ProxyLogin, shown
from tvpn.net.person import can_be_asked
from tvpn.net.proxy import ProxyCall, call_proxy
from tvpn.net.socks import SOCKSDialogue

PROXY_TIMEOUT = 15.0
"""Seconds for a proxy to let us through, where nothing else is said."""
Ask = Callable[[str, bool], Awaitable[str]]
"""A question for the person in front of the screen, and whether the answer may be seen."""


class Proxies:
    """What was typed for a proxy is kept until the proxy refuses it."""

    def __init__(self, reactor: Any, ask: Ask) -> None:
        self._reactor = reactor
        self._ask = ask
        self._typed: dict[Proxy, ProxyLogin] = {}

    async def call(self, remote: Remote, proxy: Proxy, address: str, patience: float) -> tuple[ProxyCall, int]:
        """A connection through the proxy at this address, and for UDP the port beside it that takes our datagrams.
        Raises TvpnError.
        """
        login = login_of(proxy) or self._typed.get(proxy)
        if login is None and proxy.ask:
            try:
                return await self._try(remote, proxy, address, patience, None)
            except ProxyError as error:
                if not error.wants_login or not can_be_asked():
                    raise
            login = self._typed[proxy] = await self._question(proxy)
        try:
            return await self._try(remote, proxy, address, patience, login)
        except ProxyError as error:
            if error.wants_login:
                self._typed.pop(proxy, None)
            raise

    async def _try(
        self, remote: Remote, proxy: Proxy, address: str, patience: float, login: ProxyLogin | None
    ) -> tuple[ProxyCall, int]:
        name, is_stream = name_of(proxy), remote.protocol == "tcp"
        if proxy.kind == "http":
            http = ConnectDialogue(
                name, remote.host, remote.port, login, version=proxy.version, headers=proxy.headers
            )
            return await call_proxy(self._reactor, address, proxy.port, http, patience), 0
        socks = SOCKSDialogue(name, (remote.host, remote.port) if is_stream else None, login)
        call = await call_proxy(self._reactor, address, proxy.port, socks, patience)
        try:
            return call, 0 if is_stream else socks.relay_port(address)
        except ProxyError:
            call.hang_up()
            raise

    async def _question(self, proxy: Proxy) -> ProxyLogin:
        name = name_of(proxy)
        username = await self._ask(f"User name for {name}", True)
        return ProxyLogin(username, await self._ask(f"Password for {name}", False))


def name_of(proxy: Proxy) -> str:
    """What it is called in a sentence."""
    return f"proxy {shown(proxy.host, proxy.port)}"


def login_of(proxy: Proxy) -> ProxyLogin | None:
    """What the file says, a line each."""
    if proxy.credentials is None:
        return None
    username, password, *_ = *proxy.credentials.text.splitlines(), "", ""
    return ProxyLogin(username, password)
