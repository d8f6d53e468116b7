"""How hard a backend is used, on a clock that stands still until a test sets it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rekey.core.material import Material
from rekey.core.rate import Rate
from rekey.core.reasons import Reason
from rekey.core.spec_limits import Limits
from rekey.errors import NoAnswer, NotAccepted, NotLeading, NotYet, Rejected, Retryable
from rekey.ports.backend import Claim, Granted, Held, Intent, Traits
from rekey.providers.limits import FAILURES, Guarded, Turnstile, Turnstiles
from tests.providers.authorizing import CLAIM, held, intent

GRANTED = Granted(Material({}))
AWAY = Retryable("away")
LOST = NoAnswer("lost")
NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
LISTABLE = Traits(makes_value=True, listable=True)
REFUSED = Rejected(Reason.BACKEND_REFUSED, "no")


@dataclass
class Backend:
    """A backend that answers as it is told, and may be held up."""

    outcomes: list[Exception | None] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    at_once: int = 0
    most: int = 0
    go: asyncio.Event = field(default_factory=asyncio.Event)
    traits: Traits = LISTABLE

    def make(self, intent: Intent) -> Material:
        return Material({})

    async def _called(self, what: str) -> None:
        self.calls.append(what)
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        try:
            await self.go.wait()
        finally:
            self.at_once -= 1
        outcome = self.outcomes.pop(0) if self.outcomes else None
        if outcome is not None:
            raise outcome

    async def issue(self, intent: Intent, material: Material | None) -> Granted:
        await self._called(f"issue {intent.claim.number}")
        return GRANTED

    async def prove(self, held: Held) -> None:
        await self._called("prove")

    async def revoke(self, held: Held) -> None:
        await self._called("revoke")

    async def find(self, owner: str) -> tuple[Claim, ...]:
        await self._called("find")
        return (CLAIM,)

    async def last_used(self, held: Held) -> datetime | None:
        await self._called("last used")
        return NOON


@dataclass
class Stage:
    """A guarded backend, and the clock."""

    limits: Limits
    now: float = 1000.0
    backend: Backend = field(default_factory=Backend)

    def __post_init__(self) -> None:
        self.backend.go.set()
        self.turnstile = Turnstile(self.limits, lambda: self.now, patience=0.01)
        self.guarded = Guarded(self.backend, self.turnstile)

    async def call(self, number: int = 1) -> Any:
        """Ask for a version; return it, or why not."""
        claim = replace(CLAIM, number=number)
        try:
            return await self.guarded.issue(replace(intent(), claim=claim), None)
        except (Retryable, Rejected, NotAccepted, NotLeading) as error:
            return error

    async def calls(self, outcomes: Sequence[Exception | None]) -> list[Any]:
        """Ask once for each outcome, one after the other."""
        self.backend.outcomes.extend(outcomes)
        return [await self.call() for _ in outcomes]


def play(scene: Callable[[Stage], Awaitable[None]], **limits: int) -> Stage:
    """Play a scene; return the stage at its end."""

    async def played() -> Stage:
        stage = Stage(Limits(**limits))
        await scene(stage)
        return stage

    return asyncio.run(played())


async def all_wait() -> None:
    """Let every task come as far as it gets without a clock."""
    for _ in range(20):
        await asyncio.sleep(0)


def test_every_call_reaches_the_backend() -> None:
    """And what comes of it comes back."""

    async def scene(stage: Stage) -> None:
        assert await stage.call() is GRANTED
        await stage.guarded.prove(held())
        await stage.guarded.revoke(held())
        assert await stage.guarded.find("uid-1") == (CLAIM,)
        assert await stage.guarded.last_used(held()) is NOON
        assert stage.guarded.traits == stage.backend.traits
        assert stage.guarded.make(intent()) == Material({})
        stage.turnstile.hear(Rate(9))
        assert stage.turnstile.rate == Rate(9)
        stage.backend.traits = Traits(makes_value=True, listable=False)
        assert await stage.guarded.find("uid-1") == ()

    assert play(scene).backend.calls == ["issue 1", "prove", "revoke", "find", "last used"]


def test_who_asks_of_use_waits_for_a_turn() -> None:
    """Nothing is asked when the minute's requests have been made."""

    async def scene(stage: Stage) -> None:
        await stage.call()
        with pytest.raises(Retryable, match="in this minute"):
            await stage.guarded.last_used(held())

    assert play(scene, per_minute=1).backend.calls == ["issue 1"]


