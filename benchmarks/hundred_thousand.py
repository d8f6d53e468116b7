"""100,000 credentials over four shards: start, memory, latency: `python -m benchmarks.hundred_thousand`.

All are suspended and settled; four operators are started at once; then 1,000 of the credentials are resumed and asked
to rotate, one after another.
"""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import TimeoutExpired

from rich.console import Console
from rich.table import Table

from benchmarks import counts, cpu, load, memory, report
from benchmarks.controller import Controller
from benchmarks.mass_rotation import say
from benchmarks.settled import CHOSEN, Wanted, fill, template
from benchmarks.sharded import dealt, quiet, settings, shared, stopped, taken_over
from benchmarks.stand import Stand, fresh
from rekey.kube.api import CREDENTIALS, SECRETS
from rekey.kube.client import Client
from tests.cluster.handle import KubectlFailed
from tests.cluster.waiting import until

_RESULT = Path(__file__).parent / "results" / "latest-hundred-thousand.json"
_QUOTA = f"--quota-backend-bytes={8 * 2**30}"
_TEMPLATE = ("template",)
_SPACES = 40
_SERVERS = ("apiserver", "etcd", "controller-manager")


@dataclass
class Many:
    """What was measured; times are in seconds, memory in MiB, one figure an operator."""

    count: int
    shards: int
    filled: float = 0.0
    servers_before_mib: dict[str, float] = field(default_factory=dict)
    servers_mib: dict[str, float] = field(default_factory=dict)
    known: list[int] = field(default_factory=list)
    startup: float = 0.0
    startup_known: float = 0.0
    startup_quiet: float = 0.0
    startup_writes: int = 0
    startup_requests: dict[str, float] = field(default_factory=dict)
    startup_cpu: list[float] = field(default_factory=list)
    startup_peak_mib: list[float] = field(default_factory=list)
    settled_mib: list[float] = field(default_factory=list)
    rotated: int = 0
    rate: int = 0
    p50: float = 0.0
    p99: float = 0.0
    slowest: float = 0.0
    calls: float = 0.0
    peak_mib: list[float] = field(default_factory=list)
    others_share: float = 0.0
    takeover: float = 0.0
    takeover_mib: list[float] = field(default_factory=list)


async def measure(stand: Stand, spaces: dict[str, int | None], many: Many, profile: Path | None) -> None:
    """Take all figures."""
    async with stand.client() as client:
        await _fill(stand, client, spaces, many)
        controllers: list[Controller] = []
        try:
            await _start(stand, controllers, many, profile)
            await _trickle(stand, client, tuple(spaces), controllers, many)
            await _takeover(controllers, many)
        finally:
            await asyncio.to_thread(stopped, controllers)


async def _fill(stand: Stand, client: Client, spaces: dict[str, int | None], many: Many) -> None:
    """Have an operator make one credential, and store copies of it."""
    async with load.watching(client, _TEMPLATE, 1, load.is_active(1)) as progress:
        # With jitter each would have a moment of its own, by its uid.
        rotation = {"interval": "720h", "jitterPercent": 0}
        await load.create(client, _TEMPLATE, 1, "1h", suspend=True, rotation=rotation)
        controller = stand.controller()
        try:
            await progress.complete(60)
            await asyncio.to_thread(controller.until_quiet)
        finally:
            await asyncio.to_thread(controller.stop)
    say(f"{many.count:,} settled credentials are put into etcd")
    began = time.perf_counter()
    like = await template(client, (*_TEMPLATE, load.name(0)))
    await fill(stand.etcd, map(like.copy, _wanted(spaces, many)))
    many.filled = round(time.perf_counter() - began, 1)
    await asyncio.to_thread(until_served, stand)
    many.servers_before_mib = _memory(stand)


def _wanted(spaces: dict[str, int | None], many: Many) -> Iterator[Wanted]:
    names = tuple(spaces)
    for number in range(many.count):
        space = load.space(names, number)
        yield Wanted((space, load.name(number)), spaces[space] or 0, chosen=number < many.rotated)


def until_served(stand: Stand) -> None:
    """Wait until the servers have taken note of everything."""

    def busy() -> float:
        pids = stand.pids()
        before = cpu.by_process(pids)
        time.sleep(2)
        spent = cpu.spent(before, cpu.by_process(pids))
        return sum(spent[name] for name in _SERVERS)

    # While its cache is behind etcd the API server answers no list; on a busy machine that takes minutes.
    until(lambda: _is_answered(stand), "the API server to know of everything", seconds=900, every=5)
    until(lambda: busy() < 0.5, "the servers to be quiet", seconds=900, every=0)


def _is_answered(stand: Stand) -> bool:
    try:
        for path in (CREDENTIALS.everywhere, SECRETS.everywhere):
            stand.cluster.kubectl("get", "--raw", f"{path.url}?limit=100&labelSelector={CHOSEN}")
    except (KubectlFailed, TimeoutExpired):
        return False
    return True


def _memory(stand: Stand) -> dict[str, float]:
    return {name: round(memory.mib(pid), 1) for name, pid in stand.pids().items() if name in _SERVERS}


async def _start(stand: Stand, controllers: list[Controller], many: Many, profile: Path | None) -> None:
    """Start the operators and wait until each has its part."""
    say(f"{many.shards} operators are started")
    mark, began = stand.mark(), time.perf_counter()
    given = settings(many.shards)
    controllers.extend(stand.controller(None if place else profile, given) for place in range(many.shards))
    many.startup = round(await asyncio.to_thread(controllers[0].until_ready), 1)
    controllers[0].profile(on=True)
    await asyncio.to_thread(shared, controllers, many.count)
    many.startup_known = round(time.perf_counter() - began, 1)
    await asyncio.to_thread(quiet, controllers, many.count)
    controllers[0].profile(on=False)
    many.startup_quiet = round(time.perf_counter() - began, 1)
    asked = stand.since(mark)
    many.startup_writes, many.startup_requests = counts.writes(asked), counts.shown(asked, 1)
    many.startup_cpu = [round(one.cpu(), 1) for one in controllers]
    many.startup_peak_mib = [round(one.peak_mib(), 1) for one in controllers]
    many.settled_mib = [round(memory.mib(one.pid), 1) for one in controllers]
    many.known = [one.known() for one in controllers]


