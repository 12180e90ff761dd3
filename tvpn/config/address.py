"""Where things are: networks, routes, and the addresses one listens at, is reached at or calls.

CIDR is taken wherever OpenVPN wants address and mask, and the reverse.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Literal

from tvpn.config.given import Given
from tvpn.config.material import Material
from tvpn.config.value import number, single

Family = Literal[0, 4, 6]
DEFAULT_PORT = 1194
AUTO_SERVER = IPv4Network("10.87.0.0/24")
_GATEWAYS = ("vpn_gateway", "net_gateway", "remote_host")
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252})?")


@dataclass(frozen=True, slots=True)
class Listen:
    """An address to serve at; no interface means every IPv4 and IPv6 address, line 0 that no line says so."""

    protocol: Literal["udp", "tcp"]
    interface: str | None
    port: int
    line: int = 0


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy on the way to a server; ``ask``: user name and password are asked for once it wants them.

    ``version`` and ``headers`` are HTTP's: its version and further header fields.
    """

    kind: Literal["http", "socks"]
    host: str
    port: int
    credentials: Material | None = field(default=None, repr=False)
    ask: bool = False
    version: str = "1.1"
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Own:
    """What a connection has that differs from the others: how its control packets are wrapped, and sizes."""

    tls_auth: Material | None
    tls_crypt: Material | None
    tls_crypt_v2: Material | None
    key_direction: Literal[0, 1] | None
    fragment: int
    mssfix: int


@dataclass(frozen=True, slots=True)
class Remote:
    """A host to call or to be called at; family 0 takes what the name resolves to, port 0 what is listened at.

    ``timeout``: seconds for a server there to answer, None where the file does not say; ``own``: None where everything
    is as the settings have it for all.
    """

    host: str
    port: int = DEFAULT_PORT
    family: Family = 0
    protocol: Literal["udp", "tcp"] = "udp"
    proxy: Proxy | None = None
    timeout: int | None = None
    own: Own | None = None

    @property
    def called(self) -> tuple[str, int]:
        """Host and port of whom this machine itself talks to: the proxy's, where there is one."""
        return (self.host, self.port) if self.proxy is None else (self.proxy.host, self.proxy.port)


@dataclass(frozen=True, slots=True)
class Route:
    """A network behind the tunnel (or behind ``gateway``)."""

    network: IPv4Network | IPv6Network
    gateway: str | None = None
    metric: int | None = None


@dataclass(frozen=True, slots=True)
class Protocol:
    """OpenVPN's ``proto`` word taken apart."""

    name: Literal["udp", "tcp"]
    family: Family


def port(given: Given) -> int:
    """A port of the other side, 1 to 65535."""
    return number(1, 65535)(given)


def interface(given: Given) -> str:
    """An address of this machine; names are refused since they can change between check and start."""
    return str(_address(single(given)))


def protocol(given: Given) -> Protocol:
    """``udp``, ``udp4``, ``tcp6-client`` ...; which end of a connection this is, the role says."""
    return parse_protocol(single(given))


def parse_protocol(value: str) -> Protocol:
    """One protocol word; raises ValueError for any other."""
    found = re.fullmatch(r"(udp|tcp)([46]?)(-client|-server)?", value)
    if found is None or (found[1] == "udp" and found[3]):
        raise ValueError(f"cannot be {value!r}; write udp, udp4, udp6, tcp, tcp4 or tcp6")
    family: Family = 4 if found[2] == "4" else 6 if found[2] == "6" else 0
    return Protocol("tcp" if found[1] == "tcp" else "udp", family)


def listen(given: Given) -> Listen:
    r"""``udp:1194`` or ``tcp:443:interface=192.0.2.1``, with ``\:`` for a colon (Twisted's endpoint text)."""
    parts = endpoint_parts(single(given))
    if parts[0] not in ("udp", "tcp") or len(parts) not in (2, 3):
        raise ValueError("is no address to listen at; write udp:1194 or tcp:443:interface=192.0.2.1")
    where = None
    if len(parts) == 3:
        name, _, value = parts[2].partition("=")
        if name != "interface":
            raise ValueError(f"does not know {parts[2]!r}; write interface=ADDRESS, each colon in it as \\:")
        where = str(_address(value))
    return Listen("tcp" if parts[0] == "tcp" else "udp", where, number(0, 65535)(given.meaning(parts[1])), given.line)


def endpoint_parts(value: str) -> list[str]:
    """The parts of an endpoint description between colons, escapes removed."""
    return [re.sub(r"\\(.)", r"\1", each) for each in re.findall(r"(?:^|:)((?:\\.|[^:\\])*)", value)]


def remote(given: Given) -> Remote:
    """``HOST [PORT [PROTO]]``; port 0 stands for "as ``port`` says", to be resolved with the rest of the file."""
    if not 1 <= len(given.arguments) <= 3:
        raise ValueError("takes a host, a port and a protocol; write for example: vpn.example.org 1194 udp")
    where = number(1, 65535)(given.meaning(given.arguments[1])) if len(given.arguments) > 1 else 0
    how = parse_protocol(given.arguments[2]) if len(given.arguments) > 2 else Protocol("udp", 0)
    return Remote(host(given.arguments[0]), where, how.family, how.name)


