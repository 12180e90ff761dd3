"""Our client when a genuine server stops, dies, starts again or wants new keys: it notices, and comes back."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass, replace
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.lab import Lab, Program, skip_unless_possible, two_hosts
from tests.openvpn.abreast import abreast
from tests.openvpn.peers import INNER_V4, INNER_V6, SERVER_V6, Case, Ends

VERSIONS = "2.6", "2.7"
NEVER = ("reneg-sec 0",)
VERIFY = """#!/bin/sh
echo "$(sed -n 2p "$1")" | cut -c1-5 >> "$0.asked"
[ "$(sed -n 2p "$1")" = right ]
"""


@dataclass(frozen=True)
class End:
    """How a server ends, after so many quiet seconds, and what our client says within how many seconds."""

    case: Case
    number: int
    said: str
    within: float
    quiet: float = 0


class ReturnTests(SynchronousTestCase):
    skip = skip_unless_possible("openvpn", "ping")

    def assert_back(self, lab: Lab, client: Program) -> None:
        """A second connection, and packets through it."""
        client.wait_for("connecting to", 10, 2)
        until = time.monotonic() + 12
        while lab.run("client", "ping", "-q", "-c1", "-W0.3", INNER_V4, check=False).returncode:
            self.assertLess(time.monotonic(), until, client.output)
        self.assertEqual(lab.ping("client", INNER_V6, 2, 0.1), 2, client.output)
        self.assertNotIn("Traceback", client.output)

    def leave(self, end: End) -> None:
        """The server ends, and another one takes its place."""
        with two_hosts() as lab:
            ends = Ends(lab, end.case)
            server, client = ends.serve_stock(), ends.join()
            self.assertEqual(lab.ping("client", INNER_V4), 3, client.output)
            time.sleep(end.quiet)
            self.assertNotIn("disconnected", client.output)
            self.assertNotIn("Inactivity timeout", server.output)
            server.stop(end.number)
            client.wait_for(f"disconnected: {end.said}", end.within)
            ends.serve_stock()
            self.assert_back(lab, client)

    def test_gone(self) -> None:
        """A server that is stopped says so (with explicit-exit-notify), and the end of its stream is seen at once; one
        that dies is missed after the ping-restart it has pushed. Long silence before makes nobody nervous.
        """
        closed, told = "the connection was closed", "the server said RESTART"
        polite, nervous = ("explicit-exit-notify 1",), ("keepalive 1 2",)
        ends = []
        for version in VERSIONS:
            datagrams, stream = Case(version=version), Case("tls-crypt", version=version, proto="tcp", outer=SERVER_V6)
            ends += [
                End(replace(datagrams, server_lines=nervous), signal.SIGKILL, "", 4, quiet=4.5),
                End(replace(datagrams, server_lines=polite), signal.SIGTERM, told, 2),
                End(stream, signal.SIGTERM, closed, 2),
                End(stream, signal.SIGKILL, closed, 2),
            ]
        abreast(self.leave, ends)

    def test_token(self) -> None:
        """The token of auth-gen-token stands in for the password at a server that is started again with the same
        auth-gen-token-secret; one with another secret asks for the password again.
        """

        def scene(version: str) -> None:
            with two_hosts() as lab:
                script = lab.write("verify.sh", VERIFY)
                script.chmod(0o700)
                ends, other = (self.ends_with_tokens(lab, version, name) for name in ("token.key", "other.key"))
                first = ends.serve_stock()
                client = lab.twistd("client", self.with_password(ends), "client")
                client.wait_for("connected: device", 20)
                self.assertEqual(lab.ping("client", INNER_V4), 3, client.output)
                first.stop(signal.SIGTERM)
                second = ends.serve_stock()
                self.assert_back(lab, client)
                asked = script.with_name("verify.sh.asked")
                self.assertEqual(asked.read_text(), "right\n", second.output[-3000:])
                second.stop(signal.SIGTERM)
                third = other.serve_stock()
                third.wait_for("TLS: Username/Password authentication succeeded for username 'alice'", 15)
                self.assert_back(lab, client)
                self.assertEqual(asked.read_text(), "right\nright\n", third.output[-3000:])
                self.assertNotIn("SESS_ID", client.output)

        abreast(scene, VERSIONS)

    def test_token_of_another(self) -> None:
        """A 2.7 server that calls us by another name (override-username) gives a token for that one (auth-token-user),
        and after a new start knows us by it, without the password.
        """
        with two_hosts() as lab:
            lab.write("verify.sh", VERIFY).chmod(0o700)
            (lab.folder / "ccd").mkdir()
            lab.write("ccd/alice", "override-username bob\n")
            ends = self.ends_with_tokens(lab, "2.7", "token.key", f"client-config-dir {lab.folder}/ccd")
            first = ends.serve_stock()
            client = lab.twistd("client", self.with_password(ends), "client")
            client.wait_for("connected: device", 20)
            self.assertIn("override-username changes username from 'alice' to 'bob'", first.output)
            first.stop(signal.SIGTERM)
            second = ends.serve_stock()
            self.assert_back(lab, client)
            self.assertIn("auth-token authentication succeeded for username 'bob'", second.output)
            self.assertEqual((lab.folder / "verify.sh.asked").read_text(), "right\n", second.output[-3000:])

    def with_password(self, ends: Ends) -> Path:
        config = ends.client_config()
        config.write_text(config.read_text() + "\n<auth-user-pass>\nalice\nright\n</auth-user-pass>\n")
        return config

    def ends_with_tokens(self, lab: Lab, version: str, name: str, *more: str) -> Ends:
        lab.run("server", "openvpn", "--genkey", "auth-token", str(lab.folder / name))
        lines = (
            "script-security 2", f"auth-user-pass-verify {lab.folder}/verify.sh via-file", "auth-gen-token 600",
            f"auth-gen-token-secret {lab.folder}/{name}", *more,
        )  # fmt: skip
        return Ends(lab, Case(version=version, proto="tcp", server_lines=lines))

    def test_renegotiations(self) -> None:
        """New keys every few seconds, begun by either end, on datagrams and streams, with every wrapping that changes
        with them: of 140 pings not one is lost.
        """
        server = Case("tls-crypt", server_lines=("reneg-sec 2 2",), client_lines=NEVER)
        client = Case("tls-crypt-v2", server_lines=NEVER, client_lines=("reneg-sec 2",))
        stream = replace(server, proto="tcp", cipher="AES-256-CBC", tls="1.2", protection="none")

        def scene(case: Case) -> None:
            with two_hosts() as lab:
                ends = Ends(lab, case)
                stock, ours = ends.serve_stock(), ends.join()
                self.assertEqual(lab.ping("client", INNER_V4, 140, 0.05), 140, ours.output + stock.output[-3000:])
                stock.wait_for("Control Channel: TLSv", 5, 3)
                self.assertEqual(ours.output.count("connecting to"), 1)

        abreast(scene, [replace(case, version=version) for version in VERSIONS for case in (server, client, stream)])
