"""What the port `Backend` promises, as suites: adapters with their real servers and the backend in memory pass them."""

from __future__ import annotations

import asyncio
import traceback
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rekey.core.material import Material
from rekey.core.reasons import Reason
from rekey.core.spec_provide import Provide
from rekey.errors import NotAccepted, Rejected, RekeyError, Retryable
from rekey.ports.backend import Backend, Claim, Granted, Held, Intent

OURS, OTHERS = "0f1e2d3c-0000-4000-8000-000000000001", "0f1e2d3c-0000-4000-8000-000000000002"


class Bench(ABC):
    """A backend, and what may be known and done there without the port."""

    backend: Backend
    wanted: Provide
    secret_key = "password"
    """Under which key of what is stored the value stands."""
    told: tuple[str, ...] = ("username",)
    """Under which keys stands what may be said."""

    @abstractmethod
    async def accepted(self, held: Held) -> bool:
        """Say whether a client with what is stored is let in."""

    @abstractmethod
    def things(self) -> list[str]:
        """Return what is there now, ours and others', described so that any change shows."""

    @abstractmethod
    def stranger(self, name_of: Claim) -> None:
        """Have somebody else's thing there, under the name that a version would get."""

    @abstractmethod
    def away(self) -> Backend:
        """Return an adapter whose backend does not answer."""

    @abstractmethod
    def locked_out(self) -> Backend:
        """Return an adapter whose log-in is not accepted."""

    def intent(self, number: int = 1, owner: str = OURS, **more: Any) -> Intent:
        """Return a version to make."""
        return Intent(Claim(owner, "orders", "db", number), self.wanted, datetime.now(UTC), **more)

    async def issue(self, intent: Intent, material: Material | None = None) -> Held:
        """Make a version as the engine does, and return it as it is stored."""
        return held(intent, await self.backend.issue(intent, material or self.made(intent)))

    def made(self, intent: Intent) -> Material | None:
        """Return what is stored before the backend hears of the version."""
        return None if self.backend.traits.makes_value else self.backend.make(intent)


def held(intent: Intent, granted: Granted) -> Held:
    """Return a version that was made."""
    return Held(intent.claim, intent.wanted, granted.backend_id, granted.material)


Play = Callable[[Callable[[Bench], Coroutine[Any, Any, None]]], None]
"""What the fixture `play` gives: it opens a fresh bench, plays the scene there, and closes it."""
Call = Callable[[Bench, Backend], Awaitable[object]]
CALLS: dict[str, Call] = {
    "issue": lambda bench, backend: backend.issue(bench.intent(), bench.made(bench.intent())),
    "revoke": lambda bench, backend: backend.revoke(Held(bench.intent().claim, bench.wanted)),
    "find": lambda _, backend: backend.find(OURS),
}


