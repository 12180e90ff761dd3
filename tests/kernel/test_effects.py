"""What a server of ours pushes takes effect in a client of ours, and all is as before when it ends, or is killed."""

from __future__ import annotations

import contextlib
import re
import signal
import sys
import time
from collections.abc import Iterator

from twisted.trial.unittest import SynchronousTestCase

from tests.kernel.scene import INNER_V4, SERVER_V4, Site
from tests.lab import Lab, skip_unless_possible
from tests.service.prompt import MANHOLE, login, make_key

#: Two hosts behind the router, to see whether something leaves past the tunnel.
WORLD_V4, WORLD_V6 = "203.0.113.9", "2001:db8:9::9"
EVERYTHING = ("redirect-gateway def1 ipv6", "dhcp-option DNS 10.87.0.53", "dhcp-option DOMAIN corp.example")

CONNECT = """
import socket, time
begin = time.monotonic()
try:
    socket.create_connection(("2001:db8:9::9", 80), 5)
except OSError as error:
    print(error.strerror, time.monotonic() - begin < 1)
"""


@contextlib.contextmanager
def behind_a_router() -> Iterator[Lab]:
    """``client`` (192.0.2.2), ``router`` and ``server`` (198.51.100.1) in a row; the world is behind the router."""
    with Lab() as lab:
        for host in ("server", "router", "client"):
            lab.host(host)
        towards_server = ["198.51.100.254/24", "2001:db8:1::ff/64"]
        lab.wire("server", [f"{SERVER_V4}/24", "2001:db8:1::1/64"], "router", towards_server)
        lab.wire("client", ["192.0.2.2/24", "2001:db8:2::2/64"], "router", ["192.0.2.1/24", "2001:db8:2::1/64"])
        for family in ("ipv4.ip_forward", "ipv6.conf.all.forwarding"):
            lab.run("router", "sysctl", "-qw", f"net.{family}=1")
        lab.ip("router", "addr", "add", f"{WORLD_V4}/32", "dev", "lo")
        lab.ip("router", "addr", "add", f"{WORLD_V6}/128", "dev", "lo", "nodad")
        for host, v4, v6 in (
            ("client", "192.0.2.1", "2001:db8:2::1"), ("server", "198.51.100.254", "2001:db8:1::ff")
        ):  # fmt: skip
            lab.ip(host, "route", "add", "default", "via", v4)
            lab.ip(host, "-6", "route", "add", "default", "via", v6)
        yield lab


def state(lab: Lab) -> tuple[str, str, bytes]:
    """All that may have changed."""
    return lab.ip("client", "route"), lab.ip("client", "-6", "route"), lab.resolv_conf("client").read_bytes()


def until(lab: Lab, expected: list[str]) -> None:
    """The client's names are these, at once or in a moment."""
    for _ in range(50):
        if names(lab) == expected:
            return
        time.sleep(0.1)
    raise AssertionError(f"{names(lab)} instead of {expected}")


def names(lab: Lab) -> list[str]:
    lines = lab.resolv_conf("client").read_text().splitlines()
    return [line for line in lines if not line.startswith("#")]


