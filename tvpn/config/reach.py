"""Who could reach a prompt at an endpoint: the one opinion about the manhole's ``listen``."""

from __future__ import annotations

from ipaddress import ip_address

from tvpn.config.address import endpoint_parts


def is_private(listen: str) -> bool:
    """Whether only this machine (loopback) or only the owner (a unix socket of mode 0600) gets there.

    Raises ValueError for what is neither a TCP port nor a unix socket in Twisted's spelling.
    """
    kind, where, *options = [*endpoint_parts(listen), ""]
    settings = dict(each.partition("=")[::2] for each in options)
    if kind == "unix" and where:
        return settings.get("mode") in ("600", "0600")
    if kind in ("tcp", "tcp4", "tcp6") and where.isdigit():
        return _is_loopback(settings.get("interface", ""))
    raise ValueError("is no address to listen at; write tcp:2222:interface=127.0.0.1 or unix:PATH:mode=600")


def _is_loopback(interface: str) -> bool:
    try:
        return ip_address(interface).is_loopback
    except ValueError:
        return interface == "localhost"
