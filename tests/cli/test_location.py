from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tvpn.cli.location import Location
from tvpn.errors import TvpnError


class LocationTests(SynchronousTestCase):
    def setUp(self) -> None:
        folder = Path(self.mktemp())
        folder.mkdir()
        self.named, *self.places = (folder / name for name in ("named.ini", "near.ini", "far.ini"))
        for path in (self.named, *self.places):
            path.touch()

    def find(self, given: Path | None, **environment: str) -> Path:
        return Location(given, environment, tuple(self.places)).find()

    def test_order(self) -> None:
        """The command line wins over the environment, that over the near place, and that over the far one."""
        given = Path("given.ini")
        self.assertEqual(self.find(given, TVPN_CONFIG=str(self.named)), given)
        self.assertEqual(self.find(None, TVPN_CONFIG=str(self.named)), self.named)
        self.assertEqual(self.find(None, TVPN_CONFIG=""), self.places[0])
        self.places[0].unlink()
        self.assertEqual(self.find(None), self.places[1])

    def test_none(self) -> None:
        """Where nothing is found, the sentence says where it was looked for."""
        for path in self.places:
            path.unlink()
        text = str(self.assertRaises(TvpnError, self.find, None))
        for word in ("TVPN_CONFIG", *map(str, self.places), "--config"):
            self.assertIn(word, text)

    def test_environment_is_wrong(self) -> None:
        """A variable that names nothing is an error, and no reason to take another configuration."""
        text = str(self.assertRaises(TvpnError, self.find, None, TVPN_CONFIG="/nowhere.ini"))
        self.assertIn("$TVPN_CONFIG names /nowhere.ini", text)
