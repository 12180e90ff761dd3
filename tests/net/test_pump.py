"""The pump, with a hub, a plane, links and a device that write down what is asked of them."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tvpn.hub.event import HangUp, HubEvent, Left, Moved
from tvpn.net.pump import RECOVERY, Pump
from tvpn.plane.verbs import Arrival, Counters, Departure, Endpoint, PeerExit, PlaneEvent, TunPacket
from tvpn.wire.header import DATA_FIRST_BYTES

PLACE = ("192.0.2.7", 1194)


class Recorder:
    """One list of calls for everybody, so that the order can be seen."""

    def __init__(self, calls: list[tuple[Any, ...]]) -> None:
        self.calls = calls
        self.at: float | None = None
        self.failing = False

    def deadline(self) -> float | None:
        return self.at


class RecordingPlane(Recorder):
    def __init__(self, calls: list[tuple[Any, ...]]) -> None:
        super().__init__(calls)
        self.events: list[PlaneEvent] = []
        self.packets: list[TunPacket] = []
        self.departures: list[Departure] = []
        self.strays = Counters.zero()

    @property
    def eventful(self) -> bool:
        return bool(self.events)

    def attach(self, addresses: frozenset[bytes], lladdr: bytes) -> None:
        self.calls.append(("attach", addresses, lladdr))

    def outward(self, batch: list[TunPacket], now: float) -> None:
        self.calls.append(("outward", batch, now))

    def inward(self, link: object, batch: list[Arrival], now: float) -> None:
        self.calls.append(("inward", link, batch, now))

    def take(self) -> tuple[list[TunPacket], list[Departure]]:
        taken = self.packets, self.departures
        self.packets, self.departures = [], []
        return taken

    def take_events(self) -> list[PlaneEvent]:
        events, self.events = self.events, []
        return events

    def tick(self, now: float) -> None:
        self.calls.append(("plane ticks", now))
        self.at = None


class RecordingHub(Recorder):
    def __init__(self, calls: list[tuple[Any, ...]]) -> None:
        super().__init__(calls)
        self.words: list[tuple[Endpoint, bytes]] = []
        self.events: list[HubEvent] = []
        self.answers: list[bool] = []

    def receive(self, endpoint: Endpoint, datagram: bytes, now: float) -> bool:
        self.calls.append(("receive", endpoint, datagram, now))
        return self.answers.pop(0) if self.answers else True

    def observe(self, event: PlaneEvent, now: float) -> None:
        self.calls.append(("observe", event, now))
        if self.failing:
            raise ZeroDivisionError

    def transmit(self, now: float) -> list[tuple[Endpoint, bytes]]:
        self.calls.append(("transmit", now))
        words, self.words = self.words, []
        return words

    def take_events(self) -> list[HubEvent]:
        events, self.events = self.events, []
        return events

    def tick(self, now: float) -> None:
        self.calls.append(("hub ticks", now))
        self.at = None
        if self.failing:
            raise ZeroDivisionError


class RecordingLink(Recorder):
    def send(self, address: object, local: bytes, segment: int, buffer: bytes) -> None:
        self.calls.append(("send", address, local, segment, buffer))

    def close(self) -> None:
        self.calls.append(("hang up", self))


class RecordingTun(Recorder):
    merges = True
    lladdr = b"\2\0\0\0\0\1"

    def write(self, packets: list[TunPacket]) -> None:
        self.calls.append(("write", packets))

    def doRead(self) -> None:
        self.calls.append(("read",))


class PumpCase(SynchronousTestCase):
    """A pump at ten seconds past nothing."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(10)
        self.calls: list[tuple[Any, ...]] = []
        self.plane, self.hub = RecordingPlane(self.calls), RecordingHub(self.calls)
        self.link: Any = RecordingLink(self.calls)
        self.pump = Pump(
            self.plane, self.hub, self.clock, self.clock.seconds, lambda event: self.calls.append(("tell", event))
        )  # type: ignore[arg-type]
        self.endpoint = Endpoint(self.link, PLACE, b"\1\2\3\4")

    def names(self) -> list[str]:
        return [call[0] for call in self.calls]

    def due(self) -> list[float]:
        return [call.getTime() for call in self.clock.getDelayedCalls()]


