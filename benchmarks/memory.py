"""How much memory a process has, or had at most."""

from pathlib import Path
from typing import Literal


def mib(pid: int, what: Literal["VmHWM", "VmRSS"] = "VmRSS") -> float:
    """Return the memory of a process in MiB: now (`VmRSS`), or the most that it ever had (`VmHWM`)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    found = next(line for line in lines if line.startswith(f"{what}:"))
    return int(found.split()[1]) / 1024
