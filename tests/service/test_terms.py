"""What the settings make of TLS: what the file says is what the context does."""

from __future__ import annotations

from OpenSSL import SSL

from tests.service.test_build import SERVER, BuildCase
from tvpn.crypto.certificate import Requirements
from tvpn.service.build import open_state
from tvpn.service.terms import context_of, terms_of


class ContextTests(BuildCase):
    """The context that all sessions share."""

    def test_insistence(self) -> None:
        """A server asks for a certificate as verify-client-cert says, and insists where nothing is said."""
        insist = SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT
        table = {"": insist, "require": insist, "optional": SSL.VERIFY_PEER, "none": SSL.VERIFY_NONE}
        self.write("policy.py", "")
        for word, mode in table.items():
            line = f"verify-client-cert = {word}\n[auth]\npolicy = policy.py\n" if word else ""
            own, given = self.load(f"{SERVER}[tls]\n{line}"), self.load(SERVER + self.identity() + line)
            self.assertEqual(context_of(own, self.state()).get_verify_mode(), mode, word)
            self.assertEqual(context_of(given, None).get_verify_mode(), mode, word)

    def test_client_insists(self) -> None:
        """A client insists on the server's certificate, and there is no word against that."""
        client = self.load("[transport]\nremote = a\n" + self.identity("client") + "remote-cert-tls = server\n")
        insist = SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT
        self.assertEqual(context_of(client, None).get_verify_mode(), insist)

    def test_strength(self) -> None:
        """Versions, ciphers and tls-cert-profile reach the context."""
        lines = "tls-version-min = 1.2\ntls-version-max = 1.2\ntls-cert-profile = suiteb\n"
        context = context_of(self.load(SERVER + self.identity() + lines), None)
        spoken = ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"]
        names = SSL.Connection(context, None).get_cipher_list()
        self.assertEqual([name for name in names if not name.startswith("TLS_")], spoken)


class RequirementTests(BuildCase):
    """What is asked of the other end's certificate."""

    def requirements(self, text: str) -> Requirements:
        settings = self.load(SERVER + text)
        return terms_of(settings, SSL.Context, server=True).requirements

    def test_authority(self) -> None:
        """A CA counts, given or of our own; without one the fingerprints alone do, and no state is made."""
        line = f"peer-fingerprint = {':'.join(['ab'] * 32)}\n  {':'.join(['cd'] * 32)}\n"
        prints = (b"\xab" * 32, b"\xcd" * 32)
        own, given = self.requirements(f"[tls]\n{line}"), self.requirements(self.identity() + line)
        self.assertEqual((own.trusts_authority, own.role, own.fingerprints), (True, "client", prints))
        self.assertEqual((given.trusts_authority, given.role, given.fingerprints), (True, None, prints))
        text = self.identity().replace("ca = ca.pem\n", "") + line
        alone = self.requirements(text)
        self.assertEqual((alone.trusts_authority, alone.role, alone.fingerprints), (False, None, prints))
        self.assertIsNone(open_state(self.load(SERVER + text)))
        self.assertIsInstance(context_of(self.load(SERVER + text), None), SSL.Context)

    def test_issuer(self) -> None:
        """verify-hash is about the issuer and about nobody else."""
        wanted = self.requirements(f"{self.identity()}verify-hash = {':'.join(['ab'] * 32)} SHA256\n")
        self.assertEqual((wanted.issuer_fingerprints, wanted.fingerprints), ((b"\xab" * 32,), ()))


class OptionTests(BuildCase):
    def test_layer(self) -> None:
        """The options string tells packets from frames."""
        for text, kind in (("", "tun"), ("dev = tap\n", "tap")):
            options = terms_of(self.load(SERVER + text), SSL.Context, server=True).options
            self.assertIn(f",dev-type {kind},", options)


class PeerInfoTests(BuildCase):
    """What our client says of itself."""

    def told(self, lines: str) -> dict[str, str]:
        text = "[transport]\nremote = a\n" + self.identity("client") + "remote-cert-tls = server\n[control]\n"
        return dict(terms_of(self.load(text + lines), SSL.Context, server=False).peer_info)

    def test_names(self) -> None:
        """UV names are told with push-peer-info alone; IV_GUI_VER always; nothing else of setenv ever."""
        lines = "setenv =\n  UV_DEVICE laptop\n  IV_GUI_VER gui_1\n  IV_PROTO 0\n  PATH /bin\n"
        plain, more = self.told(lines), self.told(f"{lines}push-peer-info = yes\n")
        self.assertEqual((plain["IV_GUI_VER"], plain.get("UV_DEVICE")), ("gui_1", None))
        self.assertNotIn("IV_SSL", plain)
        self.assertEqual((more["IV_GUI_VER"], more["UV_DEVICE"]), ("gui_1", "laptop"))
        self.assertTrue(more["IV_SSL"].startswith("OpenSSL") and more["IV_PLAT_VER"])
        self.assertEqual(plain["IV_PROTO"], more["IV_PROTO"])
        self.assertNotEqual(plain["IV_PROTO"], "0")
        self.assertFalse({"PATH", "IV_HWADDR"} & {*plain, *more})
