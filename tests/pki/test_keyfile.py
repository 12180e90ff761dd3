import os
import stat
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from tvpn.errors import TvpnError
from tvpn.pki.keyfile import read_secret, write_secret


class KeyfileTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.path = self.folder / "a.key"

    def names(self) -> list[str]:
        return [path.name for path in self.folder.iterdir()]

    def test_mode(self) -> None:
        """The mode is the one that was asked for, whatever the umask."""
        for mask in (0, 0o077, 0o777):
            for mode in (0o600, 0o644):
                old = os.umask(mask)
                write_secret(self.path, "text", mode)
                os.umask(old)
                self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), mode)

    def test_never_readable_by_others(self) -> None:
        """The file is opened exclusively, synced before its rename, and its folder after it."""
        calls: list[str] = []
        opened: list[tuple[int, int]] = []

        def spy(name: str) -> AbstractContextManager[object]:
            genuine = getattr(os, name)

            def call(*args: Any, **kwargs: Any) -> object:
                calls.append(name)
                if name == "open":
                    opened.append((args[1], args[2] if len(args) > 2 else 0))
                return genuine(*args, **kwargs)

            return mock.patch.object(os, name, call)

        with spy("open"), spy("write"), spy("fchmod"), spy("fsync"), spy("rename"):
            write_secret(self.path, "text")
        self.assertEqual(calls, ["open", "fchmod", "write", "fsync", "rename", "open", "fsync"])
        flags, mode = opened[0]
        self.assertEqual((flags & os.O_EXCL, mode), (os.O_EXCL, 0o600))

    def test_failure_keeps_the_old(self) -> None:
        """A disk that is full leaves the old file as it was and no other file."""
        write_secret(self.path, "old")
        with mock.patch.object(os, "fsync", side_effect=OSError(28, "No space left on device")):
            error = self.assertRaises(TvpnError, write_secret, self.path, "new")
        self.assertIn("No space left", str(error))
        self.assertEqual((self.path.read_text(), self.names()), ("old", ["a.key"]))

    def test_failure_leaves_nothing(self) -> None:
        """A new file that could not be written is not there, not even empty."""
        with mock.patch.object(os, "write", side_effect=OSError(28, "No space left on device")):
            self.assertRaises(TvpnError, write_secret, self.path, "new", overwrite=False)
        self.assertEqual(self.names(), [])

    def test_exists(self) -> None:
        """Without overwriting, a file and even a dangling link of that name are refused and left alone."""
        self.path.write_text("mine")
        self.assertRaises(TvpnError, write_secret, self.path, "new", overwrite=False)
        self.assertEqual(self.path.read_text(), "mine")
        link = self.folder / "link"
        link.symlink_to(self.folder / "nowhere")
        self.assertRaises(TvpnError, write_secret, link, "new", overwrite=False)
        self.assertFalse((self.folder / "nowhere").exists())

    def test_no_folder(self) -> None:
        """A folder that is not there ends in a sentence with the path."""
        path = self.folder / "no" / "a.key"
        error = self.assertRaises(TvpnError, write_secret, path, "text")
        self.assertIn(str(path), str(error))

    def test_read(self) -> None:
        """What was written comes back."""
        write_secret(self.path, "text\n")
        self.assertEqual(read_secret(self.path), "text\n")

    def test_read_open_secret(self) -> None:
        """A secret that others may read is refused, with the command that mends it."""
        write_secret(self.path, "text", 0o640)
        error = self.assertRaises(TvpnError, read_secret, self.path)
        self.assertIn(f"chmod 600 {self.path}", str(error))

    def test_read_nothing(self) -> None:
        """A missing file and one that is no text end in a sentence with the path."""
        self.assertIn(str(self.path), str(self.assertRaises(TvpnError, read_secret, self.path)))
        write_secret(self.path, b"\xff\xfe")
        self.assertIn(str(self.path), str(self.assertRaises(TvpnError, read_secret, self.path)))
