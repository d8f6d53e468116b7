"""The kit stands alone: its own distribution, without the operator and without anything that is not asked for."""

import ast
import importlib
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
KIT = ROOT / "clients" / "python"


def test_tokens_need_nothing_but_python() -> None:
    """Verifier, middleware and bundle work in a Python without any package."""
    code = (
        f"import sys; sys.path.insert(0, {str(KIT)!r})\n"
        "import rekey_client, rekey_client.asgi, rekey_client.wsgi, rekey_client.check\n"
        "verifier = rekey_client.Verifier.from_directories('nowhere')\n"
        "assert verifier.check(['Bearer a.b.c']).reason == 'unavailable'\n"
        "names = {name.partition('.')[0] for name in sys.modules} - sys.stdlib_module_names\n"
        "print(sorted(name for name in names if not name.startswith('_')))"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "['rekey_client']"


@pytest.mark.parametrize("file", sorted((KIT / "rekey_client").glob("*.py")), ids=lambda file: file.name)
def test_no_module_knows_the_operator_or_grows(file: Path) -> None:
    """Nothing imports `rekey`, and a module has less than 200 lines."""
    lines = file.read_text().splitlines()
    assert not [line for line in lines if line.lstrip().startswith(("import rekey.", "from rekey.", "from rekey "))]
    assert len(lines) < 200


def test_what_is_installed_is_what_is_there(tmp_path: Path) -> None:
    """The wheel holds every module, the marker of types and the extras; none is required."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=KIT, check=True, capture_output=True, env={**os.environ, "PYTHONPATH": ""})
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as opened:
        held = {Path(name).name for name in opened.namelist() if name.startswith("rekey_client/")}
        (metadata,) = (name for name in opened.namelist() if name.endswith("/METADATA"))
        text = opened.read(metadata).decode()
    assert held == {file.name for file in (KIT / "rekey_client").iterdir() if file.is_file()}
    required = [line for line in text.splitlines() if line.startswith("Requires-Dist:")]
    assert required
    assert all("; extra ==" in line for line in required)


EXAMPLES = re.findall(r"```python\n(.*?)```", (KIT / "README.md").read_text(), re.DOTALL)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_the_examples_name_what_there_is(number: int) -> None:
    """Each example of the README is Python, and what it imports from the kit exists."""
    imports = [node for node in ast.walk(ast.parse(EXAMPLES[number])) if isinstance(node, ast.ImportFrom)]
    ours = [node for node in imports if (node.module or "").startswith("rekey_client")]
    assert ours
    for node in ours:
        module = importlib.import_module(node.module or "")
        assert all(hasattr(module, alias.name) for alias in node.names)


def test_the_extras_are_those_that_the_tests_run_with() -> None:
    """Each is installed here, so each is tested."""
    extras = tomllib.loads((KIT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(extras) == {"jwt", "httpx", "requests", "prometheus"}
