"""What is only unwise: sentences for the operator about a file that can be used."""

from __future__ import annotations

from typing import Literal

from tvpn.config.draft import Draft
from tvpn.config.value import AEAD, DATA_CIPHERS

_SECRETS = (
    ("tls", "key"), ("tls", "askpass"), ("auth", "auth_user_pass"), ("auth", "auth_gen_token_secret"),
    ("control", "tls_auth"), ("control", "tls_crypt"), ("control", "tls_crypt_v2"),
)  # fmt: skip


def advise(made: Draft, role: Literal["server", "client"]) -> None:
    """Add warnings about what can be used and had better be changed."""
    if made.has("auth", "auth_gen_token") and made.has("tls", "cert") and not made.has("auth", "auth_gen_token_secret"):
        made.warn(
            made.place("auth", "auth_gen_token"),
            "tokens end with this process, since with a cert of your own no key is kept; name auth-gen-token-secret",
        )
    for section, name in _SECRETS:
        material = made.values[section].get(name)
        if material is not None:
            made.warn_if_exposed(made.place(section, name), material)
    _advise_of_strength(made)
    if role == "client":
        _advise_client(made)


def _advise_client(made: Draft) -> None:
    told = ("peer_fingerprint", "remote_cert_tls", "ns_cert_type", "remote_cert_eku", "verify_x509_name")
    if made.first_of("tls", *told) is None:
        made.warn(
            made.first_of("tls", "ca", "pkcs12") or made.place("transport", "remote"),
            "any client of this CA may pose as the server; add remote-cert-tls server",
        )
    if made.values["transport"].get("resolv_retry") is not None:
        made.warn(
            made.place("transport", "resolv_retry"),
            "taken as infinite: a name is looked up again for every call; connect-retry-max limits the calls",
        )
    # OpenVPN before 2.4 took the one of `cipher`; whoever negotiates does not look at it.
    data = made.values["data"]
    named = data.get("cipher")
    if named is None or named in (*data.get("data_ciphers", AEAD), data.get("data_ciphers_fallback")):
        return
    remedy = f"add data-ciphers {':'.join((*AEAD, named))}" if named in DATA_CIPHERS else "it has to be renewed"
    made.warn(made.place("data", "cipher"), f"{named} is for servers before 2.4 alone; if this is one, {remedy}")


def _advise_of_strength(made: Draft) -> None:
    if made.values["tls"].get("dh", "none") != "none":
        made.warn(made.place("tls", "dh"), "ignored: the key exchange is always ECDHE")
    oldest = made.first_of("tls", "tls_version_min")
    if oldest is not None and oldest.arguments[0] in ("1.0", "1.1"):
        made.warn(oldest, "taken as 1.2: older versions of TLS are broken and not spoken (RFC 8996)")
    fallback = made.first_of("data", "data_ciphers_fallback")
    if fallback is not None and made.values["data"]["data_ciphers_fallback"] not in DATA_CIPHERS:
        made.warn(fallback, f"has no effect: the ciphers for data are {', '.join(DATA_CIPHERS)}")
