"""``<connection>`` blocks."""

from __future__ import annotations

from tests.config.scene import ConfigCase
from tvpn.config.address import Own, Remote

START = "client\nca ca.crt\ncert own.crt\nkey own.key\nremote-cert-tls server\n"
LINES = START.count("\n")


def block(*lines: str) -> str:
    return "\n".join(("<connection>", *lines, "</connection>", ""))


class BlockTests(ConfigCase):
    def setUp(self) -> None:
        super().setUp()
        self.identity()

    def remotes(self, text: str) -> tuple[Remote, ...]:
        return self.load(START + text, "a.ovpn").remotes

    def test_only_what_stands_above_is_a_default(self) -> None:
        """Port and protocol from above count, those from below are too late; the remote's own words count most."""
        text = "port 7\n" + block("remote a") + "proto tcp\n" + block("remote b") + block("remote c 8 udp") + "port 9\n"
        self.assertEqual(self.remotes(text), (Remote("a", 7), Remote("b", 7, 0, "tcp"), Remote("c", 8)))

    def test_words_of_its_own_stay_in_it(self) -> None:
        """rport and proto of one block are nothing to the next."""
        text = block("rport 5", "remote a", "proto udp6") + block("remote b")
        self.assertEqual(self.remotes(text), (Remote("a", 5, 6), Remote("b")))

    def test_what_all_have_in_common(self) -> None:
        """A word that holds for all connections may stand in each block, or above, or in some with the same value."""
        for text in (
            block("remote a", "mssfix 1300") + block("remote b", "mssfix 1300"),
            "mssfix 1300\n" + block("remote a") + block("remote b", "mssfix 1300"),
            block("remote a", "mssfix 1300") + block("remote b") + "mssfix 1300\n",
            "mssfix 1400\n" + block("remote a", "mssfix 1300") + block("remote b", "mssfix 1300"),
        ):
            self.assertEqual(self.load(START + text, "a.ovpn").tunnel.mssfix, 1300, text)
        text = block("remote a", "tls-auth ta.key 1", "tun-mtu 1400", "connect-retry 5")
        settings = self.load(START + text, "a.ovpn")
        self.assertEqual((settings.control.key_direction, settings.tunnel.tun_mtu), (1, 1400))
        self.assertEqual(settings.transport.connect_retry, (5, 300))

    def test_what_differs(self) -> None:
        """Where it cannot, the line that differs is named; a block that is silent differs, too."""
        text = START + block("remote a", "tun-mtu 1300")
        said = "in every <connection>"
        self.refused(text + block("remote b", "tun-mtu 1400"), LINES + 7, "tun-mtu", said, name="a.ovpn")
        self.refused(text + block("remote b"), LINES + 3, "tun-mtu", said, name="a.ovpn")

    def own(self, text: str) -> list[Own | None]:
        return [remote.own for remote in self.remotes(text)]

    def test_sizes_of_their_own(self) -> None:
        """mssfix and fragment may differ; who says nothing has what stands outside, and fragment sets mssfix."""
        self.assertEqual(self.own(block("remote a", "mssfix 1300") + block("remote b")),
                         [Own(None, None, None, None, 0, 1300), None])  # fmt: skip
        text = "mssfix 1400\n" + block("remote a", "fragment 1200") + block("remote b", "fragment 1100", "mssfix 0")
        sizes = [(own.fragment, own.mssfix) for own in self.own(text) if own is not None]
        self.assertEqual(sizes, [(1200, 1400), (1100, 0)])
        text = block("remote a", "fragment 1200") + block("remote b")
        self.assertEqual(self.own(text), [Own(None, None, None, None, 1200, 1228), None])

    def test_keys_of_their_own(self) -> None:
        """A key in a block stands in for the wrapping outside; directions go with it."""
        self.write("other.key", "well hidden")
        text = "tls-auth ta.key 0\n" + block("remote a") + block("remote b", "tls-crypt other.key")
        usual, other = self.own(text)
        assert usual is None and other is not None and other.tls_crypt is not None
        self.assertEqual((other.tls_auth, other.tls_crypt.text), (None, "well hidden"))
        text = "key-direction 1\n" + block("remote a", "tls-auth ta.key") + block("remote b", "tls-auth ta.key 0")
        one, two = self.own(text)
        assert one is not None and two is not None
        self.assertEqual((one.key_direction, two.key_direction), (1, 0))
        self.assertNotIn("well hidden", repr(other))
        both = block("remote a", "tls-auth ta.key", "tls-crypt ta.key") + block("remote b")
        self.refused(START + both, LINES + 4, "tls-crypt", "cannot stand beside tls-auth", name="a.ovpn")
        unsigned = "auth none\n" + block("remote a", "tls-auth ta.key") + block("remote b")
        self.refused(START + unsigned, LINES + 4, "tls-auth", "write auth SHA256", name="a.ovpn")
        missing = block("remote a", "tls-crypt none.key") + block("remote b")
        self.refused(START + missing, LINES + 3, "tls-crypt", "cannot read", name="a.ovpn")

    def test_fragment(self) -> None:
        """A TCP connection is never cut: it needs no such word and may have none."""
        udp, tcp = block("remote a", "fragment 1300"), block("remote b 443 tcp")
        self.assertEqual(self.load(START + udp + tcp, "a.ovpn").data.fragment, 1300)
        cut = block("remote b 443 tcp", "fragment 1300")
        self.refused(START + cut, LINES + 3, "fragment", "cuts datagrams", name="a.ovpn")

    def test_mistakes(self) -> None:
        """No remote, two of them, and words that are no connection's."""
        self.refused(START + block("nobind"), LINES + 1, "connection", "has no remote in it", name="a.ovpn")
        self.refused(START + block("remote a", "remote b"), LINES + 3, "remote", "is the second", name="a.ovpn")
        for word in ("cipher AES-256-GCM", "route 10.0.0.0", "auth-user-pass"):
            text = START + block("remote a", word)
            self.refused(text, LINES + 3, word.split()[0], "outside of <connection>", name="a.ovpn")

    def test_what_is_ignored_outside_is_ignored_inside(self) -> None:
        """With the same note, and setenv opt means what it means outside."""
        text = block("remote a", "explicit-exit-notify 1", "setenv opt float", "local 192.0.2.1", "nobind")
        said = [each.split(": ")[1] for each in self.load(START + text, "a.ovpn").warnings]
        self.assertEqual(said, ["explicit-exit-notify", "float", "local"])
