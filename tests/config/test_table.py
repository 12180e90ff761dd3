"""The table and the listing made from it."""

from __future__ import annotations

import re

from twisted.trial.unittest import SynchronousTestCase

from tvpn.config.foreign import FOREIGN
from tvpn.config.reference import reference
from tvpn.config.table import ENTRIES, find


class Table(SynchronousTestCase):
    def test_section_and_word_are_the_key(self) -> None:
        """No two main entries share it, and in OpenVPN's files the word alone finds one."""
        keys = [(entry.section, entry.word) for entry in ENTRIES if not entry.option.aspect]
        self.assertEqual(len(keys), len(set(keys)))
        for entry in ENTRIES:
            if entry.option.openvpn:
                self.assertEqual(
                    len([each for each in find(entry.word, None) if not each.option.aspect]), 1, entry.word
                )

    def test_no_word_is_known_and_foreign_at_once(self) -> None:
        """One of the two would never be seen."""
        self.assertEqual({entry.word for entry in ENTRIES} & set(FOREIGN), set())

    def test_the_listing_has_every_option_with_section_default_and_meaning(self) -> None:
        """And nothing else in the form of an option."""
        text = reference()
        for entry in ENTRIES:
            if not entry.option.aspect:
                self.assertRegex(text, rf"(?m)^  {re.escape(entry.word)} +\S")
                self.assertIn(entry.option.meaning, text)
            for alias in entry.option.aliases:
                self.assertRegex(text, rf"(?m)^  {re.escape(alias)} +- +\S")
        self.assertIn("data-ciphers           AES-256-GCM:AES-128-GCM:CHACHA20-POLY1305\n", text)
        self.assertRegex(text, r"(?m)^  tun-mtu +1500 +bytes")
        self.assertRegex(text, r"(?m)^  duplicate-cn +no +let")