def port_share(given: Given) -> Remote:
    """``HOST PORT``; OpenVPN's third argument, a folder for its journal, is refused."""
    if len(given.arguments) == 3:
        raise ValueError(f"keeps no journal of who visits the web server; remove {given.arguments[2]!r}")
    if len(given.arguments) != 2:
        raise ValueError("takes a host and a port; write for example: 127.0.0.1 8443")
    return Remote(host(given.arguments[0]), port(given.meaning(given.arguments[1])), protocol="tcp")


def advertised(given: Given) -> Remote:
    """``host``, ``host:port``, an IPv6 address, or ``[address]:port``."""
    value = single(given)
    found = re.fullmatch(r"\[([^]]+)\](?::(\d+))?|([^:]+):(\d+)", value)
    if found is None:
        return Remote(host(value), 0)
    name, where = found[1] or found[3], found[2] or found[4]
    return Remote(host(name), 0 if where is None else port(given.meaning(where)))


def server(given: Given) -> IPv4Network:
    """The clients' IPv4 network: CIDR, address and mask, or ``auto``."""
    if given.arguments == ("auto",):
        return AUTO_SERVER
    if given.arguments[-1:] == ("nopool",):
        raise ValueError("cannot do without a pool (nopool) for now; remove that word")
    if len(given.arguments) not in (1, 2):
        raise ValueError("takes a network; write for example: 10.87.0.0/24")
    network = ipv4_network("/".join(given.arguments))
    if not 16 <= network.prefixlen <= 30:
        raise ValueError(f"is a /{network.prefixlen}; write a network from /16 to /29, for example 10.87.0.0/24")
    return network


def server_ipv6(given: Given) -> IPv6Network | Literal["auto"]:
    """The clients' IPv6 network, or ``auto``."""
    value = single(given)
    if value == "auto":
        return "auto"
    network = ipv6_network(value)
    if not 64 <= network.prefixlen <= 124:
        raise ValueError(f"is a /{network.prefixlen}; write a network from /64 to /124, or auto")
    return network


def route(given: Given) -> Route:
    """``NET/BITS`` or ``NET [MASK]``, then ``[GATEWAY [METRIC]]``."""
    words = list(given.arguments)
    if words and "/" not in words[0]:
        mask = words.pop(1) if len(words) > 1 else "default"
        words[0] = f"{words[0]}/{'32' if mask == 'default' else mask}"
    return _route(given, words, ipv4_network)


def route_ipv6(given: Given) -> Route:
    """``NET/BITS [GATEWAY [METRIC]]``."""
    return _route(given, list(given.arguments), ipv6_network)


def ipv4_network(value: str) -> IPv4Network:
    """``10.8.0.0/24`` or ``10.8.0.0/255.255.255.0``; raises ValueError where host bits are set."""
    network = _network(value)
    # ipaddress takes a host mask (0.0.0.255) too: a slip there would be a silent change of size.
    if not isinstance(network, IPv4Network) or value.partition("/")[2] not in (
        str(network.prefixlen), str(network.netmask)
    ):  # fmt: skip
        raise ValueError(f"cannot be {value!r}; write an IPv4 network such as 10.8.0.0/24")
    return network


def ipv6_network(value: str) -> IPv6Network:
    """``fd00:1::/64``; raises ValueError where host bits are set or the length is missing."""
    network = _network(value)
    if not isinstance(network, IPv6Network) or "/" not in value:
        raise ValueError(f"cannot be {value!r}; write an IPv6 network such as fd00:87::/64")
    return network


def _network(value: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(value)
    except ValueError:
        pass
    try:
        meant = ip_network(value, strict=False)
    except ValueError:
        raise ValueError(f"has no network {value!r}; write for example 10.8.0.0/24 or fd00:87::/64") from None
    raise ValueError(f"is an address within a network; write {meant}")


def _route(given: Given, words: list[str], network: Callable[[str], IPv4Network | IPv6Network]) -> Route:
    if not 1 <= len(words) <= 3:
        raise ValueError("takes a network, a gateway and a metric; write for example: 192.0.2.0/24")
    found = network(words[0])
    gateway = None
    if len(words) > 1 and words[1] != "default":
        gateway = words[1] if words[1] in _GATEWAYS else str(_address(words[1], found.version))
    metric = number(0, 2**31 - 1)(given.meaning(words[2])) if len(words) > 2 else None
    return Route(found, gateway, metric)


def _address(value: str, version: int | None = None) -> IPv4Address | IPv6Address:
    try:
        found = ip_address(value)
    except ValueError:
        raise ValueError(f"has no address {value!r}; write a number such as 192.0.2.1") from None
    if version not in (None, found.version):
        raise ValueError(f"mixes IPv4 and IPv6 ({value}); give a gateway of the network's own kind")
    return found


def host(value: str) -> str:
    """A name or an address of a host; raises ValueError."""
    try:
        return str(ip_address(value))
    except ValueError:
        pass
    if _HOST.fullmatch(value) is None:
        raise ValueError(f"has no host {value!r}; write a name or an address")
    return value
