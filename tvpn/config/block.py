"""The ``<connection>`` blocks of OpenVPN's files: each is one ``remote`` with words of its own.

What stands outside, before a block, is a default for it; where there is a block, the remotes outside of blocks are
void (protocol: push-and-options.md 8).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from tvpn.config.foreign import FOREIGN
from tvpn.config.given import Given

PROXY_LOGIN = "http-proxy-user-pass"
PROXY_OPTION = "http-proxy-option"
WRAPPINGS = ("tls-auth", "tls-crypt", "tls-crypt-v2")
#: Words that a remote may have for itself.
_OWN = ("http-proxy", PROXY_LOGIN, PROXY_OPTION, "socks-proxy", "connect-timeout", "server-poll-timeout")
#: Words that are one for all where all blocks agree, and a remote's own otherwise.
VARIABLE = (*WRAPPINGS, "key-direction", "mssfix", "fragment")
#: Words that hold for every connection here, and so must not differ between the blocks.
_COMMON = ("tun-mtu", "connect-retry")
_PASSED_ON = ("lport", "local")
Lines = Callable[[Given], list[Given]]


@dataclass
class _Block:
    """One block, read: its remote and the words beside it; ``settled`` is what the remote does not say itself."""

    given: Given
    remote: Given | None = None
    settled: dict[str, str] = field(default_factory=dict)
    own: list[Given] = field(default_factory=list)
    common: dict[str, Given] = field(default_factory=dict)

    @property
    def is_stream(self) -> bool:
        how = self.remote.arguments[2:] if self.remote is not None else ()
        return (how[0] if how else self.settled["proto"]).startswith("tcp")

    def resolved(self) -> Given:
        """The remote with port and protocol in it, and the block's other words beside it."""
        if self.remote is None:
            raise self.given.error("has no remote in it; write: remote HOST [PORT]")
        if self.is_stream and "fragment" in self.common:
            raise self.common["fragment"].error("cuts datagrams, and this connection is TCP; delete it")
        name, where, how, *_ = *self.remote.arguments, *("", "", "")[len(self.remote.arguments) :]
        arguments = (name, where or self.settled["port"] or "1194", how or self.settled["proto"])
        return replace(self.remote, arguments=arguments, block=self.given.line, beside=tuple(self.own))


def connections(givens: list[Given], lines: Lines) -> list[Given]:
    """The words of a file with each block as the ``remote`` it means; ``lines`` reads the words in a block.

    Raises ConfigError for a word that may not stand in a block, or that differs where it cannot.
    """
    if not any(given.word == "connection" for given in givens):
        return givens
    found: list[Given | _Block] = []
    outside: dict[str, Given] = {}
    settled = {"proto": "udp", "port": ""}
    for given in givens:
        if given.word == "connection" and given.inline is not None:
            block = _Block(given, settled=dict(settled))
            found += [*_read(block, lines(given)), block]
        elif given.word != "remote":
            found.append(given)
            _settle(settled, given)
            if given.word in (*_COMMON, *VARIABLE):
                outside[given.word] = given
    raised = _raised([each for each in found if isinstance(each, _Block)], outside)
    return [*(each.resolved() if isinstance(each, _Block) else each for each in found), *raised]


def _settle(settled: dict[str, str], given: Given) -> bool:
    if given.word not in ("proto", "port", "rport") or len(given.arguments) != 1:
        return False
    settled["proto" if given.word == "proto" else "port"] = given.arguments[0]
    return True


def _read(block: _Block, givens: list[Given]) -> list[Given]:
    """Fill in the block; those of its words that are ignored wherever they stand."""
    passed_on: list[Given] = []
    for given in givens:
        foreign = FOREIGN.get(given.word)
        if given.word == "remote":
            if block.remote is not None:
                raise given.error("is the second in this block; write a <connection> for each")
            block.remote = given
        elif given.word in _OWN:
            block.own.append(given)
        elif given.word in (*_COMMON, *VARIABLE):
            block.common[given.word] = given
        elif given.word in _PASSED_ON or foreign is not None:
            passed_on.append(given)
        elif given.word != "nobind" and not _settle(block.settled, given):
            raise given.error("cannot differ by connection here; write it once, outside of <connection>")
    return passed_on


def _raised(blocks: list[_Block], outside: dict[str, Given]) -> list[Given]:
    """The words that stand in blocks and hold for all of them; where they differ, each block keeps its own."""
    raised: list[Given] = []
    for word in (*_COMMON, *VARIABLE):
        # A stream is never cut.
        concerned = [block for block in blocks if word != "fragment" or not block.is_stream]
        given = [block.common.get(word, outside.get(word)) for block in concerned]
        first = given[0] if given else None
        differing = [each or first or block.given for block, each in zip(concerned, given, strict=True)
                     if not _same(first, each)]  # fmt: skip
        if differing and word in _COMMON:
            raise differing[0].error("is not the same in every <connection>; write it once, outside, for all of them")
        if differing:
            for block in concerned:
                block.own += [block.common[word]] if word in block.common else []
        elif first is not None and first is not outside.get(word):
            raised.append(first)
    return raised


def _same(one: Given | None, other: Given | None) -> bool:
    if one is None or other is None:
        return one is other
    return (one.arguments, one.inline) == (other.arguments, other.inline)
