"""Who used the CPU: each process of the stand, and all others of the machine together."""

import os
from collections.abc import Mapping
from pathlib import Path

_TICK = 1 / os.sysconf("SC_CLK_TCK")
_IDLE = (3, 4)
"""Fields of the first line of /proc/stat in which nobody works: idle, and waiting for a disk."""


def of(path: Path) -> float:
    """Return the seconds of CPU that a `stat` file of a process or a thread tells of, of both kinds."""
    # The name, field 2, may hold anything, blanks and brackets too: count from behind its last bracket.
    fields = path.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * _TICK


def by_process(pids: Mapping[str, int]) -> dict[str, float]:
    """Return the seconds of CPU of each process, and of the whole machine as `machine`."""
    found = {name: of(Path(f"/proc/{pid}/stat")) for name, pid in pids.items()}
    ticks = [int(field) for field in Path("/proc/stat").read_text().partition("\n")[0].split()[1:9]]
    found["machine"] = sum(value for place, value in enumerate(ticks) if place not in _IDLE) * _TICK
    return found


def spent(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """Return the seconds in between; what the machine did for nobody of them is `others`."""
    used = {name: value - before[name] for name, value in after.items()}
    machine = used.pop("machine")
    return {**used, "others": max(0.0, machine - sum(used.values()))}
