import json
import os
import stat
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import IO
from unittest import mock

from click.testing import CliRunner, Result
from twisted.trial.unittest import SynchronousTestCase

from tvpn.cli.main import main
from tvpn.crypto.statickey import StaticKey, TLSCryptV2ClientKey
from tvpn.errors import TvpnError
from tvpn.pki.authority import identity, load_certificate
from tvpn.pki.state import State
from tvpn.store import device as devices
from tvpn.store.database import connect, transaction
from tvpn.store.device import Device

SERVER = """\
[tvpn]
role = server
state = state
[transport]
listen = udp:7000
advertise = vpn.example.org:443
[tunnel]
server = 10.87.0.0/24
"""


def block(profile: str, word: str) -> str:
    return profile.partition(f"<{word}>\n")[2].partition(f"</{word}>\n")[0]


class DeviceCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.configuration = self.folder / "server.ini"
        self.configuration.write_text(SERVER)
        self.output = self.folder / "alice.ovpn"

    def run_tvpn(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, ["--config", str(self.configuration), *arguments])

    def succeed(self, *arguments: str) -> Result:
        result = self.run_tvpn(*arguments)
        self.assertEqual(result.exit_code, 0, result.stderr)
        return result

    def fail_with(self, text: str, *arguments: str) -> None:
        result = self.run_tvpn(*arguments)
        self.assertEqual((result.exit_code, result.stdout), (1, ""))
        self.assertIsInstance(result.exception, SystemExit)
        self.assertIn(text, result.stderr.splitlines()[-1])

    def state(self) -> State:
        return State.open(self.folder / "state", datetime.now(UTC))

    def devices(self) -> list[Device]:
        with closing(connect(self.folder / "state" / "tvpn.sqlite")) as connection:
            return devices.all(connection)


