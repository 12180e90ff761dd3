"""Loading: which reader, which role, what is checked across lines, and what is never shown."""

from __future__ import annotations

import dataclasses
from ipaddress import ip_network
from pathlib import Path

from hypothesis import given
from hypothesis import settings as tuned
from hypothesis import strategies as some

from tests.config.scene import PEM, SERVER, ConfigCase
from tvpn.config.address import Listen
from tvpn.config.settings import Settings, load, parse
from tvpn.config.table import ENTRIES
from tvpn.errors import ConfigError

CLIENT = "[transport]\nremote = a\n[tls]\nca = ca.crt\ncert = own.crt\nkey = own.key\nremote-cert-tls = server\n"
OVPN = "client\nremote a\nauth-user-pass\npeer-fingerprint " + ":".join(["0a"] * 32) + "\n"
SHIPPED = Path(__file__).parents[2] / "etc" / "server.ini"
SHIPPED_CLIENT = SHIPPED.with_name("client.ini")
SHIPPED_BRIDGE = SHIPPED.with_name("bridge.ini")


class Loading(ConfigCase):
    def test_the_shipped_server_file_is_a_complete_server(self) -> None:
        """It loads without a warning, on both IP versions, and gives a phone the internet."""
        settings = load(SHIPPED, environ={"STATE_DIRECTORY": "/var/lib/tvpn:/x"})
        self.assertEqual((settings.role, settings.warnings), ("server", ()))
        self.assertEqual([(each.interface, each.port) for each in settings.listen], [(None, 1194)])
        self.assertEqual((settings.tunnel.server_ipv6, settings.tunnel.nat), ("auto", "auto"))
        self.assertIn("redirect-gateway def1 ipv6", settings.push.lines)
        self.assertEqual(settings.tvpn.state, Path("/var/lib/tvpn"))

    def test_the_shipped_bridge_file(self) -> None:
        """It loads without a warning, as it is and with what its comments have."""
        settings = load(SHIPPED_BRIDGE, environ={})
        self.assertEqual((settings.is_tap, settings.ethernet.bridge, settings.warnings), (True, "br0", ()))
        text = SHIPPED_BRIDGE.read_text().replace("server-bridge = dhcp\n", "")
        self.write("ccd", "")
        for word in ("server-bridge", "lladdr", "vlan-tagging", "vlan-accept", "vlan-pvid"):
            self.assertIn(f"\n# {word} =", text)
            text = text.replace(f"\n# {word} =", f"\n{word} =")
        settings = self.load(text)
        self.assertEqual((settings.ethernet.vlan_tagging, settings.ethernet.server_bridge.tells), (True, True))

    def test_every_commented_word_of_the_shipped_file_is_right_too(self) -> None:
        """A reader who takes the ``#`` off gets what the comment says."""
        for name in ("ca.crt", "server.crt", "server.key", "ta.key", "authorized_keys"):
            self.write(name, PEM)
        chosen = ("advertise", "ca =", "cert =", "key =", "tls-auth", "listen = tcp", "authorized-keys", "route ")
        lines = [
            line[2:] if line.startswith(tuple(f"# {word}" for word in chosen)) and not line.endswith("=") else line
            for line in SHIPPED.read_text().splitlines()
        ]
        text = "\n".join(lines)
        self.assertRaisesRegex(ConfigError, "server-ipv6: cannot be auto with a cert of your own", self.load, text)
        settings = self.load(text.replace("server-ipv6 = auto", "server-ipv6 = fd00:87::/64"))
        self.assertEqual(settings.control.key_direction, 0)
        self.assertEqual(settings.push.lines[-1], "route 192.168.10.0 255.255.255.0")
        self.assertEqual(settings.manhole.authorized_keys, self.folder / "authorized_keys")

    def test_the_shipped_client_file_is_a_complete_client(self) -> None:
        """It loads without a warning beside the papers it names, and its values are the defaults where it says so."""
        for name in ("ca.crt", "client.crt", "client.key", "tls-crypt-v2.key"):
            self.write(name, PEM)
        settings = self.load(SHIPPED_CLIENT.read_text(), "client.ini")
        self.assertEqual((settings.role, settings.warnings, settings.own_lines), ("client", (), ()))
        called = [(each.host, each.port, each.protocol, each.timeout) for each in settings.remotes]
        self.assertEqual(called, [("vpn.example.org", 1194, "udp", 30), ("vpn.example.org", 443, "tcp", 30)])

    def test_every_commented_word_of_the_client_file_is_right_too(self) -> None:
        """With the ``#`` off it means what the comment says; what excludes another word is tried without that."""
        for name in ("ca.crt", "client.crt", "client.key", "tls-crypt-v2.key", "ta.key", "client.p12"):
            self.write(name, PEM)
        for name in ("proxy.txt", "login.txt"):
            self.write(name, "alice\nhidden\n")
        lines = SHIPPED_CLIENT.read_text().split("\n")
        text = "\n".join(line for line in lines if not line.startswith(("tls-crypt-v2 =", "    vpn.", "remote =")))
        words = ("http-proxy", "redirect-gateway", "route", "dhcp-option", "pull-filter", "    accept", "    ignore",
                 "verify-x509-name", "tls-auth", "setenv", "auth-user-pass")  # fmt: skip
        chosen = tuple(f"# {word}" for word in words)
        lines = [line[2:] if line.startswith(chosen) else line for line in text.split("\n")]
        settings = self.load("\n".join(lines).replace("[transport]", "[transport]\nremote = a 443 tcp"), "client.ini")
        own = ("redirect-gateway def1 ipv6", "route 192.168.10.0 255.255.255.0", "dhcp-option DNS 192.168.10.53")
        self.assertEqual(settings.own_lines, own)
        self.assertEqual([each.action for each in settings.tunnel.pull_filter], ["accept", "ignore"])
        self.assertTrue(settings.tunnel.route_nopull)
        assert settings.remotes[0].proxy is not None and settings.auth.auth_user_pass is not None
        self.assertEqual((settings.remotes[0].proxy.kind, settings.auth.auth_user_pass.username), ("http", "alice"))
        self.assertEqual(settings.control.key_direction, 1)
        bundled = "\n".join(line for line in text.split("\n") if not line.startswith(("ca =", "cert =", "key =")))
        bundled = bundled.replace("# pkcs12", "pkcs12").replace("# socks-proxy", "remote = a\nsocks-proxy")
        settings = self.load(bundled, "client.ini")
        self.assertEqual(settings.tls.pkcs12, self.folder / "client.p12")
        assert settings.remotes[0].proxy is not None
        self.assertEqual((settings.remotes[0].proxy.kind, settings.remotes[0].proxy.port), ("socks", 1080))

    def test_the_content_decides_and_not_the_name(self) -> None:
        """An ini file may be called .conf, and an OpenVPN file .ini."""
        self.assertEqual(self.load(SERVER, "a.conf").tunnel, self.load("server 10.8.0.0/24\n", "a.ini").tunnel)

    def test_defaults_are_those_of_the_table(self) -> None:
        """A file that says next to nothing has every default, and each default is what its section holds."""
        settings = self.load(SERVER)
        for entry in ENTRIES:
            if entry.field not in ("role", "state", "server") and entry.word != "listen":
                self.assertEqual(getattr(getattr(settings, entry.section), entry.field), entry.default, entry.word)
        self.assertEqual(settings.listen, (Listen("udp", None, 1194, 0),))

    def test_settings_are_frozen(self) -> None:
        """Nobody changes them behind another's back."""
        settings = self.load(SERVER)
        self.assertRaises(dataclasses.FrozenInstanceError, setattr, settings.tunnel, "dev", "x")

    def test_a_missing_unreadable_or_empty_file_is_one_sentence(self) -> None:
        """A folder and bytes that are no text included."""
        self.assertRaises(ConfigError, load, self.folder / "none.ini")
        self.assertRaises(ConfigError, load, self.folder)
        (self.folder / "bytes").write_bytes(b"\xff\xfe\x00")
        self.assertRaises(ConfigError, load, self.folder / "bytes")
        self.refused("# nothing\n", None, None, "etc/server.ini")

    @tuned(deadline=None, max_examples=300)
    @given(
        some.text(),
        some.sampled_from((
            "", "[push]\n", "[tunnel]\n", "<ca>\n", "server ", "remote ", "push ", "keepalive ", "http-proxy ",
            "<connection>\nremote ", "http-proxy-option ", "setenv ", "pull-filter ", f"{OVPN}route ",
            f"{OVPN}dhcp-option ", f"{OVPN}redirect-gateway ", "client\n<auth-user-pass>\n",
        )),
    )
    def test_no_text_escapes_as_another_error(self, text: str, start: str) -> None:
        """Whatever stands in the file, it is settings or a ConfigError."""
        try:
            result: Settings | ConfigError = parse(start + text, Path("/nowhere/a"), environ={})
        except ConfigError as error:
            result = error
        self.assertIsInstance(result, (Settings, ConfigError))


