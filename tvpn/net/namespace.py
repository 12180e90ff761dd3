"""A network namespace with one way out: the device ``vpn0``, whose other side is a descriptor for somebody outside.

Nothing here needs root: a user namespace gives the process that makes it every right over what it makes in there, and
none outside. Where the TUN device may not be opened, a veth pair takes its place, with a packet socket at the far end.
"""

from __future__ import annotations

import array
import errno
import fcntl
import json
import os
import socket
import struct
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Interface,
    IPv6Network,
    ip_interface,
)
from pathlib import Path
from typing import Any

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from tvpn.errors import TvpnError
from tvpn.net.netlink import Netlink
from tvpn.net.systemcall import CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWUSER, MS_PRIVATE, MS_REC, map_ids, mount, unshare
from tvpn.net.tun import open_tun

DEVICE, FAR_END = "vpn0", "vpnx"
#: The hardware address of a veth's ``vpn0``: of those that anybody may give out.
MAC = bytes.fromhex("020000000001")
TUN, PACKET = "tun", "packet"
LARGEST_MTU, RECEIVE_BUFFER = 65535, 1 << 20
EVERYWHERE: dict[int, IPv4Network | IPv6Network] = {4: IPv4Network("0.0.0.0/0"), 6: IPv6Network("::/0")}
#: linux/if_packet.h and linux/ethtool.h
SOL_PACKET, PACKET_IGNORE_OUTGOING = 263, 23
ETH_P_ALL, IFF_NOARP, SIOCETHTOOL = 0x0003, 0x80, 0x8946
#: Checksums, TCP segments and segments at all: whoever reads the frames wants them as they would be on a wire.
OFFLOADS = (0x17, 0x1F, 0x24)
#: The device has what it is given: no link-local address, no router's announcements; ping needs no privileges (in a
#: user namespace there is one group only).
#: The defaults count when a device that was too small for IPv6 grows.
_SYSCTLS = (
    *((f"ipv6/conf/{device}/{name}", value) for device in (DEVICE, "default")
      for name, value in (("addr_gen_mode", "1"), ("accept_ra", "0"), ("router_solicitations", "0"))),
    ("ipv4/ping_group_range", "0 0"),
)  # fmt: skip
#: What an administrator may have set against user namespaces, the value that forbids them, and the way out.
_REFUSALS = (
    ("kernel/unprivileged_userns_clone", "0", "sysctl kernel.unprivileged_userns_clone=1"),
    ("user/max_user_namespaces", "0", "sysctl user.max_user_namespaces=10000"),
    ("user/max_net_namespaces", "0", "sysctl user.max_net_namespaces=10000"),
    ("kernel/apparmor_restrict_unprivileged_userns", "1", "sysctl kernel.apparmor_restrict_unprivileged_userns=0"),
)


@dataclass(frozen=True, slots=True)
class Inner:
    """What the namespace is like: addresses and size of its device, who is asked for names."""

    addresses: tuple[IPv4Interface | IPv6Interface, ...]
    mtu: int
    other_end: IPv4Address | None = None
    servers: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()

    def encode(self) -> dict[str, Any]:
        return {
            "addresses": [str(address) for address in self.addresses],
            "mtu": self.mtu,
            "other_end": None if self.other_end is None else str(self.other_end),
            "servers": self.servers,
            "domains": self.domains,
        }

    @classmethod
    def decode(cls, made: Mapping[str, Any]) -> Inner:
        other_end = None if made["other_end"] is None else IPv4Address(made["other_end"])
        addresses = tuple(ip_interface(text) for text in made["addresses"])
        return cls(addresses, made["mtu"], other_end, tuple(made["servers"]), tuple(made["domains"]))


def enter() -> bool:
    """This process, which must not have threads, moves into namespaces of its own; whether it needed a user namespace
    for that (it is root in there, then). Raises TvpnError with what is missing.
    """
    uid, gid = os.geteuid(), os.getegid()
    try:
        needed = uid != 0 or not _enter_as_root()
        if needed:
            unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS)
            map_ids((0, uid), (0, gid))
    except OSError as error:
        raise TvpnError(why_not(error)) from None
    try:
        # Nothing that is mounted in here is seen outside.
        mount("none", "/", flags=MS_REC | MS_PRIVATE)
    except OSError as error:
        raise TvpnError(f"tvpn exec cannot keep the program's own files to itself: {error}") from None
    return needed


