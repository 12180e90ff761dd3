import fcntl
import os
import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

from cryptography import x509
from twisted.trial.unittest import SynchronousTestCase

from tvpn.errors import TvpnError
from tvpn.pki.authority import load_certificate
from tvpn.pki.keyfile import write_secret
from tvpn.pki.state import State

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ALL = ["ca.key", "ca.crt", "server.key", "server.crt", "tls-crypt-v2.key", "tvpn.sqlite"]


class StateCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp()) / "state"

    def open(self, now: datetime = NOW) -> State:
        return State.open(self.folder, now)

    def contents(self) -> dict[str, bytes]:
        found = (path for path in self.folder.iterdir() if path.suffix in (".key", ".crt"))
        return {path.name: path.read_bytes() for path in found}

    def refused(self) -> str:
        return str(self.assertRaises(TvpnError, self.open))


class FirstStartTests(StateCase):
    def test_made(self) -> None:
        """The first opening makes everything and says so; the second finds it and makes nothing."""
        first = self.open()
        before = self.contents()
        second = self.open()
        self.assertEqual((first.made, second.made), (ALL, []))
        self.assertEqual(self.contents(), before)
        self.assertEqual(second.server_certificate_pem, first.server_certificate_pem)
        self.assertEqual(second.server_key_pem, first.server_key_pem)
        self.assertEqual(second.tls_crypt_v2, first.tls_crypt_v2)

    def test_modes(self) -> None:
        """Only certificates can be read by others, and the folder by nobody else, whatever the umask."""
        self.addCleanup(os.umask, os.umask(0))
        self.open()
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in self.folder.iterdir()}
        self.assertEqual({name for name, mode in modes.items() if mode != 0o600}, {"ca.crt", "server.crt"})
        self.assertEqual(stat.S_IMODE(self.folder.stat().st_mode), 0o700)

    def test_server_certificate(self) -> None:
        """The server's certificate is issued by the CA beside it and fits its key."""
        state = self.open()
        certificate = load_certificate(state.server_certificate_pem)
        certificate.verify_directly_issued_by(state.authority.certificate)

    def test_interrupted(self) -> None:
        """After a crash at any file the next opening makes the rest, and replaces no key that was there."""
        for stop in range(len(ALL) - 1):
            self.folder = Path(self.mktemp()) / "state"
            written = 0

            def crash(path: Path, data: str, mode: int, limit: int = stop) -> None:
                nonlocal written
                if written == limit:
                    raise KeyboardInterrupt
                written += 1
                write_secret(path, data, mode)

            with mock.patch("tvpn.pki.state.write_secret", crash):
                self.assertRaises(KeyboardInterrupt, self.open)
            before = self.contents()
            self.assertEqual(set(before), set(ALL[:stop]))
            self.assertEqual(self.open().made, ALL[stop:])
            after = self.contents()
            self.assertEqual({name: after[name] for name in before}, before)

    def test_two_at_once(self) -> None:
        """Openings at the same time agree on one CA: one makes it, the others wait and find it."""
        found: list[State] = []
        threads = [threading.Thread(target=lambda: found.append(self.open())) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        self.assertEqual(len({state.authority.certificate_pem for state in found}), 1)
        self.assertEqual(sorted(len(state.made) for state in found), [0, 0, 0, len(ALL)])

    def test_lock_is_free(self) -> None:
        """An opened state holds no lock, so that the command line works beside a running server."""
        self.open()
        with (self.folder / "lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


class BrokenStateTests(StateCase):
    def setUp(self) -> None:
        super().setUp()
        self.state = self.open()

    def other(self, name: str) -> str:
        folder = Path(self.mktemp())
        State.open(folder, NOW)
        return (folder / name).read_text()

    def test_no_authority_key(self) -> None:
        """A CA certificate without its key is refused, and not replaced by another CA."""
        (self.folder / "ca.key").unlink()
        self.assertIn("ca.key is missing", self.refused())

    def test_lost_authority_certificate(self) -> None:
        """A lost CA certificate is made again from its key, and the server's certificate still fits."""
        (self.folder / "ca.crt").unlink()
        again = self.open()
        self.assertEqual(again.made, ["ca.crt"])
        self.assertEqual(again.server_certificate_pem, self.state.server_certificate_pem)

    def test_mismatch(self) -> None:
        """A key and a certificate that do not fit are refused, for the CA and for the server."""
        for name in ("ca.key", "server.key"):
            before = (self.folder / name).read_text()
            (self.folder / name).write_text(self.other(name))
            self.assertIn("do not belong together", self.refused())
            (self.folder / name).write_text(before)
        self.open()

    def test_foreign_server(self) -> None:
        """A server's pair from another CA is refused, with what to do."""
        folder = Path(self.mktemp())
        State.open(folder, NOW)
        for name in ("server.key", "server.crt"):
            (self.folder / name).write_text((folder / name).read_text())
        self.assertIn("not issued by ca.crt", self.refused())
        for name in ("server.key", "server.crt"):
            (self.folder / name).unlink()
        self.assertEqual(self.open().made, ["server.key", "server.crt"])

    def test_garbage(self) -> None:
        """A file of garbage is refused by a sentence that names this file."""
        for name in ALL:
            path = self.folder / name
            before = path.read_bytes()
            path.write_bytes(b"garbage\n" * 1000)
            self.assertIn(name.partition(".")[0], self.refused())
            path.write_bytes(before)
        self.open()

    def test_open_key(self) -> None:
        """A key that others may read is refused."""
        (self.folder / "ca.key").chmod(0o644)
        self.assertIn("chmod 600", self.refused())

    def test_no_folder(self) -> None:
        """A state folder that cannot be made ends in a sentence with its path."""
        path = Path(self.mktemp())
        path.write_text("a file")
        for folder in (path, path / "state"):
            error = self.assertRaises(TvpnError, State.open, folder, NOW)
            self.assertIn(str(folder), str(error))


class RenewalTests(StateCase):
    def test_not_due(self) -> None:
        """With 60 days left and more the certificate stays."""
        state = self.open()
        end = load_certificate(state.server_certificate_pem).not_valid_after_utc
        self.assertFalse(state.renew_server_certificate_if_due(end - timedelta(days=60)))
        self.assertIn(state.server_certificate_pem.encode(), self.contents().values())

    def test_due(self) -> None:
        """With less than 60 days left there is a new one for the old key, in the attribute and the file."""
        state = self.open()
        old = load_certificate(state.server_certificate_pem)
        now = old.not_valid_after_utc - timedelta(days=59)
        self.assertTrue(state.renew_server_certificate_if_due(now))
        new: x509.Certificate = load_certificate(state.server_certificate_pem)
        self.assertGreater(new.not_valid_after_utc, now + timedelta(days=800))
        self.assertEqual(new.public_key(), old.public_key())
        self.assertEqual(self.open(now).server_certificate_pem, state.server_certificate_pem)
        self.assertFalse(state.renew_server_certificate_if_due(now))

    def test_end_of_the_authority(self) -> None:
        """A certificate that lasts as long as its CA is not made again and again."""
        state = self.open()
        end = state.authority.certificate.not_valid_after_utc
        self.assertTrue(state.renew_server_certificate_if_due(end - timedelta(days=50)))
        self.assertFalse(state.renew_server_certificate_if_due(end - timedelta(days=49)))
