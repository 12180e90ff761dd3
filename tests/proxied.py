"""A client that reaches nothing but a proxy, and a server behind that: ``client`` - ``proxy`` - ``server``."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

from tests.lab import Lab, Program

SERVER = "198.51.100.1"
PROXY, PROXY_V6 = "192.0.2.9", "2001:db8:2::9"
#: A name that only the proxy knows.
NAME = "vpn.invalid"
HTTP_PORT, SOCKS_PORT = 3128, 1080
LOGIN = "proxy-user:p@ss: word"


@contextlib.contextmanager
def three_hosts(mtu: int = 1500) -> Iterator[Lab]:
    """The proxy's host forwards nothing, and the client has no route to the server. ``mtu``: of the client's wire."""
    with Lab() as lab:
        for host in ("client", "proxy", "server"):
            lab.host(host)
        near = lab.wire("client", ["192.0.2.2/24", "2001:db8:2::2/64"], "proxy", [f"{PROXY}/24", f"{PROXY_V6}/64"])
        for host, device in zip(("client", "proxy"), near, strict=True):
            lab.ip(host, "link", "set", device, "mtu", str(mtu))
        lab.run("proxy", "sysctl", "-qw", "net.ipv4.ip_forward=0")
        lab.wire("proxy", ["198.51.100.9/24"], "server", [f"{SERVER}/24"])
        yield lab


def start_proxy(lab: Lab, kind: str, *words: str, host: str = PROXY) -> Program:
    """A test proxy on the host ``proxy``, ready."""
    port = HTTP_PORT if kind == "http" else SOCKS_PORT
    named = ("--name", f"{NAME}={SERVER}")
    program = lab.spawn(
        "proxy", sys.executable, "-m", "tests.proxies", kind, host, str(port), *named, *words, name=f"{kind}-proxy"
    )
    program.wait_for("ready")
    return program
