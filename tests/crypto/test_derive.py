"""Data keys against recorded derivations."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.recorded import recorded
from tvpn.crypto.derive import KEY_SIZES, data_keys, dynamic_tls_crypt_key, key_material_by_prf, tls1_prf
from tvpn.crypto.secret import Secret
from tvpn.crypto.statickey import StaticKey
from tvpn.errors import PeerError
from tvpn.wire.keyexchange import KeySource

VECTORS = recorded("key_expansion_prf")


class PRFTests(SynchronousTestCase):
    def test_self_test(self) -> None:
        """C-07: the PRF gives OpenVPN's own self-test value."""
        case = VECTORS["selftest"]
        secret, seed = bytes.fromhex(case["secret"]), bytes.fromhex(case["seed"])
        self.assertEqual(tls1_prf(secret, seed, 8).hex(), case["out8"])

    def test_odd_secret_shares_its_middle(self) -> None:
        """With an odd secret both halves contain the middle byte: changing it changes the output."""
        outputs = {bytes(tls1_prf(b"ab" + bytes([middle]) + b"cd", b"seed", 32)) for middle in range(256)}
        self.assertEqual(len(outputs), 256)

    def test_longer_output_extends_shorter(self) -> None:
        """A longer output begins with the shorter one."""
        self.assertEqual(tls1_prf(b"secret", b"seed", 300)[:77], tls1_prf(b"secret", b"seed", 77))

    def test_recorded_derivations(self) -> None:
        """C-07: the derivations whose keys have opened real traffic, to the byte."""
        for case in VECTORS["cases"]:
            data = {
                name: bytes.fromhex(case[name]) for name in case if name.startswith(("client_", "server_r", "server_s"))
            }
            client = KeySource(data["client_random1"], data["client_random2"], bytes.fromhex(case["pre_master"]))
            server = KeySource(data["server_random1"], data["server_random2"])
            material = key_material_by_prf(client, server, data["client_sid"], data["server_sid"])
            self.assertEqual(material.hex(), case["key2"])


class DataKeysTests(SynchronousTestCase):
    def test_both_sides_fit(self) -> None:
        """What one side sends with the other receives with; the client sends with the first half."""
        material = bytes(range(256))
        for cipher, size in KEY_SIZES.items():
            client, server = data_keys(material, cipher, server=False), data_keys(material, cipher, server=True)
            self.assertEqual(client.send_key, material[:size])
            self.assertEqual(client.send_salt, material[64:72])
            self.assertEqual((client.send_key, client.send_salt), (server.receive_key, server.receive_salt))
            self.assertEqual((client.receive_key, client.receive_salt), (server.send_key, server.send_salt))
            self.assertEqual(server.send_key, material[128 : 128 + size])

    def test_zero_key_is_refused(self) -> None:
        """An all-zero key in either direction ends the session."""
        for material in (bytes(256), bytes(128) + b"\1" * 128, b"\1" * 128 + bytes(128)):
            self.assertRaises(PeerError, data_keys, material, "AES-256-GCM", True)

    def test_keys_stay_out_of_repr(self) -> None:
        """The representation names the cipher and nothing else."""
        text = "DataKeys(cipher='AES-256-GCM', digest=None, epochs=False)"
        self.assertEqual(repr(data_keys(b"K" * 256, "AES-256-GCM", True)), text)


class DynamicKeyTests(SynchronousTestCase):
    def test_recorded(self) -> None:
        """C-07: exporter output and configured key give the recorded dynamic key."""
        for case in recorded("dynamic_tls_crypt")["cases"]:
            original = StaticKey(bytes.fromhex(case["original_key"]))
            key = dynamic_tls_crypt_key(Secret.fromhex(case["ekm"]), original)
            self.assertEqual(key.data.hex(), case["dynamic_key"])

    def test_without_configured_key(self) -> None:
        """Without a configured key it is the exporter's output itself."""
        self.assertEqual(dynamic_tls_crypt_key(Secret(range(256)), None).data, bytes(range(256)))
