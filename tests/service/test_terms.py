"""What the settings make of TLS: what the file says is what the context does."""

from __future__ import annotations

from OpenSSL import SSL

from tests.service.test_build import SERVER, BuildCase
from tvpn.service.terms import context_of


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
