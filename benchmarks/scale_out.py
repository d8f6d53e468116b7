"""Scale-out: the same credentials over one, two and four shards in as many processes: `python -m benchmarks.scale_out`.

Each number of shards has a fresh cluster. All credentials rotate at once; then it is looked whether one was left out or
had a version made twice. On one machine it shows what sharding costs, and on a machine with idle cores what it brings.
"""

import argparse
import asyncio
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import counts, cpu, load, report
from benchmarks.controller import Controller
from benchmarks.mass_rotation import say
from benchmarks.sharded import dealt, quiet, settings, shared, stopped
from benchmarks.stand import Stand, fresh
from rekey.kube.api import CREDENTIALS, LIST, SECRETS
from rekey.kube.client import Client

_RESULT = Path(__file__).parent / "results" / "latest-scale-out.json"
_SPACES = 8
_EACH = 3
"""Secrets of a credential in its overlap: the bundle and two versions."""


@dataclass
class Scale:
    """What was measured with one number of shards; times are in seconds, memory in MiB, one figure a process."""

    shards: int
    count: int
    rate: float = 0.0
    rate_middle: float = 0.0
    cpu_ms: float = 0.0
    cpu_ms_by_process: dict[str, float] = field(default_factory=dict)
    others_share: float = 0.0
    calls: float = 0.0
    peak_mib: list[float] = field(default_factory=list)
    known: list[int] = field(default_factory=list)
    lost: int = 0
    doubled: int = 0


async def measure(stand: Stand, spaces: Sequence[str], number: int, count: int) -> Scale:
    """Take all figures for one number of shards."""
    scale = Scale(number, count)
    begin = stand.mark()
    async with stand.client() as client:
        say(f"{count:,} credentials are created, {number} operators started")
        async with load.watching(client, spaces, count, load.is_active(1)) as progress:
            await load.create(client, spaces, count, "1h")
            controllers = [stand.controller(settings=settings(number)) for _ in range(number)]
            try:
                await progress.complete(120 + count / 10)
                await asyncio.to_thread(shared, controllers, count)
                await asyncio.to_thread(quiet, controllers, count)
                await _rotate(stand, client, spaces, controllers, scale)
            finally:
                await asyncio.to_thread(stopped, controllers)
        made = stand.since(begin)["POST", "secrets"]
        scale.lost, scale.doubled = await _wrong(client, spaces, count, made)
    return scale


async def _rotate(
    stand: Stand, client: Client, spaces: Sequence[str], controllers: Sequence[Controller], scale: Scale
) -> None:
    """Have all rotate."""
    say("all are rotated")
    count = scale.count
    async with load.watching(client, spaces, count, load.is_active(2)) as progress:
        ours = {f"rekey-{place}": one.pid for place, one in enumerate(controllers)}
        pids = {**stand.pids(), **ours}
        mark, used, began = stand.mark(), cpu.by_process(pids), time.perf_counter()
        await load.trigger(client, spaces, count, "a")
        moments = await progress.complete(60 + count / 20)
        seconds = moments[-1] - began
        others = cpu.spent(used, cpu.by_process(pids))["others"]
        await asyncio.to_thread(quiet, controllers, count)
    spent = cpu.spent(used, cpu.by_process(pids))
    spent.pop("others")
    first, last = moments[count // 10], moments[count * 9 // 10]
    scale.rate, scale.rate_middle = round(count / seconds, 1), round(0.8 * count / (last - first), 1)
    scale.others_share = round(others / seconds / (os.cpu_count() or 1), 3)
    scale.cpu_ms_by_process = {name: round(1000 * used / count, 3) for name, used in spent.items()}
    scale.cpu_ms = round(1000 * sum(spent[name] for name in ours) / count, 3)
    asked = stand.since(mark)
    scale.calls = round((asked.total() - counts.events(asked)) / count, 3)
    scale.peak_mib = [round(one.peak_mib(), 1) for one in controllers]
    scale.known = [one.known() for one in controllers]


async def _wrong(client: Client, spaces: Sequence[str], count: int, made: int) -> tuple[int, int]:
    """Return how many did not rotate as asked, or lack a Secret; and how many Secrets were made twice."""
    every = [one for space in spaces for one in (await client.request(LIST, CREDENTIALS.all(space)))["items"]]
    stored = Counter[tuple[str, str]]()
    for space in spaces:
        for secret in (await client.request(LIST, SECRETS.all(space)))["items"]:
            (owner,) = secret["metadata"]["ownerReferences"]
            stored[space, owner["name"]] += 1
    right = sum(_is_right(one) and stored[_named(one)] == _EACH for one in every)
    # One creation for each version, and one for the bundle.
    return count - right, made - _EACH * count


def _is_right(one: dict[str, Any]) -> bool:
    versions = [(found["number"], found["state"]) for found in one["status"]["versions"]]
    return versions == [(1, "Retiring"), (2, "Active")]


def _named(one: dict[str, Any]) -> load.Named:
    return one["metadata"]["namespace"], one["metadata"]["name"]


def show(runs: Sequence[Scale]) -> None:
    """Print the table."""
    table = Table(title=f"Rekey: {runs[0].count:,} credentials over shards, all on {os.cpu_count()} cores")
    for heading in ("shards and\nprocesses", "rotations\na second", "middle\n80 %", "ms of CPU of\nall operators"):
        table.add_column(heading, justify="right")
    for heading in ("calls to\nActive", "MiB of each", "credentials of each", "lost", "made twice", "others used"):
        table.add_column(heading, justify="right")
    for run in runs:
        table.add_row(
            *(str(run.shards), f"{run.rate:.0f}", f"{run.rate_middle:.0f}", f"{run.cpu_ms:.2f}", f"{run.calls:.2f}"),
            *(", ".join(f"{mib:.0f}" for mib in run.peak_mib), ", ".join(map(str, run.known))),
            *(str(run.lost), str(run.doubled), f"{run.others_share:.0%}"),
        )
    Console(width=report.WIDTH).print(table)


def main(argv: list[str]) -> None:
    """Measure, show the table and write the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale_out", description="Measure scale-out by shards.")
    parser.add_argument("--count", type=int, default=1_000, help="credentials (1000)")
    parser.add_argument("--shards", type=int, action="append", help="shards and processes; repeatable (1, 2 and 4)")
    parser.add_argument("--json", type=Path, default=_RESULT, help="where the figures go")
    parser.add_argument("--keep", action="store_true", help="leave the clusters running")
    chosen = parser.parse_args(argv)
    report.end_in_order()
    runs = []
    for number in chosen.shards or [1, 2, 4]:
        say("a fresh cluster is started")
        spaces = dealt(_SPACES, number)
        with fresh(spaces, keep=chosen.keep) as stand:
            runs.append(asyncio.run(measure(stand, tuple(spaces), number, chosen.count)))
            report.write(runs, chosen.json)
    show(runs)
    if any(run.lost or run.doubled for run in runs):
        sys.exit("bench: credentials were lost or versions made twice")


if __name__ == "__main__":
    main(sys.argv[1:])
