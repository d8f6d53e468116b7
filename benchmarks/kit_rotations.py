"""A service behind the kit while its credential rotates, against the same at rest.

`PYTHONPATH=clients/python python -m benchmarks.kit_rotations`; it needs no cluster. Twenty clients call a real service
over HTTP. Phases at rest and phases with a rotation every other second take turns, so that whatever else the machine
does falls on both.
"""

import argparse
import json
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import httpx

from tests.kit.rotating import Crowd, Kind, Rotations, rotating

CLIENTS = 20
PAUSE = 0.05
EVERY = 2.0


@dataclass
class Timed(Crowd):
    """A crowd that notes when each answer came and how long it took, in seconds."""

    taken: list[tuple[float, float]] = field(default_factory=list)

    def ask(self, client: httpx.Client, number: int) -> None:
        """Send one request for one of them."""
        began = time.perf_counter()
        super().ask(client, number)
        ended = time.perf_counter()
        self.taken.append((ended, ended - began))

    def between(self, begin: float, end: float) -> tuple[float, float]:
        """Return the requests a second and the 99th percentile between two moments."""
        found = sorted(seconds for at, seconds in self.taken if begin <= at < end)
        return len(found) / (end - begin), found[int(0.99 * len(found))]


def phase(run: Rotations, seconds: float, version: int | None) -> tuple[float, float, int]:
    """Let the clients work; with a version given it is replaced by the next, again and again. Return begin and end."""
    begin, number = time.perf_counter(), version or 0
    while (left := begin + seconds - time.perf_counter()) > 0:
        if version is not None:
            run.rotate(number, number + 1, verifier_first=True)
            number += 1
        threading.Event().wait(min(EVERY, left))
    return begin, time.perf_counter(), number


def measure(kind: Kind, phases: int, seconds: float) -> dict[str, float]:
    """Return the medians over the phases, and what rotating is to rest."""
    with tempfile.TemporaryDirectory() as folder, rotating(Path(folder), kind, CLIENTS, Timed, PAUSE) as run:
        crowd, version = run.crowd, 1
        assert isinstance(crowd, Timed)
        crowd.wait_for_all(20)
        rest, moving = [], []
        for _ in range(phases):
            begin, end, _ = phase(run, seconds, None)
            rest.append(crowd.between(begin, end))
            begin, end, version = phase(run, seconds, version)
            moving.append(crowd.between(begin, end))
        assert set().union(*crowd.statuses) == {200}
    rates, tails = zip(*rest, strict=True), zip(*moving, strict=True)
    (rest_rate, rest_p99), (moving_rate, moving_p99) = (map(median, one) for one in (rates, tails))
    return {
        "rotations": version - 1,
        "requests": len(crowd.taken),
        "rest_per_second": round(rest_rate, 1),
        "rotating_per_second": round(moving_rate, 1),
        "rest_p99_ms": round(1000 * rest_p99, 1),
        "rotating_p99_ms": round(1000 * moving_p99, 1),
        "rate_ratio": round(moving_rate / rest_rate, 3),
        "p99_ratio": round(moving_p99 / rest_p99, 3),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measure a service while its credential rotates.")
    parser.add_argument("--phases", type=int, default=5, help="of each sort (5)")
    parser.add_argument("--seconds", type=float, default=10.0, help="each (10)")
    given = parser.parse_args()
    kinds: tuple[Kind, ...] = ("tokens", "jwts")
    print(json.dumps({kind: measure(kind, given.phases, given.seconds) for kind in kinds}, indent=1))
