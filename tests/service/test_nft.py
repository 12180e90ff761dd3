"""nft as a program: there, refusing, hanging."""

from __future__ import annotations

import subprocess
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from tvpn.errors import TvpnError
from tvpn.service import nft


class LoadTests(SynchronousTestCase):
    """nft, and the lack of it."""

    def test_no_nft(self) -> None:
        """Without nft the sentence says what to install."""
        with mock.patch.object(nft.shutil, "which", return_value=None):
            error = self.assertRaises(TvpnError, nft.load, "")
        self.assertEqual(str(error), "there is no nft here; install the package nftables")

    def test_refused(self) -> None:
        """nft's first line is the reason; one that says nothing is told, too."""
        for said, reason in (("line 3: syntax error\nmore\n", "line 3: syntax error"), ("", "no reason given")):
            done = subprocess.CompletedProcess([], 1, "", said)
            with (
                mock.patch.object(nft.shutil, "which", return_value="/nft"),
                mock.patch.object(nft.subprocess, "run", return_value=done),
            ):
                error = self.assertRaises(TvpnError, nft.load, "bad")
            self.assertEqual(str(error), f"nft refused the table: {reason}")

    def test_hangs(self) -> None:
        """An nft that does not end, or does not begin, is a sentence."""
        for failure in (subprocess.TimeoutExpired("nft", 10), PermissionError(13, "Permission denied")):
            with (
                mock.patch.object(nft.shutil, "which", return_value="/nft"),
                mock.patch.object(nft.subprocess, "run", side_effect=failure),
            ):
                self.assertIn("nft did not run: ", str(self.assertRaises(TvpnError, nft.load, "")))
