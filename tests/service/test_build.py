"""The object graph: what the settings make of keys, networks, pushes and plans."""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any
from unittest import mock

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from tests.certificates import Signer
from tvpn.config import Settings, load
from tvpn.crypto.statickey import StaticKey, TLSCryptV2ServerKey
from tvpn.crypto.wrap import TLSAuth, TLSCrypt, Unwrapped
from tvpn.errors import ConfigError, TvpnError
from tvpn.net.share import Newcomer
from tvpn.net.tcp import TCPLink
from tvpn.pki.state import State
from tvpn.plane.router import Router
from tvpn.plane.switch import Switch
from tvpn.plane.trunk import Trunk
from tvpn.service import build
from tvpn.service.server import DevicePlan, ListenPlan, plan_sockets

SIGNER = Signer(now=datetime.now(UTC))
SERVER = "[tunnel]\nserver = 10.87.0.0/24\n"


class BuildCase(SynchronousTestCase):
    """A folder with configuration files in it."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir(parents=True)

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o600)
        return path

    def load(self, text: str) -> Settings:
        return load(self.write("server.ini", text), environ={})

    def identity(self, role: str = "server") -> str:
        """A [tls] section with files of a given CA."""
        made = SIGNER.issue("somebody", role)
        for name, pem in (("ca", made.ca), ("cert", made.certificate), ("key", made.key)):
            self.write(f"{name}.pem", pem)
        return "[tls]\nca = ca.pem\ncert = cert.pem\nkey = key.pem\n"

    def state(self) -> State:
        return State.open(self.folder / "state", datetime.now(UTC))


class PrefixTests(BuildCase):
    """The random network of ``server-ipv6 = auto``."""

    def test_shape(self) -> None:
        """It is a /64 in fd00::/8, of 40 random bits and subnet 0."""
        network = build.random_local_network(lambda size: b"\xab" * size)
        self.assertEqual(network, IPv6Network("fdab:abab:abab::/64"))
        many = {build.random_local_network(os.urandom) for _ in range(50)}
        self.assertEqual(len(many), 50)
        self.assertTrue(all(one.subnet_of(IPv6Network("fd00::/8")) and one.prefixlen == 64 for one in many))

    def test_remembered(self) -> None:
        """It is made once for a state, and the same at each later start."""
        settings = self.load("[tunnel]\nserver = 10.87.0.0/24\nserver-ipv6 = auto\n")
        path = self.state().database_path
        leases, first = build._remembered(path, settings)
        self.assertEqual((leases, build._remembered(path, settings)[1]), ({}, first))
        self.assertEqual(first.prefixlen if first is not None else None, 64)

    def test_nowhere_to_remember(self) -> None:
        """Without a state folder it is refused, with the way out."""
        settings = self.load("[tunnel]\nserver = 10.87.0.0/24\nserver-ipv6 = auto\n")
        error = self.assertRaises(TvpnError, build._remembered, None, settings)
        self.assertIn("name a network instead", str(error))


class ServerKeyTests(BuildCase):
    """How clients may wrap, by what the file names and whether there is a state."""

    def setUp(self) -> None:
        super().setUp()
        self.write("static.key", StaticKey.generate(os.urandom).text)
        self.v2 = TLSCryptV2ServerKey.generate(os.urandom)
        self.write("v2.key", self.v2.pem)

    def keys(self, control: str, state: State | None = None) -> Any:
        return build.server_keys(self.load(f"{SERVER}[control]\n{control}\n"), state)

    def test_nothing_named(self) -> None:
        """With a state its tls-crypt-v2 key, and nothing else gets in; without one no wrapping at all."""
        state = self.state()
        keys = self.keys("", state)
        self.assertEqual((keys.group, keys.tls_crypt_v2), (None, state.tls_crypt_v2))
        keys = self.keys("")
        self.assertIsInstance(keys.group, Unwrapped)
        self.assertIsNone(keys.tls_crypt_v2)

    def test_group(self) -> None:
        """A group key that is named counts alone, with and without a state."""
        for control, kind in (("tls-auth = static.key 0", TLSAuth), ("tls-crypt = static.key", TLSCrypt)):
            for state in (None, self.state()):
                keys = self.keys(control, state)
                self.assertIsInstance(keys.group, kind)
                self.assertIsNotNone(keys.group_key)
                self.assertIsNone(keys.tls_crypt_v2)

    def test_tls_crypt_v2(self) -> None:
        """A tls-crypt-v2 key that is named comes before the state's, and bars whoever has none."""
        for state in (None, self.state()):
            keys = self.keys("tls-crypt-v2 = v2.key", state)
            self.assertEqual((keys.group, keys.tls_crypt_v2), (None, self.v2))

    def test_wrong_key(self) -> None:
        """A file that is no such key is named with the option, and its content stays unsaid."""
        for word, name in (("tls-auth", "v2.key"), ("tls-crypt", "v2.key"), ("tls-crypt-v2", "static.key")):
            error = self.assertRaises(ConfigError, self.keys, f"{word} = {name}")
            self.assertEqual(error.option, word)
            self.assertIn(name, str(error))
            for secret in (self.folder / name).read_text().splitlines()[1:-1]:
                self.assertNotIn(secret, str(error))


