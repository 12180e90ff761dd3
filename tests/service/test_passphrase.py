"""Keys that are locked by a passphrase."""

from __future__ import annotations

import subprocess

from OpenSSL import SSL

from tests.config.scene import ConfigCase
from tests.corpus import PASSPHRASE, bundle, in_base64, locked_key, papers
from tvpn.config.settings import Settings
from tvpn.errors import ConfigError
from tvpn.net.person import Unanswered
from tvpn.service import passphrase
from tvpn.service.terms import context_of

START = "client\nremote a\nremote-cert-tls server\n"
PAPERS = "ca ca.crt\ncert own.crt\nkey own.key\n"


class PassphraseCase(ConfigCase):
    """Somebody answers what ``answers`` has, in turn."""

    def setUp(self) -> None:
        super().setUp()
        made = papers()
        self.write("ca.crt", made["CA"])
        self.write("own.crt", made["CERT"])
        self.write("own.key", locked_key(made["KEY"]))
        self.answers: list[str] = []
        self.asked: list[str] = []
        self.patch(passphrase, "ask_now", self.ask)

    def ask(self, text: str) -> str:
        self.asked.append(text)
        if not self.answers:
            raise Unanswered("nobody is there")
        return self.answers.pop(0)

    def profile(self, lines: str) -> Settings:
        return self.load(START + lines, "a.ovpn")


class KeyTests(PassphraseCase):
    def test_asked(self) -> None:
        """The key's file is named, a wrong answer is asked again, and the right one opens it."""
        self.answers = ["wrong", "", PASSPHRASE]
        self.assertIsInstance(context_of(self.profile(PAPERS), None), SSL.Context)
        self.assertEqual(self.asked, [f"Passphrase of {self.folder / 'own.key'}"] * 3)

    def test_three_times(self) -> None:
        """The third wrong answer is the last; no answer is in the sentence."""
        self.answers = ["wrong"] * 4
        error = self.assertRaises(ConfigError, context_of, self.profile(PAPERS), None)
        self.assertIn("no passphrase in 3 opens", str(error))
        self.assertEqual(len(self.asked), 3)
        self.assertNotIn("wrong", str(error))

    def test_nobody(self) -> None:
        """Where nobody can be asked it says what to do."""
        error = self.assertRaises(ConfigError, context_of, self.profile(PAPERS), None)
        self.assertEqual(error.option, "key")
        self.assertIn("is locked by a passphrase: nobody is there (askpass FILE)", str(error))

    def test_file(self) -> None:
        """askpass's first line opens it and nobody is asked; a wrong one is an error at once; bare, it is asked."""
        self.write("pass", f"{PASSPHRASE}\r\nmore\n")
        context_of(self.profile(f"{PAPERS}askpass pass\n"), None)
        self.write("pass", "wrong\n")
        error = self.assertRaises(ConfigError, context_of, self.profile(f"{PAPERS}askpass pass\n"), None)
        self.assertEqual((error.option, self.asked), ("askpass", []))
        self.assertIn("does not open it; correct ", str(error))
        self.answers = [PASSPHRASE]
        context_of(self.profile(f"{PAPERS}askpass\n"), None)
        self.assertEqual(len(self.asked), 1)

    def test_not_needed(self) -> None:
        """A key that is open is not asked for; askpass beside it does no harm."""
        self.write("own.key", papers()["KEY"])
        self.write("pass", "whatever\n")
        context_of(self.profile(PAPERS), None)
        context_of(self.profile(f"{PAPERS}askpass pass\n"), None)
        self.assertEqual(self.asked, [])

    def test_openssls_forms(self) -> None:
        """As `openssl` locks keys: PKCS #8, and the older form with headers of its own."""
        opened = self.write("open.key", papers()["KEY"])
        for command in (
            ["pkcs8", "-topk8", "-in", str(opened), "-passout", f"pass:{PASSPHRASE}"],
            ["ec", "-aes256", "-in", str(opened), "-passout", f"pass:{PASSPHRASE}"],
        ):
            done = subprocess.run(["openssl", *command], capture_output=True, text=True, check=True, timeout=20)
            self.write("own.key", done.stdout)
            self.answers = [PASSPHRASE]
            context_of(self.profile(PAPERS), None)
        self.assertEqual(len(self.asked), 2)


class BundleTests(PassphraseCase):
    """pkcs12."""

    def setUp(self) -> None:
        super().setUp()
        made = papers()
        self.open = bundle(made["CA"], made["CERT"], made["KEY"])
        self.locked = bundle(made["CA"], made["CERT"], made["KEY"], PASSPHRASE)

    def test_file_and_block(self) -> None:
        """Both are read; the block stands in base64; a passphrase is asked for."""
        self.write("own.p12", "")
        for data, answers in ((self.open, []), (self.locked, [PASSPHRASE])):
            (self.folder / "own.p12").write_bytes(data)
            for lines in ("pkcs12 own.p12\n", f"<pkcs12>\n{in_base64(data)}</pkcs12>\n", "pkcs12 own.p12\nca ca.crt\n"):
                self.answers = [*answers]
                context_of(self.profile(lines), None)
                self.assertEqual(self.answers, [])

    def test_mistakes(self) -> None:
        """What is no such file is one sentence."""
        self.write("own.p12", "no bundle")
        for lines, part in (("pkcs12 own.p12\n", "is no PKCS #12 file"), ("<pkcs12>\nä\n</pkcs12>\n", "base64"),
                            ("<pkcs12>\nbm8=\n</pkcs12>\n", "is no PKCS #12 file")):  # fmt: skip
            self.assertIn(part, str(self.assertRaises(ConfigError, context_of, self.profile(lines), None)))

    def test_extra(self) -> None:
        """extra-certs go out behind the certificate, as does what the bundle has beside it where ca is another."""
        made = papers()
        bundled, extra = "pkcs12 own.p12\n", "extra-certs ca.crt\n"
        for lines, sent in ((PAPERS, 1), (PAPERS + extra, 2), (bundled, 1), (f"{bundled}ca ca.crt\n", 2),
                            (f"{bundled}ca ca.crt\n{extra}", 3)):  # fmt: skip
            self.write("own.key", made["KEY"])
            (self.folder / "own.p12").write_bytes(self.open)
            shown = passphrase.own_credentials(self.profile(lines), None).certificate
            self.assertEqual(shown.count("BEGIN CERTIFICATE"), sent, lines)
