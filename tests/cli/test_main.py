import os
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner
from twisted.trial.unittest import SynchronousTestCase

from tvpn.cli.main import main

SERVER = """\
[tvpn]
role = server
state = state
[tunnel]
server = 10.87.0.0/24
"""


class MainTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.file = self.folder / "server.ini"
        self.file.write_text(SERVER)

    def test_check(self) -> None:
        """A good file is one line and status 0, and no state is made."""
        result = CliRunner().invoke(main, ["check", str(self.file)])
        self.assertEqual((result.stdout, result.exit_code), (f"{self.file}: ok (server, 0 warnings)\n", 0))
        self.assertEqual(list(self.folder.iterdir()), [self.file])

    def test_check_warnings(self) -> None:
        """Warnings are counted and told, and leave the status 0."""
        path = self.folder / "server.conf"
        path.write_text("dev tun\nserver 10.87.0.0 255.255.255.0\nport 1194\npersist-key\n")
        result = CliRunner().invoke(main, ["check", str(path)])
        first, *others = result.stdout.splitlines()
        self.assertEqual((first, result.exit_code), (f"{path}: ok (server, 1 warning)", 0))
        self.assertEqual(len(others), 1)
        self.assertIn("persist-key", others[0])

    def test_check_refused(self) -> None:
        """A bad file is its sentence on standard error, with file and line, and status 1."""
        self.file.write_text(SERVER + "servre = auto\n")
        result = CliRunner().invoke(main, ["check", str(self.file)])
        self.assertEqual((result.stdout, result.exit_code), ("", 1))
        self.assertTrue(result.stderr.startswith(f"{self.file}:6: "), result.stderr)
        self.assertEqual(result.stderr.count("\n"), 1)

    def test_options(self) -> None:
        """The listing has the options of several sections."""
        result = CliRunner().invoke(main, ["options"])
        self.assertEqual(result.exit_code, 0)
        for word in ("data-ciphers", "server-ipv6", "advertise", "authorized-keys"):
            self.assertIn(word, result.stdout)

    def test_process(self) -> None:
        """As a process, too, an error is one sentence and status 1, without a traceback."""
        environment = {**os.environ, "TVPN_CONFIG": str(self.folder / "no.ini")}
        program = "from tvpn.cli.main import main; main()"
        done = subprocess.run(
            [sys.executable, "-c", program, "device", "list"],
            env={**environment, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("no.ini", done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1)
