"""Logging in without a certificate, with tokens and with challenges; the genuine openvpn at the other end."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.lab import BIN, Lab, Program, skip_unless_possible, two_hosts
from tests.openvpn.management import Management
from tests.openvpn.peers import INNER_V4, READY, SERVER, V2_KEY, Case, Ends, binary

POLICY = """
from tvpn.wire.challenge import Challenge

async def authenticate(client):
    with open({book!r}, "a") as book:
        print(client.name, client.username, client.password, client.response, client.state, client.token, file=book)
{body}
"""
WITHOUT_CERTIFICATE = "verify-client-cert = none\n"
LOGIN = "\n<auth-user-pass>\nalice\nright\n</auth-user-pass>\n"


@dataclass
class Office:
    """A server of ours with a policy; ``book`` holds a line for each time it was asked."""

    lab: Lab
    ends: Ends
    body: str
    tls: str = ""
    auth: str = ""
    control: str = ""

    @property
    def book(self) -> Path:
        return self.lab.folder / "book"

    def serve(self) -> Program:
        lab = self.lab
        body = "\n".join(f"    {line}" for line in self.body.strip().splitlines())
        lab.write("policy.py", POLICY.format(book=str(self.book), body=body))
        for word, text in (("ca", self.ends.client.ca), ("cert", SERVER.certificate), ("key", SERVER.key)):
            lab.write(f"{word}.pem", text)
        lab.write("v2.key", V2_KEY.pem)
        config = lab.write(
            "server.ini",
            "[transport]\nlisten = udp:1194\n[tunnel]\nserver = 10.99.0.0/24\nkeepalive = 1 4\n"
            f"[tls]\nca = ca.pem\ncert = cert.pem\nkey = key.pem\n{self.tls}[control]\ntls-crypt-v2 = v2.key\n"
            f"{self.control}[auth]\npolicy = policy.py\n{self.auth}",
        )
        server = lab.twistd("server", config, "server")
        server.wait_for("listening on")
        return server

    def asked(self) -> list[str]:
        return self.book.read_text().splitlines()


class LoginCase(SynchronousTestCase):
    skip = skip_unless_possible("openvpn", "ping")
    #: The genuine openvpn's.
    version = "2.6"

    def setUp(self) -> None:
        self.lab = self.enterContext(two_hosts())

    def ends(self, *client_lines: str, server_lines: tuple[str, ...] = ()) -> Ends:
        return Ends(self.lab, Case(version=self.version, client_lines=client_lines, server_lines=server_lines))

    def without_certificate(self, config: Path) -> Path:
        """The same profile, its certificate and key taken out."""
        text = config.read_text()
        for word in ("cert", "key"):
            head, _, tail = text.partition(f"<{word}>")
            text = head + tail.partition(f"</{word}>")[2]
        config.write_text(text)
        return config

    def assert_carries(self, *programs: Program) -> None:
        answered = self.lab.ping("client", INNER_V4, 5)
        self.assertEqual(answered, 5, "\n".join(program.output[-3000:] for program in programs))


class StockClientTests(LoginCase):
    """Stock clients at our server."""

    def managed(self, ends: Ends) -> tuple[Program, Management]:
        """A client whose person is this test."""
        path = self.lab.folder / "management"
        config = ends.client_config()
        config.write_text(f"management {path} unix\nmanagement-query-passwords\nauth-user-pass\n{config.read_text()}")
        client = self.lab.spawn("client", binary(self.version), str(config), name="client")
        management = Management(client, path)
        self.addCleanup(management.close)
        return client, management

    def log_in(self, management: Management, password: str) -> None:
        management.wait_for(">PASSWORD:Need 'Auth' username/password")
        management.say('username "Auth" "alice"', f'password "Auth" "{password}"')

    def test_password_only_and_tokens(self) -> None:
        """Without a certificate; the password is shown once, tokens stand in at renegotiations and after a restart."""
        ends = self.ends("auth-nocache", "reneg-sec 0")
        body = 'return client.password == "right" or "wrong password"'
        office = Office(
            self.lab, ends, body, WITHOUT_CERTIFICATE, "auth-gen-token = 600 60\nauth-gen-token-secret = token.key\n",
            "reneg-sec = 3\n",
        )  # fmt: skip
        self.lab.run("server", "openvpn", "--genkey", "auth-token", str(self.lab.folder / "token.key"))
        (self.lab.folder / "token.key").chmod(0o600)
        server = office.serve()
        config = self.without_certificate(ends.client_config())
        config.write_text(config.read_text() + LOGIN)
        client = self.lab.spawn("client", binary(self.version), str(config), name="client")
        client.wait_for(READY, 20)
        server.wait_for("alice joined from")
        self.assertEqual(self.lab.ping("client", INNER_V4, 90, 0.05), 90, client.output + server.output)
        client.wait_for("Control Channel: TLSv", 10, 2)
        server.process.kill()
        server.process.wait(10)
        again = office.serve()
        client.wait_for(READY, 40, 2)
        self.assert_carries(client, again)
        self.assertEqual(office.asked(), [" alice right   Initial"])
        self.assertNotIn("SESS_ID_AT", again.output + server.output)

    def test_static_challenge(self) -> None:
        """The response travels beside the password and the policy sees both."""
        office = Office(self.lab, self.ends('static-challenge "Your code" 1'), 'return client.response == "42"')
        server = office.serve()
        client, management = self.managed(office.ends)
        management.wait_for(">PASSWORD:Need 'Auth' username/password SC:1,Your code")
        management.say('username "Auth" "alice"', 'password "Auth" "SCRV1:cmlnaHQ=:NDI="')
        client.wait_for(READY, 20)
        self.assert_carries(client, server)
        self.assertEqual(office.asked(), ["alice alice right 42  Initial"])

    def test_dynamic_challenge(self) -> None:
        """CRV1: the refusal asks, and the next connection brings the answer with the state it was given."""
        body = """
