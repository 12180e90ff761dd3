"""The headers of data packets and the magic payloads."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.recorded import recorded
from tvpn.wire.data import NO_PEER_ID, OCC_EXIT, OCC_MAGIC, PING, encode_header


class DataTests(SynchronousTestCase):
    def test_headers(self) -> None:
        """One byte without a peer id, four with it."""
        table = [
            (0, None, "30"),
            (7, None, "37"),
            (0, 0, "48000000"),
            (3, 0x010203, "4b010203"),
            (0, NO_PEER_ID, "48ffffff"),
        ]
        for key_id, peer_id, header in table:
            self.assertEqual(encode_header(key_id, peer_id).hex(), header)

    def test_recorded_ping(self) -> None:
        """The keepalive is the one that genuine daemons send."""
        plain = {packet["plaintext"] for case in recorded("data_aead")["cases"] for packet in case["packets"]}
        self.assertIn(PING.hex(), plain)

    def test_magics_are_no_packets(self) -> None:
        """Neither magic begins like IPv4 or IPv6."""
        self.assertEqual({PING[0] >> 4, OCC_MAGIC[0] >> 4} & {4, 6}, set())
        self.assertTrue(OCC_EXIT.startswith(OCC_MAGIC))
