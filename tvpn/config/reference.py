"""The text of ``tvpn options``: every option with section, default and one-line meaning, from the table."""

from __future__ import annotations

from tvpn.config.option import Entry
from tvpn.config.pushable import SYNTAX
from tvpn.config.table import ENTRIES, SECTIONS


def reference() -> str:
    """Every option by section; the words of [push] with an example each; ends in a newline."""
    blocks = []
    for section, shape in SECTIONS.items():
        lines = [f"[{section}]  {(shape.__doc__ or '').splitlines()[0].replace('``', '`')}"]
        for entry in ENTRIES:
            if entry.section == section and not entry.option.aspect:
                only = "" if entry.option.ini else " (OpenVPN's files only)"
                head = f"  {entry.word:<22} {shown(entry.default):<14}"
                # A default too long for its column puts the meaning on a line of its own.
                gap = " " if len(head) == 39 else "\n" + " " * 40
                lines.append(f"{head}{gap}{entry.option.meaning}{only}")
                lines += [f"  {alias:<22} {'-':<14} {_alias(entry, alias)}" for alias in entry.option.aliases]
        if section == "push":
            lines += [f"  {name:<22} {'':<14} for example: {syntax.example}" for name, syntax in SYNTAX.items()]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"


def _alias(entry: Entry, alias: str) -> str:
    """Another word of the same option: a spelling, or an option that a server pushes."""
    if alias in SYNTAX:
        return f"as {entry.word}; for example: {SYNTAX[alias].example}"
    return f"another spelling of {entry.word}"


def shown(default: object) -> str:
    """A default as one would write it; ``-`` where there is none."""
    if default is None or default == ():
        return "-"
    if isinstance(default, bool):
        return "yes" if default else "no"
    if isinstance(default, tuple):
        return (":" if isinstance(default[0], str) else " ").join(str(each) for each in default)
    return str(default)