if client.state != "st4te":
    return Challenge("Code, please: which?", echo=True, state="st4te")
return client.response == "42" or "wrong code"
"""
        office = Office(self.lab, self.ends("auth-retry interact"), body)
        server = office.serve()
        client, management = self.managed(office.ends)
        self.log_in(management, "right")
        management.wait_for(r"Verification Failed: 'Auth' \['CRV1:R,E:st4te:YWxpY2U=:Code, please: which\?'\]")
        self.log_in(management, "CRV1::st4te::42")
        client.wait_for(READY, 20)
        self.assert_carries(client, server)
        self.assertEqual(office.asked(), ["alice alice right   Initial", "alice alice  42 st4te Initial"])

    def test_pending_question(self) -> None:
        """CR_TEXT: the verdict waits for the answer on the control channel; a wrong one is told."""
        body = 'return await client.ask("code please", echo=True, seconds=30) == "42" or "wrong code"'
        for answer, outcome in (("NDI=", READY), ("NDM=", "AUTH_FAILED,wrong code")):
            ends = self.ends("setenv IV_SSO webauth,crtext", "push-peer-info", "reneg-sec 3600")
            office = Office(self.lab, ends, body)
            server = office.serve()
            client, management = self.managed(ends)
            self.log_in(management, "right")
            management.wait_for(">INFOMSG:CR_TEXT:R,E:code please")
            self.assertNotIn(READY, client.output)
            management.say(f"cr-response {answer}")
            client.wait_for(outcome, 20)
            client.stop()
            server.stop()

    def test_page(self) -> None:
        """WEB_AUTH: the client is told the page, and comes in when the policy has seen that it was visited."""
        body = """
