"""The namespace of one program: what it is told, and the sentences of a machine that allows none."""

from __future__ import annotations

import errno
import json
from ipaddress import IPv4Address, ip_interface
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tvpn.net.namespace import Inner, message, why_not

BOTH = (ip_interface("10.8.0.6/32"), ip_interface("fd00:8::6/64"))
INNER = Inner(BOTH, 1400, IPv4Address("10.8.0.5"), ("192.0.2.53",), ("example.org",))


class InnerTests(SynchronousTestCase):
    """The way between the two processes."""

    def test_there_and_back(self) -> None:
        """What is said arrives as it was, with a pair of addresses and without one."""
        for inner in (INNER, Inner((ip_interface("10.8.0.2/24"),), 1500)):
            told = json.loads(message(inner=inner.encode()))
            self.assertEqual(Inner.decode(told["inner"]), inner)


class RefusalTests(SynchronousTestCase):
    """Why there is no namespace."""

    def sentence(self, number: int, **settings: str) -> str:
        root = Path(self.mktemp())
        for name, value in settings.items():
            path = root / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(value + "\n")
        return why_not(OSError(number, "Operation not permitted"), root)

    def test_forbidden(self) -> None:
        """Each setting that forbids them is named, with the command that allows them."""
        for name, value in (
            ("kernel__unprivileged_userns_clone", "0"), ("user__max_user_namespaces", "0"),
            ("user__max_net_namespaces", "0"), ("kernel__apparmor_restrict_unprivileged_userns", "1"),
        ):  # fmt: skip
            said = self.sentence(errno.EPERM, **{name: value})
            setting = name.replace("__", ".")
            self.assertIn(f"({setting} is {value}); have root say `sysctl {setting}=", said)

    def test_allowed(self) -> None:
        """Settings that allow them are not blamed: then it is the container or its like."""
        said = self.sentence(
            errno.EPERM, kernel__unprivileged_userns_clone="1", user__max_user_namespaces="96365",
            kernel__apparmor_restrict_unprivileged_userns="0",
        )  # fmt: skip
        self.assertIn("cannot make one (operation not permitted); in a container", said)

    def test_none(self) -> None:
        """A kernel without them."""
        self.assertIn("this kernel is built without them", self.sentence(errno.EINVAL))
