"""Whose fault, and what to do about it. Every error of ours is one of these.

``Drop`` ends a packet, ``PeerError`` ends a session, ``TvpnError`` (with ``ConfigError`` and the others above the
line) ends a command or a start, and its text is the sentence the person in front of the screen reads.
"""

from __future__ import annotations

from pathlib import Path


class Drop(Exception):
    """This packet is to be forgotten; ``args[0]`` is a short class of reason, used as a counter's name."""

    @property
    def reason(self) -> str:
        return str(self.args[0])


class PeerError(Exception):
    """This session cannot go on; ``str()`` is the reason for the log and ``told`` the text the peer may read."""

    def __init__(self, reason: str, told: str | None = None) -> None:
        super().__init__(reason)
        self.told = told


class TvpnError(Exception):
    """Something the operator has to know; ``str()`` is a whole sentence and says what to do."""


class ConfigError(TvpnError):
    """A configuration that cannot be used: ``file:line: option: what is wrong; what to do``."""

    def __init__(
        self, message: str, *, file: Path | str | None = None, line: int | None = None, option: str | None = None
    ) -> None:
        self.message = message
        self.file = file
        self.line = line
        self.option = option
        place = "" if file is None else f"{file}: " if line is None else f"{file}:{line}: "
        super().__init__(f"{place}{'' if option is None else option + ': '}{message}")