from twisted.internet import reactor
from twisted.internet.task import deferLater
await client.open("https://login.example/7", seconds=30)
await deferLater(reactor, 1.0)
return True
"""
        office = Office(self.lab, self.ends("setenv IV_SSO webauth", "push-peer-info"), body)
        server = office.serve()
        client, management = self.managed(office.ends)
        self.log_in(management, "right")
        management.wait_for(">INFOMSG:WEB_AUTH::https://login.example/7")
        client.wait_for(READY, 20)
        self.assert_carries(client, server)

    def test_app_that_cannot(self) -> None:
        """An app that does not announce the method is refused with the reason that stock servers give."""
        office = Office(self.lab, self.ends(), 'return await client.ask("code please") == "42"')
        server = office.serve()
        client, management = self.managed(office.ends)
        self.log_in(management, "right")
        client.wait_for("AUTH_FAILED,Authentication failed, required pending auth method 'crtext' not supported", 20)
        self.assertNotIn("Traceback", server.output)

    def test_user_name_is_the_name(self) -> None:
        """username-as-common-name: two users with one certificate, side by side."""
        with Lab() as lab:
            for host in ("server", "client", "other"):
                lab.host(host)
            lab.wire("server", ["198.51.100.1/24"], "client", ["198.51.100.2/24"])
            lab.wire("server", ["203.0.113.1/24"], "other", ["203.0.113.2/24"])
            ends, body = Ends(lab, Case()), 'return client.password == "right"'
            office = Office(lab, ends, body, auth="username-as-common-name = yes\n")
            server = office.serve()
            names = {"client": ("alice", "198.51.100.1"), "other": ("bob", "203.0.113.1")}
            for host, (name, address) in names.items():
                config = ends.client_config(f"{host}.conf")
                text = config.read_text().replace("198.51.100.1", address)
                config.write_text(text + LOGIN.replace("alice", name))
                lab.spawn(host, binary(self.version), str(config), name=host)
            server.wait_for("alice joined from 198.51.100.2", 20)
            server.wait_for("bob joined from 203.0.113.2", 20)
            self.assertEqual([lab.ping(host, INNER_V4, 3) for host in names], [3, 3], server.output)
            self.assertNotIn("replaced", server.output)


class NewerClientTests(StockClientTests):
    """The same with 2.7."""

    version = "2.7"


class OurClientTests(LoginCase):
    """Our client at stock servers; somebody sits at its terminal."""

    def join(self, ends: Ends, *answers: str) -> Program:
        """Our client in a terminal where these answers are typed."""
        config = ends.client_config()
        config.write_text(config.read_text() + LOGIN)
        twistd = [str(BIN / "twistd"), "-n", "--pidfile=", "tvpn", "--config", str(config)]
        return self.lab.spawn("client", sys.executable, "-m", "tests.typist", *answers, "--", *twistd, name="client")

    def script(self, name: str, text: str) -> Path:
        script = self.lab.write(name, "#!/bin/sh\n" + text)
        script.chmod(0o700)
        return script

    def test_static_challenge(self) -> None:
        """Asked at the terminal, unseen where it is to be; the server gets password and response."""
        for text, line, typed in (
            ("SCRV1:cmlnaHQ=:NDI=", 'static-challenge "Your code" 0', 0),
            ("right42", 'static-challenge "Your code" 1 concat', 1),
        ):
            script = self.script("verify.sh", f'[ "$(sed -n 2p "$1")" = "{text}" ]\n')
            check = f"auth-user-pass-verify {script} via-file"
            ends = self.ends(line, server_lines=("script-security 2", check))
            server = ends.serve_stock()
            client = self.join(ends, "42")
            client.wait_for("connected: device", 20)
            self.assert_carries(client, server)
            self.assertEqual(client.output.count("Your code: 42"), typed, client.output)
            client.stop()
            server.stop()

    def test_password_only(self) -> None:
        """verify-client-cert none at a stock server: a CA and a password are all we have."""
        script = self.script("verify.sh", '[ "$(sed -n 2p "$1")" = right ]\n')
        check = f"auth-user-pass-verify {script} via-file"
        lines = ("script-security 2", check, "verify-client-cert none", "username-as-common-name")
        ends = self.ends(server_lines=lines)
        server = ends.serve_stock()
        config = self.without_certificate(ends.client_config())
        config.write_text(config.read_text() + LOGIN)
        client = self.lab.twistd("client", config)
        client.wait_for("connected: device", 20)
        self.assert_carries(client, server)

    def test_no_terminal(self) -> None:
        """A question that nobody can be asked is one sentence at the start."""
        ends = self.ends('static-challenge "Your code" 0')
        config = ends.client_config()
        config.write_text(config.read_text() + LOGIN)
        # Where systemd could be asked, it must not be found.
        command = [str(BIN / "twistd"), "-n", "--pidfile=", "tvpn", "--config", str(config)]
        client = self.lab.spawn("client", "env", "PATH=/nonexistent", *command)
        client.wait_for("static-challenge: is asked, and there is no terminal to ask at", 10)
        self.assertEqual(client.process.wait(10), 1)


class NewerServerTests(OurClientTests):
    """The same with 2.7."""

    version = "2.7"
