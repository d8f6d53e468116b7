"""The adapter of API keys keeps what its port promises, with a real service over TLS, also when calls are cut."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from rekey.core.material import Material
from rekey.core.rate import Rate
from rekey.core.reasons import Reason
from rekey.core.spec_provide import Provide
from rekey.errors import NoAnswer, Rejected, Retryable
from rekey.ports.backend import Backend, Claim, Held, Intent
from rekey.providers.api_key.asking import Account
from rekey.providers.api_key.backend import ApiKeyBackend
from rekey.providers.http.allowed import Allowed
from rekey.providers.http.roads import Roads
from tests.cluster import ports
from tests.providers import key_service
from tests.providers.key_service import ADMIN, TRUST, Keys
from tests.sim.conformance_of_backends import (
    OURS,
    BackendConformance,
    Bench,
    ListableConformance,
    MadeThereConformance,
    Play,
    held,
)

WANTED = Provide.model_validate({"ref": {"name": "crm"}, "apiKey": {"scopes": ["orders:read", "orders:write"]}})
MARKED = f"orders/db rekey-{OURS}-1"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keys]:
    """Give the service."""
    with key_service.serving(tmp_path_factory.mktemp("keys")) as found:
        yield found


def hear(told: Rate) -> None:
    """Hear what the service says of its limits: it says nothing."""
    raise AssertionError(told)


class RealBench(Bench):
    """The service, listing its keys or not."""

    wanted = WANTED
    secret_key = "api_key"
    told = ("id",)

    def __init__(self, keys: Keys, **changes: Any) -> None:
        self.keys = keys
        self.changes = changes
        self.backend = self.adapter()

    def adapter(self, admin: str = ADMIN, **changes: Any) -> ApiKeyBackend:
        """Return the adapter."""
        account = Account(self.keys.declared(**self.changes, **changes), Material({"api_key": admin.encode()}), TRUST)
        roads = Roads(Allowed(["127.0.0.1/32"]), "orders", lambda: datetime.now(UTC), lambda: 20.0)
        return ApiKeyBackend(account, roads, "orders", hear)

    async def accepted(self, held: Held) -> bool:
        assert held.material is not None
        return self.keys.lets_in(held.material.reveal()["api_key"].decode())

    def things(self) -> list[str]:
        return [f"{key.id} {key.name}" for key in self.keys.keys.values()]

    def stranger(self, name_of: Claim) -> None:
        raise NotImplementedError("keys have no names of their own")

    def away(self) -> Backend:
        return self.adapter(baseUrl=f"https://127.0.0.1:{ports.free(1)[0]}/v1")

    def locked_out(self) -> Backend:
        return self.adapter(admin="another")


def player(keys: Keys, **changes: Any) -> Play:
    """Return what plays a scene at a service that has no keys yet."""

    def played(scene: Callable[[Bench], Coroutine[Any, Any, None]]) -> None:
        keys.reset()
        asyncio.run(scene(RealBench(keys, **changes)))

    return played


class TestKeys(BackendConformance, ListableConformance, MadeThereConformance):
    """The adapter where keys are listed."""

    @pytest.fixture
    def play(self, keys: Keys) -> Play:
        return player(keys)

    def test_listed(self, play: Play) -> None:
        """Over several pages; the name of a credential is not in a mark, so that services with short names do."""

        async def scene(bench: Bench) -> None:
            for number in (2, 10, 1):
                await bench.issue(bench.intent(number))
            await bench.issue(bench.intent(3, owner=OURS + "9"))
            found = await bench.backend.find(OURS)
            assert [(one.owner, one.number) for one in found] == [(OURS, number) for number in (1, 2, 10)]

        play(scene)


class TestKeysThatAreNotListed(BackendConformance, MadeThereConformance):
    """The adapter where they are not: what has no id that was told is nobody's."""

    @pytest.fixture
    def play(self, keys: Keys) -> Play:
        return player(keys, list=None)

    @pytest.mark.parametrize("call", ["issue"])
    def test_away(self, play: Play, call: str) -> None:
        """Of what has no id nothing is asked."""
        super().test_away(play, call)

    @pytest.mark.parametrize("call", ["issue"])
    def test_locked_out(self, play: Play, call: str) -> None:
        """Likewise."""
        super().test_locked_out(play, call)


