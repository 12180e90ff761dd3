"""What both sides can do, brought together (protocol: key-exchange.md 6 and 7). Pure functions.

The server decides and pushes; the client honours exactly what is pushed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tvpn.crypto.derive import AEAD_CIPHERS, KEY_SIZES
from tvpn.errors import PeerError
from tvpn.wire.data import Framing
from tvpn.wire.option import Proto, cipher_list, join_ciphers, options_string_value, peer_protocol

IMPLIED_BY_NCP_2 = ("AES-256-GCM", "AES-128-GCM")
_FRAMING_OPTIONS: dict[Framing, str] = {
    "lzo": "comp-lzo no", "swap": "compress stub", "stub-v2": "compress stub-v2",
}  # fmt: skip
_FRAMINGS: dict[str, Framing] = {option: framing for framing, option in _FRAMING_OPTIONS.items()}
_FRAMINGS |= {"compress": "swap", "compress migrate": "none"}
NO_SHARED_CIPHER = "Data channel cipher negotiation failed (no shared cipher)"

#: What our own client announces.
OWN_PROTOCOL = (
    Proto.DATA_V2 | Proto.REQUEST_PUSH | Proto.TLS_KEY_EXPORT | Proto.AUTH_PENDING_KEYWORD | Proto.CC_EXIT_NOTIFY
    | Proto.AUTH_FAIL_TEMP | Proto.DYN_TLS_CRYPT | Proto.DATA_EPOCH | Proto.DNS_OPTION_V2
    | Proto.PUSH_UPDATE
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Agreement:
    """What holds for a connection and all its renegotiations."""

    cipher: str
    exporter: bool
    dynamic_tls_crypt: bool
    exit_message: bool
    peer_id: int | None
    digest: str = "SHA1"
    """Of CBC ciphers; never negotiated, both sides have to be told the same."""
    epochs: bool = False
    framing: Framing = "none"


@dataclass(frozen=True, slots=True)
class Formats:
    """The data formats that one side can do. ``framing`` is what it wants where the other has no wish; ``migrates``:
    a client that still frames may go on, with the frame that does least.
    """

    ciphers: tuple[str, ...]
    fallback: str | None = None
    digest: str = "SHA1"
    framing: Framing = "none"
    migrates: bool = False


def agree(peer_info: Mapping[str, str], options: str, formats: Formats, peer_id: int) -> Agreement:
    """The server's decision about a client; raises PeerError when there is no common cipher."""
    protocol = peer_protocol(peer_info)
    if Proto.NCP_P2P in protocol:
        # It does not pull: none of this would reach it, and its cipher is the one that its options string names.
        protocol, peer_info = Proto(0), {}
    cipher = choose_cipher(peer_info, options, formats.ciphers, formats.fallback)
    # The epoch format has room for a peer id only.
    epochs = Proto.DATA_EPOCH in protocol and Proto.DATA_V2 in protocol and cipher in AEAD_CIPHERS
    return Agreement(
        cipher,
        exporter=Proto.TLS_KEY_EXPORT in protocol,
        dynamic_tls_crypt=Proto.DYN_TLS_CRYPT in protocol,
        exit_message=Proto.CC_EXIT_NOTIFY in protocol,
        peer_id=peer_id if Proto.DATA_V2 in protocol else None,
        digest=formats.digest,
        epochs=epochs,
        framing=choose_framing(peer_info, options, formats),
    )


def choose_framing(peer_info: Mapping[str, str], options: str, formats: Formats) -> Framing:
    """The server's own framing, or, where it migrates, the least frame that a client that frames can do."""
    if not formats.migrates or options_string_value(options, "comp-lzo") is None:
        return formats.framing
    return "stub-v2" if peer_info.get("IV_COMP_STUBv2") == "1" else "lzo"


def choose_cipher(
    peer_info: Mapping[str, str], options: str, data_ciphers: Sequence[str], fallback: str | None
) -> str:
    """The first of our ciphers that the client has too."""
    offered = cipher_list(peer_info.get("IV_CIPHERS", ""))
    named = None
    if not offered:
        named = options_string_value(options, "cipher")
        offered = IMPLIED_BY_NCP_2 if peer_info.get("IV_NCP") == "2" else ()
    for cipher in data_ciphers:
        if cipher in offered or cipher == named:
            return cipher
    if not offered and named is None and fallback in KEY_SIZES:
        return fallback
    shown = join_ciphers(offered) or named or "nothing"
    allowed = join_ciphers(data_ciphers)
    raise PeerError(f"no common cipher: client offers {shown}, server allows {allowed}", NO_SHARED_CIPHER)


