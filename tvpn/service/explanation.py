"""One connection, told packet by packet: from the first reset to the first data packets, and then goodbye."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address
from itertools import count
from typing import Any, BinaryIO

from OpenSSL import SSL
from twisted.internet.error import ReactorNotRunning
from twisted.logger import LogEvent, LogLevel, formatEvent

from tvpn.crypto.suite import largest_packet
from tvpn.crypto.tls import narrate
from tvpn.errors import TvpnError
from tvpn.hub.event import Advanced, Connected, Disconnected
from tvpn.net.clock import now, wall
from tvpn.plane.framing import FRAME_SIZES
from tvpn.service.client import ClientService
from tvpn.service.narrator import sentence
from tvpn.service.progress import CallFailed, Calling, Progress, Waiting
from tvpn.service.transcript import Transcript
from tvpn.session.negotiation import Agreement
from tvpn.session.record import Record, Sighting
from tvpn.wire.data import V1_HEADER_SIZE, V2_HEADER_SIZE
from tvpn.wire.pcap import HEADER, Capture, Place

#: The client's end of a capture is made up: which address it has is the kernel's business.
_CLIENT_PORT = 40000
_CLIENTS = {4: ip_address("192.0.2.1"), 6: ip_address("2001:db8::1")}


class Explanation:
    """``capture`` gets a pcap file, ``keylog`` TLS's secrets (NSS key log format); ``patience`` in seconds."""

    def __init__(
        self, reactor: Any, transcript: Transcript, capture: BinaryIO | None, keylog: BinaryIO | None, patience: float
    ) -> None:
        self.succeeded = False
        self.reason = "stopped before the server had let us in"
        self.broken: OSError | None = None
        """What could not be written, and so was the end."""
        self._reactor = reactor
        self._transcript = transcript
        self._encoder = Capture()
        self._capture: Callable[[Sighting], object] = lambda sighting: None
        self._keylog = keylog
        self._patience = patience
        self._client: ClientService | None = None
        self._over = False
        if capture is not None:
            self.write(capture.write, HEADER)
            self._capture = lambda sighting: self.write(capture.write, self._encode(sighting))

    def write(self, call: Callable[[Any], object], what: object) -> None:
        """Write something of the story; where that fails nobody needs the rest of it."""
        if self.broken is None:
            try:
                call(what)
            except OSError as error:
                self.broken = error
                self._stop()

    def log(self, event: LogEvent) -> None:
        """A log observer: what the client cannot go on for is the reason."""
        if event["log_level"] >= LogLevel.critical and not self._over:
            self.reason = formatEvent(event)

    def prepare(self, context: SSL.Context) -> None:
        """Have TLS tell its steps, and its secrets where they are wanted; raises TvpnError."""
        try:
            narrate(context)
        except ValueError as error:
            raise TvpnError(str(error)) from None
        if self._keylog is not None:
            context.set_keylog_callback(self._log_secret)

    def run(self, client: ClientService) -> None:
        """To the end."""
        if self.broken is not None:
            return
        reactor = self._reactor
        self._client = client
        client.hub.watch = self._note
        client.watchers.append(self._follow)
        reactor.callLater(self._patience, self._expire)
        reactor.callWhenRunning(client.startService)
        reactor.addSystemEventTrigger("before", "shutdown", self._finish)
        reactor.addSystemEventTrigger("before", "shutdown", client.stopService)
        reactor.run()

    def data(self, sent: bool, size: int, text: str) -> None:
        """A packet of this size went through the tunnel."""
        agreement = None if self._client is None or self._client.hub.session is None else (
            self._client.hub.session.agreement
        )  # fmt: skip
        if agreement is not None:
            remark = f"an IP packet of {size} bytes, sealed by {agreement.cipher} under the data key"
            self._transcript.data(now(), sent, _on_the_wire(size, agreement), text, remark)

    def end(self, answered: bool) -> None:
        """The probe is through."""
        if not answered:
            self._transcript.say("the tunnel is up, and nobody in it answers a ping", now())
        self._stop()

    def _expire(self) -> None:
        if not self.succeeded:
            self.reason = f"the server did not let us in within {self._patience:g} seconds"
        self._stop()

    def _stop(self) -> None:
        self._finish()
        with suppress(ReactorNotRunning):
            self._reactor.stop()

    def _finish(self) -> None:
        # What follows is our own goodbye.
        self._over = True
        if self._client is not None:
            self._client.watchers.clear()

    def _log_secret(self, connection: SSL.Connection, line: bytes) -> None:
        if self._keylog is not None:
            self.write(self._keylog.write, line + b"\n")

    def _note(self, record: Record) -> None:
        self._transcript.note(record)
        if isinstance(record, Sighting):
            self._capture(record)

    def _follow(self, progress: Progress) -> None:
        if isinstance(progress, Connected):
            self.succeeded = True
        elif isinstance(progress, Disconnected):
            self.reason = progress.reason
            self._transcript.say(progress.reason, now())
            if not self.succeeded and not progress.challenge:
                self._stop()
            return
        elif isinstance(progress, CallFailed):
            self.reason = progress.reason
        if not isinstance(progress, Advanced | Calling | Waiting) and self._client is not None:
            said = sentence(progress)
            if said is not None:
                self._transcript.say(said, now())

    def _encode(self, sighting: Sighting) -> bytes:
        endpoint = None if self._client is None else self._client.hub.endpoint
        if endpoint is None:
            return b""
        host = ip_address(str(endpoint.address[0]).partition("%")[0])
        server: Place = (host, int(endpoint.address[1]))
        client: Place = (_CLIENTS[host.version], _CLIENT_PORT)
        at = wall() - (now() - sighting.at)
        return self._encoder.encode(at, sighting.sent, sighting.packet, client, server)


def _on_the_wire(size: int, agreement: Agreement) -> int:
    """Bytes of the datagram that carries a packet of this size."""
    framed = size + FRAME_SIZES[agreement.framing]
    header = V1_HEADER_SIZE if agreement.peer_id is None else V2_HEADER_SIZE
    return next(
        wire for wire in count(framed)
        if largest_packet(wire, header, agreement.cipher, agreement.digest, agreement.epochs) >= framed
    )  # fmt: skip
