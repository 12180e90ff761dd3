"""The verbs between control plane and data plane, after Linux's ``ovpn`` netlink family.

Whoever implements ``Plane`` can stand in for the Python plane: the hub calls the verbs and reads the events.
A peer is named by its 24-bit peer id.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from tvpn.crypto.derive import DataKeys
from tvpn.wire.data import Framing

Address = tuple[str | int, ...]


class Endpoint(NamedTuple):
    """Where a peer is: our link (a UDP socket), its socket address, and the packed local address it speaks to."""

    link: Hashable
    address: Address
    local: bytes = b""


#: A network inside the tunnel: its packed first address and its length in bits.
Network = tuple[bytes, int]
#: An IP packet of the TUN device or a frame of a TAP device, in front of it the header that tells the kernel whether it
#: stands for many (merge.py).
TunPacket = tuple[bytes, bytes]
#: What arrived: (address, local address, segment size or 0, buffer); a buffer holds one datagram or several equal ones.
Arrival = tuple[Address, bytes, int, bytes]
#: What is to be sent: (endpoint, segment size, buffer); the last segment may be shorter.
Departure = tuple[Endpoint, int, bytes]


@dataclass(frozen=True, slots=True)
class PeerSpec:
    """What a plane has to know of a peer. Addresses are packed; times in seconds, 0 for never.

    ``most_bytes`` and ``most_packets`` are what one key may carry before ``NearlySpent`` is said, 0 for no limit.
    """

    addresses: tuple[bytes, ...] = ()
    wire_peer_id: int | None = None
    ping: int = 0
    timeout: int = 0
    mss: int = 0
    replay_window: int = 64
    replay_seconds: int = 15
    most_bytes: int = 0
    most_packets: int = 0
    is_server: bool = False
    """The peer is our server: all we send goes to it, it may send from any address, and it does not float."""
    is_stream: bool = False
    """The peer is on a TCP connection: it does not float, and a packet that does not open ends it."""
    framing: Framing = "none"
    fragment: int = 0
    """The largest datagram, in bytes; larger packets are cut. 0 is without fragments."""
    networks: tuple[Network, ...] = ()
    """What lies behind the peer: it may send from there."""
    client_to_client: bool = False
    """What it sends to other peers goes there directly; else the kernel gets it as all the rest."""
    pvid: int = 0
    """The VLAN it is in where they are told apart; 0 is the device's own."""


@dataclass(slots=True)
class Counters:
    """Of one peer, or of all that belongs to none: payload bytes and packets, and drops by reason."""

    received_bytes: int
    received_packets: int
    sent_bytes: int
    sent_packets: int
    drops: dict[str, int]

    @classmethod
    def zero(cls) -> Counters:
        return cls(0, 0, 0, 0, {})

    def drop(self, reason: str, number: int = 1) -> None:
        self.drops[reason] = self.drops.get(reason, 0) + number


@dataclass(frozen=True, slots=True)
class Floated:
    """An authentic, newest packet came from elsewhere: the peer lives there now."""

    peer: int
    endpoint: Endpoint


@dataclass(frozen=True, slots=True)
class FloatRefused:
    """As Floated, but another peer lives there; the hub decides."""

    peer: int
    endpoint: Endpoint
    occupant: int


@dataclass(frozen=True, slots=True)
class Opened:
    """The first packet under a newly installed key."""

    peer: int
    key_id: int


@dataclass(frozen=True, slots=True)
class NearlySpent:
    """The newest key has carried what it may, or runs out of packet ids: a new one is needed soon."""

    peer: int


@dataclass(frozen=True, slots=True)
class Gone:
    """Nothing authentic was heard for the whole timeout, or (``broken``) the peer's stream is of no more use."""

    peer: int
    reason: str
    broken: bool = False


@dataclass(frozen=True, slots=True)
class PeerExit:
    """The peer said goodbye on the data channel."""

    peer: int


PlaneEvent = Floated | FloatRefused | Opened | NearlySpent | Gone | PeerExit


class Plane(Protocol):
    """Never blocks, never raises for a peer's fault. ``now`` is monotonic seconds."""

    def supports(self, spec: PeerSpec) -> str | None:
        """None, or the reason why this plane cannot carry such a peer."""

    def add(self, peer: int, endpoint: Endpoint, spec: PeerSpec, now: float) -> None:
        """A new peer, without keys: nothing moves yet."""

    def relocate(self, peer: int, endpoint: Endpoint) -> None:
        """The peer lives elsewhere by the hub's decision."""

    def retime(self, peer: int, ping: int, timeout: int, now: float) -> None:
        """Other timers from now on, as in PeerSpec."""

    def remove(self, peer: int) -> None:
        """Forget peer, keys and routes; unknown peers are no error."""

    def install(self, peer: int, key_id: int, keys: DataKeys) -> None:
        """Packets under this key may be opened. A peer has two slots; the older key leaves."""

    def use(self, peer: int, key_id: int) -> None:
        """Seal under this key from now on."""

    def retire(self, peer: int, key_id: int) -> None:
        """This key is gone."""

    def heard(self, peer: int, now: float) -> None:
        """An authentic control packet came: it counts for the timeout."""

    def said(self, peer: int, now: float) -> None:
        """A control packet was sent: it counts for the keepalive."""

    def ping(self, peer: int, now: float) -> None:
        """Let the peer hear of us at once; it is no payload, and not counted as bytes of it."""

    def farewell(self, peer: int) -> None:
        """Say goodbye on the data channel (OCC exit)."""

    def counters(self, peer: int) -> Counters:
        """What this peer's packets added up to; zeros for an unknown one."""

    def take_events(self) -> list[PlaneEvent]:
        """What has happened since the last call."""