def encode_agreement(agreement: Agreement, negotiates: bool) -> list[str]:
    """The options that tell the client of it; ``negotiates``: it understands a pushed cipher."""
    options = [] if agreement.peer_id is None else [f"peer-id {agreement.peer_id}"]
    if negotiates:
        options.append(f"cipher {agreement.cipher}")
    flags = ["cc-exit"] if agreement.exit_message else []
    if agreement.exporter and agreement.exit_message:
        flags.append("tls-ekm")
    elif agreement.exporter:
        options.append("key-derivation tls-ekm")
    if agreement.dynamic_tls_crypt:
        flags.append("dyn-tls-crypt")
    if agreement.epochs:
        flags.append("aead-epoch")
    if agreement.framing in _FRAMING_OPTIONS:
        options.append(_FRAMING_OPTIONS[agreement.framing])
    if flags:
        options.append(f"protocol-flags {' '.join(flags)}")
    return options


def negotiates_ciphers(peer_info: Mapping[str, str]) -> bool:
    return peer_info.get("IV_NCP") == "2" or "IV_CIPHERS" in peer_info


def decode_agreement(options: Sequence[str], server_options: str, formats: Formats) -> Agreement:
    """What the server has pushed; raises PeerError for a cipher that we do not allow, or a format we cannot read."""
    cipher = options_string_value(server_options, "cipher") or formats.fallback
    peer_id, flags = None, set()
    for option in options:
        word, *rest = option.split()
        if word == "cipher" and rest:
            cipher = rest[0].upper()
        elif word == "peer-id" and rest and rest[0].isascii() and rest[0].isdigit() and len(rest[0]) < 9:
            peer_id = int(rest[0])
        elif word == "protocol-flags" or (word == "key-derivation" and rest == ["tls-ekm"]):
            flags.update(rest)
    if cipher not in (*formats.ciphers, formats.fallback) or cipher not in KEY_SIZES:
        allowed = join_ciphers(formats.ciphers)
        raise PeerError(f"no common cipher: server chose {cipher or 'none'}, data-ciphers allows {allowed}")
    if peer_id is not None and not 0 <= peer_id < 0xFFFFFF:
        raise PeerError(f"the server pushed an impossible peer-id {peer_id}")
    epochs = "aead-epoch" in flags
    if epochs and (peer_id is None or cipher not in AEAD_CIPHERS):
        raise PeerError("the server chose the epoch data format, but no peer-id or no AEAD cipher to go with it")
    return Agreement(
        cipher, "tls-ekm" in flags, "dyn-tls-crypt" in flags, "cc-exit" in flags, peer_id, formats.digest, epochs,
        decode_framing(options, formats.framing),
    )  # fmt: skip


def decode_framing(options: Sequence[str], framing: Framing) -> Framing:
    """The framing that is pushed, else our own; raises PeerError where packets would be compressed."""
    for option in options:
        if option.split()[:1] in (["comp-lzo"], ["compress"]):
            pushed = " ".join(option.split())
            if pushed not in _FRAMINGS:
                raise PeerError(f"the server wants compression ({pushed}), which leaks plaintext and is not done here")
            framing = _FRAMINGS[pushed]
    return framing


def own_peer_info(
    data_ciphers: Sequence[str], version: str, largest_mtu: int = 1600, can_be_asked: bool = False
) -> dict[str, str]:
    """What our client says of itself. ``can_be_asked``: there is somebody at a terminal."""
    return {
        "IV_VER": f"tvpn_{version}",
        "IV_PLAT": "linux",
        "IV_TCPNL": "1",
        "IV_MTU": str(largest_mtu),
        "IV_NCP": "2",
        "IV_CIPHERS": join_ciphers(data_ciphers),
        "IV_LZO_STUB": "1",
        "IV_COMP_STUB": "1",
        "IV_COMP_STUBv2": "1",
        "IV_PROTO": str(int(OWN_PROTOCOL)),
        "IV_SSO": "openurl,webauth" + (",crtext" if can_be_asked else ""),
    }
