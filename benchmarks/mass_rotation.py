"""Mass rotation: how fast, at what cost, and what an idle operator costs: `python -m benchmarks.mass_rotation`.

Each number of credentials has a fresh cluster. All rotate at once, asked for by a new `spec.rotation.trigger`, with an
overlap so long that nothing but the way to `Active` is measured; a smaller number then goes through a whole rotation.
"""

import argparse
import asyncio
import os
import sys
import time
from pathlib import Path

from benchmarks import counts, cpu, load, report
from benchmarks.controller import Controller
from benchmarks.figures import Figures
from benchmarks.stand import Stand, fresh
from rekey.kube.client import Client

_LATEST = Path(__file__).parent / "results" / "latest.json"
_IDLE = 30
_WHOLE = 1_000
_LONG, _SHORT = "1h", "30s"
_MASS, _WHOLE_ONES, _TRICKLE = ("mass",), ("whole",), ("trickle",)
_RAW = "raw"
_HAND = ("hand",)
_SPACES = dict.fromkeys((*_MASS, *_WHOLE_ONES, *_TRICKLE, *_HAND, _RAW))
_DROPS, _A_SECOND = 300, 10


async def measure(stand: Stand, count: int, profile: Path | None) -> Figures:
    """Take all figures for one number of credentials."""
    figures = Figures(count)
    async with stand.client() as client:
        figures.raw = await load.raw_rates(client, _RAW)
        await _by_hand(client, figures)
        await _first_issue(stand, client, figures)
        controller = await _start(stand, figures, profile)
        try:
            await _to_active(stand, client, controller, figures)
            await _idle(stand, controller, figures)
            # Before those whose overlaps end half a minute later, while others rotate.
            await _trickle(client, controller, figures)
            await _whole(stand, client, controller, figures)
            await _by_request(stand, client, controller, figures)
        finally:
            controller.stop()
    return figures


async def _by_hand(client: Client, figures: Figures) -> None:
    """Send the writes of one rotation after another, without an operator: what the API server and its disk take."""
    drops = min(figures.count, _DROPS)
    say(f"the writes of {drops} rotations by hand, {_A_SECOND} a second")
    await load.create(client, _HAND, drops, _LONG, suspend=True)
    taken = await load.chains(client, *_HAND, drops, _A_SECOND)
    figures.by_hand_p50, figures.by_hand_p99 = load.within(taken, 0.5), load.within(taken, 0.99)


async def _first_issue(stand: Stand, client: Client, figures: Figures) -> None:
    """Create all credentials, then have a first operator make the first version of each."""
    say(f"{figures.count:,} credentials are created")
    async with load.watching(client, _MASS, figures.count, load.is_active(1)) as progress:
        await load.create(client, _MASS, figures.count, _LONG)
        say("the first version of each is issued")
        controller = stand.controller()
        try:
            began = time.perf_counter()
            await asyncio.to_thread(controller.until_ready)
            moments = await progress.complete(60 + figures.count / 20)
            figures.first_issue_rate = round(figures.count / (moments[-1] - began), 1)
            await asyncio.to_thread(controller.until_quiet)
            figures.first_issue_peak_mib = round(controller.peak_mib(), 1)
        finally:
            await asyncio.to_thread(controller.stop)


async def _start(stand: Stand, figures: Figures, profile: Path | None) -> Controller:
    """Start another operator, for which everything is settled."""
    say("the operator is started again")
    mark = stand.mark()
    controller = stand.controller(profile)
    try:
        figures.startup = round(await asyncio.to_thread(controller.until_ready), 2)
        await asyncio.to_thread(controller.until_quiet)
        figures.startup_cpu = round(controller.cpu(), 2)
        asked = stand.since(mark)
        # Asking for its own rights creates objects that are never stored: they are not among OURS.
        figures.startup_writes = counts.writes(asked)
    except BaseException:
        controller.stop()
        raise
    return controller


async def _to_active(stand: Stand, client: Client, controller: Controller, figures: Figures) -> None:
    """Have all rotate, with an overlap that does not end meanwhile."""
    say("all are rotated")
    number = figures.count
    async with load.watching(client, _MASS, number, load.is_active(2)) as progress:
        pids = {**stand.pids(), "rekey": controller.pid}
        mark, used, main = stand.mark(), cpu.by_process(pids), _main(controller)
        controller.profile(on=True)
        began = time.perf_counter()
        figures.triggers_done = round(await load.trigger(client, _MASS, number, "a"), 2)
        moments = await progress.complete(60 + number / 20)
        controller.profile(on=False)
        others = cpu.spent(used, cpu.by_process(pids))["others"]
        await asyncio.to_thread(controller.until_quiet)
    spent = cpu.spent(used, cpu.by_process(pids))
    _rates(figures, began, moments)
    spent.pop("others")
    figures.cpu_ms_by_process = {name: round(1000 * seconds / number, 3) for name, seconds in spent.items()}
    figures.others_share = round(others / figures.to_active / (os.cpu_count() or 1), 3)
    figures.cpu_ms = round(1000 * spent["rekey"] / number, 3)
    figures.cpu_ms_main = round(1000 * (_main(controller) - main) / number, 3)
    figures.peak_mib = round(controller.peak_mib(), 1)
    asked = stand.since(mark)
    figures.requests = counts.shown(asked, number)
    figures.events = round(counts.events(asked) / number, 3)
    figures.calls = round((asked.total() - counts.events(asked)) / number, 3)


