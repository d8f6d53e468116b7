"""The way to the Vault server that keeps the key: who may be asked, and how often somebody who refuses us is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

import pytest

from rekey.app.transit import CLOSED, TransitReach
from rekey.core.reasons import ProviderWhy, Reason
from rekey.core.spec_backend import ClusterCredentialProviderSpec
from rekey.errors import NoAnswer, Rejected, RekeyError
from rekey.kube.client import Client
from rekey.ports.declarations import Declared
from rekey.ports.secrets import Secrets
from rekey.providers.backends import DeclaredBackends
from rekey.providers.http.allowed import Allowed
from rekey.providers.limits import FAILURES, Turnstiles
from rekey.providers.vault.transit import TransitKeys
from tests.providers.serving import Behaviour, Says, Server, serving, telling
from tests.providers.test_backends import NOON, Cluster, Heard

HOME = "rekey-system"
TOKEN = b"canary-token-4f9d2c7ab1e0"
LET_IN = Says(200, {"data": {"ttl": 3600, "renewable": True}})
KEY = Says(200, {"data": {"keys": {"1": 1700000000}}})
REFUSED = Says(403, {"errors": ["permission denied"]})


@dataclass
class Desk:
    """A server that was told its answers, the cluster that declares it, and us."""

    server: Server
    cluster: Cluster
    heard: Heard
    time: datetime = NOON
    ticks: float = 0.0

    def now(self) -> datetime:
        """Return what time it is."""
        return self.time

    def keys(self, shards: int = 1) -> TransitKeys:
        """Return the key there, as the settings name it."""
        backends = DeclaredBackends(
            self.cluster, cast("Secrets", self.cluster), {}, Turnstiles(lambda: self.ticks), tell=self.heard.tell
        )
        allowed = Allowed(["http://127.0.0.0/8"])
        return TransitKeys(
            TransitReach(backends, cast("Client", None), self, allowed, HOME, "keys", shards=shards), "transit", "rekey"
        )

    def says(self, *answers: Says | Behaviour) -> None:
        """Tell the server what it does next; after these it hangs up."""
        self.server.behaviour = telling(*answers)

    def declare(self, *namespaces: str) -> None:
        """Declare the server to these namespaces."""
        where = {"address": f"http://127.0.0.1:{self.server.port}", "auth": {"token": {"secretName": "login"}}}
        spec = {"vault": where, "allowedNamespaces": {"names": namespaces}}
        found = ClusterCredentialProviderSpec.model_validate(spec)
        self.cluster.providers["", "keys"] = Declared("uid-1", 1, HOME, found)


def play(scene: Callable[[Desk], Coroutine[Any, Any, None]]) -> None:
    """Play a scene at a server that is declared to the operator's namespace."""

    async def played() -> None:
        async with serving() as server:
            desk = Desk(server, Cluster(), Heard())
            desk.cluster.put(HOME, "login", {"token": TOKEN})
            desk.declare(HOME)
            await scene(desk)

    asyncio.run(played())


async def raised(keys: TransitKeys) -> RekeyError:
    """Return what is raised when the key is read."""
    with pytest.raises(RekeyError) as error:
        await keys.versions("")
    return error.value


def test_the_server_is_read_when_it_is_asked() -> None:
    """What is declared counts at once: another namespace, none, another Secret; and its provider says how it is."""

    async def scene(desk: Desk) -> None:
        keys = desk.keys()
        desk.says(LET_IN, KEY, KEY)
        assert (await keys.versions("")).latest == 1
        assert desk.heard.said[-1][1] == ProviderWhy.ANSWERS
        desk.declare("orders")
        assert str(await raised(keys)).startswith("ClusterCredentialProvider keys is not for namespace rekey-system")
        desk.declare(HOME)
        assert (await keys.versions("")).latest == 1
        del desk.cluster.secrets[HOME, "login"]
        assert "needs Secret login of namespace rekey-system with token" in str(await raised(keys))
        desk.cluster.providers.clear()
        assert str(await raised(keys)).startswith("there is no ClusterCredentialProvider keys")
        assert len(desk.server.bodies) == 3

    play(scene)


def test_a_log_in_that_is_refused_is_not_tried_again_at_once() -> None:
    """Not for five minutes, unless it is another one: Vault would lock a good one out, too."""

    async def scene(desk: Desk) -> None:
        keys = desk.keys()
        desk.says(REFUSED, REFUSED, LET_IN, KEY)
        for _ in range(4):
            error = await raised(keys)
            assert isinstance(error, Rejected)
            assert (error.reason, TOKEN.decode() in str(error)) == (Reason.NEEDS_REAUTH, False)
        assert len(desk.server.bodies) == 1
        desk.time += CLOSED
        await raised(keys)
        assert len(desk.server.bodies) == 2
        desk.time += timedelta(seconds=1)
        desk.cluster.put(HOME, "login", {"token": b"a-good-one"}, revision="2")
        assert (await keys.versions("")).latest == 1

    play(scene)


def test_processes_that_are_refused_leave_it_alone_for_longer() -> None:
    """Each asks rarer the more there are: together they stay below what Vault allows in a quarter of an hour."""

    async def scene(desk: Desk) -> None:
        processes = [desk.keys(shards=3) for _ in range(3)]
        desk.says(*[REFUSED] * 20)
        for _ in range(15):
            for keys in processes:
                await raised(keys)
            desk.time += timedelta(minutes=1)
        assert len(desk.server.bodies) == 3

    play(scene)


def test_a_log_in_that_many_wait_for_is_tried_once() -> None:
    """However many values are wrapped at once, also where our token has ended: a good log-in is not locked out."""

    async def scene(desk: Desk) -> None:
        for known, more in ((False, 1), (True, 4 + 1)):
            desk.time += CLOSED
            keys = desk.keys()
            desk.says(*[LET_IN, KEY] * known, *[REFUSED] * 20)
            if known:
                await keys.versions("")
            asked = len(desk.server.bodies)
            errors = await asyncio.gather(*(raised(keys) for _ in range(4)))
            assert {error.reason for error in errors if isinstance(error, Rejected)} == {Reason.NEEDS_REAUTH}
            assert len(desk.server.bodies) == asked + more

    play(scene)


def test_a_server_that_is_down_is_left_alone() -> None:
    """After some calls without an answer nobody asks for half a minute, however much is to be sealed."""

    async def scene(desk: Desk) -> None:
        keys = desk.keys()
        for _ in range(FAILURES):
            assert isinstance(await raised(keys), NoAnswer)
        asked = len(desk.server.bodies)
        assert "it did not answer, and is left alone" in str(await raised(keys))
        assert len(desk.server.bodies) == asked

    play(scene)
