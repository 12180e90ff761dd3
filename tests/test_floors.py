"""The shape of the code: floors, the line, and rules that a reader may rely on."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import tvpn

PACKAGE = Path(tvpn.__file__).parent
#: Equal numbers are neighbours that do not import each other.
FLOORS = {
    "errors": 0, "wire": 1, "crypto": 2, "config": 2, "session": 3, "plane": 3, "hub": 4, "net": 5,
    "store": 6, "pki": 7, "service": 8, "plugin": 9, "cli": 9,
}  # fmt: skip
LINE = 4
ABOVE_THE_LINE = frozenset(
    {"twisted", "zope", "socket", "time", "random", "secrets", "logging", "os", "asyncio", "subprocess", "threading",
     "select", "signal"}
)  # fmt: skip
#: The configuration looks at files and at the environment.
EXCEPTIONS = {("config", "os")}
SECRET_WORDS = frozenset(
    {"tag", "digest", "cookie", "hmac", "password", "token", "signature", "mac", "secret", "finalize"}
)  # fmt: skip
COMPRESSORS = frozenset({"bz2", "compression", "gzip", "lz4", "lzma", "lzo", "snappy", "zipfile", "zlib", "zstandard"})
LONGEST_FUNCTION = 40
LONGEST_FILE = 400


def sources() -> Iterator[tuple[str, str, ast.Module]]:
    """(floor, path, parsed file) of every file of the package but its ``__init__``."""
    for path in sorted(PACKAGE.rglob("*.py")):
        inside = path.relative_to(PACKAGE)
        if len(inside.parts) == 1 and inside.stem.startswith("__"):
            continue
        yield inside.parts[0].removesuffix(".py"), str(inside), ast.parse(path.read_text())


def imports(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """(dotted name, line) of everything imported anywhere in a file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                yield "a relative import", node.lineno
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def called_name(node: ast.expr) -> str:
    """The last word of a name or an attribute, in lower case; a part of something is named as the whole."""
    if isinstance(node, ast.Subscript):
        return called_name(node.value)
    if isinstance(node, ast.Attribute):
        return node.attr.lower()
    return node.id.lower() if isinstance(node, ast.Name) else ""