def _rates(figures: Figures, began: float, moments: list[float]) -> None:
    """Work out the rates from the moments at which each was seen to be there."""
    figures.to_active = round(moments[-1] - began, 3)
    figures.rate = round(figures.count / figures.to_active, 1)
    first, last = moments[figures.count // 10], moments[figures.count * 9 // 10]
    figures.rate_middle = round(0.8 * figures.count / (last - first), 1)
    asked_for = began + figures.triggers_done
    left = sum(moment > asked_for for moment in moments)
    figures.rate_after = round(left / (moments[-1] - asked_for), 1) if left else 0.0


async def _idle(stand: Stand, controller: Controller, figures: Figures) -> None:
    """Look on while there is nothing to do."""
    say(f"{_IDLE} s of rest")
    mark, used = stand.mark(), controller.cpu()
    await asyncio.sleep(_IDLE)
    figures.idle_cpu = round(controller.cpu() - used, 3)
    asked = stand.since(mark)
    figures.idle_writes, figures.idle_reads = counts.writes(asked), counts.reads(asked)


async def _whole(stand: Stand, client: Client, controller: Controller, figures: Figures) -> None:
    """Have some more go through a whole rotation, to the end of the overlap."""
    number = figures.whole_count = min(figures.count, _WHOLE)
    say(f"{number:,} go through a whole rotation")
    async with load.watching(client, _WHOLE_ONES, number, load.is_active(1)) as progress:
        await load.create(client, _WHOLE_ONES, number, _SHORT)
        await progress.complete(120)
    await asyncio.to_thread(controller.until_quiet)
    async with load.watching(client, _WHOLE_ONES, number, load.is_over(2)) as progress:
        mark, began = stand.mark(), time.perf_counter()
        await load.trigger(client, _WHOLE_ONES, number, "a")
        moments = await progress.complete(180)
        figures.whole_seconds = round(moments[-1] - began, 2)
        await asyncio.to_thread(controller.until_quiet)
    asked = stand.since(mark)
    figures.whole_requests = counts.shown(asked, number)
    figures.whole_events = round(counts.events(asked) / number, 3)
    figures.whole_calls = round((asked.total() - counts.events(asked)) / number, 3)


async def _by_request(stand: Stand, client: Client, controller: Controller, figures: Figures) -> None:
    """Have the same rotate again, asked for by one RotationRequest instead of a write to each."""
    say(f"{figures.whole_count:,} are rotated by one RotationRequest")
    async with load.watching(client, _WHOLE_ONES, figures.whole_count, load.is_active(3)) as progress:
        mark, began = stand.mark(), time.perf_counter()
        await load.request(client, *_WHOLE_ONES)
        moments = await progress.complete(60 + figures.whole_count / 20)
        await asyncio.to_thread(controller.until_quiet)
    figures.request_rate = round(figures.whole_count / (moments[-1] - began), 1)
    figures.request_requests = counts.shown(stand.since(mark), figures.whole_count)


async def _trickle(client: Client, controller: Controller, figures: Figures) -> None:
    """Have one after another rotate: how long each takes where nobody has to wait for others."""
    drops = figures.trickle_count = min(figures.count, _DROPS)
    say(f"{drops} rotate one by one, {_A_SECOND} a second")
    async with load.watching(client, _TRICKLE, drops, load.is_active(1)) as progress:
        await load.create(client, _TRICKLE, drops, _LONG)
        await progress.complete(120)
    await asyncio.to_thread(controller.until_quiet)
    async with load.watching(client, _TRICKLE, drops, load.is_active(2)) as progress:
        asked = await load.trickle(client, _TRICKLE, drops, _A_SECOND)
        await progress.complete(60)
    figures.trickle_p50, figures.trickle_p99 = progress.late(asked, 0.5), progress.late(asked, 0.99)


def _main(controller: Controller) -> float:
    return next(iter(controller.threads().values()))


def say(text: str) -> None:
    """Tell a person what is going on."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


def main(argv: list[str]) -> None:
    """Measure, show the table and write the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mass_rotation", description="Measure mass rotation.")
    parser.add_argument("--count", type=int, action="append", help="credentials; repeatable (1000 and 10000)")
    parser.add_argument("--json", type=Path, default=_LATEST, help="where the figures go")
    parser.add_argument("--keep", action="store_true", help="leave the clusters running")
    parser.add_argument("--profile", type=Path, help="write a profile of the rotation (cProfile, main thread)")
    chosen = parser.parse_args(argv)
    report.end_in_order()
    runs = []
    for count in chosen.count or [1_000, 10_000]:
        say("a fresh cluster is started")
        profile = chosen.profile.resolve() if chosen.profile else None
        with fresh(_SPACES, keep=chosen.keep) as stand:
            runs.append(asyncio.run(measure(stand, count, profile)))
            report.write(runs, chosen.json)
    report.show(runs)


if __name__ == "__main__":
    main(sys.argv[1:])
