"""The ini reader."""

from __future__ import annotations

from ipaddress import ip_network

from tests.config.scene import SERVER, ConfigCase
from tvpn.config.address import Listen, Remote, Route


class Reading(ConfigCase):
    def test_values_on_indented_lines_keep_their_order_and_lines(self) -> None:
        """Comments and blank lines between them do not end the list."""
        settings = self.load(
            "[transport]\nlisten =\n    udp:1194\n    # second\n\n    udp:1195:interface=\\:\\:1 ; why\n" + SERVER
        )
        self.assertEqual(settings.listen, (Listen("udp", None, 1194, 3), Listen("udp", "::1", 1195, 6)))

    def test_words_are_neither_interpolated_nor_lowered(self) -> None:
        """A percent sign and capitals survive."""
        settings = self.load("[transport]\nadvertise = VPN.example.org:443\n[tls]\ntls-cipher = %(a)s:B\n" + SERVER)
        self.assertEqual(settings.transport.advertise, (Remote("VPN.example.org", 443),))
        self.assertEqual(settings.tls.tls_cipher, "%(a)s:B")

    def test_a_byte_order_mark_and_windows_line_ends_are_read(self) -> None:
        """Editors on Windows write both."""
        settings = self.load("\ufeff" + SERVER.replace("\n", "\r\n"))
        self.assertEqual(settings.tunnel.server, ip_network("10.8.0.0/24"))

    def test_push_lines_are_text_of_openvpn(self) -> None:
        """Quotes stay, comments go, and CIDR becomes what clients understand."""
        settings = self.load(SERVER + "[push]\ndhcp-option DNS 1.1.1.1 # public\nroute 10.1.0.0/16\n")
        self.assertEqual(settings.push.lines, ("dhcp-option DNS 1.1.1.1", "route 10.1.0.0 255.255.0.0"))

    def test_address_and_mask_are_read_as_cidr_is(self) -> None:
        """Both spellings of both words give the same networks."""
        one = self.load("[tunnel]\nserver = 10.8.0.0 255.255.255.0\nroute = 10.1.0.0 255.255.0.0 default 5\n")
        two = self.load("[tunnel]\nserver = 10.8.0.0/24\nroute = 10.1.0.0/16 default 5\n")
        self.assertEqual(one.tunnel, two.tunnel)
        self.assertEqual(one.tunnel.route, (Route(ip_network("10.1.0.0/16"), None, 5),))

    def test_relative_paths_start_at_the_file(self) -> None:
        """Wherever the process was started."""
        settings = self.load("[tvpn]\nstate = here\n" + SERVER)
        self.assertEqual(settings.tvpn.state, self.folder / "here")


class Refusing(ConfigCase):
    def test_a_line_without_a_section_is_refused(self) -> None:
        """The file is ini because of a later header only if the header is first; an indented stray has no word."""
        self.refused("[tunnel]\n  stray\n", 2, None, "belongs to no word")

    def test_an_unknown_section_names_the_nearest(self) -> None:
        """A slip in a header is found."""
        self.refused("[tunel]\n", 1, None, "[tunnel]")

    def test_a_reserved_section_says_that_it_comes_later(self) -> None:
        """Nothing in it is dropped silently."""
        for section in ("gremlin", "api", "metrics", "management"):
            self.refused(f"[{section}]\n", 1, None, "later release")

    def test_an_unknown_word_names_the_nearest_and_its_section(self) -> None:
        """The nearest may live in another section."""
        self.refused("[tunnel]\nservr = auto\n", 2, "servr", "server in [tunnel]")

    def test_a_word_that_resembles_none_gets_no_guess(self) -> None:
        """A far-fetched one would lead astray."""
        self.refused(SERVER + "frobnicate = 4\n", 3, "frobnicate", "is no known word; `tvpn options` lists them all")

    def test_a_word_of_another_section_names_that_section(self) -> None:
        """So does an option that belongs in [push]."""
        self.refused("[tls]\n\nserver = auto\n", 3, "server", "belongs in [tunnel]")
        text = "[tunnel]\nserver = 10.8.0.0/24\ndhcp-option = DNS 1.1.1.1\n"
        self.refused(text, 3, "dhcp-option", "belongs in [push]")

    def test_a_word_without_value_or_sign_is_refused(self) -> None:
        """A switch needs yes or no in an ini file."""
        self.refused("[tunnel]\nduplicate-cn\n", 2, "duplicate-cn", "word = value")
        self.refused("[tunnel]\nserver =\n[log]\n", 2, "server", "no value")
        self.refused("[tunnel]\nduplicate-cn = maybe\n", 2, "duplicate-cn", "yes or no")

    def test_a_second_value_of_a_single_word_is_refused(self) -> None:
        """On an indented line as well as in a second line."""
        self.refused("[tunnel]\nserver =\n  10.8.0.0/24\n  10.9.0.0/24\n", 4, "server", "line 3")
        self.refused(SERVER + "server = auto\n", 3, "server", "line 2")

    def test_an_open_quote_is_refused_where_it_stands(self) -> None:
        """In values and in [push]."""
        self.refused('[tls]\nca = "a\n', 2, "ca", "never closed")
        self.refused("[push]\necho 'a\n", 2, "push", "never closed")

    def test_openvpn_only_words_say_so(self) -> None:
        """``port`` has an ini spelling of its own."""
        self.refused("[transport]\nport = 1194\n", 2, "port", "listen")