def compared_secrets(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """(name, line) of what may be secret and is compared in a time that depends on it."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Compare):
            continue
        if not any(isinstance(operator, ast.Eq | ast.NotEq | ast.In | ast.NotIn) for operator in node.ops):
            continue
        sides = [node.left]
        for side in node.comparators:
            sides += side.elts if isinstance(side, ast.Tuple | ast.List | ast.Set) else [side]
        if any(is_constant(side) for side in sides):
            continue
        for side in sides:
            name = called_name(side.func if isinstance(side, ast.Call) else side)
            if set(name.split("_")) & SECRET_WORDS:
                yield name, node.lineno


def is_constant(node: ast.expr) -> bool:
    """A literal or a NAME_LIKE_THIS: what is compared with it is no secret."""
    return isinstance(node, ast.Constant) or (isinstance(node, ast.Name) and node.id.isupper())


class ShapeTestCase(SynchronousTestCase):
    def complain(self, complaints: list[str]) -> None:
        self.assertEqual(complaints, [], "\n" + "\n".join(complaints))


class FloorTests(ShapeTestCase):
    def test_every_file_has_a_floor(self) -> None:
        """No package stands outside the floors."""
        self.assertEqual({floor for floor, _, _ in sources()} - FLOORS.keys(), set())

    def test_no_import_upwards(self) -> None:
        """A floor imports from those below it and from itself, never from above or beside, and by full names."""
        complaints = []
        for floor, path, tree in sources():
            for name, line in imports(tree):
                own, *rest = name.split(".")
                other = rest[0] if rest else ""
                wrong = name == "a relative import" or (
                    own == "tvpn" and other in FLOORS and other != floor and FLOORS[other] >= FLOORS[floor]
                )
                complaints += [f"{path}:{line} imports {name}"] if wrong else []
        self.complain(complaints)

    def test_the_line(self) -> None:
        """Below the line there is no network, no clock, no chance and no log: bytes and ``now`` in, bytes out."""
        self.complain([
            f"{path}:{line} imports {name}"
            for floor, path, tree in sources() if FLOORS[floor] <= LINE
            for name, line in imports(tree)
            if (root := name.split(".")[0]) in ABOVE_THE_LINE and (floor, root) not in EXCEPTIONS
        ])  # fmt: skip

    def test_no_weak_randomness(self) -> None:
        """C-12: nothing in the package uses the ``random`` module: every number drawn may be somebody's secret. What
        is handed on as ``random`` is ``os.urandom``.
        """
        complaints, sources_of_chance = [], 0
        for _, path, tree in sources():
            complaints += [f"{path}:{line}" for name, line in imports(tree) if name.split(".")[0] == "random"]
            for node in ast.walk(tree):
                if isinstance(node, ast.keyword) and node.arg == "random":
                    sources_of_chance += 1
                    complaints += [] if ast.unparse(node.value) == "os.urandom" else [f"{path}:{node.value.lineno}"]
        self.complain(complaints)
        self.assertGreater(sources_of_chance, 0)


class SafetyTests(ShapeTestCase):
    def test_constant_time(self) -> None:
        """C-10: tags, digests, cookies and the like are never compared by ``==`` or ``in``, but by
        ``hmac.compare_digest`` (CVE-2025-13086).
        """
        self.complain([
            f"{path}:{line} compares {name}" for _, path, tree in sources() for name, line in compared_secrets(tree)
        ])  # fmt: skip

    def test_constant_time_is_noticed(self) -> None:
        """C-10: the check above sees each way of writing such a comparison, and nothing in harmless ones."""
        for text in (
            "tag == other", "other != self.tag", "packet.cookie[:8] == own", "hmac.digest(key, text, 'sha1') == given",
            "given == hasher.finalize()", "auth_token in (first, second)", "a < b == session_cookie",
            "own_digest not in seen",
        ):  # fmt: skip
            self.assertNotEqual(list(compared_secrets(ast.parse(text))), [], text)
        for text in ("hmac.compare_digest(tag, own)", "len(tag) == size", "tag is None", "cookie != NO_SESSION"):
            self.assertEqual(list(compared_secrets(ast.parse(text))), [], text)

    def test_no_shell(self) -> None:
        """M-03: no program is run through a shell, and no text is run as a program."""
        complaints = []
        for _, path, tree in sources():
            for node in ast.walk(tree):
                if not isinstance(node, ast.Call):
                    continue
                shell = any(keyword.arg == "shell" for keyword in node.keywords)
                if shell or called_name(node.func) in ("system", "popen", "eval", "exec", "execfile"):
                    complaints.append(f"{path}:{node.lineno} {called_name(node.func)}")
        self.complain(complaints)

    def test_no_fork(self) -> None:
        """C-01: the process that has the keys is never doubled, so that no two count under one key."""
        complaints = []
        for _, path, tree in sources():
            complaints += [f"{path}:{line}" for name, line in imports(tree) if name.startswith("multiprocessing")]
            calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
            complaints += [f"{path}:{call.lineno}" for call in calls if called_name(call.func) in ("fork", "forkpty")]
        self.complain(complaints)

    def test_no_compression(self) -> None:
        """C-16: nothing in the package can compress."""
        self.complain([
            f"{path}:{line} imports {name}"
            for _, path, tree in sources() for name, line in imports(tree) if name.split(".")[0] in COMPRESSORS
        ])  # fmt: skip

    def test_no_assert(self) -> None:
        """Nothing is checked by ``assert``, which ``python -O`` takes away."""
        self.complain([
            f"{path}:{node.lineno}"
            for _, path, tree in sources() for node in ast.walk(tree) if isinstance(node, ast.Assert)
        ])  # fmt: skip


class SizeTests(ShapeTestCase):
    def test_functions(self) -> None:
        """No function is longer than forty lines."""
        self.complain([
            f"{path}:{node.lineno} {node.name} has {length} lines"
            for _, path, tree in sources() for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and (length := (node.end_lineno or 0) - node.lineno + 1) > LONGEST_FUNCTION
        ])  # fmt: skip

    def test_files(self) -> None:
        """No file is longer than four hundred lines, and none is named for being a drawer."""
        complaints = []
        for path in sorted(PACKAGE.rglob("*.py")):
            length = len(path.read_text().splitlines())
            complaints += [f"{path} has {length} lines"] if length > LONGEST_FILE else []
            complaints += [str(path)] if path.stem in ("utils", "util", "helpers", "common", "misc") else []
        self.complain(complaints)