def _enter_as_root() -> bool:
    try:
        unshare(CLONE_NEWNET | CLONE_NEWNS)
    except PermissionError:
        return False
    return True


def why_not(error: OSError, sysctls: Path = Path("/proc/sys")) -> str:
    """The sentence for namespaces that cannot be had: what forbids them, and how they are allowed."""
    for name, refusing, remedy in _REFUSALS:
        with suppress(OSError):
            if (sysctls / name).read_text().strip() == refusing:
                setting = name.replace("/", ".")
                return (
                    f"tvpn exec needs a user namespace, and this machine allows none ({setting} is {refusing}); have "
                    f"root say `{remedy}`, or run tvpn exec as root"
                )
    if error.errno in (errno.ENOSYS, errno.EINVAL):
        return "tvpn exec needs user and network namespaces, and this kernel is built without them"
    return (
        f"tvpn exec needs a user namespace and cannot make one ({(error.strerror or '').lower()}); in a container it "
        "has to be allowed from outside (Docker: --security-opt seccomp=unconfined), elsewhere run tvpn exec as root"
    )


def make_device() -> tuple[str, int]:
    """``vpn0`` without addresses, beside loopback: (TUN or PACKET, descriptor). Raises TvpnError where neither can be
    had.
    """
    try:
        kind, descriptor = TUN, open_tun(DEVICE)[0]
    except TvpnError as error:
        kind, descriptor = PACKET, _make_pair(error)
    with Netlink() as netlink:
        netlink.set_up("lo", LARGEST_MTU)
    for name, value in _SYSCTLS:
        with suppress(OSError):
            Path("/proc/sys/net", name).write_text(value)
    return kind, descriptor


def _make_pair(reason: TvpnError) -> int:
    """A veth pair; the socket at its far end reads and writes frames. That end is in a namespace which nothing but
    this socket keeps alive.
    """
    try:
        with IPRoute() as ip:
            ip.link("add", ifname=DEVICE, kind="veth", peer={"ifname": FAR_END})
            near, far = (ip.link_lookup(ifname=name)[0] for name in (DEVICE, FAR_END))
            with suppress(OSError):
                Path(f"/proc/sys/net/ipv6/conf/{FAR_END}/disable_ipv6").write_text("1")
            ip.link("set", index=far, flags=IFF_NOARP, change=IFF_NOARP, mtu=LARGEST_MTU, state="up")
            opened = _open_packet_socket()
            unshare(CLONE_NEWNET)
            with open("/proc/self/ns/net") as here:
                ip.link("set", index=near, net_ns_fd=here.fileno())
        _turn_off_offloads(DEVICE)
        with IPRoute() as ip:
            (near,) = ip.link_lookup(ifname=DEVICE)
            # Nobody is asked who has an address: all goes to the far end. Large packets are cut before it, UDP's too,
            # whatever a kernel makes of the offloads.
            ip.link("set", index=near, flags=IFF_NOARP, change=IFF_NOARP, gso_max_segs=1, address=MAC.hex(":"))
    except (NetlinkError, OSError) as error:
        raise TvpnError(
            f"tvpn exec can make no device in its namespace: {reason}; and no veth pair in its place ({error})"
        ) from None
    return opened.detach()


def _open_packet_socket() -> socket.socket:
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    opened.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    opened.bind((FAR_END, ETH_P_ALL))
    _turn_off_offloads(FAR_END)
    return opened


def _turn_off_offloads(device: str) -> None:
    """By ethtool's ioctl."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        for command in OFFLOADS:
            value = array.array("B", struct.pack("II", command, 0))
            fcntl.ioctl(asked, SIOCETHTOOL, struct.pack("16sP16x", device.encode(), value.buffer_info()[0]))


def arrange(inner: Inner) -> None:
    """Give the device its addresses, and everything its way into it. Raises TvpnError."""
    with Netlink() as netlink:
        netlink.clear(DEVICE)
        # The size first: a device below 1280 bytes takes no IPv6 address.
        netlink.set_up(DEVICE, inner.mtu)
        netlink.set_up(DEVICE, inner.mtu, *inner.addresses, other_end=inner.other_end)
        for version in {address.version for address in inner.addresses}:
            netlink.add_route(EVERYWHERE[version], DEVICE)


def message(**said: Any) -> bytes:
    """What is said between the two sides, a datagram each."""
    return json.dumps(said).encode()
