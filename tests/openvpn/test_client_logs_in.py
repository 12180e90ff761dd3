"""Our client logs in at genuine 2.6 and 2.7 servers: by script and by management, with a challenge, and in vain."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.lab import BIN, Lab, Program, skip_unless_possible, two_hosts
from tests.openvpn.abreast import abreast
from tests.openvpn.management import Management
from tests.openvpn.peers import INNER_V4, INNER_V6, READY, Case, Ends, binary

VERSIONS = "2.6", "2.7"


class LoginTests(SynchronousTestCase):
    skip = skip_unless_possible("openvpn", "ping")

    def script(self, lab: Lab, text: str, name: str = "verify.sh") -> Path:
        script = lab.write(name, "#!/bin/sh\n" + text)
        script.chmod(0o700)
        return script

    def ends(self, lab: Lab, version: str, script: Path, *client_lines: str) -> Ends:
        check = f"auth-user-pass-verify {script} via-file"
        return Ends(
            lab, Case(version=version, server_lines=("script-security 2", check), client_lines=client_lines)
        )  # fmt: skip

    def start(self, ends: Ends, password: str, *answers: str) -> Program:
        """Our client, in a terminal where somebody types these answers if there are any."""
        config = ends.client_config()
        config.write_text(f"{config.read_text()}\n<auth-user-pass>\nalice\n{password}\n</auth-user-pass>\n")
        twistd = [str(BIN / "twistd"), "-n", "--pidfile=", "tvpn", "--config", str(config)]
        typist = [sys.executable, "-m", "tests.typist", *answers, "--"] if answers else []
        return ends.lab.spawn("client", *typist, *twistd, name="client")

    def assert_joins(self, lab: Lab, client: Program, server: Program) -> None:
        client.wait_for("connected: device", 20)
        lab.reach("client", INNER_V4)
        answered = [lab.ping("client", inner, 3, 0.1) for inner in (INNER_V4, INNER_V6)]
        self.assertEqual(answered, [3, 3], client.output + server.output[-3000:])

    def test_script(self) -> None:
        """A script reads name and password, letters beyond ASCII and blanks among them, and lets us in."""

        def scene(version: str) -> None:
            with two_hosts() as lab:
                script = self.script(lab, 'printf "alice\\npäss wörd; \\$HOME\\n" | cmp -s - "$1"\n')
                ends = self.ends(lab, version, script)
                server = ends.serve_stock()
                client = self.start(ends, "päss wörd; $HOME")
                self.assert_joins(lab, client, server)
                server.wait_for("Username/Password authentication succeeded for username 'alice'", 5)
                self.assertNotIn("päss", client.output)

        abreast(scene, VERSIONS)

    def test_refused(self) -> None:
        """The reason of a refusal is told, and the end; one that is for now (TEMP) is waited out."""
        verdicts = (
            '[ -e "$0.seen" ] && exit 0\n> "$0.seen"\n'
            'echo "TEMP[backoff 2]:the office opens soon" > "$auth_failed_reason_file"\nexit 1\n',
            'echo "the account is locked" > "$auth_failed_reason_file"\nexit 1\n',
        )

        def scene(case: tuple[str, str]) -> None:
            version, verdict = case
            with two_hosts() as lab:
                ends = self.ends(lab, version, self.script(lab, verdict))
                server = ends.serve_stock()
                client = self.start(ends, "right")
                if "TEMP" in verdict:
                    client.wait_for("disconnected: the server refused us: the office opens soon", 10)
                    client.wait_for(r"next try in 2(\.\d)? s", 5)
                    self.assert_joins(lab, client, server)
                else:
                    client.wait_for("gave up: the server refused us: the account is locked", 10)
                    self.assertEqual(client.process.wait(10), 1)

        abreast(scene, [(version, verdict) for version in VERSIONS for verdict in verdicts])

    def test_static_challenge(self) -> None:
        """What is typed travels beside the password; a token stands in for both at a new start of the server, and
        nobody is asked again.
        """

        def scene(version: str) -> None:
            with two_hosts() as lab:
                script = self.script(lab, '[ "$(sed -n 2p "$1")" = "SCRV1:cmlnaHQ=:NDI=" ]\n')
                lab.run("server", "openvpn", "--genkey", "auth-token", str(lab.folder / "token.key"))
                lines = ("script-security 2", f"auth-user-pass-verify {script} via-file", "auth-gen-token 600",
                         f"auth-gen-token-secret {lab.folder}/token.key")  # fmt: skip
                question = ('static-challenge "Your code" 0',)
                ends = Ends(lab, Case(version=version, proto="tcp", server_lines=lines, client_lines=question))
                server = ends.serve_stock()
                client = self.start(ends, "right", "42")
                self.assert_joins(lab, client, server)
                server.stop()
                again = ends.serve_stock()
                again.wait_for("Username/auth-token authentication succeeded for username 'alice'", 10)
                self.assert_joins(lab, client, again)
                self.assertEqual(client.output.count("Your code"), 1, client.output)

        abreast(scene, VERSIONS)

    def test_dynamic_challenge(self) -> None:
        """A refusal that asks (CRV1) is answered by the next connection."""
        verify = (
            'case "$(sed -n 2p "$1")" in\n"CRV1::st4te::42") exit 0;;\n'
            '*) echo "CRV1:R,E:st4te:YWxpY2U=:Code, please" > "$auth_failed_reason_file"; exit 1;;\nesac\n'
        )

        def scene(version: str) -> None:
            with two_hosts() as lab:
                ends = self.ends(lab, version, self.script(lab, verify))
                server = ends.serve_stock()
                client = self.start(ends, "right", "42")
                client.wait_for("the server refused us: Code, please", 20)
                self.assert_joins(lab, client, server)

        abreast(scene, VERSIONS)

    def test_pending(self) -> None:
        """Who is asked while the verdict is out (CR_TEXT) answers on the control channel."""
        verify = (
            'printf "30\\ncrtext\\nCR_TEXT:R,E:code please\\n" > "$auth_pending_file"\n'
            'echo "$auth_control_file" > "$0.control"\nexit 2\n'
        )
        respond = '[ "$(cat "$1")" = NDI= ] && verdict=1 || verdict=0\nprintf $verdict > "$(cat {}.control)"\n'

        def scene(version: str) -> None:
            with two_hosts() as lab:
                script = self.script(lab, verify)
                responder = self.script(lab, respond.format(script), "respond.sh")
                lines = (
                    "script-security 2", f"auth-user-pass-verify {script} via-file", f"client-crresponse {responder}"
                )  # fmt: skip
                ends = Ends(lab, Case(version=version, server_lines=lines))
                server = ends.serve_stock()
                client = self.start(ends, "right", "42")
                client.wait_for("the server asks: code please", 20)
                self.assert_joins(lab, client, server)

        abreast(scene, VERSIONS)

    def test_management(self) -> None:
        """A server whose management decides late: on hold at first, it answers nothing; then the verdict takes more
        than a second, and what it adds for this client is there.
        """

        def scene(version: str) -> None:
            with two_hosts() as lab:
                path = lab.folder / "management"
                lines = (f"management {path} unix", "management-hold", "management-client-auth")
                ends = Ends(lab, Case(version=version, server_lines=lines))
                server = lab.spawn("server", binary(version), str(ends.server_config()), name="server")
                person = Management(server, path)
                client = self.start(ends, "right")
                client.wait_for("connecting to", 10)
                lab.run("client", "sleep", "1")
                person.say("hold release")
                server.wait_for(READY)
                found = re.search(r"CONNECT,(\d+),(\d+)", person.wait_for(r">CLIENT:CONNECT,\d+,\d+"))
                assert found is not None
                person.wait_for(">CLIENT:ENV,password=right")
                person.wait_for(">CLIENT:ENV,END")
                lab.run("client", "sleep", "1.2")
                self.assertNotIn("connected", client.output)
                person.say(f"client-auth {found[1]} {found[2]}", 'push "route 10.77.0.0 255.255.0.0"', "END")
                self.assert_joins(lab, client, server)
                self.assertIn("10.77.0.0/16 dev tun0", lab.ip("client", "route"))
                person.close()

        abreast(scene, VERSIONS)

    def test_page(self) -> None:
        """A page that has to be opened first (WEB_AUTH) is named, and the tunnel waits for the verdict."""

        def scene(version: str) -> None:
            with two_hosts() as lab:
                path = lab.folder / "management"
                lines = (f"management {path} unix", "management-client-auth")
                ends = Ends(lab, Case(version=version, server_lines=lines))
                server = ends.serve_stock()
                person = Management(server, path)
                client = self.start(ends, "right")
                found = re.search(r"CONNECT,(\d+),(\d+)", person.wait_for(r">CLIENT:CONNECT,\d+,\d+"))
                assert found is not None
                person.say(f'client-pending-auth {found[1]} {found[2]} "WEB_AUTH::https://login.example/7" 30')
                client.wait_for("the server waits until you have opened: https://login.example/7", 10)
                self.assertNotIn("connected: device", client.output)
                person.say(f"client-auth-nt {found[1]} {found[2]}")
                self.assert_joins(lab, client, server)
                person.close()

        abreast(scene, VERSIONS)

    def test_denied(self) -> None:
        """A management that denies us: its words for the client are what we read."""

        def scene(version: str) -> None:
            with two_hosts() as lab:
                path = lab.folder / "management"
                lines = (f"management {path} unix", "management-client-auth")
                ends = Ends(lab, Case(version=version, server_lines=lines))
                server = ends.serve_stock()
                person = Management(server, path)
                client = self.start(ends, "right")
                found = re.search(r"CONNECT,(\d+),(\d+)", person.wait_for(r">CLIENT:CONNECT,\d+,\d+"))
                assert found is not None
                person.say(f'client-deny {found[1]} {found[2]} "for the log" "not on Sundays"')
                client.wait_for("gave up: the server refused us: not on Sundays", 10)
                self.assertEqual(client.process.wait(10), 1)
                person.close()

        abreast(scene, VERSIONS)