class PlanTests(BuildCase):
    """Plans that the server carries out."""

    def test_sockets(self) -> None:
        """No interface is both families; an address is its own family alone; the order is the file's."""
        plan = plan_sockets([("tcp", "2001:db8::1", 443), ("udp", "192.0.2.1", 1194), ("udp", None, 53)])
        v4, v6 = int(socket.AF_INET), int(socket.AF_INET6)
        self.assertEqual(plan.sockets[:3], (
            ("tcp", v6, "2001:db8::1", 443), ("udp", v4, "192.0.2.1", 1194), ("udp", v4, "0.0.0.0", 53),
        ))  # fmt: skip
        self.assertIn(plan.sockets[3:], ((), (("udp", v6, "::", 53),)))

    def test_description(self) -> None:
        """A person reads where, with IPv6 in brackets."""
        plan = ListenPlan((("udp", 2, "0.0.0.0", 1194), ("tcp", 10, "::", 443)))
        self.assertEqual(plan.describe(), "udp 0.0.0.0:1194, tcp [::]:443")

    def test_own_addresses(self) -> None:
        """The server has the first address of each network that there is."""
        settings = self.load("[tunnel]\nserver = 10.87.0.0/24\nserver-ipv6 = fd00:87::/64\n")
        tunnel = settings.tunnel
        ipv6 = IPv6Network("fd00:87::/64")
        self.assertEqual([str(one) for one in DevicePlan("tun", 1500, tunnel.server, ipv6).interfaces()],
                         ["10.87.0.1/24", "fd00:87::1/64"])  # fmt: skip
        self.assertEqual([str(one) for one in DevicePlan("tun", 1500, None, ipv6).interfaces()], ["fd00:87::1/64"])

    def test_pair(self) -> None:
        """By pairs the device is one end of a pair itself, and the clients' network a route."""
        network = IPv4Network("10.87.0.0/24")
        for topology in ("net30", "p2p"):
            plan = DevicePlan("tun", 1500, network, None, topology=topology)
            self.assertEqual([str(one) for one in plan.interfaces()], ["10.87.0.1/32"])
            self.assertEqual((str(plan.other_end()), plan.networks()), ("10.87.0.2", (network,)))
        plan = DevicePlan("tun", 1500, network, None)
        self.assertEqual((plan.other_end(), plan.networks()), (None, ()))

    def test_pushes(self) -> None:
        """Clients get the timers of keepalive before what [push] says."""
        settings = self.load(
            "[tunnel]\nserver = 10.87.0.0/24\nkeepalive = 7 21\n[push]\nroute 10.1.0.0 255.255.0.0\n"
        )
        self.assertEqual(build._server_pushes(settings), ("ping 7", "ping-restart 21", "route 10.1.0.0 255.255.0.0"))
        self.assertEqual(build._server_pushes(self.load(SERVER)), ())


