"""What the log says of hub events and of a client's progress: one sentence each, every foreign text cleaned of control
characters.
"""

from __future__ import annotations

from tvpn.hub.event import (
    Announced,
    ChallengeAsked,
    Changed,
    Complaint,
    Connected,
    Disconnected,
    Joined,
    Left,
    Moved,
    PageAsked,
)
from tvpn.plane.verbs import Endpoint
from tvpn.service.progress import Blocked, CallFailed, Calling, Progress, Waiting

#: What a class of refused packets means to a person; the others speak for themselves.
_MEANINGS = {
    "tls-auth-forged": "used another tls-auth key (or none, or another auth digest)",
    "tls-crypt-forged": "used another tls-crypt key (or none)",
    "tls-auth-short": "sent packets without tls-auth",
    "tls-crypt-short": "sent packets without tls-crypt",
    "wrapped-key-forged": "used a tls-crypt-v2 key of another server",
    "wrapped-key-missing": "did not use tls-crypt-v2",
    "wrapped-key-length": "sent a malformed tls-crypt-v2 key",
    "reset-rate": "asks for too many connections; some go unanswered",
    "connect-freq": "comes more often than connect-freq allows; some connections are refused",
    "half-open-full": "was turned away: too many unfinished connections",
    "crowded-out": "had to make room for others: too many unfinished connections",
    "no-progress": "did not go on with its handshake while there were many",
    "silent-start": "began to connect and then said nothing of TLS",
}
#: From which verbosity (OpenVPN's verb) on an event is mentioned: what happens to peers, and what is mere debris.
VERB_FOR_EVENTS, VERB_FOR_DEBRIS = 1, 4


def where(endpoint: Endpoint) -> str:
    """``192.0.2.7:1194`` or ``[2001:db8::7]:1194``."""
    host, port = str(endpoint.address[0]), endpoint.address[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_worth(event: Progress, verb: int) -> bool:
    """Whether this event is mentioned at this verbosity. Late and doubled packets are no news."""
    is_debris = isinstance(event, Complaint) and event.reason not in _MEANINGS
    return verb >= (VERB_FOR_DEBRIS if is_debris else VERB_FOR_EVENTS)


def sentence(event: Progress) -> str | None:
    """The sentence for this event, None when it is not worth one."""
    if isinstance(event, Calling | CallFailed | Blocked | Waiting):
        return _calling(event)
    if isinstance(event, Joined):
        # On an Ethernet the address may be none of ours.
        as_addresses = f" as {', '.join(event.addresses)}" if event.addresses else ""
        return f"{event.name} joined from {where(event.endpoint)}{as_addresses}"
    if isinstance(event, Left):
        who = event.name or "a client"
        verb = "left" if event.joined else "did not get in"
        reason = "" if event.reason == "left" else f": {event.reason.removeprefix(f'{event.name}: ')}"
        return clean(f"{who} ({where(event.endpoint)}) {verb}{reason}")
    if isinstance(event, Moved):
        return f"{event.name} moved to {where(event.endpoint)}"
    if isinstance(event, Complaint):
        meaning = _MEANINGS.get(event.reason, f"sent packets that were dropped: {event.reason}")
        times = f" ({event.number} packets)" if event.number > 1 else ""
        return f"{event.endpoint.address[0]} {meaning}{times}"
    if isinstance(event, Disconnected):
        return clean(f"disconnected: {event.reason}")
    if isinstance(event, ChallengeAsked):
        return clean(f"the server asks: {event.challenge.text}")
    if isinstance(event, PageAsked):
        return clean(f"the server waits until you have opened: {event.url}")
    if isinstance(event, Announced):
        return clean(f"the server says: {event.text}")
    if isinstance(event, Changed):
        ignored = f", and what has no effect here: {'; '.join(event.tunnel.ignored)}" if event.tunnel.ignored else ""
        return clean(f"the server has changed what it pushed{ignored}")
    if isinstance(event, Connected) and event.tunnel.ignored:
        return clean(f"the server pushed what has no effect here: {'; '.join(event.tunnel.ignored)}")
    return None


def _calling(event: Calling | CallFailed | Blocked | Waiting) -> str:
    if isinstance(event, Calling) and event.proxy:
        return f"connecting to {event.host}, {event.protocol} port {event.port}, through {event.proxy}"
    if isinstance(event, Calling):
        return f"connecting to {event.address}, {event.protocol} port {event.port}"
    return event.reason if isinstance(event, CallFailed | Blocked) else f"next try in {event.seconds:.1f} s"


def clean(text: str) -> str:
    """Fit for one line of a log."""
    return "".join(character if character.isprintable() else "?" for character in text)
