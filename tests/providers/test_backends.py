"""From what an administrator declared to a backend: who may use it, what it needs, and for how long it is called."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, cast

import pytest

from rekey.core.material import Material
from rekey.core.provider_health import Health, Provider
from rekey.core.reasons import ProviderWhy, Reason
from rekey.core.spec_backend import ClusterCredentialProviderSpec, CredentialProviderSpec
from rekey.core.spec_provide import Provide, ProviderKind, ProviderRef
from rekey.errors import NoAnswer, NotLeading, Rejected, Retryable
from rekey.ports.backend import Backend, Claim, Held, Opened
from rekey.ports.declarations import Declared
from rekey.ports.secrets import Secrets, SecretView
from rekey.providers.backends import Bounded, DeclaredBackends, left_of
from rekey.providers.limits import FAILURES, Turnstiles
from rekey.providers.parts import Parts
from tests.leaping import leap
from tests.sim.backends import FakeBackend, Fault

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
ROLE = {"postgresql": {"role": "orders"}}
SERVER = {"postgresql": {"host": "db.example.com", "secretName": "login"}}
LOGIN = {"username": b"rekey", "password": b"canary"}


@dataclass
class Cluster:
    """Providers by kind and place, Secrets by namespace and name, and the labels of namespaces."""

    providers: dict[tuple[str, str], Declared] = field(default_factory=dict)
    secrets: dict[tuple[str, str], SecretView] = field(default_factory=dict)
    namespaces: dict[str, dict[str, str]] = field(default_factory=dict)

    async def read(self, namespace: str, ref: Any) -> Any:
        """Return a provider, or a Secret where a name is asked for."""
        if not isinstance(ref, ProviderRef):
            return self.secrets.get((namespace, ref))
        return self.providers.get(("" if ref.kind is ProviderKind.CLUSTER else namespace, ref.name))

    async def labels(self, namespace: str) -> Mapping[str, str]:
        """Return the labels of a namespace."""
        return self.namespaces.get(namespace, {})

    def put(self, namespace: str, name: str, values: dict[str, bytes], revision: str = "1") -> None:
        """Put a Secret there."""
        view = SecretView(name, f"uid-{name}", revision, NOON, Material(values))
        self.secrets[namespace, name] = view


@dataclass
class Lead:
    """For how long we may."""

    left: float = 10.0

    def remaining(self, namespace: str) -> float:
        """Return it."""
        del namespace
        return self.left


class Slow(FakeBackend):
    """A backend that never answers."""

    async def find(self, owner: str) -> Any:
        """Hang."""
        await asyncio.Event().wait()


def declared(**allowed: Any) -> Cluster:
    """Return a cluster with a provider of namespace `orders`, and one for the cluster that allows these namespaces."""
    found = Cluster(namespaces={"orders": {"team": "shop"}, "bank": {"team": "bank"}})
    wide = ClusterCredentialProviderSpec.model_validate({**SERVER, "allowedNamespaces": allowed})
    found.providers["orders", "db"] = Declared("uid-1", 1, "orders", CredentialProviderSpec.model_validate(SERVER))
    found.providers["", "db"] = Declared("uid-2", 1, "rekey-system", wide)
    for namespace in ("orders", "rekey-system"):
        found.put(namespace, "login", LOGIN)
    return found


def opened(
    cluster: Cluster,
    namespace: str,
    kind: str = "CredentialProvider",
    lead: Lead | None = None,
    seen: list[Material | None] | None = None,
    **more: Any,
) -> Opened:
    """Open the backend as a credential of that namespace does."""
    made: list[Parts] = []

    def make(parts: Parts) -> FakeBackend:
        made.append(parts)
        return Slow()

    backends = DeclaredBackends(
        cluster, cast("Secrets", cluster), {"postgresql": make, "oauth2": make}, Turnstiles(lambda: 0.0), lead or Lead()
    )
    wanted = Provide.model_validate({"ref": {"kind": kind, "name": "db"}, **(more or ROLE)})
    found = asyncio.run(backends.open(namespace, wanted))
    assert set(LOGIN.items()) <= set(made[0].login.reveal().items())
    if seen is not None:
        seen.append(made[0].certificate)
    return found


CLUSTER = "ClusterCredentialProvider"
TENANTS: dict[str, tuple[dict[str, Any], str, str, Reason | None]] = {
    "its own": ({}, "orders", "CredentialProvider", None),
    "another namespace's": ({}, "bank", "CredentialProvider", Reason.PROVIDER_NOT_FOUND),
    "the cluster's, which allows nobody": ({}, "orders", CLUSTER, Reason.PROVIDER_NOT_ALLOWED),
    "the cluster's, by name": ({"names": ["orders"]}, "orders", CLUSTER, None),
    "the cluster's, by another's name": ({"names": ["orders"]}, "bank", CLUSTER, Reason.PROVIDER_NOT_ALLOWED),
    "the cluster's, by label": ({"selector": {"matchLabels": {"team": "shop"}}}, "orders", CLUSTER, None),
    "the cluster's, by another's label": (
        {"selector": {"matchLabels": {"team": "shop"}}},
        "bank",
        CLUSTER,
        Reason.PROVIDER_NOT_ALLOWED,
    ),
    "the cluster's, by a name that begins alike": (
        {"names": ["order"]},
        "orders",
        CLUSTER,
        Reason.PROVIDER_NOT_ALLOWED,
    ),
}


@pytest.mark.parametrize("case", TENANTS)
def test_who_may_use_a_provider(case: str) -> None:
    """A namespace uses its own, and those of the cluster that allow it; nothing else is reached."""
    allowed, namespace, kind, refused = TENANTS[case]
    if refused is None:
        opened(declared(**allowed), namespace, kind)
        return
    with pytest.raises(Rejected) as caught:
        opened(declared(**allowed), namespace, kind)
    assert caught.value.reason == refused


def test_secrets_of_a_cluster_provider_are_the_operators() -> None:
    """One of that name in the credential's namespace is not looked at."""
    cluster = declared(names=["orders"])
    del cluster.secrets["rekey-system", "login"]
    with pytest.raises(Rejected, match="needs Secret login of namespace rekey-system with username and password"):
        opened(cluster, "orders", CLUSTER)