class GraphTests(BuildCase):
    """Whole services, not started."""

    def test_own_authority(self) -> None:
        """A server without certificates makes its state, and what to do next is among its notes once."""
        service = build.build(self.load(f"[tvpn]\nstate = state\n{SERVER}"), MemoryReactorClock())
        [vpn] = service.services
        self.assertTrue((self.folder / "state" / "ca.crt").exists())
        [made, hint] = vpn._notes
        self.assertIn("ca.key, ca.crt, server.key", made)
        self.assertIn(f"tvpn --config {self.folder / 'server.ini'} device add NAME", hint)
        vpn._database.close()

    def test_command(self) -> None:
        """The command in the note can be typed as it is, wherever the shell looks for programs."""
        beside = self.folder / "bin" / "tvpn"
        beside.parent.mkdir()
        python = beside.with_name("python3")
        for exists, found, command in (
            (False, None, "tvpn"), (False, "/usr/bin/tvpn", "tvpn"), (True, str(beside), "tvpn"),
            (True, None, str(beside)), (True, "/usr/bin/tvpn", str(beside)),
        ):  # fmt: skip
            if exists:
                beside.touch()
            with mock.patch.object(build.shutil, "which", return_value=found):
                self.assertEqual(build._command_line(python), command)

    def test_given_authority(self) -> None:
        """A server with certificates of its own makes no state and keeps no list of devices."""
        service = build.build(self.load(SERVER + self.identity()), MemoryReactorClock())
        [vpn] = service.services
        self.assertIsNone(vpn._database)
        self.assertFalse((self.folder / "state").exists())
        self.assertEqual(vpn._notes, [])

    def test_client_to_client(self) -> None:
        """It reaches the plane, by what holds for every peer, and the firewall; left out it is off."""
        for text, answer in (("", False), ("client-to-client = yes\n", True)):
            service = build.build(self.load(SERVER + text + self.identity()), MemoryReactorClock())
            vpn = service.services[0]
            self.assertIs(vpn.hub._rules.plane.client_to_client, answer)
            self.assertIs(vpn._device.client_to_client, answer)

    def test_frames(self) -> None:
        """With dev tap a switch moves the frames, of a server and of a client, as the words say; else a router."""
        tap = "[tunnel]\ndev = tap\n[ethernet]\n"
        bridged = f"{tap}server-bridge = 192.168.4.1 255.255.255.0 192.168.4.9 192.168.4.10\nbridge = br0\n"
        for text, trunk, guards in (
            ("", None, True), ("guard = no\n", None, False), ("vlan-tagging = yes\n", Trunk(), True),
            ("vlan-tagging = yes\nvlan-accept = tagged\nvlan-pvid = 9\n", Trunk("tagged", 9), True),
        ):  # fmt: skip
            [vpn] = build.build(self.load(bridged + text + self.identity()), MemoryReactorClock()).services
            switch = vpn.plane._fabric
            self.assertEqual((type(switch), switch._trunk, switch._guards), (Switch, trunk, guards), text)
            device, pool = vpn._device, vpn.hub._homes._pool
            self.assertEqual((device.is_tap, device.bridge, device.interfaces()), (True, "br0", []))
            self.assertEqual((pool.size, pool.take("alice").texts), (2, ("192.168.4.9",)))
            self.assertEqual((vpn.hub._rules.is_tap, vpn.hub._rules.gateway), (True, "192.168.4.1"))
        for word, gateway in (("dhcp", "dhcp"), ("nogw", None)):
            text = f"{tap}server-bridge = {word}\n{self.identity()}"
            [vpn] = build.build(self.load(text), MemoryReactorClock()).services
            self.assertEqual((vpn.hub._rules.ipv4, vpn.hub._rules.gateway), (None, gateway))
        for text, kind in (("", Router), ("[tunnel]\ndev = tap\n", Switch)):
            own = "remote-cert-tls = server\n[transport]\nremote = a\n"
            [vpn] = build.build(self.load(self.identity("client") + own + text), MemoryReactorClock()).services
            self.assertIs(type(vpn.plane._fabric), kind)

    def test_verb(self) -> None:
        """How much is logged reaches the server and the client."""
        client = self.identity("client") + "remote-cert-tls = server\n[transport]\nremote = a\n"
        for start in (SERVER + self.identity(), client):
            [vpn] = build.build(self.load(f"{start}[log]\nverb = 1\n"), MemoryReactorClock()).services
            self.assertEqual(vpn._verb, 1)

    def test_share(self) -> None:
        """A web server shares the port where that is configured, and nowhere else."""
        listening = "[transport]\nlisten = tcp:443\n"
        for text, name in ((listening, None), (f"{listening}port-share = 127.0.0.1 8443\n", "127.0.0.1:8443")):
            service = build.build(self.load(text + SERVER + self.identity()), MemoryReactorClock())
            share = service.services[0]._share
            self.assertEqual(None if share is None else share._name, name)
            self.assertIs(type(service.services[0]._build_stream()), TCPLink if name is None else Newcomer)

    def test_manhole(self) -> None:
        """The prompt is a service beside the VPN, and only where it is configured."""
        self.write("authorized_keys", "")
        text = f"[tvpn]\nstate = state\n{SERVER}[manhole]\nlisten = tcp:2222:interface=127.0.0.1\n"
        service = build.build(self.load(text + "authorized-keys = authorized_keys\n"), MemoryReactorClock())
        self.assertEqual([one.name for one in service.services], ["manhole", "vpn"])
        service.services[1]._database.close()

    def test_check_makes_nothing(self) -> None:
        """Checking a file finds bad keys and certificates, and makes nothing."""
        build.check(self.load(f"[tvpn]\nstate = state\n{SERVER}"))
        text = SERVER + self.identity()
        build.check(self.load(text))
        self.write("key.pem", SIGNER.issue("another").key)
        self.assertRaises(ConfigError, build.check, self.load(text))
        self.assertFalse((self.folder / "state").exists())

    def test_renewal(self) -> None:
        """A server certificate that is made anew is used by the next handshakes; else the context stays."""
        state = self.state()
        made: list[object] = []

        def context() -> Any:
            made.append(object())
            return made[-1]

        holder = build.ContextHolder(context, state)
        self.assertEqual((holder.renew(), holder()), (False, made[0]))
        self.patch(state, "renew_server_certificate_if_due", lambda now: True)
        self.assertEqual((holder.renew(), holder()), (True, made[1]))
        self.assertFalse(build.ContextHolder(context).renew())