class EffectsTests(SynchronousTestCase):
    skip = skip_unless_possible("ping", "ssh", "ssh-keygen")

    def test_everything(self) -> None:
        """All traffic and all names go into the tunnel; nothing leaves while the server is gone; SIGTERM undoes it."""
        with behind_a_router() as lab:
            site = Site(lab, push=EVERYTHING)
            profile = site.device("alice")
            server = site.serve()
            before = state(lab)
            self.assertEqual([lab.ping("client", world, 1) for world in (WORLD_V4, WORLD_V6)], [1, 1])
            client = site.join(profile)
            self.assertEqual(lab.ping("client", INNER_V4, 1), 1, client.output)
            self.assertEqual(names(lab), ["nameserver 10.87.0.53", "search corp.example"])
            for world in (WORLD_V4, WORLD_V6):
                self.assertIn("dev tun0", lab.ip("client", "route", "get", world))
            self.assertIn("via 192.0.2.1", lab.ip("client", "route", "get", SERVER_V4))
            server.stop()
            client.wait_for("disconnected: ")
            self.assertEqual([lab.ping("client", world, 1) for world in (WORLD_V4, WORLD_V6)], [0, 0])
            site.serve()
            self.assertTrue(any(lab.ping("client", INNER_V4, 1) for _ in range(15)), client.output)
            # The same device, not one made anew.
            self.assertEqual(client.output.count("connected: device tun0 with"), 1)
            self.assertEqual(client.stop(), 0)
            self.assertEqual(state(lab), before)
            self.assertEqual([lab.ping("client", world, 1) for world in (WORLD_V4, WORLD_V6)], [1, 1])

    def test_killed(self) -> None:
        """After a kill -9 the next start says what was left behind, and puts it right; then all is as before."""
        with behind_a_router() as lab:
            site = Site(lab, push=EVERYTHING)
            profile = site.device("alice")
            site.serve()
            before = state(lab)
            killed = site.join(profile)
            [number] = re.findall(r"process (\d+) started", lab.resolv_conf("client").read_text())
            killed.stop(signal.SIGKILL)
            left = state(lab)
            self.assertIn(f"{SERVER_V4} via 192.0.2.1", left[0])
            self.assertNotEqual(left[2], before[2])
            client = site.join(profile)
            whose = f"a killed tvpn (process {number})"
            self.assertIn(f"took back 1 route past the tunnel that {whose} had left", client.output)
            self.assertIn(f"put /etc/resolv.conf back as it was before {whose} changed it", client.output)
            self.assertEqual(lab.ping("client", INNER_V4, 1), 1, client.output)
            self.assertEqual(client.stop(), 0)
            self.assertEqual(state(lab), before)

    def test_block_ipv6(self) -> None:
        """IPv6 is refused at once and does not leave; IPv4 works on; it works again when the client has gone."""
        with behind_a_router() as lab:
            site = Site(lab, push=("block-ipv6",))
            profile = site.device("alice")
            site.serve()
            before = state(lab)
            client = site.join(profile)
            pinged = lab.run("client", "ping", "-6", "-n", "-c", "1", "-W", "2", WORLD_V6, check=False)
            self.assertIn("No route", pinged.stdout)
            said = lab.run("client", sys.executable, "-c", CONNECT).stdout
            self.assertEqual(said, "Network is unreachable True\n")
            self.assertEqual([lab.ping("client", host, 1) for host in (INNER_V4, WORLD_V4)], [1, 1])
            self.assertEqual(client.stop(), 0)
            self.assertEqual(state(lab), before)
            self.assertEqual(lab.ping("client", WORLD_V6, 1), 1)

    def test_update(self) -> None:
        """Names and redirection that change while the connection lasts."""
        with behind_a_router() as lab:
            key = lab.folder / "operator"
            lab.write("authorized_keys", make_key(key))
            site = Site(lab, push=("dhcp-option DNS 10.87.0.53",), manhole=MANHOLE)
            profile = site.device("alice")
            site.serve()
            before = state(lab)
            client = site.join(profile)
            self.assertEqual(names(lab), ["nameserver 10.87.0.53"])
            line = "vpn.push_update('dhcp-option DNS 10.87.0.54', 'redirect-gateway', 'block-ipv6')"
            login(lab, "server", key, f"{line}\r\x04")
            until(lab, ["nameserver 10.87.0.54"])
            self.assertIn("default dev tun0", lab.ip("client", "route"))
            self.assertEqual(lab.ping("client", WORLD_V6, 1), 0)
            login(lab, "server", key, "vpn.push_update('-dhcp-option', '-redirect-gateway', '-block-ipv6')\r\x04")
            until(lab, ["nameserver 192.0.2.53"])
            self.assertEqual(lab.resolv_conf("client").read_bytes(), before[2])
            self.assertEqual([lab.ping("client", host, 1) for host in (WORLD_V4, WORLD_V6, INNER_V4)], [1, 1, 1])
            self.assertEqual(client.stop(), 0)
            self.assertEqual(state(lab), before)
            self.assertNotIn("Traceback", client.output)