class AddTests(DeviceCase):
    def test_standard_output(self) -> None:
        """Before the server's first start, adding makes the state, and only the profile is output."""
        result = self.succeed("device", "add", "alice")
        self.assertTrue(result.stdout.startswith("# alice: made by tvpn"))
        self.assertTrue(result.stdout.endswith("</tls-crypt-v2>\n"))
        self.assertIn("ca.crt", result.stderr)
        self.assertNotIn("PRIVATE", result.stderr)

    def test_row(self) -> None:
        """The row has the identity of the certificate in the profile, which the server's CA has issued."""
        profile = self.succeed("device", "add", "alice").stdout
        authority = self.state().authority.certificate
        certificate = load_certificate(block(profile, "cert"))
        certificate.verify_directly_issued_by(authority)
        (row,) = self.devices()
        self.assertEqual((row.name, row.identity), ("alice", identity(certificate, authority)))
        self.assertEqual(row.expires, certificate.not_valid_after_utc.timestamp())

    def test_tls_crypt_v2(self) -> None:
        """The wrapping key in the profile is one that the server can unwrap, and another for each device."""
        keys = [
            TLSCryptV2ClientKey.from_pem(block(self.succeed("device", "add", name).stdout, "tls-crypt-v2"))
            for name in ("alice", "bob")
        ]
        server = self.state().tls_crypt_v2
        self.assertEqual([server.unwrap(key.wrapped)[0] for key in keys], [key.key for key in keys])
        self.assertNotEqual(keys[0].key, keys[1].key)

    def test_file(self) -> None:
        """With --output the profile is in a file that only its owner can read, and not on standard output."""
        result = self.succeed("device", "add", "alice", "--output", str(self.output))
        self.assertEqual(result.stdout, "")
        self.assertEqual(stat.S_IMODE(self.output.stat().st_mode), 0o600)
        self.assertIn("PRIVATE KEY", self.output.read_text())

    def test_file_exists(self) -> None:
        """An existing file is not touched, and no device is added."""
        self.output.write_text("mine")
        self.fail_with("exists already", "device", "add", "alice", "--output", str(self.output))
        self.assertEqual(self.output.read_text(), "mine")
        self.assertFalse((self.folder / "state").exists())

    def test_file_fails(self) -> None:
        """When the file cannot be written there is no device, and its name is free."""
        self.fail_with(
            "cannot write", "device", "add", "alice", "--output", str(self.folder / "no" / "a.ovpn")
        )
        self.assertEqual(self.devices(), [])
        self.succeed("device", "add", "alice")

    def test_interrupted(self) -> None:
        """Whatever ends the output, an interruption from the keyboard too, ends the device."""
        with mock.patch("tvpn.cli.destination.write_secret", side_effect=KeyboardInterrupt):
            result = self.run_tvpn("device", "add", "alice", "--output", str(self.output))
        self.assertEqual((result.exit_code, self.devices()), (1, []))

    def add_alice_into(self, output: IO[bytes]) -> subprocess.CompletedProcess[str]:
        """The command as a process of its own, its standard output going there."""
        program = "from tvpn.cli.main import main; main()"
        words = ["--config", str(self.configuration), "device", "add", "alice"]
        return subprocess.run(
            [sys.executable, "-c", program, *words], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=output, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip

    def test_full_disk(self) -> None:
        """A redirection to a full disk is status 1 and one sentence, and no device."""
        with open("/dev/full", "wb") as full:
            done = self.add_alice_into(full)
        self.assertEqual((done.returncode, self.devices()), (1, []))
        self.assertIn("No space left", done.stderr)
        self.assertNotIn("Traceback", done.stderr)

    def test_terminal(self) -> None:
        """A terminal does not get to see a private key, and no device is added."""
        with mock.patch("tvpn.cli.destination._is_terminal", return_value=True):
            self.fail_with("--output", "device", "add", "alice")
        self.assertFalse((self.folder / "state").exists())

    def test_redirected(self) -> None:
        """A profile redirected to a file that others may read is delivered, with a warning."""
        self.output.touch(0o644)
        with self.output.open("wb") as file:
            done = self.add_alice_into(file)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("others may read", done.stderr)
        self.assertTrue(self.output.read_text().endswith("</tls-crypt-v2>\n"))

    def test_same_name(self) -> None:
        """A second device of a name, in any case, is refused, and its profile is not written."""
        self.succeed("device", "add", "alice")
        self.fail_with("a device 'alice' already", "device", "add", "Alice", "--output", str(self.output))
        self.assertFalse(self.output.exists())

    def test_bad_name(self) -> None:
        """A bad name is refused before anything is made."""
        for name in ("../alice", "a b", "a\nb", "", "x" * 65):
            self.fail_with("cannot name a device", "device", "add", "--", name)
        self.assertFalse((self.folder / "state").exists())

    def test_advertised(self) -> None:
        """Without --remote the profile has the advertised address."""
        self.assertIn("\nremote vpn.example.org 443 udp\n", self.succeed("device", "add", "alice").stdout)

    def test_remote(self) -> None:
        """--remote replaces what is advertised, and its port is the one that the server listens at."""
        more = ("--remote", "a.example", "--remote", "[2001:db8::1]:99")
        lines = self.succeed("device", "add", "alice", *more).stdout.splitlines()
        found = [line for line in lines if line.startswith("remote ")]
        self.assertEqual(found, ["remote a.example 7000 udp", "remote 2001:db8::1 99 udp"])

    def test_bad_remote(self) -> None:
        """A remote that would smuggle a line into the profile is refused, and no device is added."""
        self.fail_with("is no host name", "device", "add", "alice", "--remote", "a\nscript-security 2")
        self.assertEqual(self.devices(), [])

    def test_no_remote(self) -> None:
        """Where no address is known, the sentence says both ways to give one."""
        self.configuration.write_text(SERVER.replace("advertise", "# advertise"))
        self.fail_with("'advertise'", "device", "add", "alice")
        self.fail_with("--remote", "device", "add", "alice")

    def test_running_server(self) -> None:
        """A server that has the database open, and writes to it, is no obstacle."""
        state = self.state()
        with closing(connect(state.database_path)) as server:
            self.succeed("device", "add", "alice")
            self.assertIsNotNone(devices.find_by_name(server, "alice"))
            with transaction(server):
                devices.revoke(server, "alice", 1.0)
            self.succeed("device", "add", "alice")

    def test_database_fails(self) -> None:
        """Where the row cannot be written, there is no profile."""
        with mock.patch("tvpn.store.device.add", side_effect=TvpnError("the disk is full")):
            self.fail_with("the disk is full", "device", "add", "alice", "--output", str(self.output))
        self.assertFalse(self.output.exists())


class ForeignTests(DeviceCase):
    def write_own_ca(self, folder: Path) -> None:
        lines = [
            f"{word} = {folder / name}"
            for word, name in (("ca", "ca.crt"), ("cert", "server.crt"), ("key", "server.key"))
        ]
        self.configuration.write_text(SERVER + "[tls]\n" + "\n".join(lines) + "\n")

    def test_own_ca(self) -> None:
        """With a CA that was given, certificates come from its tools, and no state is made."""
        other = self.folder / "other"
        State.open(other, datetime.now(UTC))
        self.write_own_ca(other)
        self.fail_with("that CA's tools", "device", "add", "alice")
        self.assertFalse((self.folder / "state").exists())
        self.state()
        self.fail_with("that CA's tools", "device", "add", "alice")

    def test_own_ca_is_ours(self) -> None:
        """With the state's own CA named in the configuration, devices are added as ever."""
        self.state()
        self.write_own_ca(self.folder / "state")
        self.succeed("device", "add", "alice")

    def test_client(self) -> None:
        """A client's configuration has no devices, and the sentence says so."""
        profile = self.succeed("device", "add", "alice").stdout
        self.configuration.write_text(profile)
        for command in (("add", "bob"), ("list",), ("revoke", "alice")):
            self.fail_with("describes a client", "device", *command)

    def test_static_keys(self) -> None:
        """A server with tls-crypt or tls-auth gives its devices that key, with the other direction."""
        static = StaticKey(bytes(range(256))).text
        (self.folder / "static.key").write_text(static)
        (self.folder / "static.key").chmod(0o600)
        self.configuration.write_text(SERVER + "[control]\ntls-crypt = static.key\n")
        profile = self.succeed("device", "add", "alice").stdout
        self.assertEqual(block(profile, "tls-crypt"), static)
        self.assertNotIn("tls-crypt-v2", profile)
        self.configuration.write_text(SERVER + "[control]\ntls-auth = static.key 0\n[data]\nauth = SHA256\n")
        profile = self.succeed("device", "add", "bob").stdout
        self.assertEqual(block(profile, "tls-auth"), static)
        self.assertIn("\nkey-direction 1\n", profile)
        self.assertIn("\nauth SHA256\n", profile)

    def test_own_tls_crypt_v2(self) -> None:
        """A server's own tls-crypt-v2 key seals the devices' keys; another file in its place is refused."""
        other = State.open(self.folder / "other", datetime.now(UTC))
        self.configuration.write_text(SERVER + "[control]\ntls-crypt-v2 = other/tls-crypt-v2.key\n")
        key = TLSCryptV2ClientKey.from_pem(
            block(self.succeed("device", "add", "alice").stdout, "tls-crypt-v2")
        )
        self.assertEqual(other.tls_crypt_v2.unwrap(key.wrapped)[0], key.key)
        (self.folder / "other" / "tls-crypt-v2.key").write_text(StaticKey(bytes(256)).text)
        self.fail_with("server key", "device", "add", "bob")


class ListTests(DeviceCase):
    def test_nothing(self) -> None:
        """Before the first device there is a heading and nothing else, and no state is made."""
        self.assertEqual(len(self.succeed("device", "list").stdout.splitlines()), 1)
        self.assertEqual(json.loads(self.succeed("device", "list", "--json").stdout), [])
        self.assertFalse((self.folder / "state").exists())

    def test_table(self) -> None:
        """Every device has a line with its name and status."""
        self.succeed("device", "add", "alice")
        self.succeed("device", "add", "bob-with-a-long-name")
        self.succeed("device", "revoke", "alice")
        lines = self.succeed("device", "list").stdout.splitlines()
        self.assertEqual(
            [line.split()[:2] for line in lines[1:]],
            [["alice", "revoked"], ["bob-with-a-long-name", "active"]],
        )
        self.assertEqual(len({line.index(line.split()[1]) for line in lines}), 1)

    def test_json(self) -> None:
        """As JSON every device has serial and times, and a time of revocation once it is revoked."""
        self.succeed("device", "add", "alice")
        (before,) = json.loads(self.succeed("device", "list", "--json").stdout)
        self.succeed("device", "revoke", "alice")
        (after,) = json.loads(self.succeed("device", "list", "--json").stdout)
        self.assertEqual((before["status"], before["revoked"]), ("active", None))
        self.assertEqual(after["status"], "revoked")
        self.assertGreaterEqual(
            datetime.fromisoformat(after["revoked"]), datetime.fromisoformat(after["created"])
        )
        self.assertEqual(int(after["serial"], 16), self.devices()[0].serial)

    def test_expired(self) -> None:
        """A device whose certificate has ended is said to be expired."""
        with closing(connect(self.state().database_path)) as connection, transaction(connection):
            devices.add(connection, Device("old", 1, "c0ffee", 1.0, 2.0))
        self.assertIn("expired", self.succeed("device", "list").stdout)


class RevokeTests(DeviceCase):
    def test_revoke(self) -> None:
        """A revoked device's row says so, in any case of the name, and its name can be given again."""
        self.succeed("device", "add", "alice")
        self.assertIn("alice: revoked", self.succeed("device", "revoke", "ALICE").stderr)
        self.succeed("device", "add", "alice")
        self.assertEqual([row.revoked is None for row in self.devices()], [False, True])

    def test_nobody(self) -> None:
        """An unknown name is refused, with a state and without one, which is not made for it."""
        self.fail_with("no device 'bob'", "device", "revoke", "bob")
        self.assertFalse((self.folder / "state").exists())
        self.state()
        self.fail_with("no device 'bob'", "device", "revoke", "bob")