class BackendConformance:
    """The port `Backend`, whatever the backend is like."""

    def test_made_proved_and_accepted(self, play: Play) -> None:
        """What was issued is proved, and a client is let in with it."""

        async def scene(bench: Bench) -> None:
            one = await bench.issue(bench.intent())
            await bench.backend.prove(one)
            assert await bench.accepted(one)

        play(scene)

    def test_two_at_once(self, play: Play) -> None:
        """The version before is accepted until it is revoked, and the next is untouched by that."""

        async def scene(bench: Bench) -> None:
            first, second = await bench.issue(bench.intent(1)), await bench.issue(bench.intent(2))
            assert first.material != second.material
            assert await bench.accepted(first)
            assert await bench.accepted(second)
            await bench.backend.revoke(first)
            assert not await bench.accepted(first)
            await bench.backend.prove(second)

        play(scene)

    def test_revoked_twice(self, play: Play) -> None:
        """A revoked version is refused, nothing of it is left, and revoking it again is no error."""

        async def scene(bench: Bench) -> None:
            one = await bench.issue(bench.intent())
            await bench.backend.revoke(one)
            await bench.backend.revoke(one)
            assert bench.things() == []
            with pytest.raises(NotAccepted):
                await bench.backend.prove(one)

        play(scene)

    def test_revoked_without_its_value(self, play: Play) -> None:
        """A version whose Secret is gone is revoked all the same."""

        async def scene(bench: Bench) -> None:
            one = await bench.issue(bench.intent())
            await bench.backend.revoke(replace(one, material=None))
            assert bench.things() == []

        play(scene)

    def test_revoked_what_never_was(self, play: Play) -> None:
        """A version that was never made is revoked without a word, and the others stay."""

        async def scene(bench: Bench) -> None:
            one = await bench.issue(bench.intent(1))
            await bench.backend.revoke(Held(bench.intent(2).claim, bench.wanted))
            await bench.backend.prove(one)

        play(scene)

    def test_another_value_is_refused(self, play: Play) -> None:
        """Only the value that was stored is accepted."""

        async def scene(bench: Bench) -> None:
            first, second = await bench.issue(bench.intent(1)), await bench.issue(bench.intent(2))
            assert first.material is not None
            values = dict(first.material.reveal())
            values[bench.secret_key] = b"not-" + values[bench.secret_key]
            with pytest.raises(NotAccepted):
                await bench.backend.prove(replace(first, material=Material(values)))
            await bench.backend.prove(second)

        play(scene)

    def test_expired(self, play: Play) -> None:
        """A version that has expired is refused."""

        async def scene(bench: Bench) -> None:
            now = datetime.now(UTC)
            fresh = await bench.issue(bench.intent(1, expires=now + timedelta(hours=1)))
            old = await bench.issue(bench.intent(2, expires=now - timedelta(days=3650)))
            await bench.backend.prove(fresh)
            with pytest.raises(NotAccepted):
                await bench.backend.prove(old)

        play(scene)

    @pytest.mark.parametrize("call", CALLS)
    def test_away(self, play: Play, call: str) -> None:
        """A backend that does not answer is asked again later."""

        async def scene(bench: Bench) -> None:
            with pytest.raises(Retryable):
                await CALLS[call](bench, bench.away())

        play(scene)

    def test_away_when_it_is_proved(self, play: Play) -> None:
        """A backend that does not answer has not refused the version."""

        async def scene(bench: Bench) -> None:
            one = await bench.issue(bench.intent())
            with pytest.raises(Retryable):
                await bench.away().prove(one)

        play(scene)

    @pytest.mark.parametrize("call", CALLS)
    def test_locked_out(self, play: Play, call: str) -> None:
        """If our own log-in is refused a person must act, and nothing was done."""

        async def scene(bench: Bench) -> None:
            with pytest.raises(Rejected) as refused:
                await CALLS[call](bench, bench.locked_out())
            assert refused.value.reason == Reason.NEEDS_REAUTH
            assert bench.things() == []

        play(scene)

    def test_nothing_tells_a_value(self, play: Play) -> None:
        """No value is in the text of any error, of what led to it, or of what is returned."""

        async def scene(bench: Bench) -> None:
            one = await bench.issue(bench.intent())
            assert one.material is not None
            told = [repr(one)]
            await bench.backend.revoke(one)
            nobody, stranger = bench.away(), bench.locked_out()
            for call in (
                bench.backend.prove(one),
                nobody.prove(one),
                nobody.issue(bench.intent(), one.material),
                stranger.issue(bench.intent(), one.material),
                stranger.revoke(one),
            ):
                with pytest.raises(RekeyError) as error:
                    await call
                told.append(everything(error.value))
            for key, value in one.material.reveal().items():
                if key not in bench.told:
                    assert value.decode() not in "".join(told)

        play(scene)


class ListableConformance:
    """The port `Backend`, where what we made is found again."""

    def test_listed(self, play: Play) -> None:
        """What is ours is listed, the oldest first; what another credential owns is not."""

        async def scene(bench: Bench) -> None:
            numbers = (2, 10, 1)
            intents = [bench.intent(number) for number in numbers]
            for intent in intents:
                await bench.issue(intent)
            await bench.issue(bench.intent(3, owner=OTHERS))
            found = await bench.backend.find(OURS)
            assert found == tuple(bench.intent(number).claim for number in sorted(numbers))

        play(scene)

    def test_found_and_revoked(self, play: Play) -> None:
        """Whatever is listed can be revoked by its claim alone: nothing stays that nobody owns."""

        async def scene(bench: Bench) -> None:
            for number in (1, 2):
                await bench.issue(bench.intent(number))
            for claim in await bench.backend.find(OURS):
                await bench.backend.revoke(Held(claim, bench.wanted))
            assert (await bench.backend.find(OURS), bench.things()) == ((), [])

        play(scene)


