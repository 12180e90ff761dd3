"""User name and password beside the certificate, with the genuine openvpn at the other end."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.lab import Lab, Program, skip_unless_possible, two_hosts
from tests.openvpn.peers import INNER_V4, SERVER, V2_KEY, Case, Ends

POLICY = """
from twisted.internet import reactor
from twisted.internet.task import deferLater

async def authenticate(client):
    await deferLater(reactor, 0.2)
    if (client.username, client.password) != ("alice", "right"):
        return "user name or password is wrong"
    return True
"""
VERIFY = """#!/bin/sh
echo asked >> "$0.asked"
read -r name < "$1"
[ "$name" = alice ] && [ "$(sed -n 2p "$1")" = right ]
"""
SECRETS = "\n<auth-user-pass>\nalice\n{}\n</auth-user-pass>\n"


class PasswordTests(SynchronousTestCase):
    skip = skip_unless_possible("openvpn", "ping")

    def _serve(self, lab: Lab, ends: Ends) -> Program:
        """An ini server with a policy, on the certificates of the ends' server file."""
        lab.write("policy.py", POLICY)
        for word, text in (("ca", ends.client.ca), ("cert", SERVER.certificate), ("key", SERVER.key)):
            lab.write(f"{word}.pem", text)
        lab.write("v2.key", V2_KEY.pem)
        config = lab.write(
            "server.ini",
            "[transport]\nlisten = udp:1194\n[tunnel]\nserver = 10.99.0.0/24\nserver-ipv6 = fd00:99::/64\n"
            "[tls]\nca = ca.pem\ncert = cert.pem\nkey = key.pem\n[control]\ntls-crypt-v2 = v2.key\nreneg-sec = 5\n"
            "[auth]\npolicy = policy.py\n",
        )
        server = lab.twistd("server", config, "server")
        server.wait_for("listening on")
        return server

    def test_stock_client(self) -> None:
        """The policy lets the right password in, also at renegotiations, and tells the wrong one why not."""
        with two_hosts() as lab:
            ends = Ends(lab, Case(client_lines=("auth-nocache", "reneg-sec 0")))
            server = self._serve(lab, ends)
            wrong = lab.spawn("client", "openvpn", str(_with_password(ends.client_config(), "wrong")), name="wrong")
            wrong.wait_for("AUTH_FAILED,user name or password is wrong", 15)
            server.wait_for("did not get in: refused by the policy: user name or password is wrong", 5)
            wrong.stop()
            client = lab.spawn("client", "openvpn", str(_with_password(ends.client_config(), "right")), name="right")
            client.wait_for("Initialization Sequence Completed", 15)
            self.assertEqual(lab.ping("client", INNER_V4, 130, 0.05), 130, server.output)
            client.wait_for("Control Channel: TLSv", 10, 2)
            self.assertNotIn("right", server.output)

    def test_stock_server(self) -> None:
        """Our client shows name and password to a stock server, and keeps its token over renegotiations."""
        with two_hosts() as lab:
            script = lab.write("verify.sh", VERIFY)
            script.chmod(0o700)
            check = f"auth-user-pass-verify {script} via-file"
            lines = ("script-security 2", check, "auth-gen-token 600 200", "reneg-sec 5 5")
            ends = Ends(lab, Case(server_lines=lines, client_lines=("reneg-sec 0",)))
            server = ends.serve_stock()
            client = lab.twistd("client", _with_password(ends.client_config(), "right"), "client")
            client.wait_for("connected: device", 20)
            self.assertEqual(lab.ping("client", INNER_V4, 130, 0.05), 130, client.output + server.output[-3000:])
            server.wait_for("Control Channel: TLSv", 10, 2)
            # The password was shown once; at the renegotiations the token has stood in for it.
            self.assertEqual(script.with_name("verify.sh.asked").read_text(), "asked\n")
            self.assertNotIn("SESS_ID", client.output)
            client.stop()
            wrong = lab.twistd("client", _with_password(ends.client_config(), "wrong"), "wrong")
            wrong.wait_for("gave up: the server refused us", 15)
            self.assertEqual(wrong.process.wait(10), 1)


def _with_password(config: Path, password: str) -> Path:
    config.write_text(config.read_text() + SECRETS.format(password))
    return config

