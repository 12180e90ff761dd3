from twisted.trial.unittest import SynchronousTestCase

from tvpn.cli import remote
from tvpn.errors import TvpnError


class RemoteTests(SynchronousTestCase):
    def test_read(self) -> None:
        """Names and addresses of both families are read, with a port or with the one given as default."""
        for text, host, port in (
            ("vpn.example.org", "vpn.example.org", 7000),
            ("vpn.example.org:443", "vpn.example.org", 443),
            ("192.0.2.1:1", "192.0.2.1", 1),
            ("[2001:db8::1]:65535", "2001:db8::1", 65535),
            ("[2001:db8::1]", "2001:db8::1", 7000),
            ("2001:db8::1", "2001:db8::1", 7000),
        ):
            found = remote.parse(text, 7000)
            self.assertEqual((found.host, found.port, found.family), (host, port, 0))

    def test_refused(self) -> None:
        """What has no host, or no port where one is begun, is refused by a sentence that repeats it."""
        for text in (
            "",
            ":1194",
            "a:",
            "a:0",
            "a:65536",
            "a:x",
            "[a",
            "[]:1",
            "[2001:db8::1]1194",
            "a:-1",
            "a:٣",
        ):
            error = self.assertRaises(TvpnError, remote.parse, text, 1194)
            self.assertIn(f"--remote {text}: ", str(error))
