"""What is written down before it is done, and whose it is when it is read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from ipaddress import ip_address, ip_network
from pathlib import Path
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from tvpn.errors import TvpnError
from tvpn.hub.paths import Entry, Hop
from tvpn.service import journal
from tvpn.service.journal import Journal, forget_record, journal_folder, left_behind
from tvpn.service.owner import Owner, started, this_process

ENTRIES = (
    Entry(ip_network("198.51.100.7/32"), Hop(2, ip_address("192.0.2.1"), ip_address("192.0.2.2"))),
    Entry(ip_network("2001:db8:7::/48"), Hop(None, ip_address("fe80::1")), 7),
)


def dead() -> Owner:
    """A process that was."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    owner = Owner(process.pid, started(process.pid) or 0)
    process.communicate(b"\n")
    return owner


class OwnerTests(SynchronousTestCase):
    def test_lives(self) -> None:
        """We live; a process that ended does not, nor one whose number another one has now."""
        here = this_process()
        self.assertTrue(here.lives)
        self.assertFalse(Owner(here.pid, here.started + 1).lives)
        self.assertFalse(dead().lives)


class JournalTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp()) / "run"
        self.journal = Journal(self.folder)

    def die(self) -> None:
        """As if the one who wrote it had been killed."""
        for path in self.folder.glob("*.json"):
            content = json.loads(path.read_text())
            content["started"] += 1
            path.write_text(json.dumps(content))

    def test_written(self) -> None:
        """It is for nobody else, names all that is to be undone, and is gone when nothing is."""
        self.journal.write(ENTRIES)
        [path] = self.folder.iterdir()
        self.assertEqual((path.stat().st_mode & 0o777, self.folder.stat().st_mode & 0o777), (0o600, 0o700))
        self.assertEqual(left_behind(self.folder), [])
        self.die()
        [record] = left_behind(self.folder)
        found = [(entry.network, entry.hop.device, entry.hop.gateway, entry.metric) for entry in record.entries]
        wanted = [(entry.network, entry.hop.device, entry.hop.gateway, entry.metric) for entry in ENTRIES]
        self.assertEqual(found, wanted)
        self.journal.write([])
        self.assertEqual([*self.folder.iterdir()], [])

    def test_forgotten(self) -> None:
        """What was undone is not read again; twice is no error."""
        self.journal.write(ENTRIES)
        self.die()
        [record] = left_behind(self.folder)
        for _ in range(2):
            forget_record(self.folder, record)
        self.assertEqual(left_behind(self.folder), [])

    def test_elsewhere(self) -> None:
        """A journal of another network namespace means nothing here, and stays."""
        self.journal.write(ENTRIES)
        self.die()
        with mock.patch.object(journal, "network_namespace", return_value="net:[1]"):
            self.assertEqual(left_behind(self.folder), [])
        self.assertEqual(len(left_behind(self.folder)), 1)

    def test_garbage(self) -> None:
        """What is no journal is passed over: other files, links, pipes, half of one."""
        self.journal.write(ENTRIES)
        self.die()
        [path] = self.folder.iterdir()
        text = path.read_text()
        for number, content in enumerate(("", "{}", "[]", text[:-20], text.replace('"192.0.2.1"', '"x"'), "null", "7")):
            (self.folder / f"{number}.json").write_text(content)
        (self.folder / "link.json").symlink_to(path)
        os.mkfifo(self.folder / "pipe.json")
        self.assertEqual([record.name for record in left_behind(self.folder)], [path.name])

    def test_folder(self) -> None:
        """A folder that others may write to, or a link to one, is refused with a sentence; none at all is empty."""
        self.assertEqual(left_behind(self.folder), [])
        self.folder.mkdir(parents=True)
        self.folder.chmod(0o777)
        (self.folder.parent / "link").symlink_to(self.folder)
        for folder in (self.folder, self.folder.parent / "link"):
            error = self.assertRaises(TvpnError, Journal(folder).write, ENTRIES)
            self.assertIn(f"cannot write down in {folder} what to undo after a crash: ", str(error))
            self.assertEqual(left_behind(folder), [])
        self.folder.chmod(0o755)
        Journal(self.folder).write(ENTRIES)

    def test_where(self) -> None:
        """Where systemd says, the first of several; else /run/tvpn."""
        for value, expected in (("/run/a:/run/b", "/run/a"), ("", "/run/tvpn")):
            with mock.patch.dict(os.environ, {"RUNTIME_DIRECTORY": value}):
                self.assertEqual(journal_folder(), Path(expected))
