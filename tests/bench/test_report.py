"""What a run amounts to, from plain values."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from twisted.trial.unittest import SynchronousTestCase

from bench.pairs import CBC, CIPHER, PAIRS, TAP
from bench.plot import plot
from bench.report import DOWN, LIMITS, MEMORY, OURS, PING, SMALL, UP, Limit, Report, Sample, figure, load, text


def report(**values: tuple[float, ...]) -> Report:
    """Rounds of TCP up; a pair is written with an underscore."""
    result = Report({"machine": "a <machine> & more"})
    for pair, numbers in values.items():
        rounds = enumerate(numbers, 1)
        result.samples += [Sample(number, UP, pair.replace("_", "-"), CIPHER, value) for number, value in rounds]
    return result


class RatioTests(SynchronousTestCase):
    LIMIT = Limit(UP, "tvpn-tvpn", CIPHER, "at least", 1.5)

    def test_medians_and_rounds(self) -> None:
        """A ratio is that of the medians; its spread that of the rounds, each with its own stock."""
        found = report(stock_stock=(100, 200, 400), tvpn_tvpn=(300, 500, 400)).ratios(self.LIMIT)
        self.assertEqual(found, [2.0, 1.0, 2.5, 3.0])

    def test_missing_rounds(self) -> None:
        """A round that one of both has not finished counts for no ratio of rounds; without any there is no ratio."""
        result = report(stock_stock=(100, 200), tvpn_tvpn=(300,))
        self.assertEqual(result.ratios(self.LIMIT), [2.0, 3.0])
        self.assertEqual(report(stock_stock=(100,)).ratios(self.LIMIT), [])
        self.assertEqual(report(tvpn_tvpn=(100,)).ratios(self.LIMIT), [])

    def test_other_ciphers(self) -> None:
        """What was measured with another cipher is another value."""
        result = report(stock_stock=(100,), tvpn_tvpn=(300,))
        self.assertEqual(result.ratios(self.LIMIT._replace(cipher=CBC)), [])
        result.samples.append(Sample(1, UP, "stock-stock", CBC, 50.0))
        self.assertEqual(result.ratios(self.LIMIT), [3.0, 3.0])


class LimitTests(SynchronousTestCase):
    def test_relations(self) -> None:
        """What is just at the limit meets it, in both directions; what is beyond does not."""
        least, most = (Limit(UP, "tvpn-tvpn", CIPHER, relation, 1.5) for relation in ("at least", "at most"))
        self.assertEqual([least.met(ratio) for ratio in (1.49, 1.5, 1.51)], [False, True, True])
        self.assertEqual([most.met(ratio) for ratio in (1.49, 1.5, 1.51)], [True, True, False])

    def test_list(self) -> None:
        """The limits that tvpn holds itself to: each as it stands in docs/benchmarks.rst."""
        factors = {(limit.what, limit.who, limit.cipher): (limit.relation, limit.factor) for limit in LIMITS}
        for what in (UP, DOWN):
            self.assertEqual(factors[what, "tvpn-tvpn", CIPHER], ("at least", 1.5))
            self.assertEqual(factors[what, "stock-tvpn", CIPHER], ("at least", 1.0))
            self.assertEqual(factors[what, "tvpn-stock", CIPHER], ("at least", 1.0))
            self.assertEqual(factors[what, TAP, CIPHER], ("at least", 0.9))
            self.assertEqual({factors[what, pair, CBC] for pair in OURS}, {("at least", 0.8)})
        self.assertEqual({factors[SMALL, pair, CIPHER] for pair in OURS}, {("at least", 0.8)})
        self.assertEqual([factors[PING, pair, CIPHER] for pair in OURS], [("at most", x) for x in (3.0, 2.0, 2.0)])

    def test_whose_stock(self) -> None:
        """A pair is compared with two stock ends, a server with a stock one; frames are with our own packets."""
        self.assertEqual(Limit(UP, "stock-tvpn", CIPHER, "at least", 1.0).stock, "stock-stock")
        self.assertEqual(Limit(UP, TAP, CIPHER, "at least", 0.9).stock, "tvpn-tvpn")
        self.assertEqual(Limit(MEMORY, "tvpn", CIPHER, "at most", 1.0).stock, "stock")


class TextTests(SynchronousTestCase):
    def line(self, result: Report, begin: str) -> str:
        return next(line for line in text(result).splitlines() if line.startswith(begin))

    def test_verdicts(self) -> None:
        """A limit is met, missed or not measured, and the text says which."""
        begin = f"{UP:<28}tvpn-tvpn"
        self.assertRegex(self.line(report(stock_stock=(100,), tvpn_tvpn=(151,)), begin), r"1\.51 .*at least 1\.5: met")
        self.assertRegex(self.line(report(stock_stock=(100,), tvpn_tvpn=(149,)), begin), r"1\.49 .*: MISSED")
        self.assertRegex(self.line(report(stock_stock=(100,)), begin), r" - .*: not measured")

    def test_table(self) -> None:
        """Medians under the names of the pairs, and under these from where to where the rounds went."""
        lines = text(report(stock_stock=(100, 200, 900), wireguard_go=(7.25, 7.25, 7.25))).splitlines()
        heading = next(at for at, line in enumerate(lines) if line.startswith(CIPHER))
        self.assertEqual(lines[heading].split()[1:], list(PAIRS))
        self.assertEqual(lines[heading + 1].split(), [*UP.split(), "200", *"-" * (len(PAIRS) - 2), "7.25"])
        self.assertEqual(lines[heading + 2].split(), ["100", "to", "900", "7.25", "to", "7.25"])

    def test_failures(self) -> None:
        """What went wrong is told; where nothing did, the word does not appear."""
        result = report(stock_stock=(100,))
        self.assertNotIn("failed", text(result))
        result.failures.append("round 1, tvpn-tvpn: no iperf3")
        self.assertIn("failed:\nround 1, tvpn-tvpn: no iperf3\n", text(result))

    def test_figures(self) -> None:
        """Three digits, whatever the size."""
        self.assertEqual([figure(value) for value in (0.314, 12.345, 635.4, 43210.9)], ["0.31", "12.3", "635", "43211"])


class FileTests(SynchronousTestCase):
    def test_saved(self) -> None:
        """What was saved reads the same again."""
        result = report(stock_stock=(100, 110), tvpn_tvpn=(150.5, 160))
        result.failures.append("one")
        path = Path(self.mktemp())
        result.save(path)
        self.assertEqual(load(path), result)
        self.assertEqual(text(load(path)), text(result))


class PlotTests(SynchronousTestCase):
    def test_bars(self) -> None:
        """The picture is well-formed; bars are as long as their medians, and who was not measured has none."""
        picture = ElementTree.fromstring(plot(report(stock_stock=(100, 100), tvpn_tvpn=(150, 250))))
        self.assertIn("a <machine> & more", "".join(picture.itertext()))
        panel = next(iter(picture.iter("{http://www.w3.org/2000/svg}g")))
        widths = [float(bar.get("width", "")) for bar in panel.iter("{http://www.w3.org/2000/svg}rect")]
        self.assertEqual(len(widths), 2)
        self.assertAlmostEqual(widths[1] / widths[0], 2.0, 1)
        self.assertEqual("".join(panel.itertext()).count("not measured"), len(PAIRS) - 2)
