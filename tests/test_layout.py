"""Rules of this repository that no linter knows; each is tried on a planted offence too."""

import ast
import operator
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
KIT = "clients/python/rekey_client/"
PACKAGES = ("operator/rekey/", KIT)

REVEALERS = {
    *("operator/rekey/core/bundle.py", "operator/rekey/core/expiry.py", "operator/rekey/kube/secrets.py"),
    *("operator/rekey/core/proof.py", "operator/rekey/core/aggregate.py"),
    *("operator/rekey/core/probing.py", "operator/rekey/providers/http/getting.py"),
    "operator/rekey/providers/http/prometheus.py",
    # An authority goes where the library reads it; a client and its tokens go to the server, and come from there.
    "operator/rekey/providers/http/connection.py",
    *(f"operator/rekey/providers/oauth2/{name}.py" for name in ("asking", "backend", "chain")),
    *("operator/rekey/core/data_key.py", "operator/rekey/core/envelope.py", "operator/rekey/providers/keyring/ring.py"),
    "operator/rekey/kube/account_tokens.py",  # a token is shown to the API server, which made it
    # Requests are signed with a login, or with a version that is proved.
    "operator/rekey/providers/aws/asking.py",
    # Our key and the new ones go into headers and bodies.
    "operator/rekey/providers/api_key/asking.py",
    # A webhook's secret becomes a signature.
    "operator/rekey/providers/webhook.py",
    "operator/rekey/providers/generated/certificates.py",
    # What we log in with goes to Vault, or becomes a digest; what is pushed or proved goes there too.
    *(f"operator/rekey/providers/vault/{name}.py" for name in ("login", "passes", "kv", "approle", "pki", "transit")),
    # A password becomes a verifier, or is shown to know it; an authority's certificate goes where the library reads it.
    *(f"operator/rekey/providers/postgresql/{name}.py" for name in ("__init__", "login")),
    *(KIT + name for name in ("bundle.py", "credentials.py", "signing.py", "httpx_auth.py", "requests_auth.py")),
}
"""The only modules of the programs that may take the bytes out of a Material or a Secret; each must say why."""

CLOCKS = {"operator/rekey/app/clock.py", KIT + "clock.py"}
"""The only modules of the programs that may ask what time it is."""

HOSTS = [
    *("pypi" + ".org", "python" + "hosted.org", "proxy.golang" + ".org", "npmjs" + ".org", "crates" + ".io"),
    *("docker" + ".io", "ghcr" + ".io", "quay" + ".io", "gcr" + ".io", "registry" + ".k8s.io"),
]
PATHS = ["/wo" + "rk/", "../sha" + "red", "/ro" + "ot/", "/ho" + "me/", "/opt/wh" + "eels", "/tmp" + "/w/"]


@dataclass(frozen=True)
class File:
    """A file of the repository, by its path from the root."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """Its syntax tree."""
        return ast.parse(self.text)

    @property
    def is_python(self) -> bool:
        """Whether it is a Python module."""
        return self.path.endswith(".py")

    @property
    def is_program(self) -> bool:
        """Whether it is a module of the operator or of the kit."""
        return self.is_python and self.path.startswith(PACKAGES)

    @property
    def lines(self) -> list[tuple[int, str]]:
        """Its lines, numbered."""
        return list(enumerate(self.text.splitlines(), 1))


def tracked() -> list[File]:
    """Return every file that is in git or would be added."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    paths = [ROOT / path for path in sorted(set(listed.split("\0"))) if path]
    return [File(str(path.relative_to(ROOT)), path.read_text("utf-8", "replace")) for path in paths if path.is_file()]


FILES = tracked()


def long_modules(file: File) -> Iterator[str]:
    """A module has at most 250 lines, a test 400."""
    limit = 250 if file.is_program else 400
    if file.is_python and len(file.lines) > limit:
        yield f"{len(file.lines)} lines, {limit} allowed"