def test_a_secret_that_is_not_whole_is_said() -> None:
    """The message names what is missing, and no value."""
    cluster = declared()
    cluster.put("orders", "login", {"username": b"canary"})
    with pytest.raises(Rejected, match="username and password") as caught:
        opened(cluster, "orders")
    assert "canary" not in str(caught.value)


def test_another_kind_than_was_declared_is_refused() -> None:
    """A token of a database is none."""
    with pytest.raises(Rejected, match="of another kind") as caught:
        opened(declared(), "orders", oauth2={})
    assert caught.value.reason == Reason.PROVIDER_NOT_READY


def test_means_change_with_what_they_are_made_of() -> None:
    """Another declaration, or another Secret, is another means; the same is the same."""
    cluster = declared()
    before = opened(cluster, "orders").means
    assert opened(cluster, "orders").means == before
    cluster.put("orders", "login", LOGIN, revision="2")
    after = opened(cluster, "orders").means
    cluster.providers["orders", "db"] = replace(cluster.providers["orders", "db"], generation=2)
    assert len({before, after, opened(cluster, "orders").means}) == 3


def test_what_we_show_in_tls_is_read_each_time() -> None:
    """Another certificate is another means; one that is not whole is said."""
    cluster = declared()
    spec = {"tokenUrl": "https://idp.example.com/", "secretName": "login", "certificateSecretName": "shown"}
    provider = replace(cluster.providers["orders", "db"], spec=CredentialProviderSpec.model_validate({"oauth2": spec}))
    cluster.providers["orders", "db"] = provider
    cluster.put("orders", "login", LOGIN | {"client_id": b"rekey"})
    cluster.put("orders", "shown", {"tls.crt": b"crt"})
    with pytest.raises(Rejected, match=r"needs Secret shown of namespace orders with tls\.crt and tls\.key"):
        opened(cluster, "orders", oauth2={})
    seen: list[Material | None] = []
    means = set()
    for revision in ("1", "2"):
        pair = {"tls.crt": b"crt", "tls.key": revision.encode()}
        cluster.put("orders", "shown", pair, revision)
        means.add(opened(cluster, "orders", seen=seen, oauth2={}).means)
        assert seen[-1] == Material(pair)
    assert len(means) == 2