class MixedTests(SynchronousTestCase):
    """Datagrams that the kernel has put together by size alone."""

    def test_taken_apart(self) -> None:
        """Data stays together; control packets, and data among them, are given one by one to whom they belong."""
        calls: list[tuple[Any, ...]] = []
        plane, hub, clock = RecordingPlane(calls), RecordingHub(calls), Clock()
        pump = Pump(plane, hub, clock, clock.seconds, lambda event: None)  # type: ignore[arg-type]
        data, control = b"\x48data", b"\x20ctrl"
        pump.from_network("link", [(PLACE, b"", 5, data * 3)])  # type: ignore[arg-type]
        self.assertEqual(calls[0], ("inward", "link", [(PLACE, b"", 5, data * 3)], 0.0))
        calls.clear()
        pump.from_network("link", [(PLACE, b"", 5, control + data + control)])  # type: ignore[arg-type]
        found = [call[:3] for call in calls if call[0] in ("inward", "receive")]
        place = Endpoint("link", PLACE, b"")
        self.assertEqual(found, [("inward", "link", [(PLACE, b"", 0, data)]), ("receive", place, control),
                                 ("receive", place, control)])  # fmt: skip
        self.assertEqual(plane.strays.drops, {})


class BatchTests(PumpCase):
    """Who gets which packet, and what follows."""

    def test_data_and_control(self) -> None:
        """The first byte alone decides: data to the plane as one batch, each control datagram to the hub, and what is
        neither is counted.
        """
        datagrams = [bytes([first]) + b"rest" for first in range(256)]
        batch = [(PLACE, b"\1\2\3\4", 0, datagram) for datagram in datagrams]
        self.pump.from_network(self.link, batch)
        data = [arrival for arrival in batch if arrival[3][0] in DATA_FIRST_BYTES]
        self.assertEqual(len(data), 16)
        self.assertEqual(self.calls[0], ("inward", self.link, data, 10.0))
        control = [call for call in self.calls if call[0] == "receive"]
        wanted = [datagram for datagram in datagrams if 3 <= datagram[0] >> 3 <= 11 and datagram[0] >> 3 not in (6, 9)]
        self.assertEqual(control, [("receive", self.endpoint, datagram, 10.0) for datagram in wanted])
        self.assertEqual(self.plane.strays.drops, {"opcode-unknown": 256 - 16 - len(wanted)})

    def test_data_alone(self) -> None:
        """A batch of data alone leaves the hub asleep, and one of control alone never reaches the plane."""
        self.pump.from_network(self.link, [(PLACE, b"", 0, bytes([0x48]) + b"data")])
        self.assertEqual(self.names(), ["inward"])
        self.calls.clear()
        self.pump.from_network(self.link, [(PLACE, b"", 0, bytes([0x38]) + b"hello")])
        self.assertEqual(self.names(), ["receive", "transmit"])

    def test_nothing_follows(self) -> None:
        """D-04: control that leads nowhere costs no more than its receipt, unless another one of the batch leads on."""
        knock = (PLACE, b"", 0, bytes([0x38]) + b"hello")
        self.hub.answers = [False, False]
        self.pump.from_network(self.link, [knock, knock])
        self.assertEqual(self.names(), ["receive", "receive"])
        self.calls.clear()
        self.hub.answers = [False, True, False]
        self.pump.from_network(self.link, [knock, knock, knock])
        self.assertEqual(self.names(), ["receive", "receive", "receive", "transmit"])

    def test_from_tun(self) -> None:
        """Packets of the device go to the plane, and what the plane seals leaves in its segments."""
        self.plane.departures = [(self.endpoint, 5, b"sealedagain")]
        self.pump.from_tun([(b"", b"packet")])
        sent = ("send", PLACE, b"\1\2\3\4", 5, b"sealedagain")
        self.assertEqual(self.calls, [("outward", [(b"", b"packet")], 10.0), sent])

    def test_eventful_data(self) -> None:
        """Data that the plane has something to say about wakes the hub before anything leaves."""
        for stimulus in (
            lambda: self.pump.from_tun([(b"", b"packet")]),
            lambda: self.pump.from_network(self.link, [(PLACE, b"", 0, bytes([0x48]) + b"data")]),
        ):
            self.calls.clear()
            self.plane.events = [PeerExit(3)]
            self.plane.departures = [(self.endpoint, 4, b"data")]
            stimulus()
            self.assertEqual(self.names()[1:], ["observe", "transmit", "send"])

    def test_inward_to_tun(self) -> None:
        """What was opened is written to the device, whose answers are read at once; without one it is dropped."""
        self.plane.packets = [(b"", b"early")]
        self.pump.stir()
        self.assertEqual(self.names(), ["transmit"])
        tun: Any = RecordingTun(self.calls)
        self.pump.attach(tun, [IPv4Address("10.9.0.1")])
        self.assertEqual(self.calls[-1], ("attach", {b"\x0a\x09\0\1"}, b"\2\0\0\0\0\1"))
        self.pump.stir()
        self.plane.packets = [(b"", b"one"), (b"", b"two")]
        self.pump.stir()
        written = [call[1] for call in self.calls if call[0] == "write"]
        self.assertEqual(written, [[(b"", b"one"), (b"", b"two")]])
        self.assertEqual(self.names()[-2:], ["write", "read"])

    def test_control_leaves_whole(self) -> None:
        """A control datagram is one segment, from the address that was called."""
        self.hub.words = [(self.endpoint, b"reset"), (Endpoint(self.link, ("192.0.2.8", 5)), b"hello there")]
        self.pump.stir()
        first = ("send", PLACE, b"\1\2\3\4", 5, b"reset")
        self.assertEqual(self.calls[1:], [first, ("send", ("192.0.2.8", 5), b"", 11, b"hello there")])

    def test_order(self) -> None:
        """The plane's events are observed before the hub speaks, and the service hears last of all."""
        left = Left(1, "alice", self.endpoint, True, "left")
        self.plane.events = [PeerExit(3)]
        self.plane.departures = [(self.endpoint, 4, b"data")]
        self.hub.words = [(self.endpoint, b"bye")]
        self.hub.events = [left]
        self.pump.stir()
        self.assertEqual(self.names(), ["observe", "transmit", "send", "send", "tell"])
        self.assertEqual(self.calls[0], ("observe", PeerExit(3), 10.0))
        self.assertEqual([call[4] for call in self.calls if call[0] == "send"], [b"bye", b"data"])
        self.assertEqual(self.calls[-1], ("tell", left))

    def test_hang_up(self) -> None:
        """A connection of no use is closed by the pump after its last words, and is no news for the service."""
        moved = Moved(1, "alice", self.endpoint)
        self.hub.words = [(self.endpoint, b"bye")]
        self.hub.events = [HangUp(self.endpoint), moved]
        self.pump.stir()
        self.assertEqual(self.names(), ["transmit", "send", "hang up", "tell"])
        self.assertEqual(self.calls[-1], ("tell", moved))


