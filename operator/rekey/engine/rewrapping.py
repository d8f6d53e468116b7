"""All that is sealed, one after the other, a few at a time: re-wrapped, or looked at.

1. Nothing is remembered: what is done shows in the records, so a pass that broke off is simply made again.
2. A record that somebody else wrote meanwhile is left to the next look. One that cannot be read, or may not be written,
   holds up no other.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final
from zlib import crc32

from rekey.core.envelope import Place, parse
from rekey.core.keyring import Inspection
from rekey.engine.sealing import Sealing
from rekey.errors import Conflict, NotFound, NotLeading, RekeyError, Retryable
from rekey.ports.cluster import Clock
from rekey.ports.sealed import Record, Records

AT_ONCE: Final = 16
SAMPLE: Final = 100
"""One of so many records is opened in an inspection; the first one always."""

Do = Callable[[Record], Awaitable[None]]


async def rewrap(sealing: Sealing, records: Records, old: frozenset[str]) -> tuple[str, ...]:
    """Have every data key of ours that an old key wraps wrapped by the new one; return what could not, and why.

    Raises:
        Retryable: who keeps the keys, or who stores the records, is away.
    """

    async def one(record: Record) -> None:
        if parse(record.text).wrapped.key_id in old:
            with suppress(Conflict, NotFound):
                await records.store(record, await sealing.rewrap(record.text))

    return await _each(records, one, ours=True)


async def inspect(sealing: Sealing, records: Records, primary: str, clock: Clock) -> Inspection:
    """Return what is stored under which key; a sample of what the primary key wraps is opened.

    Raises:
        Retryable: who keeps the keys, or who stores the records, is away.
    """
    started, under = clock.now(), Counter[str]()
    opened = 0

    async def one(record: Record) -> None:
        nonlocal opened
        key_id = parse(record.text).wrapped.key_id
        under[key_id] += 1
        if key_id == primary and (under[key_id] == 1 or crc32(str(record.place).encode()) % SAMPLE == 0):
            await sealing.open(record.text, record.place)
            opened += 1

    trouble = await _each(records, one, ours=False)
    return Inspection(started, dict(under), opened, trouble)


async def _each(records: Records, do: Do, *, ours: bool) -> tuple[str, ...]:
    """Do it to all, a few at a time; return what went wrong with single ones. What concerns all of them ends it."""
    waiting, turn, trouble = records.places(ours=ours), asyncio.Lock(), list[str]()

    async def next_place() -> Place | None:
        async with turn:
            return await anext(waiting, None)

    async def worker() -> None:
        while (place := await next_place()) is not None:
            trouble.extend(await _tried(records, place, do))

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(worker())
    except BaseExceptionGroup as several:
        raise several.exceptions[0] from None  # it is the same error, without its wrapping
    return tuple(trouble)


async def _tried(records: Records, place: Place, do: Do) -> tuple[str, ...]:
    try:
        record = await records.read(place)
        if record is not None:
            await do(record)
    except (Retryable, NotLeading):
        raise
    except RekeyError as error:
        return (f"{place}: {error}",)
    return ()
