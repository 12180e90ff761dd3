"""What both sides can do, brought together (protocol: key-exchange.md 6 and 7). Pure functions.

The server decides and pushes; the client honours exactly what is pushed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tvpn.crypto.derive import KEY_SIZES
from tvpn.errors import PeerError
from tvpn.wire.option import Proto, cipher_list, join_ciphers, options_string_value, peer_protocol

IMPLIED_BY_NCP_2 = ("AES-256-GCM", "AES-128-GCM")
NO_SHARED_CIPHER = "Data channel cipher negotiation failed (no shared cipher)"

#: What our own client announces.
OWN_PROTOCOL = (
    Proto.DATA_V2 | Proto.REQUEST_PUSH | Proto.TLS_KEY_EXPORT | Proto.CC_EXIT_NOTIFY
    | Proto.AUTH_FAIL_TEMP | Proto.DYN_TLS_CRYPT | Proto.PUSH_UPDATE
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Agreement:
    """What holds for a connection and all its renegotiations."""

    cipher: str
    exporter: bool
    dynamic_tls_crypt: bool
    exit_message: bool
    peer_id: int | None


def agree(
    peer_info: Mapping[str, str], options: str, data_ciphers: Sequence[str], fallback: str | None, peer_id: int
) -> Agreement:
    """The server's decision about a client; raises PeerError when there is no common cipher."""
    protocol = peer_protocol(peer_info)
    return Agreement(
        choose_cipher(peer_info, options, data_ciphers, fallback),
        exporter=Proto.TLS_KEY_EXPORT in protocol,
        dynamic_tls_crypt=Proto.DYN_TLS_CRYPT in protocol,
        exit_message=Proto.CC_EXIT_NOTIFY in protocol,
        peer_id=peer_id if Proto.DATA_V2 in protocol else None,
    )


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
    if flags:
        options.append(f"protocol-flags {' '.join(flags)}")
    return options


def negotiates_ciphers(peer_info: Mapping[str, str]) -> bool:
    return peer_info.get("IV_NCP") == "2" or "IV_CIPHERS" in peer_info


def decode_agreement(
    options: Iterable[str], server_options: str, data_ciphers: Sequence[str], fallback: str | None
) -> Agreement:
    """What the server has pushed; raises PeerError for a cipher that we do not allow."""
    cipher = options_string_value(server_options, "cipher") or fallback
    peer_id, flags = None, set()
    for option in options:
        word, *rest = option.split()
        if word == "cipher" and rest:
            cipher = rest[0].upper()
        elif word == "peer-id" and rest and rest[0].isascii() and rest[0].isdigit() and len(rest[0]) < 9:
            peer_id = int(rest[0])
        elif word == "protocol-flags" or (word == "key-derivation" and rest == ["tls-ekm"]):
            flags.update(rest)
    if cipher not in data_ciphers or cipher not in KEY_SIZES:
        allowed = join_ciphers(data_ciphers)
        raise PeerError(f"no common cipher: server chose {cipher or 'none'}, data-ciphers allows {allowed}")
    if peer_id is not None and not 0 <= peer_id < 0xFFFFFF:
        raise PeerError(f"the server pushed an impossible peer-id {peer_id}")
    if "aead-epoch" in flags:
        raise PeerError("the server chose the epoch data format, which we did not offer")
    return Agreement(cipher, "tls-ekm" in flags, "dyn-tls-crypt" in flags, "cc-exit" in flags, peer_id)


def own_peer_info(data_ciphers: Sequence[str], version: str, largest_mtu: int = 1600) -> dict[str, str]:
    """What our client says of itself."""
    return {
        "IV_VER": f"tvpn_{version}",
        "IV_PLAT": "linux",
        "IV_TCPNL": "1",
        "IV_MTU": str(largest_mtu),
        "IV_NCP": "2",
        "IV_CIPHERS": join_ciphers(data_ciphers),
        "IV_PROTO": str(int(OWN_PROTOCOL)),
    }