class TimerTests(PumpCase):
    """One timer, for the earliest deadline."""

    def test_none(self) -> None:
        """Without a deadline there is no timer."""
        self.pump.stir()
        self.assertEqual(self.due(), [])

    def test_earliest(self) -> None:
        """Of two deadlines the earlier one counts, and whoever is not due is not woken."""
        for first, second in ((self.hub, self.plane), (self.plane, self.hub)):
            began = self.clock.seconds()
            first.at, second.at = began + 2, began + 7
            self.calls.clear()
            self.pump.stir()
            self.assertEqual(self.due(), [began + 2])
            self.clock.advance(2)
            self.assertEqual(self.due(), [began + 7])
            self.clock.advance(5)
            self.assertEqual(self.due(), [])
            ticks = {self.hub: "hub ticks", self.plane: "plane ticks"}
            told = [call for call in self.calls if call[0] != "transmit"]
            self.assertEqual(told, [(ticks[first], began + 2), (ticks[second], began + 7)])

    def test_reset(self) -> None:
        """After each stimulus the one timer is set anew, sooner or later."""
        for at in (15.0, 12.0, 19.0):
            self.hub.at = at
            self.pump.stir()
            self.assertEqual(self.due(), [at])

    def test_postponed(self) -> None:
        """A deadline that data has moved meanwhile is found when the timer fires: nobody is woken, it is set anew."""
        self.plane.at = 12.0
        self.pump.stir()
        self.plane.at = 15.0
        self.pump.from_tun([(b"", b"packet")])
        self.calls.clear()
        self.clock.advance(2)
        self.assertEqual(self.calls, [("transmit", 12.0)])
        self.assertEqual(self.due(), [15.0])

    def test_overdue(self) -> None:
        """A deadline in the past is for the next turn, not for a negative time."""
        self.hub.at = 3.0
        self.pump.stir()
        self.assertEqual(self.due(), [10.0])
        self.clock.advance(0)
        self.assertIn(("hub ticks", 10.0), self.calls)

    def test_error(self) -> None:
        """An error in a timer's work is logged with its traceback, and time goes on a little later."""
        self.hub.at, self.hub.failing = 11.0, True
        self.pump.stir()
        self.clock.advance(1)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(self.due(), [11.0 + RECOVERY])
        self.hub.at, self.hub.failing = 11.5, False
        self.calls.clear()
        self.clock.advance(RECOVERY)
        self.assertEqual(self.names(), ["hub ticks", "transmit"])

    def test_stop(self) -> None:
        """A stopped pump leaves no timer behind, and may be stopped before it ever ran."""
        self.pump.stop()
        self.hub.at = 20.0
        self.pump.stir()
        self.pump.stop()
        self.pump.stop()
        self.assertEqual(self.due(), [])