async def insist(call: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Make the call again and again, as the engine does, until it is answered."""
    for _ in range(3):
        try:
            return await call()
        except Retryable:
            continue
    raise AssertionError("it was answered at no time")


@pytest.mark.parametrize("after", [False, True], ids=["before it is done", "after it is done"])
@pytest.mark.parametrize("at", range(9))
def test_a_connection_that_is_cut_at_any_call(keys: Keys, at: int, after: bool) -> None:  # noqa: FBT001
    """Whichever is lost, at the end there is the current key and no other; uncut there are eight, and a look."""

    async def scene(bench: Bench) -> None:
        keys.at, keys.after = at, after
        first: Held = await insist(lambda: bench.issue(bench.intent(1)))
        second: Held = await insist(lambda: bench.issue(bench.intent(2)))
        await insist(lambda: bench.backend.revoke(first))
        await insist(lambda: bench.backend.prove(second))
        assert len(bench.things()) == 1
        assert [one.number for one in await bench.backend.find(OURS)] == [2]
        assert await bench.accepted(second)

    player(keys)(scene)
    assert len(keys.calls) == 9 if at == 0 else len(keys.calls) > 9


def test_an_answer_that_is_lost_where_keys_are_not_listed(keys: Keys) -> None:
    """One key is left over for it, and nothing is said to be ours that is not."""

    async def scene(bench: Bench) -> None:
        keys.at, keys.after = 1, True
        with pytest.raises(NoAnswer):
            await bench.issue(bench.intent(1))
        one = await bench.issue(bench.intent(1))
        await bench.backend.revoke(one)
        assert bench.things() == [f"{keys.made[-2].id} {MARKED}"]

    player(keys, list=None)(scene)


def test_what_others_have_there_is_left_alone(keys: Keys) -> None:
    """Also under a text that holds almost our mark; and a key of ours whose id somebody else's took the place of."""
    others = ["theirs", f"rekey-{OURS}-11", f"rekey-{OURS}-1x", f"x-rekey-{OURS}-1", f"rekey-{OURS}-1-2", ""]

    async def scene(bench: Bench) -> None:
        theirs = [keys.put(name) for name in others]
        before = bench.things()
        one = await bench.issue(bench.intent(1))
        await bench.backend.revoke(one)
        await bench.backend.revoke(replace(one, backend_id=theirs[0].id))
        assert bench.things() == before

    player(keys)(scene)


def test_an_admin_key_that_died_with_a_password(keys: Keys) -> None:
    """A person must act, and is told where; the key that is out stays good, and another admin key brings it back."""

    async def scene(bench: Bench) -> None:
        assert isinstance(bench, RealBench)
        one = await bench.issue(bench.intent(1))
        keys.admin = "canary-of-another-admin"
        for call in (bench.issue(bench.intent(2)), bench.backend.revoke(one), bench.backend.find(OURS)):
            with pytest.raises(Rejected) as caught:
                await call
            assert caught.value.reason == Reason.NEEDS_REAUTH
            assert "answered 401 (bad_admin_key): our key is not accepted" in str(caught.value)
            assert "ended with its owner's password; put another `api_key` into Secret admin" in str(caught.value)
        await bench.backend.prove(one)
        backend = bench.adapter(admin=keys.admin)
        intent: Intent = bench.intent(2)
        await backend.prove(held(intent, await backend.issue(intent, None)))

    player(keys)(scene)


def test_a_service_that_allows_two_keys(keys: Keys) -> None:
    """The current and the next fit; a third is refused in words that say so, and made when the first is gone."""

    async def scene(bench: Bench) -> None:
        keys.most = 2
        first, _ = await bench.issue(bench.intent(1)), await bench.issue(bench.intent(2))
        with pytest.raises(Rejected, match=r"answered 409 \(too_many_keys\): it allows no more keys") as caught:
            await bench.issue(bench.intent(3))
        assert caught.value.reason == Reason.BACKEND_REFUSED
        await bench.backend.revoke(first)
        await bench.backend.prove(await bench.issue(bench.intent(3)))

    player(keys)(scene)


def test_what_is_asked_for_arrives(keys: Keys) -> None:
    """Scopes as a list, the end as a date, the mark behind the names; what is not asked for is left out."""

    async def scene(bench: Bench) -> None:
        ends = datetime(2099, 1, 2, 3, 4, 5, tzinfo=UTC)
        granted = await bench.backend.issue(bench.intent(1, expires=ends), None)
        assert granted.expires is not None
        assert abs((granted.expires - ends).total_seconds()) <= 2
        await bench.issue(bench.intent(2))
        known, endless = keys.keys.values()
        assert (known.name, known.scopes, known.expires) == (MARKED, ("orders:read", "orders:write"), ends)
        assert endless.expires is None
        assert keys.calls.count("POST /v1/keys") == 2
        await bench.backend.revoke(Held(bench.intent(1).claim, WANTED))
        assert keys.calls[-1] == f"DELETE /v1/keys/{known.id.replace('/', '%2F')}"

    player(keys)(scene)