class Secrets(ConfigCase):
    def test_keys_are_in_no_repr(self) -> None:
        """Neither of the settings nor of the material."""
        self.identity()
        self.write("own.key", "very secret\n")
        settings = self.load(CLIENT)
        assert settings.tls.key is not None
        self.assertEqual(settings.tls.key.text, "very secret\n")
        self.assertNotIn("very secret", repr(settings))

    def test_a_key_that_others_can_read_is_a_warning(self) -> None:
        """A private one is none, and a public certificate never."""
        self.identity()
        self.write("ca.crt", PEM, 0o644)
        self.assertEqual(self.load(CLIENT).warnings, ())
        self.write("own.key", PEM, 0o640)
        self.assertIn("server.ini:6: key: ", self.load(CLIENT).warnings[0])


class Roles(ConfigCase):
    def test_the_role_is_inferred(self) -> None:
        """From server words or from client words."""
        self.identity()
        self.assertEqual(self.load(SERVER).role, "server")
        self.assertEqual(self.load(CLIENT).role, "client")

    def test_both_roles_or_none_are_refused(self) -> None:
        """At the line of the server's word, or with what to add."""
        self.refused(SERVER + "[transport]\nremote = a\n", 2, "server", "line 4")
        self.refused("[tvpn]\nrole = client\n" + SERVER, 4, "server", "role is client")
        self.refused("[log]\nverb = 3\n", None, "role", "server = 10.87.0.0/24")

    def test_a_server_needs_a_network_and_a_client_its_papers(self) -> None:
        """The missing word is named."""
        self.identity()
        self.refused("[tvpn]\nrole = server\n", None, "server", "10.87.0.0/24")
        for word in ("remote", "ca", "cert", "key"):
            text = "[tvpn]\nrole = client\n" + "".join(
                line + "\n" for line in CLIENT.splitlines() if not line.startswith(f"{word} =")
            )
            self.refused(text, None, word, "is missing")

    def test_a_servers_word_is_refused_on_a_client(self) -> None:
        """It would do nothing."""
        self.identity()
        self.refused(CLIENT + "[tunnel]\nnat = yes\n", 9, "nat", "server's word")
        self.refused(CLIENT + "verify-client-cert = optional\n", 8, "verify-client-cert", "server's word")


