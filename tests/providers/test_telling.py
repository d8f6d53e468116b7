"""From a webhook that an administrator declared to who is told: on whose behalf, by which secret, under whose lead."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import cast

import pytest

from rekey.core.material import Material
from rekey.core.notifying import Message
from rekey.core.provider_health import Health, Provider
from rekey.core.reasons import ProviderWhy, Reason
from rekey.core.spec_backend import ClusterCredentialProviderSpec, CredentialProviderSpec
from rekey.core.spec_limits import Limits
from rekey.core.spec_provide import ProviderKind, ProviderRef
from rekey.errors import NoAnswer, Rejected, RekeyError, Retryable
from rekey.ports.declarations import Declared
from rekey.ports.secrets import Secrets
from rekey.providers.backends import DeclaredBackends
from rekey.providers.limits import Turnstiles
from rekey.providers.parts import Reached
from rekey.providers.webhook import LONGEST
from tests.leaping import leap
from tests.providers.test_backends import CLUSTER, Cluster, declared

HOOK = {"webhook": {"url": "https://hooks.example.com/a", "secretName": "hook"}}
MESSAGE = Message("id-1", {"id": "id-1"})
OWN_HOOK = ProviderRef(name="hook")
CLUSTER_HOOK = ProviderRef(kind=ProviderKind.CLUSTER, name="hook")
WEBHOOKS: dict[str, tuple[str, str, Reason | None]] = {
    "its own": ("orders", "CredentialProvider", None),
    "another namespace's": ("bank", "CredentialProvider", Reason.PROVIDER_NOT_FOUND),
    "the cluster's, which allows it": ("orders", CLUSTER, None),
    "the cluster's, which does not": ("bank", CLUSTER, Reason.PROVIDER_NOT_ALLOWED),
}


@dataclass
class Post:
    """A webhook that notes what it is sent, with which secret, for whom, and whose lead and limits that was under."""

    error: RekeyError | None = None
    sent: list[tuple[Message, Material]] = field(default_factory=list)
    told: list[ProviderWhy] = field(default_factory=list)
    login: Material = field(default_factory=lambda: Material({}))
    user: str = ""
    under: set[str] = field(default_factory=set)

    async def send(self, message: Message) -> None:
        """Note it."""
        self.sent.append((message, self.login))
        if self.error is not None:
            raise self.error

    def notify(self, cluster: Cluster, namespace: str, ref: ProviderRef = OWN_HOOK, *, for_all: bool = False) -> None:
        """Tell it of a credential of that namespace."""

        def make(user: str, reached: Reached) -> Post:
            self.login, self.user = reached.login, user
            assert reached.seconds() == 10.0
            return self

        def place(namespace: str) -> tuple[int, int]:
            self.under.add(namespace)
            return 0, 1

        def tell(_: Provider, health: Health) -> None:
            self.told.append(health.why)

        backends = DeclaredBackends(
            cluster, cast("Secrets", cluster), {}, Turnstiles(lambda: 0.0), self, place, tell=tell, webhook=make
        )
        asyncio.run(backends.notify(namespace, ref, MESSAGE, for_all=for_all))

    def remaining(self, namespace: str) -> float:
        """Return for how long we may."""
        self.under.add(namespace)
        return 10.0


def hooked(allowed: str = "orders") -> Cluster:
    """Return a cluster with a webhook of namespace `orders`, and one for the cluster that allows one namespace."""
    cluster = declared()
    wide = ClusterCredentialProviderSpec.model_validate({**HOOK, "allowedNamespaces": {"names": [allowed]}})
    cluster.providers["orders", "hook"] = Declared("uid-3", 1, "orders", CredentialProviderSpec.model_validate(HOOK))
    cluster.providers["", "hook"] = Declared("uid-4", 1, "rekey-system", wide)
    for namespace in ("orders", "rekey-system"):
        cluster.put(namespace, "hook", {"secret": namespace.encode()})
    return cluster


@pytest.mark.parametrize("case", WEBHOOKS)
def test_who_may_tell_a_webhook(case: str) -> None:
    """As of backends: its own, and those of the cluster that allow it, which are signed by the operator's Secret."""
    namespace, kind, refused = WEBHOOKS[case]
    post = Post()
    ref = CLUSTER_HOOK if kind == CLUSTER else OWN_HOOK
    if refused is None:
        post.notify(hooked(), namespace, ref)
        home = "rekey-system" if kind == CLUSTER else "orders"
        assert post.sent == [(MESSAGE, Material({"secret": home.encode()}))]
        assert post.told == [ProviderWhy.ANSWERS]
        assert post.user == namespace
        return
    with pytest.raises(Rejected) as caught:
        post.notify(hooked(), namespace, ref)
    assert (caught.value.reason, post.sent, post.told) == (refused, [], [])


def test_who_is_told_of_every_credential_is_the_operators() -> None:
    """It allows the operator's namespace, and needs to allow no credential's; the lead and the limits are of these."""
    post = Post()
    post.notify(hooked("rekey-system"), "bank", CLUSTER_HOOK, for_all=True)
    assert post.sent == [(MESSAGE, Material({"secret": b"rekey-system"}))]
    assert (post.user, post.under) == ("rekey-system", {"bank"})
    with pytest.raises(Rejected, match="hook is not for namespace rekey-system: an administrator adds it") as caught:
        post.notify(hooked("bank"), "bank", CLUSTER_HOOK, for_all=True)
    assert (caught.value.reason, len(post.sent)) == (Reason.PROVIDER_NOT_ALLOWED, 1)


def test_a_webhook_that_fails_says_so_at_its_provider() -> None:
    """Whoever declared it sees that; who asked is told, too."""
    post = Post(error=NoAnswer("500"))
    with pytest.raises(NoAnswer):
        post.notify(hooked(), "orders")
    assert post.told == [ProviderWhy.BACKEND_UNREACHABLE]


def test_a_backend_is_no_webhook() -> None:
    """Nor the other way round."""
    with pytest.raises(Rejected, match="of another kind than is asked for, webhook"):
        Post().notify(declared(), "orders", ProviderRef(name="db"))


class Slow(Post):
    """A webhook that takes its time, and takes everything."""

    async def send(self, message: Message) -> None:
        """Take it, late."""
        await asyncio.sleep(LONGEST)
        await super().send(message)


def test_a_slow_webhook_keeps_few_at_once() -> None:
    """As many as its limits allow; everybody else goes on with other work at once, and comes again."""

    async def all_at_once() -> tuple[int, list[float]]:
        loop, post, took = asyncio.get_running_loop(), Slow(), list[float]()
        backends = DeclaredBackends(
            hooked(), cast("Secrets", hooked()), {}, Turnstiles(loop.time), webhook=lambda _, __: post
        )

        async def tell() -> None:
            begun = loop.time()
            try:
                await backends.notify("orders", OWN_HOOK, MESSAGE, for_all=False)
            except Retryable:
                took.append(loop.time() - begun)

        await asyncio.gather(*(tell() for _ in range(32)))
        return len(post.sent), took

    sent, took = leap(all_at_once())
    concurrency = Limits().concurrency
    assert (sent, took) == (concurrency, [0.0] * (32 - concurrency))
