"""All that is sealed, one after the other, a few at a time: re-wrapped, or looked at.

1. Nothing is remembered: what is done shows in the records, so a pass that broke off is simply made again.
2. A record that somebody else wrote meanwhile is left to the next look; so is one that cannot be read.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final
from zlib import crc32

from rekey.core.envelope import parse
from rekey.core.keyring import Inspection
from rekey.engine.sealing import Sealing
from rekey.errors import Conflict, NotFound, Rejected
from rekey.ports.cluster import Clock
from rekey.ports.sealed import Record, Records

AT_ONCE: Final = 16
SAMPLE: Final = 100
"""One of so many records is opened in an inspection; the first one always."""


async def rewrap(sealing: Sealing, records: Records, old: frozenset[str]) -> int:
    """Have every data key that one of the old keys wraps wrapped by the new one; return how many were."""
    done = 0

    async def one(record: Record) -> None:
        nonlocal done
        try:
            if parse(record.text, record.place).wrapped.key_id not in old:
                return
            await records.store(record, await sealing.rewrap(record.text, record.place))
            done += 1
        except (Conflict, NotFound, Rejected):
            return  # the inspection that follows counts what is left, and says why

    await _each(records, one)
    return done


async def inspect(sealing: Sealing, records: Records, primary: str, clock: Clock) -> Inspection:
    """Return what is stored under which key; a sample of what the primary key wraps is opened."""
    started, under, trouble = clock.now(), Counter[str](), list[str]()
    opened = 0

    async def one(record: Record) -> None:
        nonlocal opened
        try:
            key_id = parse(record.text, record.place).wrapped.key_id
            under[key_id] += 1
            if key_id == primary and (under[key_id] == 1 or crc32(str(record.place).encode()) % SAMPLE == 0):
                await sealing.open(record.text, record.place)
                opened += 1
        except Rejected as error:
            trouble.append(str(error))

    await _each(records, one)
    return Inspection(started, dict(under), opened, tuple(trouble))


async def _each(records: Records, do: Callable[[Record], Awaitable[None]]) -> None:
    """Do it to all, a few at a time; the first error ends it."""
    waiting, turn = records.places(), asyncio.Lock()

    async def worker() -> None:
        while True:
            async with turn:
                place = await anext(waiting, None)
            if place is None:
                return
            record = await records.read(place)
            if record is not None:
                await do(record)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(worker())
    except BaseExceptionGroup as several:
        raise several.exceptions[0] from None  # it is the same error, without its wrapping
