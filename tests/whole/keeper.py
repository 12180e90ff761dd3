"""A process with both ends of a tunnel in it, which says what its keys are and then holds still, to be looked at.

``python -m tests.whole.keeper CIPHER FORMAT``: what it writes is a line of JSON about each secret, and one at the end.
Keys leave from where they lie, without a copy of them being made.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from collections.abc import Callable
from typing import Any

from tests.whole.simulation import Limits, Node, Options, World
from tvpn.crypto import epoch
from tvpn.crypto.derive import DataKeys
from tvpn.crypto.tls import TLS
from tvpn.plane.userspace import Userspace
from tvpn.session import peer
from tvpn.session.negotiation import own_peer_info
from tvpn.wire.option import Proto


def say(**words: Any) -> None:
    os.write(1, json.dumps(words).encode() + b"\n")


def show(kind: str, key_id: int, secret: bytes | bytearray) -> None:
    """A line about the secret and then the secret itself."""
    say(kind=kind, key=key_id, size=len(secret))
    os.write(1, secret)


def spied(owner: Any, name: str, spy: Callable[..., None], after: bool = False) -> None:
    """The genuine function is called, and the spy before it (or after it, with what it returned)."""
    genuine = getattr(owner, name)

    def both(*words: Any, **named: Any) -> Any:
        if not after:
            spy(*words)
            return genuine(*words, **named)
        found = genuine(*words, **named)
        spy(found)
        return found

    setattr(owner, name, both)


def live_keys(node: Node) -> list[int]:
    [record] = node.plane._peers.values()
    return sorted(record.slots._slots)


def main(cipher: str, form: str) -> None:
    current = [0]

    def installed(_plane: Userspace, _peer: int, key_id: int, keys: DataKeys) -> None:
        current[0] = key_id
        for secret in (keys.send_key, keys.receive_key):
            show("data", key_id, secret)
        if keys.digest is not None:
            for secret in (keys.send_salt, keys.receive_salt):
                show("hmac", key_id, secret)

    spied(Userspace, "install", installed)
    spied(epoch, "aead", lambda _cipher, key: show("epoch", current[0], key))
    spied(TLS, "export", lambda material: show("exported", -1, material), after=True)
    spied(peer, "dynamic_tls_crypt_key", lambda key: show("tls-crypt", -1, key.data), after=True)
    said = own_peer_info((cipher,), "test")
    without = {"epochs": 0, "classic": Proto.DATA_EPOCH, "prf": Proto.DATA_EPOCH | Proto.TLS_KEY_EXPORT}[form]
    said["IV_PROTO"] = str(int(said["IV_PROTO"]) & ~without)
    often, never = Limits(longest=5, shortest=5), Limits(longest=0, shortest=0)
    world = World(Options("tls-crypt-v2", data_ciphers=(cipher,), client_ciphers=(cipher,), peer_info=said,
                          server_limits=often, client_limits=never))  # fmt: skip
    client = world.client()
    world.run(10, world.connected(client))
    ok = []
    for _ in range(8):
        ok.append(world.passes(client))
        world.run(3)
    gc.collect()
    say(kind="live", keys=[live_keys(node) for node in (world.server, client)], passes=all(ok))
    sys.stdin.read(1)
    for member in list(world.server.hub.roster):
        world.server.hub.disconnect(member.number, "the end", world.now)
    world.server.flush()
    world.run(20)
    del member, client, world
    gc.collect()
    say(kind="over")
    sys.stdin.read(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