class UnlistedConformance(BackendConformance):
    """The port `Backend`, where nothing can be listed: to revoke what is known asks the backend, as to issue does."""

    @pytest.mark.parametrize("call", ["issue"])
    def test_away(self, play: Play, call: str) -> None:
        """A backend that does not answer is asked again later, also when a version is to be revoked."""
        super().test_away(play, call)

        async def scene(bench: Bench) -> None:
            one = await bench.issue(bench.intent())
            with pytest.raises(Retryable):
                await bench.away().revoke(one)

        play(scene)

    @pytest.mark.parametrize("call", ["issue"])
    def test_locked_out(self, play: Play, call: str) -> None:
        """If our own log-in is refused a person must act, also when a version is to be revoked."""
        super().test_locked_out(play, call)

        async def scene(bench: Bench) -> None:
            one = await bench.issue(bench.intent())
            with pytest.raises(Rejected) as refused:
                await bench.locked_out().revoke(one)
            assert refused.value.reason == Reason.NEEDS_REAUTH

        play(scene)


class MadeHereConformance:
    """The port `Backend`, where values are made here and stand there under a name."""

    def test_issued_twice(self, play: Play) -> None:
        """A version that is issued twice is one, with the value that was stored."""

        async def scene(bench: Bench) -> None:
            one = await bench.issue(bench.intent())
            again = await bench.issue(bench.intent(), one.material)
            assert again == one
            await bench.backend.prove(again)
            assert len(bench.things()) == 1

        play(scene)

    def test_a_stranger_in_its_place(self, play: Play) -> None:
        """What somebody else made under that name is neither changed nor removed."""

        async def scene(bench: Bench) -> None:
            intent = bench.intent()
            bench.stranger(intent.claim)
            before = bench.things()
            made = bench.backend.make(intent)
            with pytest.raises(Rejected) as refused:
                await bench.backend.issue(intent, made)
            assert refused.value.reason == Reason.NAME_TAKEN
            await bench.backend.revoke(Held(intent.claim, intent.wanted, material=made))
            assert bench.things() == before
            assert await bench.backend.find(OURS) == ()

        play(scene)

    def test_another_credential_in_its_place(self, play: Play) -> None:
        """What another credential of ours has under that name is somebody else's too."""

        async def scene(bench: Bench) -> None:
            theirs = await bench.issue(bench.intent(owner=OTHERS))
            before = bench.things()
            with pytest.raises(Rejected) as refused:
                await bench.issue(bench.intent())
            assert refused.value.reason == Reason.NAME_TAKEN
            await bench.backend.revoke(Held(bench.intent().claim, bench.wanted))
            assert bench.things() == before
            await bench.backend.prove(theirs)

        play(scene)

    def test_issued_by_two_at_once(self, play: Play) -> None:
        """A version that two processes make at the same time is one."""

        async def scene(bench: Bench) -> None:
            intent = bench.intent()
            made = bench.backend.make(intent)
            first, second = await asyncio.gather(bench.backend.issue(intent, made), bench.backend.issue(intent, made))
            assert first == second
            assert len(bench.things()) == 1
            await bench.backend.prove(held(intent, first))

        play(scene)


class MadeThereConformance:
    """The port `Backend`, where the backend makes the value and tells it once."""

    def test_issued_twice_where_the_value_is_told_once(self, play: Play) -> None:
        """Where the backend makes the value, the last is good, and only what cannot be listed is left over."""

        async def scene(bench: Bench) -> None:
            first, last = await bench.issue(bench.intent()), await bench.issue(bench.intent())
            await bench.backend.prove(last)
            assert await bench.accepted(first) is not bench.backend.traits.listable
            assert len(bench.things()) == (1 if bench.backend.traits.listable else 2)

        play(scene)


def everything(error: BaseException | None) -> str:
    """Return all that an error holds: its text, its fields, and the same of what led to it, hidden or not."""
    told = []
    while error is not None:
        told += [repr(error), repr(vars(error)), "".join(traceback.format_exception_only(error))]
        error = error.__cause__ or error.__context__
    return "\n".join(told)