class Networks(ConfigCase):
    def test_a_route_that_overlaps_is_refused(self) -> None:
        """With the clients' network in either direction, or with another route; a neighbour is none."""
        self.refused(SERVER + "route = 10.8.0.128/25\n", 3, "route", "overlaps 10.8.0.0/24")
        self.refused(SERVER + "route = 10.0.0.0/8\n", 3, "route", "overlaps 10.8.0.0/24")
        self.refused(SERVER + "route =\n 10.9.0.0/16\n 10.9.1.0/24\n", 5, "route", "line 4")
        self.refused(
            "[tunnel]\nserver-ipv6 = fd00::/64\nroute-ipv6 = fd00::/96\n", 3, "route-ipv6", "overlaps fd00::/64"
        )
        self.load(SERVER + "route = 10.8.1.0/24\n")

    def test_a_pushed_route_may_contain_the_clients_network_but_not_lie_in_it(self) -> None:
        """A company's 10.0.0.0/8 is usual, the clients' own network a mistake."""
        self.load(SERVER + "[push]\nroute 10.0.0.0 255.0.0.0\n")
        self.refused(SERVER + "[push]\nroute 10.8.0.0 255.255.255.0\n", 4, "push", "overlaps")

    def test_sizes_of_networks_have_limits(self) -> None:
        """/16 to /29 and /64 to /124; the neighbours of the limits are refused."""
        for good, bad in (("10.8.0.0/16", "10.8.0.0/15"), ("10.8.0.0/29", "10.8.0.0/30")):
            self.assertEqual(self.load(f"[tunnel]\nserver = {good}\n").tunnel.server, ip_network(good))
            self.refused(f"[tunnel]\nserver = {bad}\n", 2, "server", "from /16 to /29")
        for good, bad in (("fd00::/64", "fd00::/63"), ("fd00::/124", "fd00::/125")):
            self.assertEqual(self.load(f"[tunnel]\nserver-ipv6 = {good}\n").tunnel.server_ipv6, ip_network(good))
            self.refused(f"[tunnel]\nserver-ipv6 = {bad}\n", 2, "server-ipv6", "from /64 to /124")

    def test_host_bits_are_refused_with_the_network_that_is_meant(self) -> None:
        """So is a host mask, which looks like a mask."""
        self.refused("[tunnel]\nserver = 10.8.0.1/24\n", 2, "server", "write 10.8.0.0/24")
        self.refused("[tunnel]\nserver = 10.8.0.0 0.0.0.255\n", 2, "server", "10.8.0.0/24")

    def test_the_same_listening_address_twice_is_refused(self) -> None:
        """The second line is named."""
        self.refused(SERVER + "[transport]\nlisten =\n udp:1\n udp:1\n", 6, "listen", "line 5")


