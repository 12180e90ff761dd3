"""``setenv``."""

from __future__ import annotations

from tests.config.scene import ConfigCase
from tvpn.config.variable import Variable

START = "client\nremote a\nca ca.crt\ncert own.crt\nkey own.key\nremote-cert-tls server\n"


class VariableTests(ConfigCase):
    def test_who_hears_of_it(self) -> None:
        """As stock: IV_GUI_VER and IV_SSO always, UV names and the platform with push-peer-info, others never."""
        for name, always, often in (
            ("IV_GUI_VER", True, True), ("IV_SSO", True, True), ("IV_PLAT_VER", False, True), ("UV_A_1", False, True),
            ("IV_PROTO", False, False), ("IV_CIPHERS", False, False), ("UV_", False, False), ("UV_A-B", False, False),
            ("PATH", False, False), ("xUV_A", False, False), ("LD_PRELOAD", False, False),
        ):  # fmt: skip
            told = Variable(name, "1")
            self.assertEqual((told.is_told(everything=False), told.is_told(everything=True)), (always, often), name)

    def test_notes(self) -> None:
        """Each name without effect is said; so is one that nobody hears of."""
        self.identity()
        lines = "setenv PATH /bin\nsetenv CLIENT_CERT 0\nsetenv UV_A 1\nsetenv LD_PRELOAD x\n"
        said = self.load(START + lines, "a.ovpn").warnings
        self.assertEqual([each.split(": ")[0][-2:] for each in said], [":7", ":9", "10"], said)
        self.assertIn("PATH ignored", said[0])
        self.assertIn("told to nobody without push-peer-info", said[1])
        for line in ("push-peer-info\n", "setenv PUSH_PEER_INFO\n"):
            settings = self.load(START + "setenv UV_A 1\n" + line, "a.ovpn")
            self.assertEqual((settings.warnings, settings.control.push_peer_info), ((), True))

    def test_mistakes(self) -> None:
        """What cannot be told is refused."""
        for line in ("setenv", "setenv UV_A b c", f"setenv UV_A {'x' * 513}"):
            self.refused(f"{line}\n", 1, "setenv", name="a.ovpn")
