"""Which sealer, opener and replay window belong to data keys: the three formats of data packets."""

from __future__ import annotations

from tvpn.crypto import epoch
from tvpn.crypto.cbc import BLOCK, CBCOpener, CBCSealer
from tvpn.crypto.derive import AEAD_CIPHERS, DataKeys
from tvpn.crypto.epoch import EpochOpener, EpochSealer, EpochWindow
from tvpn.crypto.mac import HMAC_SIZES
from tvpn.crypto.replay import ReplayWindow, StrictOrder, window_of
from tvpn.crypto.seal import AEADOpener, AEADSealer, Opener, Sealer
from tvpn.wire.data import PACKET_ID_SIZE, TAG_SIZE


def sealer_and_opener(keys: DataKeys) -> tuple[Sealer, Opener]:
    """What seals and what opens under these keys."""
    if keys.epochs:
        sealer = EpochSealer(keys.cipher, keys.send_key)
        return sealer, EpochOpener(keys.cipher, keys.receive_key, sealer)
    if keys.digest is not None:
        return (
            CBCSealer(keys.send_key, keys.send_salt, keys.digest),
            CBCOpener(keys.receive_key, keys.receive_salt, keys.digest),
        )
    return (
        AEADSealer(keys.cipher, keys.send_key, keys.send_salt),
        AEADOpener(keys.cipher, keys.receive_key, keys.receive_salt),
    )


def largest_packet(size: int, header_size: int, cipher: str, digest: str | None, epochs: bool) -> int:
    """The largest packet that fits a datagram of this size once it is sealed."""
    if epochs:
        return size - header_size - epoch.PACKET_ID_SIZE - TAG_SIZE
    if cipher in AEAD_CIPHERS or digest is None:
        return size - header_size - PACKET_ID_SIZE - TAG_SIZE
    blocks = size - header_size - HMAC_SIZES[digest] - BLOCK
    # One byte of padding at least.
    return blocks - blocks % BLOCK - 1 - PACKET_ID_SIZE


def replay_window(keys: DataKeys, width: int, patience: float) -> ReplayWindow | StrictOrder | EpochWindow:
    return EpochWindow(width, patience) if keys.epochs else window_of(width, patience)