def test_no_more_at_once_than_its_limits_allow() -> None:
    """Who does not come in soon is told when to come again, each at another moment; the others go on."""

    async def scene(stage: Stage) -> None:
        stage.backend.go.clear()
        many = [asyncio.ensure_future(stage.call(number)) for number in range(5)]
        await asyncio.wait(many[2:])
        stage.backend.go.set()
        came = await asyncio.gather(*many)
        assert came[:2] == [GRANTED, GRANTED]
        waits = [error.retry_after for error in came[2:]]
        assert waits == pytest.approx([0.01, 0.11, 0.21])

    stage = play(scene, concurrency=2, per_minute=600)
    assert (stage.backend.most, len(stage.backend.calls)) == (2, 2)


def test_no_more_in_a_minute_than_its_limits_allow() -> None:
    """In any minute; who is refused is told when the oldest is a minute old, and each a little later."""

    async def scene(stage: Stage) -> None:
        for _ in range(3):
            stage.now += 10
            assert await stage.call() is GRANTED
        stage.now += 20
        came = [await stage.call() for _ in range(3)]
        assert [error.retry_after for error in came] == [20.0, 40.0, 60.0]
        assert "in this minute" in str(came[0])
        stage.now += 19.9
        assert isinstance(await stage.call(), Retryable)
        stage.now += 0.1
        assert await stage.call() is GRANTED
        assert isinstance(await stage.call(), Retryable)

    assert len(play(scene, per_minute=3).backend.calls) == 4


@given(pauses=st.lists(st.integers(0, 40), max_size=60), limit=st.integers(1, 5))
def test_any_minute_keeps_the_limit(pauses: list[int], limit: int) -> None:
    """However they come; and whoever comes when he was told, alone, is let in."""
    begun: list[float] = []

    async def scene(stage: Stage) -> None:
        for pause in pauses:
            stage.now += pause
            came = await stage.call()
            if isinstance(came, Retryable) and len(pauses) % 2:
                stage.now += came.retry_after or 0.0
                came = await stage.call()
                assert came is GRANTED
            if came is GRANTED:
                begun.append(stage.now)

    play(scene, per_minute=limit)
    assert all(later - earlier >= 60 for earlier, later in zip(begun, begun[limit:], strict=False))


BREAKS: dict[str, tuple[list[Exception | None], bool]] = {
    "five failures in a row": ([AWAY] * 5, True),
    "five failures of each kind": ([AWAY, LOST, AWAY, LOST, AWAY], True),
    "four failures": ([AWAY] * 4, False),
    "a success among them": ([*[AWAY] * 4, None, *[AWAY] * 4], False),
    "a refusal among them, which is an answer": ([*[AWAY] * 4, REFUSED, *[AWAY] * 4], False),
    "a version that was not accepted among them": ([*[AWAY] * 4, NotAccepted("no"), *[AWAY] * 4], False),
    "what has not come about yet among them, which is an answer": ([*[AWAY] * 4, NotYet("open"), *[AWAY] * 4], False),
    "what has not come about yet": ([NotYet("still open")] * 20, False),
    "a lead that was lost among them, which says nothing": ([*[AWAY] * 4, NotLeading("gone"), AWAY], True),
    "refusals": ([REFUSED] * 20, False),
    "success": ([None] * 20, False),
}


@pytest.mark.parametrize("case", BREAKS)
def test_it_is_left_alone_after(case: str) -> None:
    """For half a minute, in which nothing is sent."""
    outcomes, broken = BREAKS[case]

    async def scene(stage: Stage) -> None:
        await stage.calls(outcomes)
        stage.now += 29.9
        came = await stage.call(2)
        assert (came is not GRANTED) == broken
        assert not broken or "left alone" in str(came)

    assert play(scene).backend.calls.count("issue 2") == (not broken)


