"""A program's own resolv.conf and nsswitch.conf, laid over those of machines of several kinds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.lab import ROOT, environment, skip_unless_possible

# In mount namespaces of its own: an /etc and a /run as given, then the files laid over, and what is seen afterwards.
SCRIPT = """
import json, os, socket, sys
from pathlib import Path
from tvpn.net.namefiles import DAEMONS, NameFiles
from tvpn.net.systemcall import CLONE_NEWNS, MS_BIND, MS_PRIVATE, MS_REC, mount, unshare
unshare(CLONE_NEWNS)
mount("none", "/", flags=MS_REC | MS_PRIVATE)
mount(sys.argv[1] + "/etc", "/etc", flags=MS_BIND)
mount(sys.argv[1] + "/run", "/run", flags=MS_BIND)
kept = sorted(os.listdir("/tmp"))
files = NameFiles()
files.write(["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"], ["a.example", "b.example"])
files.write(["192.0.2.5"], [])
def text(path):
    return Path(path).read_text() if os.path.exists(path) else None
print(json.dumps({
    "resolv.conf": text("/etc/resolv.conf"), "nsswitch": text("/etc/nsswitch.conf"),
    "daemons": {str(name): sorted(os.listdir(name)) for name in map(Path, DAEMONS) if name.is_dir()},
    "other": sorted(os.listdir("/run")), "tmp": sorted(os.listdir("/tmp")) == kept,
}))
"""


class NameFilesTests(SynchronousTestCase):
    """What the C library reads in there."""

    skip = skip_unless_possible()

    def setUp(self) -> None:
        self.machine = Path(self.mktemp()).absolute()
        (self.machine / "etc").mkdir(parents=True)
        (self.machine / "run").mkdir()

    def seen(self) -> dict[str, object]:
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(self.machine)], capture_output=True, text=True, timeout=20,
            env=environment(), cwd=ROOT,
        )  # fmt: skip
        self.assertEqual(done.stderr, "")
        found: dict[str, object] = json.loads(done.stdout)
        return found

    def test_plain(self) -> None:
        """Files are replaced for whoever is inside; the machine's own are as they were; other databases stay."""
        resolv_conf, nsswitch = self.machine / "etc/resolv.conf", self.machine / "etc/nsswitch.conf"
        resolv_conf.write_text("nameserver 198.51.100.1\n")
        nsswitch.write_text("passwd: files systemd\nhosts:  mymachines resolve [!UNAVAIL=return] mdns4 dns\n")
        seen = self.seen()
        self.assertEqual(seen["resolv.conf"], "# by tvpn exec\nnameserver 192.0.2.5\n")
        self.assertEqual(seen["nsswitch"], "passwd: files systemd\nhosts: files dns\n")
        self.assertEqual((seen["other"], seen["tmp"]), ([], True))
        self.assertEqual(resolv_conf.read_text(), "nameserver 198.51.100.1\n")
        self.assertIn("mdns4", nsswitch.read_text())

    def test_resolved(self) -> None:
        """With systemd-resolved the link leads to a file of ours; its sockets and nscd's are out of sight."""
        resolve = self.machine / "run/systemd/resolve"
        resolve.mkdir(parents=True)
        (resolve / "stub-resolv.conf").write_text("nameserver 127.0.0.53\n")
        (resolve / "io.systemd.Resolve").touch()
        (self.machine / "run/nscd").mkdir()
        (self.machine / "run/nscd/socket").touch()
        (self.machine / "etc/resolv.conf").symlink_to("../run/systemd/resolve/stub-resolv.conf")
        seen = self.seen()
        self.assertEqual(seen["resolv.conf"], "# by tvpn exec\nnameserver 192.0.2.5\n")
        self.assertEqual(seen["daemons"], {"/run/nscd": [], "/run/systemd/resolve": ["stub-resolv.conf"]})
        self.assertEqual((resolve / "stub-resolv.conf").read_text(), "nameserver 127.0.0.53\n")

    def test_nothing(self) -> None:
        """A machine without either file gets none."""
        seen = self.seen()
        self.assertEqual((seen["resolv.conf"], seen["nsswitch"]), (None, None))
