"""A peer's two keys: the newest and the one before it (protocol: data-channel.md 8)."""

from __future__ import annotations

from tvpn.crypto.derive import DataKeys
from tvpn.crypto.seal import LAST_BYTES, MOST_BYTES, MOST_FAILURES
from tvpn.crypto.suite import largest_packet, replay_window, sealer_and_opener
from tvpn.plane.verbs import PeerSpec
from tvpn.wire.data import encode_header

_UNLIMITED = 1 << 62


class KeySlot:
    """One installed key: both directions, the replay window, and the header of what it seals."""

    __slots__ = (
        "carried", "fresh", "header", "key_id", "last_bytes", "most_bytes", "most_packets", "opened", "opener", "room",
        "sealer", "window",
    )  # fmt: skip

    def __init__(self, key_id: int, keys: DataKeys, spec: PeerSpec) -> None:
        self.key_id = key_id
        self.header = encode_header(key_id, spec.wire_peer_id)
        self.carried = self.opened = 0
        # Epochs have a limit of their own, and a new key behind it.
        limit, self.last_bytes = (_UNLIMITED, _UNLIMITED) if keys.epochs else (MOST_BYTES, LAST_BYTES)
        self.most_bytes = min(spec.most_bytes or limit, limit)
        self.most_packets = spec.most_packets or _UNLIMITED
        self.sealer, self.opener = sealer_and_opener(keys)
        self.window = replay_window(keys, spec.replay_window, spec.replay_seconds)
        self.room = largest_packet(spec.fragment, len(self.header), keys.cipher, keys.digest, keys.epochs)
        """The largest plaintext where packets are cut to fit a datagram."""
        self.fresh = True

    @property
    def spent(self) -> bool:
        """It is time for the next key."""
        sealer = self.sealer
        packets = sealer.sent + self.opened
        return self.carried > self.most_bytes or packets >= self.most_packets or sealer.is_nearly_spent

    @property
    def dead(self) -> bool:
        """Whatever comes, nothing more may be sealed or opened under it."""
        return self.carried > self.last_bytes or self.opener.failed > MOST_FAILURES


class KeySlots:
    """Two slots by key id, one of them used for sending."""

    __slots__ = ("_slots", "sending")

    def __init__(self) -> None:
        self._slots: dict[int, KeySlot] = {}
        self.sending: KeySlot | None = None

    def get(self, key_id: int) -> KeySlot | None:
        return self._slots.get(key_id)

    @property
    def newest(self) -> KeySlot | None:
        """The one that was installed last."""
        return next(reversed(self._slots.values()), None)

    def install(self, slot: KeySlot) -> None:
        """The newest key moves in; of two old ones the one that is not used for sending leaves."""
        self._slots.pop(slot.key_id, None)
        while len(self._slots) > 1:
            sending = self.sending.key_id if self.sending else None
            self.retire(next(key_id for key_id in self._slots if key_id != sending))
        self._slots[slot.key_id] = slot

    def note(self, then: float, now: float) -> None:
        """What had come by ``then`` makes what comes behind it late, some time."""
        for slot in self._slots.values():
            slot.window.note(then, now)

    def use(self, key_id: int) -> None:
        self.sending = self._slots.get(key_id, self.sending)

    def retire(self, key_id: int) -> None:
        slot = self._slots.pop(key_id, None)
        if slot is not None and slot is self.sending:
            self.sending = None
