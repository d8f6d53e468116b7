"""Which credential is worked on next: a queue of keys with three lanes.

1. A key is worked on by one worker at a time; what arrives for it meanwhile is done once, right after.
2. Nothing is lost: a key that was added after its worker began is handed out again.
3. Lanes go before one another, but every eighth turn is a lower lane's, each in its turn, so that nobody starves.
   Inside a lane namespaces take turns.
4. Every operation takes the same time however long the queue is.
"""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from rekey.core.facts import Key

COURTESY: Final = 8


class Lane(IntEnum):
    """Why a key is worked on; lower numbers go first."""

    CHANGE = 0
    DEADLINE = 1
    RESYNC = 2


@dataclass(frozen=True, slots=True)
class Work:
    """One turn: `check` asks to compare the Secrets with the ledger; `waited` is in seconds.

    `only_change`: nothing but changes asked for it, so that it may be skipped if the change was our own.
    """

    key: Key
    lane: Lane
    check: bool
    waited: float
    only_change: bool = False


@dataclass(slots=True)
class _Wish:
    lane: Lane
    check: bool
    since: float
    only_change: bool


class _Line:
    """The waiting keys of one lane: first in, first out in a namespace; namespaces take turns."""

    __slots__ = ("_turns",)

    def __init__(self) -> None:
        self._turns: OrderedDict[str, OrderedDict[Key, None]] = OrderedDict()

    def __bool__(self) -> bool:
        return bool(self._turns)

    def push(self, key: Key) -> None:
        """Put the key last in its namespace's row."""
        self._turns.setdefault(key.namespace, OrderedDict())[key] = None

    def pop(self) -> Key:
        """Take the first key of the namespace whose turn it is."""
        namespace, row = self._turns.popitem(last=False)
        key, _ = row.popitem(last=False)
        if row:
            self._turns[namespace] = row
        return key

    def remove(self, key: Key) -> None:
        """Take the key out, wherever it stands."""
        row = self._turns[key.namespace]
        del row[key]
        if not row:
            del self._turns[key.namespace]


class Queue:
    """Keys to work on. It belongs to one event loop; `seconds` is a clock that never goes back."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._lines = {lane: _Line() for lane in Lane}
        self._waiting: dict[Key, _Wish] = {}
        self._again: dict[Key, _Wish] = {}
        self._working: dict[Key, float] = {}
        self._idle: deque[asyncio.Future[None]] = deque()
        self._turn = 0
        self._closed = False
        self._ended = seconds()

    def add(self, key: Key, lane: Lane, *, check: bool = False) -> None:
        """Have the key worked on: now if nobody does, else again right after."""
        wish = _Wish(lane, check, self._seconds(), lane is Lane.CHANGE)
        if key in self._working:
            self._again[key] = _merged(self._again.get(key), wish)
            return
        known = self._waiting.get(key)
        if known is None:
            self._enter(key, wish)
        else:
            self._waiting[key] = merged = _merged(known, wish)
            if merged.lane is not known.lane:
                self._lines[known.lane].remove(key)
                self._lines[merged.lane].push(key)

    async def take(self) -> Work | None:
        """Wait for a key and hand it out; None once the queue is closed."""
        while not self._closed:
            if self._waiting:
                return self._hand_out()
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._idle.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._wake()
                raise
        return None

    def done(self, key: Key) -> None:
        """End the work on a key that `take` handed out."""
        del self._working[key]
        self._ended = self._seconds()
        wish = self._again.pop(key, None)
        if wish is not None:
            self._enter(key, wish)

    def close(self) -> None:
        """Hand out nothing more."""
        self._closed = True
        while self._idle:
            self._wake()

    def is_working(self, key: Key) -> bool:
        """Return whether somebody works on the key; from any thread."""
        return key in self._working

    def lane_of(self, key: Key) -> Lane | None:
        """Return the lane the key waits in, None if it waits in none."""
        wish = self._waiting.get(key) or self._again.get(key)
        return None if wish is None else wish.lane

    def working(self) -> tuple[Key, ...]:
        """Return the keys that are worked on now."""
        return tuple(self._working)

    def depth(self) -> Counter[Lane]:
        """Return how many keys wait in each lane, counting those to be worked on again."""
        return Counter(wish.lane for wishes in (self._waiting, self._again) for wish in wishes.values())

    def oldest(self) -> dict[Lane, float]:
        """Return for how many seconds the oldest key of each lane has waited."""
        now, ages = self._seconds(), dict.fromkeys(Lane, 0.0)
        for wish in self._waiting.values():
            ages[wish.lane] = max(ages[wish.lane], now - wish.since)
        return ages

    def since_done(self) -> float:
        """Return for how many seconds no work has ended."""
        return self._seconds() - self._ended

    def longest_work(self) -> float:
        """Return for how many seconds the slowest work of this moment has been going on."""
        return self._seconds() - min(self._working.values(), default=self._seconds())

    def _enter(self, key: Key, wish: _Wish) -> None:
        self._waiting[key] = wish
        self._lines[wish.lane].push(key)
        self._wake()

    def _wake(self) -> None:
        while self._idle:
            turn = self._idle.popleft()
            if not turn.done():
                turn.set_result(None)
                return

    def _hand_out(self) -> Work:
        self._turn += 1
        lanes = [lane for lane in Lane if self._lines[lane]]
        courtesies, own = divmod(self._turn, COURTESY)
        lane = lanes[0] if own or len(lanes) == 1 else lanes[1 + courtesies % (len(lanes) - 1)]
        key = self._lines[lane].pop()
        wish, now = self._waiting.pop(key), self._seconds()
        self._working[key] = now
        return Work(key, wish.lane, wish.check, now - wish.since, wish.only_change)


def _merged(known: _Wish | None, wish: _Wish) -> _Wish:
    if known is None:
        return wish
    only_change = known.only_change and wish.only_change
    since = wish.since if wish.lane < known.lane else known.since
    return _Wish(min(known.lane, wish.lane), known.check or wish.check, since, only_change)
