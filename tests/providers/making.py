"""What tests of generators share: making a value as the operator does, and asking the tools of others about it."""

import asyncio
import atexit
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rekey.core.material import Issued, Material
from rekey.core.spec import Generate
from rekey.ports.issuer import Order
from rekey.providers.generated import Generated

NOW = datetime.now(UTC).replace(microsecond=500_000) - timedelta(hours=1)
"""Of this day: real servers show what is made here, and whoever looks at it has a clock of his own."""
DAY = timedelta(days=1)
LOOP = asyncio.new_event_loop()
atexit.register(LOOP.close)
GENERATED = Generated()


def make(kind: str, before: Issued | None = None, now: datetime = NOW, life: timedelta = DAY, **rules: Any) -> Issued:
    """Make a value of that kind under these rules, written as in a manifest."""
    built_on = before.material if before is not None else None
    order = Order(Generate.model_validate({kind: rules}), now, life, built_on)
    return LOOP.run_until_complete(GENERATED.issue(order))


def values(issued: Issued) -> dict[str, str]:
    """Return what was made, as texts."""
    return {key: value.decode() for key, value in issued.material.reveal().items()}


def files(folder: Path, material: Material) -> Path:
    """Write every key into a file that only its owner reads, as a volume shows a Secret; return the folder."""
    folder.mkdir(exist_ok=True)
    for key, value in material.reveal().items():
        path = folder / key
        path.touch(mode=0o600)
        path.write_bytes(value)
    return folder


def tool(name: str, *args: str | Path) -> str:
    """Return what a tool says; the test is skipped, and the summary says so, where it is not installed."""
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed here")
    done = subprocess.run([name, *map(str, args)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"
    return done.stdout