class Crossing(ConfigCase):
    def test_papers_come_together_or_not_at_all(self) -> None:
        """A certificate without its key is of no use."""
        self.identity()
        self.refused(SERVER + "[tls]\ncert = own.crt\nca = ca.crt\n", 5, "ca", "without key")

    def test_a_file_that_is_missing_or_a_folder_is_named(self) -> None:
        """With the line and word that name it."""
        self.refused(SERVER + "[tls]\nca = absent.crt\n", 4, "ca", str(self.folder / "absent.crt"))
        self.refused(SERVER + "[tls]\nca = .\n", 4, "ca", "is a folder")
        self.write("flat", "x")
        self.refused(SERVER + "[tvpn]\nstate = flat\n", 4, "state", "no folder")
        self.refused(SERVER + "[manhole]\nauthorized-keys = no\n", 4, "authorized-keys", "does not exist")

    def test_two_wrappings_are_refused(self) -> None:
        """A channel has one wrapping, but that a server may have tls-crypt-v2 beside; and tls-auth needs a digest."""
        self.identity()
        control = self.load(SERVER + "[control]\ntls-crypt = ta.key\ntls-crypt-v2 = ta.key\n").control
        self.assertTrue(control.tls_crypt is not None and control.tls_crypt_v2 is not None)
        client = "client\nremote a\nca ca.crt\ncert own.crt\nkey own.key\ntls-crypt ta.key\ntls-crypt-v2 ta.key\n"
        self.refused(client, 7, "tls-crypt-v2", "keep one of the two", name="a.ovpn")
        self.refused(SERVER + "[control]\ntls-crypt = ta.key\ntls-auth = ta.key\n", 4, "tls-crypt", "tls-auth")
        self.refused(SERVER + "[control]\ntls-auth = ta.key\n[data]\nauth = none\n", 6, "auth", "SHA256")
        self.assertEqual(self.load(SERVER + "[data]\nauth = none\n").data.auth, "none")

    def test_the_second_word_of_a_key_is_kept(self) -> None:
        """Direction and cookie."""
        self.identity()
        settings = self.load(SERVER + "[control]\ntls-auth = ta.key 1\n")
        self.assertEqual(settings.control.key_direction, 1)
        settings = self.load(SERVER + "[control]\ntls-crypt-v2 = ta.key force-cookie\n")
        self.assertTrue(settings.control.force_cookie)
        self.refused(SERVER + "[control]\ntls-auth = ta.key 2\n", 4, "tls-auth", "write 0")

    def test_timers_must_make_sense(self) -> None:
        """Restart after ping, keepalive twice, and not both spellings."""
        self.refused(SERVER + "ping = 10\nping-restart = 10\n", 4, "ping-restart", "more than 10")
        self.refused(SERVER + "keepalive = 10 19\n", 3, "keepalive", "10 20")
        self.refused(SERVER + "keepalive = 10 60\nping = 5\n", 4, "ping", "keepalive")
        self.refused(SERVER + "[control]\nreneg-sec = 60 61\n", 4, "reneg-sec", "MAX MIN")

    def test_a_pushed_topology_is_the_servers(self) -> None:
        """Another one would leave clients with addresses that they take for something else."""
        self.refused(SERVER + "[push]\ntopology net30\n", 4, "push", "contradicts the server's topology subnet")
        for topology in ("subnet", "net30", "p2p"):
            text = SERVER + f"topology = {topology}\n[push]\ntopology {topology}\n"
            self.assertEqual(self.load(text).tunnel.topology, topology)

    def test_client_files_have_a_folder(self) -> None:
        """It is there, and ccd-exclusive does not stand without it."""
        self.refused(SERVER + "client-config-dir = ccd\n", 3, "client-config-dir", "which is no folder")
        self.refused(SERVER + "ccd-exclusive = yes\n", 3, "ccd-exclusive", "without client-config-dir")
        (self.folder / "ccd").mkdir()
        tunnel = self.load(SERVER + "client-config-dir = ccd\nccd-exclusive = yes\n").tunnel
        self.assertEqual((tunnel.client_config_dir, tunnel.ccd_exclusive), (self.folder / "ccd", True))
        self.refused(SERVER + "iroute = 192.168.7.0/24\n", 3, "iroute")

    def test_a_manhole_for_others_needs_a_second_yes(self) -> None:
        """Loopback and a private unix socket do not."""
        self.write("keys", "")
        manhole = SERVER + "[manhole]\nauthorized-keys = keys\n"
        for quiet in ("tcp:22:interface=127.0.0.1", r"tcp:22:interface=\:\:1", "unix:/run/x:mode=600"):
            self.assertEqual(self.load(manhole + f"listen = {quiet}\n").manhole.listen, quiet)
        for loud in ("tcp:22", "tcp:22:interface=192.0.2.1", "unix:/run/x", "unix:/run/x:mode=660", "unix:/x:mode=700"):
            self.refused(manhole + f"listen = {loud}\n", 5, "listen", "expose = yes")
            self.load(manhole + f"listen = {loud}\nexpose = yes\n")

    def test_a_manhole_needs_keys(self) -> None:
        """Without them nobody could enter: said at the line that opens it, before anything starts."""
        text = SERVER + "[manhole]\nlisten = tcp:22:interface=127.0.0.1\n"
        self.refused(text, 4, "listen", "add authorized-keys = FILE")

    def test_a_device_says_its_type_unless_its_name_does(self) -> None:
        """As in OpenVPN."""
        self.refused(SERVER + "dev = vpn0\n", 3, "dev", "dev-type tun")
        self.assertEqual(self.load(SERVER + "dev = vpn0\ndev-type = tun\n").tunnel.dev, "vpn0")
