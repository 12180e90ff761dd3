"""A program in its namespace, started and told by hand."""

from __future__ import annotations

import json
import os
import time
from ipaddress import IPv4Address, ip_interface
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.lab import skip_unless_possible
from tests.net.readers import Readers
from tvpn.errors import TvpnError
from tvpn.net.enclosed import EnclosedProgram
from tvpn.net.namespace import TUN, Inner

V4, V6 = ip_interface("10.8.0.2/24"), ip_interface("fd00:8::2/64")
# Says what its network is like, each time a search domain of the next number has been told.
SCRIPT = """
cd "$1"
for number in 1 2 3; do
    until grep -q "n$number.example" /etc/resolv.conf; do sleep 0.05; done
    for what in "addr show dev vpn0" route "-6 route show default"; do ip -j $what | tr -d '\\n'; echo; done > said
    cat /etc/resolv.conf >> said
    mv said said.$number
done
exit 9
"""


class EnclosedTests(SynchronousTestCase):
    """From outside."""

    skip = skip_unless_possible()

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.ended: list[tuple[int | None, str]] = []

    def start(self, *command: str) -> EnclosedProgram:
        program = EnclosedProgram(command, "office")
        self.addCleanup(program.close)
        kind, descriptor = program.device()
        self.addCleanup(os.close, descriptor)
        self.assertEqual(kind, TUN)
        program.watch(Readers(), lambda status, sentence: self.ended.append((status, sentence)))
        return program

    def said(self, number: int) -> tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]], str]:
        said = self.folder / f"said.{number}"
        self.wait_for(said.exists)
        device, routes, routes6, names = said.read_text().split("\n", 3)
        return json.loads(device)[0], json.loads(routes), json.loads(routes6), names

    def wait_for(self, condition: Any) -> None:
        until = time.monotonic() + 10
        while not condition():
            self.assertLess(time.monotonic(), until)
            time.sleep(0.05)

    def test_changes(self) -> None:
        """Addresses, size, routes and names are as they were told last, while the same program runs; a device that was
        too small for IPv6 has it when it grows.
        """
        program = self.start("sh", "-c", SCRIPT, "sh", str(self.folder))
        program.arrange(Inner((V4, V6), 1400, None, ("192.0.2.53",), ("n1.example",)))
        program.begin()
        device, routes, routes6, names = self.said(1)
        self.assertEqual([each["local"] for each in device["addr_info"]], ["10.8.0.2", "fd00:8::2"])
        self.assertEqual((device["mtu"], {each["dev"] for each in routes + routes6}), (1400, {"vpn0"}))
        self.assertEqual([each["dst"] for each in routes + routes6], ["default", "10.8.0.0/24", "default"])
        self.assertEqual(names, "# by tvpn exec\nnameserver 192.0.2.53\nsearch n1.example\n")
        program.arrange(Inner((ip_interface("10.9.0.6/32"),), 1300, IPv4Address("10.9.0.5"), domains=("n2.example",)))
        device, routes, routes6, names = self.said(2)
        [address] = device["addr_info"]
        self.assertEqual((address["local"], address["address"], device["mtu"]), ("10.9.0.6", "10.9.0.5", 1300))
        self.assertEqual([each["dst"] for each in routes + routes6], ["default", "10.9.0.5"])
        self.assertEqual(names, "# by tvpn exec\nsearch n2.example\n")
        program.arrange(Inner((V4,), 1000))
        program.arrange(Inner((V4, V6), 1300, domains=("n3.example",)))
        device, *_ = self.said(3)
        self.assertEqual([each["local"] for each in device["addr_info"]], ["10.8.0.2", "fd00:8::2"])
        self.read_end(program)
        self.assertEqual([os.waitstatus_to_exitcode(status or 0) for status, _ in self.ended], [9])

    def read_end(self, program: EnclosedProgram) -> None:
        def read() -> bool:
            program.doRead()
            return bool(self.ended)

        self.wait_for(read)

    def test_bad_order(self) -> None:
        """What cannot be done ends it with a sentence, and the program never begins."""
        program = self.start("touch", str(self.folder / "began"))
        program.arrange(Inner((V4,), 10))
        program.begin()
        self.read_end(program)
        [(status, sentence)] = self.ended
        self.assertIsNone(status)
        self.assertIn("cannot bring vpn0 up", sentence)
        self.assertFalse((self.folder / "began").exists())

    def test_no_interpreter(self) -> None:
        """An interpreter that cannot be run is a sentence."""
        self.patch(__import__("sys"), "executable", "/no/such/python")
        error = self.assertRaises(TvpnError, EnclosedProgram, ["true"], "office")
        self.assertEqual(str(error), "cannot run /no/such/python a second time (No such file or directory)")

    def test_closed(self) -> None:
        """Closed before it began, nothing of it is left; closed twice is closed once."""
        program = self.start("true")
        keeper = program._process
        program.close()
        program.close()
        self.assertFalse(Path(f"/proc/{keeper}").exists())
        self.assertEqual(self.ended, [])
