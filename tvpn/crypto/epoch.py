"""Sealing and opening in epochs, the format of OpenVPN 2.7: keys that replace themselves (data-channel.md 5 and 6).

::

    op_key (1) | peer (3) | epoch (2) | counter (6) | ciphertext | tag (16)        AD = the first 12 bytes
    nonce = (epoch | counter | 0 (4)) xor implicit IV (12)
    K_e, IV_e = Expand(E_e, "data_key"), Expand(E_e, "data_iv");  E_e+1 = Expand(E_e, "datakey upd")

A packet id is epoch and counter together, 64 bits.
"""

from __future__ import annotations

from collections.abc import Sequence

from cryptography.exceptions import InvalidTag

from tvpn.crypto.derive import KEY_SIZES, expand_label
from tvpn.crypto.replay import DEFAULT_PATIENCE, window_of
from tvpn.crypto.seal import MANY_FAILURES, aead
from tvpn.errors import Drop
from tvpn.wire.data import TAG_SIZE, V2_HEADER_SIZE

COUNTER_BITS = 48
PACKET_ID_SIZE = 8
_LAST_COUNTER = (1 << COUNTER_BITS) - 1
#: AES-GCM: blocks and packets under one key (data-channel.md 6); ChaCha20-Poly1305 has no such limit.
MOST_BLOCKS = (1 << 36) - 1
#: Epochs ahead of the current one that are understood.
FUTURE = 4
NEARLY_LAST_EPOCH, LAST_EPOCH = 0xF000, 0xFFFF - FUTURE - 1


class EpochKey:
    """The key of one epoch; ``follow`` makes that of the next."""

    __slots__ = ("_secret", "aead", "base", "cipher", "number")

    def __init__(self, cipher: str, secret: bytes | bytearray, number: int = 1) -> None:
        self.cipher = cipher
        self.number = number
        self._secret = secret
        self.aead = aead(cipher, expand_label(secret, "data_key", KEY_SIZES[cipher]))
        self.base = int.from_bytes(expand_label(secret, "data_iv", 12), "big")

    def follow(self) -> EpochKey:
        return EpochKey(self.cipher, expand_label(self._secret, "datakey upd", 32), self.number + 1)


class EpochSealer:
    """One direction's sealing keys, one after the other."""

    __slots__ = ("_blocks", "_counter", "_key", "_limit", "sent")

    def __init__(self, cipher: str, secret: bytes | bytearray) -> None:
        self._key = EpochKey(cipher, secret)
        self._limit = MOST_BLOCKS if cipher.startswith("AES") else 1 << 62
        self._blocks = self._counter = 0
        self.sent = 0

    @property
    def epoch(self) -> int:
        return self._key.number

    @property
    def is_nearly_spent(self) -> bool:
        return self._key.number >= NEARLY_LAST_EPOCH

    def overhead(self, header: bytes, size: int) -> int:
        return len(header) + PACKET_ID_SIZE + TAG_SIZE

    def reach(self, epoch: int) -> None:
        """Seal in this epoch, unless a later one is there already."""
        while self._key.number < epoch:
            self._key, self._blocks, self._counter = self._key.follow(), 0, 0

    def seal(self, header: bytes, packets: Sequence[bytes]) -> bytes:
        blocks = sum(map(len, packets)) // 16 + 2 * len(packets)
        if self._blocks + blocks > self._limit or self._counter + len(packets) >= _LAST_COUNTER:
            self.reach(self._key.number + 1)
        if self._key.number > LAST_EPOCH:
            raise Drop("packet-ids-spent")
        self._blocks += blocks
        key, encrypt = self._key, self._key.aead.encrypt
        parts: list[bytes] = []
        first = (key.number << COUNTER_BITS) + self._counter + 1
        for number, packet in enumerate(packets, first):
            head = header + number.to_bytes(PACKET_ID_SIZE, "big")
            parts += (head, encrypt((key.base ^ number << 32).to_bytes(12, "big"), packet, head))
        self._counter += len(packets)
        self.sent += len(packets)
        return b"".join(parts)


class EpochOpener:
    """One direction's opening keys: the current one, the one before it, and a few to come.

    Whoever authenticates a packet of a later epoch makes that the current one, here and for what ``sealer`` seals.
    """

    __slots__ = ("_blocks", "_keys", "_limit", "_sealer", "current", "failed")

    def __init__(self, cipher: str, secret: bytes | bytearray, sealer: EpochSealer) -> None:
        self.current = 1
        self.failed = 0
        self._sealer = sealer
        self._keys = {1: EpochKey(cipher, secret)}
        self._limit = MOST_BLOCKS if cipher.startswith("AES") else 1 << 62
        self._blocks = 0
        self._prepare()

    def _prepare(self) -> None:
        """Keep the key before the current one and have those to come; skipped ones are forgotten."""
        newest = max(self._keys)
        while newest < self.current + FUTURE:
            self._keys[newest + 1] = self._keys[newest].follow()
            newest += 1

    def open(self, datagram: bytes, header_size: int) -> tuple[int, bytes]:
        at = header_size + PACKET_ID_SIZE
        if header_size != V2_HEADER_SIZE or len(datagram) <= at + TAG_SIZE:
            raise Drop("data-short")
        head = datagram[:at]
        number = int.from_bytes(head[header_size:], "big")
        epoch = number >> COUNTER_BITS
        key = self._keys.get(epoch)
        if key is None or epoch > LAST_EPOCH:
            raise Drop("epoch-unknown")
        try:
            plain = key.aead.decrypt((key.base ^ number << 32).to_bytes(12, "big"), datagram[at:], head)
        except InvalidTag:
            self.failed += 1
            raise Drop("data-forged") from None
        self._blocks += (len(plain) >> 4) + 2
        if epoch > self.current:
            self._move(epoch)
        elif self._blocks > self._limit or self.failed > MANY_FAILURES:
            self._sealer.reach(self.current + 1)
        return number, plain

    def _move(self, epoch: int) -> None:
        retiring = self.current
        self.current, self._blocks, self.failed = epoch, 0, 0
        self._keys = {number: key for number, key in self._keys.items() if number == retiring or number >= epoch}
        self._prepare()
        self._sealer.reach(epoch)


class EpochWindow:
    """A replay window for the current epoch and one for the epoch before. Ask only for packets that authenticated."""

    __slots__ = ("_current", "_epoch", "_patience", "_retiring", "_retiring_epoch", "_width")

    def __init__(self, width: int, patience: float = DEFAULT_PATIENCE) -> None:
        self._width, self._patience = width, patience
        self._epoch, self._retiring_epoch = 1, 0
        self._current, self._retiring = window_of(width, patience), window_of(width, patience)

    @property
    def highest(self) -> int:
        return (self._epoch << COUNTER_BITS) + self._current.highest

    def accept(self, packet_id: int) -> bool:
        """Whether this id is new; it counts as seen from then on."""
        epoch = packet_id >> COUNTER_BITS
        if epoch > self._epoch:
            self._retiring_epoch, self._retiring = self._epoch, self._current
            self._epoch, self._current = epoch, window_of(self._width, self._patience)
        if epoch == self._epoch:
            return self._current.accept(packet_id & _LAST_COUNTER)
        return epoch == self._retiring_epoch and self._retiring.accept(packet_id & _LAST_COUNTER)

    def note(self, then: float, now: float) -> None:
        """As in a window of one epoch."""
        self._current.note(then, now)
        self._retiring.note(then, now)
