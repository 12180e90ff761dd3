"""What the server role is told from above: rules for all clients, a verdict about one, and what follows from sizes."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network

from tvpn.config.clientfile import ClientConfig
from tvpn.config.kind import Topology
from tvpn.crypto.suite import largest_packet
from tvpn.plane.fragment import HEADER_SIZE
from tvpn.plane.framing import FRAME_SIZES
from tvpn.plane.verbs import Endpoint, PeerSpec
from tvpn.session.negotiation import Agreement
from tvpn.wire.data import V1_HEADER_SIZE, V2_HEADER_SIZE
from tvpn.wire.ethernet import HEADER_SIZE as ETHERNET_HEADER

_TCP_AND_IPV4_HEADER = 40
_UDP_HEADER, _TCP_AND_LENGTH = 8, 22
#: A smaller mssfix leaves no room for headers; then segments are as small as is of any use.
_SMALLEST_MSS = 100


@dataclass(frozen=True, slots=True)
class ServerRules:
    """What the server does with those it admits. ``push``: option lines; times in seconds, 0 for never."""

    ipv4: IPv4Network | None
    ipv6: IPv6Network | None
    push: tuple[str, ...] = ()
    plane: PeerSpec = field(default_factory=PeerSpec)
    """Timers and limits that hold for every peer."""
    mssfix: int = 1492
    tun_mtu: int = 1500
    max_clients: int = 1024
    duplicate_cn: bool = False
    topology: Topology = "subnet"
    connect_freq: tuple[int, int] | None = None
    """So many new sessions of one source prefix in so many seconds."""
    is_tap: bool = False
    """Frames are carried, not packets."""
    gateway: str | None = None
    """What clients are told about their gateway where it is not the first address of the IPv4 network."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """``reason`` is for the log, ``told`` for the client; ``push`` and ``config`` are for this client alone."""

    accepted: bool
    reason: str = ""
    told: str | None = None
    push: tuple[str, ...] = ()
    temporary: bool = False
    guess: bool = False
    """It was a password that was wrong."""
    config: ClientConfig = field(default_factory=ClientConfig)


def inner_mss(
    mssfix: int, endpoint: Endpoint, spec: PeerSpec, agreement: Agreement, overhead: int = 0, is_tap: bool = False
) -> int:
    """The MSS for inner IPv4 that keeps whole outer packets within ``mssfix``, at least 100; 0 when that is 0.

    ``overhead``: bytes that the link itself adds to each datagram; ``is_tap``: the packets stand in frames.
    """
    if not mssfix:
        return 0
    outer = (40 if ":" in str(endpoint.address[0]) else 20) + (_TCP_AND_LENGTH if spec.is_stream else _UDP_HEADER)
    outer += overhead
    header_size = V1_HEADER_SIZE if spec.wire_peer_id is None else V2_HEADER_SIZE
    room = largest_packet(mssfix - outer, header_size, agreement.cipher, agreement.digest, agreement.epochs)
    frame = FRAME_SIZES[spec.framing] + (HEADER_SIZE if spec.fragment else 0)
    inner = _TCP_AND_IPV4_HEADER + (ETHERNET_HEADER if is_tap else 0)
    return max(room - frame - inner, _SMALLEST_MSS)