def long_functions(file: File) -> Iterator[str]:
    """A function of the program has at most 40 lines."""
    if not file.is_program:
        return
    for node in ast.walk(file.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > 40:
                yield f"line {node.lineno}: {node.name} has {length} lines, 40 allowed"


def missing_purposes(file: File) -> Iterator[str]:
    """The first line of every module says what it is for."""
    if file.is_python:
        first = (ast.get_docstring(file.tree) or "").partition("\n")[0]
        if len(first.split()) < 3 or first[-1] not in ".:?":
            yield "the module's docstring does not open with a sentence"


def revelations(file: File) -> Iterator[str]:
    """Only the listed modules call `.reveal()`."""
    if file.is_program and file.path not in REVEALERS:
        for node in ast.walk(file.tree):
            if isinstance(node, ast.Attribute) and node.attr in {"reveal", "_Material__values", "_Secret__value"}:
                yield f"line {node.lineno}: takes the bytes out of a Material or a Secret"


def clocks_and_dice(file: File) -> Iterator[str]:
    """Time is an argument and chance is a seed, but for the listed modules."""
    if not file.is_program or file.path in CLOCKS:
        return
    asked = re.compile(r"\b(datetime\.(now|utcnow|today)|date\.today|time\.(time|time_ns|localtime))$")
    for node in ast.walk(file.tree):
        if isinstance(node, ast.Attribute) and asked.search(ast.unparse(node)):
            yield f"line {node.lineno}: asks for the time"
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        module = node.module if isinstance(node, ast.ImportFrom) else None
        if isinstance(node, ast.stmt) and "random" in [*names, module]:
            yield f"line {node.lineno}: throws dice"


def waivers_without_reason(file: File) -> Iterator[str]:
    """A waiver names its rule, and in the program it says why."""
    if not file.is_python:
        return
    code = r"# (noqa: [A-Z]+\d+(, ?[A-Z]+\d+)*|type: ignore\[[a-z, -]+\])"
    for number, line in file.lines:
        for mark in re.finditer(r"# (noqa|type: ignore)\b", line):
            found = re.match(code, line[mark.start() :])
            if not found:
                yield f"line {number}: a waiver needs the code of the rule"
            elif file.is_program and not re.match(r" +(# )?\w", line[mark.start() + found.end() :]):
                yield f"line {number}: a waiver needs a reason, on the line, after two blanks"


def strangers(file: File) -> Iterator[str]:
    """No file names a package registry, or a path that exists on one machine only."""
    for number, line in file.lines:
        for name in (*HOSTS, *PATHS):
            if re.search(rf"(?<![\w./]){re.escape(name)}" if name in PATHS else rf"\b{re.escape(name)}\b", line):
                yield f"line {number}: names {name}"


Rule = Callable[[File], Iterator[str]]
RULES: list[Rule] = [
    *(long_modules, long_functions, missing_purposes, revelations, clocks_and_dice),
    *(waivers_without_reason, strangers),
]

X = "operator/rekey/core/x.py"
OFFENCES: dict[str, tuple[Rule, File]] = {
    "a module of 251 lines": (long_modules, File(X, "\n" * 251)),
    "a test of 401 lines": (long_modules, File("tests/x.py", "\n" * 401)),
    "a function of 41 lines": (long_functions, File(X, "def f():\n" + "    pass\n" * 40)),
    "a module without a docstring": (missing_purposes, File(X, "import os\n")),
    "a docstring that is a title": (missing_purposes, File("tests/x.py", '"""Stuff"""')),
    "a revelation in the core": (revelations, File(X, "values = dict(material.reveal())")),
    "a hidden way to the values": (revelations, File(X, "values = material._Material__values")),
    "a revelation in the kit": (revelations, File(KIT + "x.py", "text = secret.reveal()")),
    "datetime.now in the core": (clocks_and_dice, File(X, "now = datetime.now(UTC)")),
    "datetime.datetime.now in the core": (clocks_and_dice, File(X, "now = datetime.datetime.now(UTC)")),
    "dice in the core": (clocks_and_dice, File(X, "import random")),
    "dice under another name": (clocks_and_dice, File(X, "from random import choice")),
    "a bare noqa": (waivers_without_reason, File(X, "x = 1  # " + "noqa")),
    "a noqa without a reason": (waivers_without_reason, File(X, "x = 1  # " + "noqa: E501")),
    "a bare noqa in a test": (waivers_without_reason, File("tests/x.py", "x = 1  # " + "noqa  # so")),
    "a type: ignore without a code": (waivers_without_reason, File(X, "x = 1  # " + "type: ignore  # so")),
    "an index address": (strangers, File("requirements/x.txt", f"--index-url https://{HOSTS[0]}/simple")),
    "an image with its registry": (strangers, File("Dockerfile", f"FROM {HOSTS[5]}/python:3.11")),
    "a developer's folder": (strangers, File("docs/x.md", f"see {PATHS[0]}main")),
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: (rule.__doc__ or "").strip())
def test_every_file_keeps_the_rule(rule: Rule) -> None:
    """No file of the repository offends."""
    offences = [f"{file.path}: {offence}" for file in FILES for offence in rule(file)]
    if offences:
        pytest.fail("\n".join(offences), pytrace=False)


@pytest.mark.parametrize("name", OFFENCES)
def test_the_rule_finds(name: str) -> None:
    """The planted offence is found by its rule: the rule can fail."""
    rule, file = OFFENCES[name]
    assert list(rule(file))


def test_the_repository_was_read() -> None:
    """The rules above looked at the program and at this file."""
    paths = {file.path for file in FILES}
    assert {"operator/rekey/__init__.py", KIT + "__init__.py", "tests/test_layout.py", "pyproject.toml"} <= paths


def test_the_folder_operator_holds_the_package_and_nothing_else() -> None:
    """Whatever lies in operator/ itself would be importable at top level."""
    folder = ROOT / "operator"
    assert [entry.name for entry in folder.iterdir() if entry.name != "__pycache__"] == ["rekey"]


def test_the_standard_library_keeps_its_name() -> None:
    """`import operator` is Python's own, here and from the root of the repository."""
    assert operator.itemgetter(0)("a") == "a"
    code = "import operator; print(operator.__file__)"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    assert not Path(found.stdout.strip()).is_relative_to(ROOT / "operator")


def test_the_same_dependencies_are_declared_and_locked() -> None:
    """pyproject.toml, requirements/run.in and the lock files name the same packages."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    declared = set(project["project"]["dependencies"])
    wanted = [line for line in (ROOT / "requirements/run.in").read_text().splitlines() if line]
    assert {name for name in wanted if not name.startswith("#")} == declared
    for lock in ("run.txt", "dev.txt"):
        text = (ROOT / "requirements" / lock).read_text()
        plain = {name.partition("[")[0] for name in declared}
        assert plain <= set(re.findall(r"^([a-z0-9-]+)==", text, re.MULTILINE))
        assert all("--hash=sha256:" in part for part in re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:])


def test_development_runs_what_the_image_runs() -> None:
    """Every package of run.txt and build.txt has the same version in dev.txt."""
    pins = {
        name: set(re.findall(r"^[a-z0-9-]+==\S+", (ROOT / f"requirements/{name}.txt").read_text(), re.MULTILINE))
        for name in ("run", "build", "dev")
    }
    assert pins["run"] <= pins["dev"]
    assert pins["build"] <= pins["dev"]
