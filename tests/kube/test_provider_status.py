"""The status of providers on a real API server: written when it says something else, by who may, where it is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from rekey.core.provider_health import Health, Provider
from rekey.core.rate import Rate
from rekey.core.reasons import ProviderWhy
from rekey.errors import NotFound, NotLeading
from rekey.kube.api import CLUSTER_PROVIDERS, CREATE, DELETE, GET, PROVIDERS, Path
from rekey.kube.provider_status import KubeProviderStatus
from tests.kube.stage import KubeStage
from tests.sim.stage import Play, Stage

pytestmark = pytest.mark.kube

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
SPEC = {"oauth2": {"tokenUrl": "https://idp.example.com/token", "secretName": "client"}}
WELL = Health(ProviderWhy.ANSWERS, rate=Rate(100, 7, NOON))
DOWN = Health(ProviderWhy.BACKEND_UNREACHABLE, "no answer")


class Lead:
    """A lead of one namespace; what is of none is asked for by an empty name."""

    def __init__(self, *namespaces: str) -> None:
        self._namespaces = namespaces

    def remaining(self, namespace: str) -> float:
        return 10.0 if namespace in self._namespaces else 0.0


async def made(stage: KubeStage, *, wide: bool) -> tuple[Provider, Path]:
    """Declare a provider; return it, and where it is."""
    name = f"idp-{stage.namespace}"
    kind, place = ("CredentialProvider", PROVIDERS.all(stage.namespace))
    if wide:
        kind, place = "ClusterCredentialProvider", Path(f"{CLUSTER_PROVIDERS.root}/{CLUSTER_PROVIDERS.plural}", "x")
    body = {"apiVersion": "rekey.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": SPEC}
    found = await stage.client.request(CREATE, place, body=body)
    where = "" if wide else stage.namespace
    path = CLUSTER_PROVIDERS.one(name) if wide else PROVIDERS.one(where, name)
    return Provider(where, name, found["metadata"]["uid"], found["metadata"]["generation"]), path


@pytest.mark.parametrize("wide", [False, True], ids=["of a namespace", "of the cluster"])
def test_it_is_written_when_it_says_something_else(play: Play, *, wide: bool) -> None:
    """A fresh provider says nothing; what is the same is not written again; another object of its name is let be."""

    async def scene(stage: Stage) -> None:
        assert isinstance(stage, KubeStage)
        provider, path = await made(stage, wide=wide)
        statuses = KubeProviderStatus(stage.client, Lead(""), lambda: NOON)

        async def stored() -> dict[str, Any]:
            found: dict[str, Any] = await stage.client.request(GET, path)
            return found

        try:
            assert "status" not in await stored()
            await statuses.write(provider, WELL)
            first = await stored()
            assert first["status"]["conditions"][0]["reason"] == "Answers"
            assert first["status"]["rateLimit"] == {"limit": 100, "remaining": 7, "reset": "2026-11-21T12:00:00Z"}
            await statuses.write(provider, WELL)
            await statuses.write(replace(provider, uid="another"), DOWN)
            assert (await stored())["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
            await statuses.write(provider, DOWN)
            found = (await stored())["status"]["conditions"][0]
            assert (found["status"], found["reason"], found["message"]) == ("False", DOWN.why, "no answer")
        finally:
            await stage.client.request(DELETE, path)
        with pytest.raises(NotFound):
            await statuses.write(provider, WELL)

    play(scene)


def test_one_of_the_cluster_is_written_by_one_leader(play: Play) -> None:
    """Who leads in a namespace alone does not write it."""

    async def scene(stage: Stage) -> None:
        assert isinstance(stage, KubeStage)
        provider = Provider("", "idp", "uid", 1)
        with pytest.raises(NotLeading):
            await KubeProviderStatus(stage.client, Lead("orders"), lambda: NOON).write(provider, WELL)

    play(scene)
