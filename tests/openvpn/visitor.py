"""Many clients at once, each with a certificate of its own, that only want to know whether they are let in.

``python -m tests.openvpn.visitor FILE``: the file holds a JSON list of visits; whoever gets in is printed, a line each,
and with ``no:`` in front whoever ended the visit. A client of ours is used, since the genuine one would not even load
some of these certificates.
"""

from __future__ import annotations

import json
import os
import select
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.papers import stubborn_context
from tvpn.config import load
from tvpn.crypto.wrap import Envelope, Unwrapped
from tvpn.errors import Drop
from tvpn.service.terms import ContextHolder, context_of, terms_of
from tvpn.session.client import ClientSession
from tvpn.session.event import Ended, Pushed
from tvpn.session.negotiation import Formats, own_peer_info
from tvpn.session.peer import Opening, Terms
from tvpn.wire.option import encode_options_string

CIPHERS = ("AES-256-GCM",)
PATIENCE = 12.0


@dataclass(frozen=True)
class Visit:
    """Who calls which port from which address; what is shown and its key are PEM, both may be empty.

    With the path of a client's configuration its certificate is shown, and it says what the server must be.
    """

    name: str
    port: int
    source: str
    chain: list[str]
    key: str
    config: str = ""


def terms_for(visit: Visit) -> Terms:
    if visit.config:
        settings = load(visit.config)
        return terms_of(settings, ContextHolder(lambda: context_of(settings, None)), server=False)
    context = stubborn_context(visit.chain, visit.key)
    return Terms(
        lambda: context, encode_options_string(False, None, "SHA1", 1500), Formats(CIPHERS), time.time, os.urandom,
        peer_info=own_peer_info(CIPHERS, "visitor"),
    )  # fmt: skip


class Visitor:
    """One visit under way."""

    def __init__(self, visit: Visit, now: float) -> None:
        self.visit = visit
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((visit.source, 0))
        self.socket.connect(("127.0.0.1", visit.port))
        self.socket.setblocking(False)
        opening = Opening(os.urandom(8), b"", Envelope(Unwrapped(), int(time.time())))
        self.session = ClientSession(terms_for(visit), opening, now)

    def step(self, now: float) -> str | None:
        """Read, think, write; what to print, once it is known."""
        for datagram in self._datagrams():
            try:
                self.session.receive(datagram, now)
            except Drop:
                continue
        self.session.tick(now)
        for datagram in self.session.transmit(now):
            try:
                self.socket.send(datagram)
            except OSError:
                break
        for event in self.session.take_events():
            if isinstance(event, Pushed | Ended):
                return self.visit.name if isinstance(event, Pushed) else f"no:{self.visit.name}"
        return None

    def _datagrams(self) -> Iterator[bytes]:
        while True:
            try:
                yield self.socket.recv(65535)
            except OSError:
                return


def main(path: str) -> None:
    visits = [Visit(**each) for each in json.loads(Path(path).read_text())]
    began = time.monotonic()
    visitors = {visitor.socket: visitor for visitor in (Visitor(visit, began) for visit in visits)}
    while visitors and time.monotonic() - began < PATIENCE:
        for key, visitor in list(visitors.items()):
            told = visitor.step(time.monotonic())
            if told is not None:
                print(told, flush=True)
                visitors.pop(key).socket.close()
        select.select(list(visitors), [], [], 0.05)


def encode(visits: list[Visit]) -> str:
    return json.dumps([asdict(visit) for visit in visits])


if __name__ == "__main__":
    main(sys.argv[1])