def test_no_call_outlasts_our_lead() -> None:
    """A backend that hangs is left when the lead is over, and not asked when it is."""
    lead = Lead(0.05)
    backend = opened(declared(), "orders", lead=lead).backend
    with pytest.raises(NoAnswer):
        asyncio.run(backend.find("uid"))
    lead.left = 0.0
    with pytest.raises(NotLeading):
        asyncio.run(backend.find("uid"))


def test_a_call_of_45_seconds_is_given_up_after_30() -> None:
    """Where nobody else may lead; whoever comes next is let in. With a lead it is what that has left."""

    async def scene() -> None:
        backend = Bounded(Slow(), partial(left_of, "orders", None))
        for until in (30.0, 60.0):
            with pytest.raises(NoAnswer, match=r"no answer within 30\.0 s"):
                await backend.find("uid")
            assert asyncio.get_running_loop().time() == until

    leap(scene())


@dataclass
class Heard:
    """What was told of providers, and a backend for them."""

    said: list[tuple[Provider, ProviderWhy]] = field(default_factory=list)
    backend: FakeBackend = field(default_factory=FakeBackend)

    def tell(self, provider: Provider, health: Health) -> None:
        """Note it."""
        assert "canary" not in repr(health)
        self.said.append((provider, health.why))

    def open(self, cluster: Cluster, kind: str = "CredentialProvider") -> Backend:
        """Open the backend as a credential of namespace `orders` does."""
        makers = {"postgresql": lambda _: self.backend}
        backends = DeclaredBackends(
            cluster, cast("Secrets", cluster), makers, Turnstiles(lambda: 0.0), Lead(), tell=self.tell
        )
        wanted = Provide.model_validate({"ref": {"kind": kind, "name": "db"}, **ROLE})
        return asyncio.run(backends.open("orders", wanted)).backend


OURS, WIDE = Provider("orders", "db", "uid-1", 1), Provider("", "db", "uid-2", 1)


@pytest.mark.parametrize(("kind", "provider"), [("CredentialProvider", OURS), (CLUSTER, WIDE)])
def test_what_a_call_meets_is_told(kind: str, provider: Provider) -> None:
    """Of the provider by its name and place; a revocation that goes well may have asked nobody, so it tells nothing."""
    heard = Heard()
    backend = heard.open(declared(names=["orders"]), kind)
    held = Held(Claim("uid", "orders", "db", 1), Provide.model_validate({"ref": {"name": "db"}, **ROLE}))
    asyncio.run(backend.revoke(held))
    assert heard.said == []
    asyncio.run(backend.find("uid"))
    heard.backend.fault = Fault.AWAY
    for call in (lambda: backend.revoke(held), lambda: backend.find("uid")):
        with pytest.raises(Retryable):
            asyncio.run(call())
    unreachable = ProviderWhy.BACKEND_UNREACHABLE
    assert heard.said == [(provider, ProviderWhy.ANSWERS), (provider, unreachable), (provider, unreachable)]


def test_a_turn_that_does_not_come_is_not_the_backends() -> None:
    """After five calls without an answer it is left alone: what is refused here tells nothing more."""
    heard = Heard()
    backend = heard.open(declared())
    heard.backend.fault = Fault.AWAY
    for _ in range(8):
        with pytest.raises(Retryable):
            asyncio.run(backend.find("uid"))
    assert len(heard.said) == FAILURES


def test_a_secret_that_is_missing_is_told() -> None:
    """So a person sees at the provider what he has to mend, and where."""
    heard, cluster = Heard(), declared()
    del cluster.secrets["orders", "login"]
    with pytest.raises(Rejected):
        heard.open(cluster)
    assert heard.said == [(OURS, ProviderWhy.PROVIDER_NOT_READY)]


def test_who_may_not_use_a_provider_tells_nothing_of_it() -> None:
    """It is as well as it was."""
    heard = Heard()
    with pytest.raises(Rejected):
        heard.open(declared(), CLUSTER)
    assert heard.said == []
