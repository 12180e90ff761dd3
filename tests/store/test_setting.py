from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tvpn.store import setting
from tvpn.store.database import connect


class SettingTests(SynchronousTestCase):
    def test_put(self) -> None:
        """What was put last comes back, and what never was is None."""
        cursor = connect(Path(self.mktemp()) / "tvpn.sqlite")
        self.addCleanup(cursor.close)
        self.assertIsNone(setting.get(cursor, "prefix"))
        for value in ("fd00::/64", "fd01::/64"):
            setting.put(cursor, "prefix", value)
            self.assertEqual(setting.get(cursor, "prefix"), value)
        self.assertIsNone(setting.get(cursor, "other"))
