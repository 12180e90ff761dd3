"""A reactor's set of readers, and nothing else of a reactor."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IReadDescriptor


class Readers:
    """Remembers who wants to read; the test calls ``doRead`` itself. Whoever wants to write finds no such thing."""

    def __init__(self) -> None:
        self.readers: list[IReadDescriptor] = []
        self.addReader: Callable[[IReadDescriptor], None] = self.readers.append
        self.removeReader: Callable[[IReadDescriptor], None] = self._remove

    def _remove(self, reader: IReadDescriptor) -> None:
        if reader in self.readers:
            self.readers.remove(reader)
