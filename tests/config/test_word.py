"""Words as OpenVPN splits them."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as some
from twisted.trial.unittest import SynchronousTestCase

from tvpn.config.word import MAX_WORDS, join, split


class Splitting(SynchronousTestCase):
    def test_quotes_count_only_at_the_start_of_a_word(self) -> None:
        """``a"b c"`` are two words with their quotes, as the C tokenizer has it."""
        self.assertEqual(split('a"b c"'), ('a"b', 'c"'))
        self.assertEqual(
            split("push \"route 10.0.0.0 255.0.0.0\" 'a # b'"), ("push", "route 10.0.0.0 255.0.0.0", "a # b")
        )

    def test_comments_begin_at_the_start_of_a_word(self) -> None:
        """``#`` and ``;`` within a word are literal."""
        self.assertEqual(split("echo a#b;c # rest"), ("echo", "a#b;c"))
        self.assertEqual(split("; nothing"), ())

    def test_backslash_escapes_itself_quotes_and_blanks(self) -> None:
        """Outside of single quotes only; there it is literal."""
        self.assertEqual(split(r'a\ b "c\"d" e\\f ' + r"'g\h'"), ("a b", 'c"d', r"e\f", r"g\h"))

    def test_what_does_not_read_is_refused(self) -> None:
        """Open quotes, wrong escapes, a trailing backslash and a 17th word are errors, not guesses."""
        for line in ('"open', "'open", r"a\b", "a\\", "x " * (MAX_WORDS + 1)):
            self.assertRaises(ValueError, split, line)
        self.assertEqual(len(split("x " * MAX_WORDS)), MAX_WORDS)

    def test_ini_values_keep_a_bare_backslash(self) -> None:
        """Twisted's endpoint escapes survive in an ini file."""
        self.assertEqual(split(r"udp:1:interface=\:\:1", literal_backslash=True), (r"udp:1:interface=\:\:1",))

    @settings(deadline=None, max_examples=200)
    @given(some.lists(some.text(), max_size=MAX_WORDS).map(tuple))
    def test_joined_words_split_into_themselves(self, words: tuple[str, ...]) -> None:
        """Whatever the words hold, blanks, quotes, comments and nothing at all included."""
        self.assertEqual(split(join(words)), words)
