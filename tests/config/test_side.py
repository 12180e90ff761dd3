"""Words of the wrong end."""

from __future__ import annotations

from tests.config.scene import SERVER, ConfigCase

CONF = "server 10.8.0.0 255.255.255.0\n"


class SideTests(ConfigCase):
    def test_clients_words_at_a_server(self) -> None:
        """What would change something is refused, with what a server does instead."""
        for line, part in (
            ("kill-switch yes", "client's word and this is a server"),
            ("pull-filter ignore route", "client's word"),
            ("route-nopull", "client's word"),
            ("http-proxy p 1", "client's word"),
            ("ping-exit 60", "client's word"),
            ("inactive 60", "client's word"),
            ("redirect-gateway def1", 'push "redirect-gateway ..."'),
            ("block-ipv6", 'push "block-ipv6 ..."'),
        ):
            self.refused(f"{CONF}{line}\n", 2, line.split()[0], part, name="a.conf")
        self.refused(f"{SERVER}redirect-gateway = def1\n", 3, "redirect-gateway", "belongs in [push] on a server")

    def test_harmless(self) -> None:
        """What means nothing at a server is said to be ignored."""
        for line in ("auth-nocache", "auth-retry interact", "resolv-retry infinite", "connect-timeout 5",
                     "push-peer-info", "setenv UV_A 1", "dhcp-option DNS 192.0.2.1", "route-metric 5"):  # fmt: skip
            settings = self.load(f"{CONF}{line}\n", "a.conf")
            self.assertIn(f":2: {line.split()[0]}: ignored: ", str(settings.warnings))
            self.assertEqual(settings.own_lines, ())
