"""Rekey asks the API server what it may do, and says what is missing."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from rekey.app.settings import Settings
from rekey.kube.api import CREDENTIALS
from rekey.kube.client import Client
from rekey.kube.config import Access
from rekey.kube.rights import Right, for_lease, is_served, missing, needed
from tests.cluster.handle import Cluster
from tests.kube.answering import always, answering, status
from tests.kube.stage import KubeStage
from tests.sim.stage import Play, Stage

ROOT = Path(__file__).parents[2]


def test_words() -> None:
    """A right is said as one would grant it."""
    assert str(Right("", "secrets", "get", "shop")) == "get secrets in namespace shop"
    assert str(Right("apps", "deployments", "patch")) == "patch deployments.apps in all namespaces"
    named = Right("coordination.k8s.io", "leases", "get", "rekey-system", "rekey")
    assert str(named) == "get leases.coordination.k8s.io 'rekey' in namespace rekey-system"


def test_needed() -> None:
    """The rights are needed in each namespace that is watched, or in all; none is needed on all objects."""
    everywhere, two = needed([]), needed(["shop", "bank"])
    assert {right.namespace for right in everywhere} == {""}
    wide = "clustercredentialproviders"
    of_none = {f"{wide}.rekey.dev", f"{wide}/status.rekey.dev", "namespaces"}
    assert len(two) == 2 * len([right for right in everywhere if right.what not in of_none])
    assert "*" not in {part for right in everywhere for part in (right.group, right.resource, right.verb)}
    secrets = {right.verb for right in everywhere if right.resource == "secrets"}
    assert secrets == {"get", "create", "patch", "delete"}, "Secrets are never listed or watched"


@pytest.mark.parametrize("name", ["examples/operator/rbac.yaml", "tests/e2e/rbac.yaml"])
def test_a_role_grants_exactly_what_is_needed(name: str) -> None:
    """The role that people apply, and that of our tests, has every right that is needed and none besides."""
    manifests = list(yaml.safe_load_all((ROOT / name).read_text()))
    role = next(one for one in manifests if one["kind"] == "ClusterRole")
    assert sorted(map(str, granted(role))) == sorted(map(str, needed([])))


def test_a_role_grants_the_lease_and_no_other() -> None:
    """The role that people apply lets the operator read and renew the Lease of the default name, and make one."""
    manifests = list(yaml.safe_load_all((ROOT / "examples/operator/rbac.yaml").read_text()))
    role = next(one for one in manifests if one["kind"] == "Role")
    wanted = for_lease("rekey-system", Settings().lease_name)
    assert sorted(map(str, granted(role))) == sorted(map(str, wanted))


def granted(role: dict[str, Any]) -> list[Right]:
    """Return what a role grants, right by right."""
    return [
        Right(group, resource, verb, role["metadata"].get("namespace", ""), name)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        for name in rule.get("resourceNames", [""])
    ]


class Named:
    """A login as somebody else."""

    def __init__(self, token: str) -> None:
        self._token = token

    async def header(self) -> str:
        return f"Bearer {self._token}"

    def refused(self) -> None:
        raise AssertionError("the token must be good")


@pytest.mark.kube
def test_missing(play: Play, access: Access, cluster: Cluster) -> None:
    """Exactly what was not granted is missing: verb by verb, subresource by subresource."""

    async def scene(stage: Stage) -> None:
        assert isinstance(stage, KubeStage)
        here = stage.namespace
        rules = [
            {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "create", "patch"]},
            {"apiGroups": [CREDENTIALS.group], "resources": ["rotatedcredentials"], "verbs": ["patch"]},
        ]
        role = {"metadata": {"name": "some"}, "rules": rules}
        binding = {
            "metadata": {"name": "some"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "some"},
            "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": here}],
        }
        for kind, body in (("Role", role), ("RoleBinding", binding)):
            manifest = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, **body}
            cluster.apply(json.dumps(manifest), here)
        token = cluster.kubectl("-n", here, "create", "token", "default").strip()
        asked = [
            Right("", "secrets", "get", here),
            Right("", "secrets", "delete", here),
            Right("", "secrets", "get", "default"),
            Right(CREDENTIALS.group, "rotatedcredentials", "patch", here),
            Right(CREDENTIALS.group, "rotatedcredentials/status", "patch", here),
        ]
        async with Client(replace(access, login=Named(token))) as client, asyncio.timeout(30):
            # An authorizer learns of new roles a moment later.
            while asked[0] in (lacking := await missing(client, asked)):  # noqa: ASYNC110  nothing tells us
                await asyncio.sleep(0.02)
        assert lacking == (asked[1], asked[2], asked[4])
        assert await missing(stage.client, needed([here])) == ()

    play(scene)


@pytest.mark.kube
def test_served(play: Play) -> None:
    """The CRD is there."""

    async def scene(stage: Stage) -> None:
        assert isinstance(stage, KubeStage)
        assert await is_served(stage.client)

    play(scene)


@pytest.mark.parametrize("names", [None, [], ["rotatedcredentials"]], ids=["group", "kind", "status"])
def test_not_served(names: list[str] | None) -> None:
    """Without the group, the kind or its status there is nothing to work on."""
    found = {"resources": [{"name": name} for name in names or ()]}
    answer = always(404, status("NotFound")) if names is None else always(200, found)

    async def scene() -> None:
        async with answering(answer) as server, Client(server.access()) as client:
            assert not await is_served(client)

    asyncio.run(scene())
