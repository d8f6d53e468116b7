"""Limits of a provider that all shards use together: how they are divided, and what the backend sees of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Any, cast

import pytest

from rekey.core.reasons import Reason
from rekey.core.spec_backend import ClusterCredentialProviderSpec, CredentialProviderSpec
from rekey.core.spec_limits import Limits
from rekey.core.spec_provide import Provide
from rekey.errors import Rejected, Retryable
from rekey.ports.secrets import Secrets
from rekey.providers.backends import DeclaredBackends
from rekey.providers.limits import Turnstiles
from rekey.providers.parts import Parts
from tests.leaping import leap
from tests.providers.test_backends import CLUSTER, ROLE, SERVER, Cluster, declared
from tests.sim.backends import FakeBackend

SPACES = [f"space-{number}" for number in range(16)]
PARTS: dict[str, tuple[Limits, int, list[tuple[int, int]] | None]] = {
    "one shard has all of it": (Limits(concurrency=4, per_minute=3_000), 1, [(4, 3_000)]),
    "four have a quarter each": (Limits(concurrency=8, per_minute=60), 4, [(2, 15)] * 4),
    "what is left over goes to the first": (Limits(concurrency=6, per_minute=7), 4, [(2, 2), (2, 2), (1, 2), (1, 1)]),
    "one each is enough": (Limits(concurrency=4, per_minute=4), 4, [(1, 1)] * 4),
    "three requests are not for four": (Limits(concurrency=3, per_minute=60), 4, None),
    "three a minute are not for four": (Limits(concurrency=4, per_minute=3), 4, None),
}


@pytest.mark.parametrize("case", PARTS)
def test_how_limits_are_divided(case: str) -> None:
    """The parts add up to what was declared; where that is not one each, nobody has any."""
    whole, number, wanted = PARTS[case]
    parts = [whole.part(shard, number) for shard in range(number)]
    assert [(one.concurrency, one.per_minute) for one in parts if one is not None] == (wanted or [])
    if wanted is not None:
        assert (sum(one for one, _ in wanted), sum(one for _, one in wanted)) == (whole.concurrency, whole.per_minute)


@dataclass
class Counted(FakeBackend):
    """A backend that takes ten seconds for a call, and counts."""

    begun: int = 0
    at_once: int = 0
    most: int = 0

    async def find(self, owner: str) -> Any:
        """Take a while."""
        del owner
        self.begun += 1
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await asyncio.sleep(10)
        self.at_once -= 1
        return ()


def limited(**limits: int) -> Cluster:
    """Return a cluster with such a provider for the cluster, and one in each namespace."""
    cluster = declared(names=SPACES)
    wide = {**SERVER, "allowedNamespaces": {"names": SPACES}, "limits": limits}
    spec = ClusterCredentialProviderSpec.model_validate(wide)
    cluster.providers["", "db"] = replace(cluster.providers["", "db"], spec=spec)
    own = CredentialProviderSpec.model_validate({**SERVER, "limits": limits})
    for space in SPACES:
        cluster.providers[space, "db"] = replace(cluster.providers["orders", "db"], uid=f"uid-{space}", spec=own)
    return cluster


def process(cluster: Cluster, backend: Counted, number: int) -> DeclaredBackends:
    """Return the backends as one of several processes opens them."""

    def make(parts: Parts) -> Counted:
        del parts
        return backend

    def place(namespace: str) -> tuple[int, int]:
        return SPACES.index(namespace) % number, number

    turnstiles = Turnstiles(asyncio.get_running_loop().time)
    return DeclaredBackends(cluster, cast("Secrets", cluster), {"postgresql": make}, turnstiles, place=place)


async def storm(cluster: Cluster, backend: Counted, kind: str = CLUSTER) -> int:
    """Have two processes, with two of four shards each, call for all namespaces at once; return how many were let."""
    processes = [process(cluster, backend, 4) for _ in range(2)]
    wanted = Provide.model_validate({"ref": {"kind": kind, "name": "db"}, **ROLE})

    async def call(space: str) -> bool:
        own = processes[SPACES.index(space) % 2]
        opened = await own.open(space, wanted)
        try:
            await opened.backend.find("uid")
        except Retryable:
            return False
        return True

    return sum(await asyncio.gather(*(call(space) for space in SPACES * 4)))


def test_all_processes_together_keep_the_limit_of_requests_under_way() -> None:
    """However many they are, and whichever shards each of them has."""
    backend = Counted()
    assert leap(storm(limited(concurrency=6), backend)) == 6
    assert backend.most == 6


def test_all_processes_together_keep_the_limit_of_a_minute() -> None:
    """Likewise."""
    backend = Counted()
    leap(storm(limited(concurrency=64, perMinute=10), backend))
    assert backend.begun == 10


def test_a_provider_of_a_namespace_is_not_divided() -> None:
    """Its namespace is in one shard: nobody else uses it."""
    backend = Counted()
    assert leap(storm(limited(concurrency=2), backend, "CredentialProvider")) == 2 * len(SPACES)


def test_less_than_one_request_for_each_shard_is_refused() -> None:
    """In every shard, so that it is noticed, and with what to do about it."""
    for space in SPACES[:4]:
        backends = limited(concurrency=3)

        async def scene(cluster: Cluster, space: str) -> None:
            wanted = Provide.model_validate({"ref": {"kind": CLUSTER, "name": "db"}, **ROLE})
            await process(cluster, Counted(), 4).open(space, wanted)

        with pytest.raises(Rejected, match="the 4 shards that share them: let each be 4 at least") as caught:
            leap(scene(backends, space))
        assert caught.value.reason == Reason.PROVIDER_NOT_READY