async def _trickle(
    stand: Stand, client: Client, spaces: Sequence[str], controllers: Sequence[Controller], many: Many
) -> None:
    """Have some rotate, one after another."""
    say(f"{many.rotated:,} are resumed and rotate, {many.rate} a second")
    number = many.rotated
    async with load.watching(client, spaces, number, load.is_active(2), f"{CHOSEN}=chosen") as progress:
        pids = {**stand.pids(), **{f"rekey-{place}": one.pid for place, one in enumerate(controllers)}}
        mark, used, began = stand.mark(), cpu.by_process(pids), time.perf_counter()
        asked_at = await load.trickle(client, spaces, number, many.rate)
        await progress.complete(300)
        seconds = time.perf_counter() - began
        others = cpu.spent(used, cpu.by_process(pids))["others"]
    await asyncio.to_thread(quiet, controllers, many.count)
    asked = stand.since(mark)
    many.calls = round((asked.total() - counts.events(asked)) / number, 3)
    many.p50, many.p99, many.slowest = (progress.late(asked_at, share) for share in (0.5, 0.99, 1))
    many.others_share = round(others / seconds / (os.cpu_count() or 1), 3)
    many.peak_mib = [round(one.peak_mib(), 1) for one in controllers]
    many.servers_mib = _memory(stand)


async def _takeover(controllers: Sequence[Controller], many: Many) -> None:
    """Kill one: another has two parts from then on."""
    say("one operator is killed")
    began = time.perf_counter()
    await asyncio.to_thread(taken_over, controllers, many.count)
    many.takeover = round(time.perf_counter() - began, 1)
    await asyncio.to_thread(quiet, controllers[1:], many.count)
    many.takeover_mib = [round(one.peak_mib(), 1) for one in controllers[1:]]


def show(many: Many) -> None:
    """Print the table."""
    table = Table(title=f"Rekey: {many.count:,} credentials over {many.shards} shards, {os.cpu_count()} cores")
    for heading in ("", "measured", "target"):
        table.add_column(heading)
    start = f"{many.startup_known:.0f} s; {many.startup_quiet:.0f} s; {many.startup_writes} writes"
    for what, measured, target in (
        ("all put into etcd", f"{many.filled:.0f} s", ""),
        ("start until one is ready", f"{many.startup:.1f} s", ""),
        ("until each knows its part; and is quiet", start, "0 writes"),
        ("CPU of each until then, s", _each(many.startup_cpu), ""),
        ("credentials of each", _each(many.known), ""),
        ("memory of each then, MiB", _each(many.settled_mib), "≤ 300"),
        ("the most until then, MiB", _each(many.startup_peak_mib), ""),
        ("the most in all, MiB", _each(many.peak_mib), "≤ 300"),
        ("servers before, MiB", _named(many.servers_before_mib), ""),
        ("servers at the end, MiB", _named(many.servers_mib), ""),
        (f"{many.rotated:,} rotated, {many.rate} a second: median", f"{many.p50:.3f} s", ""),
        ("99 %", f"{many.p99:.3f} s (slowest {many.slowest:.3f} s)", "≤ 0.3 s"),
        ("calls to Active", f"{many.calls:.2f}", "≤ 4"),
        ("one is killed: the others know its part", f"{many.takeover:.1f} s", ""),
        ("the most then, MiB", _each(many.takeover_mib), ""),
        ("others used of the machine meanwhile", f"{many.others_share:.0%}", ""),
    ):
        table.add_row(what, measured, target)
    Console(width=report.WIDTH).print(table)


def _each(values: Sequence[float]) -> str:
    return ", ".join(f"{value:,.0f}" for value in values)


def _named(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:,.0f}" for name, value in values.items())


def main(argv: list[str]) -> None:
    """Measure, show the table and write the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hundred_thousand", description="Measure the largest.")
    parser.add_argument("--count", type=int, default=100_000, help="credentials (100000)")
    parser.add_argument("--shards", type=int, default=4, help="shards and processes (4)")
    parser.add_argument("--rotate", type=int, default=1_000, help="how many of them rotate (1000)")
    parser.add_argument("--rate", type=int, default=10, help="how many a second (10)")
    parser.add_argument("--json", type=Path, default=_RESULT, help="where the figures go")
    parser.add_argument("--keep", action="store_true", help="leave the cluster running")
    parser.add_argument("--profile", type=Path, help="write a profile of one start (cProfile, main thread)")
    chosen = parser.parse_args(argv)
    report.end_in_order()
    many = Many(chosen.count, chosen.shards, rotated=min(chosen.count, chosen.rotate), rate=chosen.rate)
    spaces = dealt(_SPACES, chosen.shards)
    profile = chosen.profile.resolve() if chosen.profile else None
    say("a fresh cluster is started")
    with fresh({**spaces, **dict.fromkeys(_TEMPLATE)}, keep=chosen.keep, etcd_args=(_QUOTA,)) as stand:
        try:
            asyncio.run(measure(stand, spaces, many, profile))
        finally:  # what was measured so far took long enough
            report.write([many], chosen.json)
            show(many)


if __name__ == "__main__":
    main(sys.argv[1:])
