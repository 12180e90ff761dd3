"""nftables by its own program: scripts in one transaction each, and questions. Never a shell."""

from __future__ import annotations

import shutil
import subprocess

from tvpn.errors import TvpnError

INSTALL_HINT = "install the package nftables"
TIMEOUT = 10.0
_PATH = "/usr/sbin:/sbin:/usr/bin:/bin:/usr/local/sbin"


def program() -> str:
    """Where nft is; raises TvpnError with the package's name."""
    nft = shutil.which("nft", path=_PATH)
    if nft is None:
        raise TvpnError(f"there is no nft here; {INSTALL_HINT}")
    return nft


def load(script: str) -> None:
    """One transaction; raises TvpnError."""
    done = _run([program(), "-f", "-"], script)
    if done.returncode:
        first = done.stderr.strip().splitlines()[:1] or ["no reason given"]
        raise TvpnError(f"nft refused the table: {first[0]}")


def ask(*words: str) -> str | None:
    """What nft answers, None where there is no such thing; raises TvpnError."""
    done = _run([program(), *words], "")
    return None if done.returncode else done.stdout


def _run(argv: list[str], script: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(argv, input=script, capture_output=True, text=True, timeout=TIMEOUT)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TvpnError(f"nft did not run: {error}") from None
