"""The life of a session, the same in both roles; the table at the end is all of it.

opening    resets, TLS and key method 2 under key 0
judging    the server waits for a verdict, the client for the push
admitted   data flows; renegotiations come and go
lingering  refused or left: only acks and retransmissions of the last words, for five seconds
gone       nothing any more
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from automat import TypeMachineBuilder

LINGER = 5.0


class Stage(Enum):
    OPENING = "opening"
    JUDGING = "judging"
    ADMITTED = "admitted"
    LINGERING = "lingering"
    GONE = "gone"


class Life(Protocol):
    """What can happen to a session."""

    def keyed(self) -> None:
        """Both key-method-2 messages of a key id are through."""

    def admitted(self) -> None:
        """The verdict or the push is in."""

    def refused(self, now: float) -> None:
        """The peer may not come in or not stay; it is being told."""

    def left(self, now: float) -> None:
        """The peer, or we, said goodbye."""

    def broke(self) -> None:
        """Time is up, or there is nobody to talk to."""

    def lingered(self) -> None:
        """The last words had their time."""

    def stage(self) -> Stage:
        """Where we are."""


@dataclass
class Core:
    """When lingering ends, in monotonic seconds."""

    linger_until: float = 0.0


builder = TypeMachineBuilder(Life, Core)
opening = builder.state("opening")
judging = builder.state("judging")
admitted = builder.state("admitted")
lingering = builder.state("lingering")
gone = builder.state("gone")


@opening.upon(Life.refused).to(lingering)
@judging.upon(Life.refused).to(lingering)
@admitted.upon(Life.refused).to(lingering)
@opening.upon(Life.left).to(lingering)
@judging.upon(Life.left).to(lingering)
@admitted.upon(Life.left).to(lingering)
def _linger(life: Life, core: Core, now: float) -> None:
    core.linger_until = now + LINGER


# The exit timer is armed once: whoever keeps talking does not prolong it (CVE-2024-28882).
lingering.upon(Life.refused).loop().returns(None)
lingering.upon(Life.left).loop().returns(None)
lingering.upon(Life.lingered).to(gone).returns(None)

opening.upon(Life.keyed).to(judging).returns(None)
judging.upon(Life.admitted).to(admitted).returns(None)
admitted.upon(Life.keyed).loop().returns(None)
admitted.upon(Life.admitted).loop().returns(None)

for _state in (opening, judging, admitted, lingering):
    _state.upon(Life.broke).to(gone).returns(None)

# A verdict or a message may come late, after the end: it changes nothing.
for _ended in (lingering, gone):
    _ended.upon(Life.keyed).loop().returns(None)
    _ended.upon(Life.admitted).loop().returns(None)
gone.upon(Life.refused).loop().returns(None)
gone.upon(Life.left).loop().returns(None)
gone.upon(Life.broke).loop().returns(None)
gone.upon(Life.lingered).loop().returns(None)

opening.upon(Life.stage).loop().returns(Stage.OPENING)
judging.upon(Life.stage).loop().returns(Stage.JUDGING)
admitted.upon(Life.stage).loop().returns(Stage.ADMITTED)
lingering.upon(Life.stage).loop().returns(Stage.LINGERING)
gone.upon(Life.stage).loop().returns(Stage.GONE)

make_life = builder.build()
