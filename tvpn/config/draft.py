"""From what is given to values: each word meets its entry of the table, or the reason why it has none."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tvpn.config.foreign import FOREIGN
from tvpn.config.given import Given
from tvpn.config.login import UserPass
from tvpn.config.material import Material
from tvpn.config.option import Entry
from tvpn.config.table import SECTIONS, advise, find


@dataclass
class Draft:
    """The parsed values by section and field, where each of them stands, and what is to be said about the file.

    A repeated word has as many places as values.
    """

    values: dict[str, dict[str, Any]] = field(default_factory=lambda: {section: {} for section in SECTIONS})
    places: dict[tuple[str, str], list[Given]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    _exposed: list[Given] = field(default_factory=list)

    def has(self, section: str, name: str) -> bool:
        """Whether the file gives this field."""
        return (section, name) in self.places

    def place(self, section: str, name: str, index: int = -1) -> Given:
        """Where a field stands that the file gives."""
        return self.places[section, name][index]

    def first_of(self, section: str, *names: str) -> Given | None:
        """Where the first given of these fields stands."""
        return next((self.place(section, name) for name in names if self.has(section, name)), None)

    def warn(self, given: Given, message: str) -> None:
        """A sentence about a line that does not keep the file from being used."""
        self.warnings.append(f"{given.file}:{given.line}: {given.word}: {message}")

    def warn_if_exposed(self, given: Given, secret: Material | UserPass) -> None:
        """A file with a secret that others may read is mentioned, once for all remotes that it is for."""
        if secret.mode is not None and secret.mode & 0o077 and given not in self._exposed:
            self._exposed.append(given)
            self.warn(given, f"{secret.origin} is readable by others; chmod 600 it")


def draft(givens: list[Given]) -> Draft:
    """All values of a file; raises ConfigError at the first word that is unknown, refused or wrong."""
    made = Draft()
    ignored: set[str] = set()
    for given in givens:
        found = find(given.word, given.section)
        if found:
            for entry in found:
                _take(made, entry, given)
        elif given.word not in ignored:
            _without_entry(made, given)
            ignored.add(given.word)
    return made


def _take(made: Draft, entry: Entry, given: Given) -> None:
    value = given.parsed(entry.option.parse)
    key = (entry.section, entry.field)
    section = made.values[entry.section]
    if entry.option.repeats:
        section[entry.field] = (*section.get(entry.field, ()), value)
        made.places.setdefault(key, []).append(given)
        return
    if key in made.places and not entry.option.aspect:
        earlier = made.places[key][0].line
        if given.section is not None:
            raise given.error(f"is given in line {earlier} already and takes one value; delete one of the two")
        made.warn(given, f"is given in line {earlier} already; this one counts, as in OpenVPN")
    section[entry.field] = value
    made.places[key] = [given]


def _without_entry(made: Draft, given: Given) -> None:
    foreign = FOREIGN.get(given.word)
    elsewhere = given.section is not None and advise(given.word, given.section)
    if elsewhere and "belongs in" in elsewhere:
        raise given.error(elsewhere)
    if foreign is not None and foreign.refused:
        raise given.error(f"not supported: {foreign.reason}")
    if foreign is not None:
        made.warn(given, f"ignored: {foreign.reason}")
    elif given.optional:
        made.warn(given, "ignored: unknown here, and the file says that this does not matter")
    else:
        raise given.error(advise(given.word, given.section))
