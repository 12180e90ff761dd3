from twisted.trial.unittest import SynchronousTestCase

from tvpn.cli import remote
from tvpn.config.address import Listen, Remote
from tvpn.errors import TvpnError


class RemoteTests(SynchronousTestCase):
    def test_read(self) -> None:
        """Names and addresses of both families are read, with a port, or 0 where none is said."""
        for text, host, port in (
            ("vpn.example.org", "vpn.example.org", 0),
            ("vpn.example.org:443", "vpn.example.org", 443),
            ("192.0.2.1:1", "192.0.2.1", 1),
            ("[2001:db8::1]:65535", "2001:db8::1", 65535),
            ("[2001:db8::1]", "2001:db8::1", 0),
            ("2001:db8::1", "2001:db8::1", 0),
        ):
            found = remote.parse(text)
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
            error = self.assertRaises(TvpnError, remote.parse, text)
            self.assertIn(f"--remote {text}: ", str(error))

    def test_at_listeners(self) -> None:
        """Without a port a remote is at every transport we serve; with one, at the transport of that port."""
        listeners = (Listen("udp", None, 1194), Listen("tcp", "192.0.2.1", 443), Listen("tcp", "192.0.2.2", 443))
        for given, expected in (
            (Remote("a", 0), [("udp", 1194), ("tcp", 443)]),
            (Remote("a", 443), [("tcp", 443)]),
            (Remote("a", 1194), [("udp", 1194)]),
            (Remote("a", 5000), [("udp", 5000)]),
        ):
            found = remote.at_listeners([given], listeners)
            self.assertEqual([(each.protocol, each.port) for each in found], expected)