def test_one_request_tries_it_then() -> None:
    """All others are refused until it is back; a failure shuts it for as long again."""

    async def scene(stage: Stage) -> None:
        await stage.calls([LOST] * FAILURES)
        stage.now += 30
        assert await stage.calls([LOST]) == [LOST]
        stage.now += 29.9
        assert isinstance(await stage.call(), Retryable)
        stage.now += 0.1
        stage.backend.go.clear()
        trial = asyncio.ensure_future(stage.call(7))
        await all_wait()
        other = asyncio.ensure_future(stage.call(8))
        await all_wait()
        assert "tried by one request" in str(other.result())
        stage.backend.go.set()
        assert await trial is GRANTED
        assert await stage.calls([None, LOST, None]) == [GRANTED, LOST, GRANTED]

    assert "issue 8" not in play(scene).backend.calls


def test_a_trial_that_was_given_up_is_made_by_another() -> None:
    """Whoever made it lost the lead, or was stopped: it is not tried for ever."""

    async def scene(stage: Stage) -> None:
        await stage.calls([LOST] * FAILURES)
        stage.now += 30
        stage.backend.go.clear()
        trial = asyncio.ensure_future(stage.call(7))
        await all_wait()
        trial.cancel()
        await asyncio.wait([trial])
        stage.backend.go.set()
        assert await stage.call(8) is GRANTED

    play(scene)


def test_a_pause_that_it_asked_for() -> None:
    """Nobody calls before, whichever credential it is; they come again one after the other. It is no failure."""

    async def scene(stage: Stage) -> None:
        busy = Retryable("busy", retry_after=120.0)
        await stage.calls([*[AWAY] * 4, busy])
        stage.now += 119
        came = [await stage.call(number) for number in (2, 3)]
        assert [error.retry_after for error in came] == pytest.approx([1.0, 1.1])
        assert "asked for a pause" in str(came[0])
        stage.now += 1
        assert await stage.call(4) is GRANTED

    assert play(scene, per_minute=600).backend.calls[5:] == ["issue 4"]


@pytest.mark.parametrize("outcome", [None, LOST, REFUSED], ids=["comes", "is lost", "is refused"])
def test_one_call_for_one_version(outcome: Exception | None) -> None:
    """Fifty that ask for it at once get what comes of one call; another version has its own."""

    async def scene(stage: Stage) -> None:
        stage.backend.go.clear()
        stage.backend.outcomes = [outcome]
        many = [asyncio.ensure_future(stage.call(1)) for _ in range(50)]
        other = asyncio.ensure_future(stage.call(2))
        await all_wait()
        stage.backend.go.set()
        assert await asyncio.gather(*many) == [outcome or GRANTED] * 50
        assert await other is GRANTED
        assert await stage.call(1) is GRANTED

    assert play(scene).backend.calls == ["issue 1", "issue 2", "issue 1"]


def test_a_call_that_is_given_up_leaves_nobody_waiting() -> None:
    """Who waited for it tries again later."""

    async def scene(stage: Stage) -> None:
        stage.backend.go.clear()
        first = asyncio.ensure_future(stage.call(1))
        second = asyncio.ensure_future(stage.call(1))
        await all_wait()
        first.cancel()
        assert "given up" in str(await second)
        stage.backend.go.set()
        assert await stage.call(1) is GRANTED

    play(scene)


def test_a_provider_has_one_turnstile() -> None:
    """Whoever opens it; another provider, and other limits, have another."""
    all_of_them = Turnstiles(lambda: 0.0)
    one = all_of_them.of("uid-1", Limits())
    assert all_of_them.of("uid-1", Limits()) is one
    assert all_of_them.of("uid-2", Limits()) is not one
    assert all_of_them.of("uid-1", Limits(concurrency=1)) is not one
