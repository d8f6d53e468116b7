"""100,000 OAuth2 tokens of an hour over four shards: does any end before it is renewed?

All stand in etcd as if they had been renewed all the time: their ends are spread evenly over an hour, so 28 are due in
each second. Four operators are started, and ten minutes are watched: `python -m benchmarks.hundred_thousand_tokens`.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import inf
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from benchmarks import counts, load, report
from benchmarks.controller import Controller
from benchmarks.hundred_thousand import until_served
from benchmarks.mass_rotation import say
from benchmarks.settled import Copy, Template, Wanted, dated, fill, moment, template
from benchmarks.sharded import dealt, settings, shared, stopped
from benchmarks.stand import HOME, Stand, fresh
from benchmarks.token_server import LIFE, TokenServer, token_server
from rekey.core.renewal import EARLIEST
from rekey.kube.api import CREATE, CREDENTIALS, LIST
from rekey.kube.client import Client

_RESULT = Path(__file__).parent / "results" / "latest-hundred-thousand-tokens.json"
_QUOTA = f"--quota-backend-bytes={8 * 2**30}"
_TEMPLATE = "template"
_SPACES = 40
_ALLOWED = {"REKEY_PROBE_ALLOWED": "http://127.0.0.0/8"}


@dataclass
class Tokens:
    """What was measured; times are in seconds, memory in MiB, one figure an operator."""

    count: int
    shards: int
    minutes: float
    over: float
    filled: float = 0.0
    known: float = 0.0
    late: float = 0.0
    due: int = 0
    renewed: int = 0
    ended: int = 0
    asked: int = 0
    at_once: int = 0
    left_least: float = 0.0
    left_median: float = 0.0
    calls: float = 0.0
    requests: dict[str, float] = field(default_factory=dict)
    cpu: list[float] = field(default_factory=list)
    peak_mib: list[float] = field(default_factory=list)


async def measure(stand: Stand, spaces: dict[str, int | None], tokens: Tokens) -> None:
    """Take all figures."""
    async with stand.client() as client, token_server() as server:
        stand.cluster.apply(orjson.dumps(_declared(server, [*spaces, _TEMPLATE])).decode())
        like = await _like(stand, client)
        first = datetime.now(UTC) + timedelta(seconds=60 + tokens.shards * 15 + tokens.count / 120) + EARLIEST
        await _fill(stand, like, spaces, tokens, first)
        controllers: list[Controller] = []
        try:
            given = settings(tokens.shards) | _ALLOWED
            began = time.perf_counter()
            controllers.extend(stand.controller(None, given) for _ in range(tokens.shards))
            for one in controllers:
                await asyncio.to_thread(one.until_ready)
            await asyncio.to_thread(shared, controllers, tokens.count)
            tokens.known = round(time.perf_counter() - began, 1)
            over = await _watch(stand, server, controllers, tokens, first - EARLIEST)
        finally:
            await asyncio.to_thread(stopped, controllers)
        await _judge(client, spaces, tokens, first - EARLIEST + timedelta(minutes=tokens.minutes))
        tokens.calls = round((over.total() - counts.events(over)) / max(1, tokens.renewed), 1)
        tokens.requests = counts.shown(over, max(1, tokens.renewed))


def _declared(server: TokenServer, spaces: list[str]) -> dict[str, Any]:
    """Return the provider that all use, and its Secret."""
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "client", "namespace": HOME},
        "stringData": {"client_id": "bench", "client_secret": "bench"},
    }
    provider = {
        "apiVersion": CREDENTIALS.api_version,
        "kind": "ClusterCredentialProvider",
        "metadata": {"name": "idp"},
        "spec": {
            "oauth2": {"tokenUrl": server.url, "secretName": "client"},
            "limits": {"concurrency": 16, "perMinute": 6_000},
            "allowedNamespaces": {"names": spaces},
        },
    }
    return {"apiVersion": "v1", "kind": "List", "items": [secret, provider]}


async def _like(stand: Stand, client: Client) -> Template:
    """Have an operator get one token; return what is stored of it."""
    body = {
        "apiVersion": CREDENTIALS.api_version,
        "kind": CREDENTIALS.kind,
        "metadata": {"name": load.name(0)},
        "spec": {"provider": {"ref": {"kind": "ClusterCredentialProvider", "name": "idp"}, "oauth2": {}}},
    }
    async with load.watching(client, (_TEMPLATE,), 1, load.is_active(1)) as progress:
        await client.request(CREATE, CREDENTIALS.all(_TEMPLATE), body=body)
        controller = stand.controller(None, _ALLOWED)
        try:
            await progress.complete(60)
            await asyncio.to_thread(controller.until_quiet)
        finally:
            await asyncio.to_thread(controller.stop)
    return await template(client, (_TEMPLATE, load.name(0)))


async def _fill(stand: Stand, like: Template, spaces: dict[str, int | None], tokens: Tokens, first: datetime) -> None:
    """Put all into etcd; the first of them ends then."""
    say(f"{tokens.count:,} tokens are put into etcd, the first is due {first - EARLIEST:%T}Z")
    names, apart = tuple(spaces), timedelta(seconds=tokens.over / tokens.count)

    def copies() -> Iterator[Copy]:
        for number in range(tokens.count):
            space = load.space(names, number)
            made = like.copy(Wanted((space, load.name(number)), spaces[space] or 0, chosen=False))
            yield dated(made, first + number * apart)

    began = time.perf_counter()
    await fill(stand.etcd, copies())
    tokens.filled = round(time.perf_counter() - began, 1)
    await asyncio.to_thread(until_served, stand)


async def _watch(
    stand: Stand, server: TokenServer, controllers: list[Controller], tokens: Tokens, begins: datetime
) -> counts.Count:
    """Wait for the first that is due, then so many minutes; return what was asked of the API server meanwhile."""
    tokens.late = max(0.0, round((datetime.now(UTC) - begins).total_seconds(), 1))
    await asyncio.sleep((begins - datetime.now(UTC)).total_seconds())
    say(f"for {tokens.minutes:g} minutes tokens are due")
    mark, used, asked = stand.mark(), [one.cpu() for one in controllers], len(server.asked)
    await asyncio.sleep(tokens.minutes * 60)
    over = stand.since(mark)
    tokens.cpu = [round(one.cpu() - before, 1) for one, before in zip(controllers, used, strict=True)]
    tokens.asked, tokens.at_once = len(server.asked) - asked, server.most
    tokens.peak_mib = [round(one.peak_mib(), 1) for one in controllers]
    return over


async def _judge(client: Client, spaces: Iterable[str], tokens: Tokens, now: datetime) -> None:
    """Count how many were due, renewed and ended, by what stands in their statuses."""
    left: list[float] = []
    async for status in _statuses(client, spaces):
        versions = {one["number"]: one for one in status["versions"]}
        first, current = min(versions), versions[status["currentVersion"]]
        ends = moment(current["expirationTime"])
        if current["number"] == first:
            tokens.due += moment(status["nextRotationTime"]) <= now
            tokens.ended += ends <= now
        elif "expirationTime" in versions[first]:
            left.append((moment(versions[first]["expirationTime"]) - moment(current["activatedTime"])).total_seconds())
    tokens.renewed = len(left)
    tokens.due += len(left)
    tokens.ended += sum(one < 0 for one in left)
    left.sort()
    tokens.left_least, tokens.left_median = (left[0], left[len(left) // 2]) if left else (inf, inf)


async def _statuses(client: Client, spaces: Iterable[str]) -> AsyncIterator[dict[str, Any]]:
    """Yield the status of every credential, by namespace: a list of all in pages takes longer than etcd keeps it."""
    for space in spaces:
        for one in (await client.request(LIST, CREDENTIALS.all(space)))["items"]:
            yield one["status"]


def show(tokens: Tokens) -> None:
    """Print the table."""
    table = Table(title=f"Rekey: {tokens.count:,} tokens of {LIFE // 60} minutes over {tokens.shards} shards")
    for heading in ("", "measured", "target"):
        table.add_column(heading)
    for what, measured, target in (
        ("all put into etcd; each operator knows its part", f"{tokens.filled:.0f} s; {tokens.known:.0f} s", ""),
        ("the first was due before that by", f"{tokens.late:.0f} s", "0 s, or nothing is shown"),
        (f"due in {tokens.minutes:g} minutes", f"{tokens.due:,}", f"{tokens.count / tokens.over:.1f} a second"),
        ("renewed", f"{tokens.renewed:,}", "but for those of the last seconds"),
        ("ended before", f"{tokens.ended:,}", "0"),
        (
            "left of a token when the next is current",
            f"{tokens.left_median:.0f} s (least {tokens.left_least:.0f} s)",
            "",
        ),
        ("requests to the token endpoint; at once", f"{tokens.asked:,}; {tokens.at_once}", "one each; ≤ 16"),
        ("calls to the API server for each", f"{tokens.calls:.1f}", ""),
        ("CPU of each operator meanwhile, s", ", ".join(f"{one:.0f}" for one in tokens.cpu), ""),
        ("the most memory of each, MiB", ", ".join(f"{one:.0f}" for one in tokens.peak_mib), "≤ 300"),
    ):
        table.add_row(what, measured, target)
    Console(width=report.WIDTH).print(table)


def main(argv: list[str]) -> None:
    """Measure, show the table and write the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hundred_thousand_tokens", description="Renew tokens.")
    parser.add_argument("--count", type=int, default=100_000, help="credentials (100000)")
    parser.add_argument("--shards", type=int, default=4, help="shards and processes (4)")
    parser.add_argument("--minutes", type=float, default=10, help="for how long it is watched (10)")
    parser.add_argument("--over", type=float, default=LIFE, help="seconds over which their ends are spread (3600)")
    parser.add_argument("--json", type=Path, default=_RESULT, help="where the figures go")
    parser.add_argument("--keep", action="store_true", help="leave the cluster running")
    chosen = parser.parse_args(argv)
    report.end_in_order()
    tokens = Tokens(chosen.count, chosen.shards, chosen.minutes, chosen.over)
    spaces = dealt(_SPACES, chosen.shards)
    say("a fresh cluster is started")
    with fresh({**spaces, _TEMPLATE: None}, keep=chosen.keep, etcd_args=(_QUOTA,)) as stand:
        try:
            asyncio.run(measure(stand, spaces, tokens))
        finally:
            report.write([tokens], chosen.json)
            show(tokens)


if __name__ == "__main__":
    main(sys.argv[1:])
