"""``make demo``: a server, a genuine OpenVPN client and a third host behind the server, and traffic between them.

Everything happens in network namespaces of its own and is taken down again; the exit status is 0 only if packets
flowed. The third host knows no way back into the tunnel: what it answers, it answers to the server's NAT.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.lab import BIN, Lab, Program, missing

SERVER, CLIENT, LAN_SERVER, THIRD = "198.51.100.1", "198.51.100.2", "203.0.113.1", "203.0.113.9"
SECONDS = 3
CONFIG = """
[tvpn]
state = state
[transport]
listen = udp:1194
[tunnel]
server = 10.87.0.0/24
server-ipv6 = auto
keepalive = 10 60
nat = yes
[push]
route 203.0.113.0 255.255.255.0
"""


class Demo:
    """The steps, each reported as it is done."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.programs: list[Program] = []

    def run(self) -> None:
        self._step("three hosts, wired: client - server - third host", self._wire)
        self._step("the server starts, and makes its authority and keys", self._serve)
        self._step("a device is added while it runs", self._add_device)
        self._step("a genuine OpenVPN client connects with that profile", self._connect)
        self._step("ping from the client to the third host", self._ping)
        self._step("iperf3 from the client to the third host", lambda: self._iperf())
        self._step("iperf3 from the third host to the client", lambda: self._iperf("-R"))
        self._step("the server stops", self._stop)

    def _step(self, what: str, do: Callable[[], str]) -> None:
        print(f"  {what:<56}", end=" ", flush=True)
        print(f"ok  {do()}", flush=True)

    def _wire(self) -> str:
        lab = self.lab
        for host in ("server", "client", "third"):
            lab.host(host)
        lab.wire("server", [f"{SERVER}/24"], "client", [f"{CLIENT}/24"])
        lab.wire("server", [f"{LAN_SERVER}/24"], "third", [f"{THIRD}/24"])
        return ""

    def _serve(self) -> str:
        self.config = self.lab.write("server.ini", CONFIG)
        self.programs.append(self.lab.twistd("server", self.config, "server"))
        line = self.programs[0].wait_for("listening on .*").split("listening on ", 1)[1]
        return line.splitlines()[0]

    def _add_device(self) -> str:
        self.profile = self.lab.folder / "alice.ovpn"
        words = ("--config", str(self.config), "device", "add", "alice", "--output", str(self.profile))
        self.lab.run("server", str(BIN / "tvpn"), *words, "--remote", SERVER)
        status = self.profile.stat()
        return f"tvpn device add alice: {status.st_size} bytes, mode {status.st_mode & 0o777:o}"

    def _connect(self) -> str:
        client = self.lab.spawn("client", "openvpn", "--config", str(self.profile), name="client")
        self.programs.append(client)
        output = client.wait_for("Initialization Sequence Completed")
        cipher = next((line for line in output.splitlines() if "Data Channel: cipher" in line), "")
        return cipher.partition("Data Channel: ")[2]

    def _ping(self) -> str:
        answered = self.lab.ping("client", THIRD, 10, 0.1)
        if not answered:
            raise AssertionError("no ping was answered")
        return f"{answered} of 10 answered"

    def _iperf(self, *more: str) -> str:
        server = self.lab.spawn("third", "iperf3", "-s", "-1", "--forceflush", "-B", THIRD, name="iperf3")
        server.wait_for("Server listening")
        done = self.lab.run("client", "iperf3", "-c", THIRD, "-t", str(SECONDS), "-J", *more)
        server.process.wait(10)  # the next one wants its port
        total = json.loads(done.stdout)["end"]["sum_received"]
        if not total["bytes"]:
            raise AssertionError("no byte arrived")
        return f"{total['bits_per_second'] / 1e6:.0f} Mbit/s"

    def _stop(self) -> str:
        status = self.programs[0].stop()
        if status:
            raise AssertionError(f"exit status {status}")
        return "exit status 0"


def main() -> int:
    reason = missing("openvpn", "iperf3", "ping", "nft")
    if reason is not None:
        print(f"the demo {reason}")
        return 1
    # An end from outside has to take the namespaces down as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    print("tvpn with a genuine OpenVPN client, in network namespaces:")
    with Lab() as lab:
        demo = Demo(lab)
        try:
            demo.run()
        except (AssertionError, OSError, subprocess.SubprocessError, KeyboardInterrupt) as error:
            print(f"failed\n{type(error).__name__}: {error}")
            for program in demo.programs:
                print(f"--- {Path(program.argv[4]).name}\n{program.output[-2000:]}")
            return 1
    print("packets flowed, everything is taken down again")
    return 0


if __name__ == "__main__":
    sys.exit(main())
