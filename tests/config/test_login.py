"""The words about passwords."""

from __future__ import annotations

from tests.config.scene import PEM, SERVER, ConfigCase
from tvpn.config.login import StaticChallenge, TokenTimes
from tvpn.errors import ConfigError

POLICY = "[auth]\npolicy = policy.py\n"
CLIENT = "client\nremote a\nca ca.crt\nremote-cert-tls server\n"


class LoginWords(ConfigCase):
    def setUp(self) -> None:
        super().setUp()
        for name in ("policy.py", "ca.crt", "token.key", "login"):
            self.write(name, "alice\nright\n" if name == "login" else PEM)

    def assert_refused(self, text: str, pattern: str, name: str = "server.ini") -> None:
        self.assertRaisesRegex(ConfigError, pattern, self.load, text, name)

    def test_tokens(self) -> None:
        """A life, a renewal, and whether the policy judges tokens, each with its default."""
        table = {
            "0": TokenTimes(), "600": TokenTimes(600), "600 60": TokenTimes(600, 60),
            "external-auth": TokenTimes(0, None, True), "600 60 external-auth": TokenTimes(600, 60, True),
        }  # fmt: skip
        for words, times in table.items():
            self.assertEqual(self.load(f"{SERVER}{POLICY}auth-gen-token = {words}\n").auth.auth_gen_token, times)
        for words, remedy in (("1 2 3", "remove '3'"), ("1 0", "has a renewal of no time"), ("x", "number")):
            self.assert_refused(f"{SERVER}{POLICY}auth-gen-token = {words}\n", f"auth-gen-token.*{remedy}")

    def test_names_that_nobody_checks(self) -> None:
        """Whatever trusts user names needs a policy that checks them."""
        for section, line in (
            ("tls", "verify-client-cert = none"), ("tls", "verify-client-cert = optional"),
            ("auth", "username-as-common-name = yes"), ("auth", "auth-gen-token = 0"),
        ):  # fmt: skip
            policy = POLICY if section == "tls" else "policy = policy.py\n"
            self.load(f"{SERVER}[{section}]\n{line}\n{policy}")
            self.assert_refused(f"{SERVER}[{section}]\n{line}\n", r"names that nobody checks; add \[auth\] policy")

    def test_secret_without_tokens(self) -> None:
        """A secret that signs nothing is a mistake."""
        self.assert_refused(f"{SERVER}{POLICY}auth-gen-token-secret = token.key\n", "none; add auth-gen-token")

    def test_static_challenge(self) -> None:
        """A question of a client that has a password, seen or unseen, beside it or behind it."""
        client = CLIENT + "auth-user-pass login\n"
        table = {
            '"Your code" 1': StaticChallenge("Your code", True, False),
            '"Your code" 0 scrv1': StaticChallenge("Your code", False, False),
            "Code 0 concat": StaticChallenge("Code", False, True),
        }
        for words, challenge in table.items():
            settings = self.load(f"{client}static-challenge {words}\n", "c.ovpn")
            self.assertEqual(settings.auth.static_challenge, challenge)
        for words in ("", "Code", "Code 2", "Code 1 other", '"" 1', "Code 1 concat x"):
            self.assert_refused(f"{client}static-challenge {words}\n", "static-challenge", "c.ovpn")
        papers = f"{CLIENT}cert ca.crt\nkey ca.crt\n"
        self.assert_refused(f"{papers}static-challenge Code 1\n", "add auth-user-pass", "c.ovpn")

    def test_client_without_certificate(self) -> None:
        """A password is enough for a client, a CA it needs in any case; half a certificate is a mistake."""
        settings = self.load(CLIENT + "auth-user-pass login\n", "c.ovpn")
        self.assertEqual((settings.tls.cert, settings.tls.key), (None, None))
        self.assert_refused(CLIENT, "cert.*is missing", "c.ovpn")
        self.assert_refused(CLIENT + "auth-user-pass login\ncert ca.crt\n", "stands without key", "c.ovpn")
        self.assert_refused(CLIENT.replace("ca ca.crt\n", "") + "auth-user-pass login\n", "ca.*is missing", "c.ovpn")

    def test_user_and_password(self) -> None:
        """A file, a block or nothing; what is missing is asked for, a name that is missing in a file is a mistake."""
        for words, text, expected in (
            ("auth-user-pass", "", (None, None)),
            ("auth-user-pass given", "alice\nright\n", ("alice", "right")),
            ("auth-user-pass given", "alice\r\nright pass \r\nmore\r\n", ("alice", "right pass ")),
            ("auth-user-pass given", "alice", ("alice", None)),
            ("auth-user-pass given", "alice\n\n", ("alice", None)),
        ):
            self.write("given", text)
            said = self.load(f"{CLIENT}{words}\n", "c.ovpn").auth.auth_user_pass
            self.assertEqual(said and (said.username, said.password), expected, text)
        for text in ("\nright\n", "a" * 128 + "\nright\n", "alice\n" + "a" * 128):
            self.write("given", text)
            self.assert_refused(f"{CLIENT}auth-user-pass given\n", "auth-user-pass: (needs|has|reads)", "c.ovpn")
        self.write("given", "alice\nright\n", 0o644)
        warnings = self.load(f"{CLIENT}auth-user-pass given\n", "c.ovpn").warnings
        self.assertIn("given is readable by others; chmod 600 it", warnings[0])

    def test_papers_in_one_file(self) -> None:
        """pkcs12 instead of cert and key, with or without a ca beside it; extra-certs needs a certificate."""
        self.write("all.p12", "x")
        start = "client\nremote a\nremote-cert-tls server\npkcs12 all.p12\n"
        self.assertEqual(self.load(start, "c.ovpn").tls.pkcs12, self.folder / "all.p12")
        self.assertIsNotNone(self.load(start + "ca ca.crt\n", "c.ovpn").tls.ca)
        self.assert_refused(start + "key ca.crt\n", "in the file of line 4", "c.ovpn")
        self.assert_refused(start.replace("all", "none"), "does not exist", "c.ovpn")
        extra = "auth-user-pass login\nextra-certs ca.crt\n"
        self.assert_refused(CLIENT + extra, "goes with a certificate", "c.ovpn")
        self.load(f"{CLIENT}cert ca.crt\nkey ca.crt\n{extra}", "c.ovpn")

    def test_server_words(self) -> None:
        """A client that has them says something else than it means."""
        for line in ("connect-freq 1 10", "auth-gen-token", "username-as-common-name", "verify-client-cert none"):
            self.assert_refused(CLIENT + f"auth-user-pass login\n{line}\n", "is a server's word", "c.ovpn")
        self.assertEqual(self.load(f"{SERVER}[auth]\nconnect-freq = 5 60\n").auth.connect_freq, (5, 60))
