"""What our own file does with what a server pushes: own lines, pull-filter, route-nopull and route-noexec.

Source: push-and-options.md 1.2 and 2. Filters look at the raw text of an option; the first whose text it begins with
decides, and what none fits is taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tvpn.config.pushable import PullFilter
from tvpn.errors import PeerError

_BLANKS = " \t\n\v\f\r"
#: What route-nopull leaves out of what is pushed.
_NOT_PULLED = frozenset(
    {"route", "route-ipv6", "redirect-gateway", "redirect-private", "block-ipv6", "client-nat", "dhcp-option", "dns",
     "block-outside-dns"}
)  # fmt: skip
#: What route-noexec leaves out, wherever it comes from.
_NOT_SET = frozenset({"route", "route-ipv6", "redirect-gateway", "redirect-private"})


class PullRules:
    """``own``: options of our own file, as if the server had pushed them before its own."""

    def __init__(
        self, own: Sequence[str] = (), filters: Sequence[PullFilter] = (), nopull: bool = False, noexec: bool = False
    ) -> None:
        self._own = tuple(own)
        self._filters = tuple(filters)
        self._not_pulled = (_NOT_PULLED if nopull else frozenset()) | (_NOT_SET if noexec else frozenset())
        self._not_own = _NOT_SET if noexec else frozenset()

    def admits(self, option: str) -> bool:
        """Whether the filters let this pushed option in; raises PeerError where one of them rejects it."""
        text = option.lstrip(_BLANKS)
        for each in self._filters:
            if text.startswith(each.text):
                if each.action == "reject":
                    raise PeerError(f"the server pushed {_shown(text)!r}, which pull-filter rejects ({each.text!r})")
                return each.action == "accept"
        return True

    def apply(self, pushed: Iterable[str]) -> list[str]:
        """Own lines, then what remains of the pushed ones; raises PeerError. A name server that is pushed takes the
        place of our own of the same number.
        """
        admitted = [option for option in pushed if self.admits(option) and _word(option) not in self._not_pulled]
        replaced = {server for option in admitted if (server := _name_server(option))}
        own = [
            option for option in self._own
            if _word(option) not in self._not_own and _name_server(option) not in replaced
        ]  # fmt: skip
        return own + admitted


EVERYTHING = PullRules()


def _name_server(option: str) -> str:
    """The number of a ``dns server``, empty for every other option."""
    words = [word.strip("\"'") for word in option.split()[:3]]
    return words[2] if words[:2] == ["dns", "server"] and len(words) == 3 else ""


def _shown(option: str) -> str:
    """A token stays secret."""
    return "auth-token" if _word(option) == "auth-token" else option


def _word(option: str) -> str:
    """The word of an option as its reader sees it: quotes may stand around it."""
    return next(iter(option.split()), "").strip("\"'")
