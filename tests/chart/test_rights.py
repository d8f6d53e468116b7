"""Each right of the chart is taken away in turn: the operator says which one it is, and waits until it is back."""

import asyncio
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from rekey.app import preflight
from rekey.app.clock import ticks
from rekey.app.contact import Contact
from rekey.core.facts import Fence
from rekey.core.reasons import Reason
from rekey.kube import config, fence
from rekey.kube.client import Client
from rekey.kube.rights import Right, for_lease, missing, needed
from tests.chart.deployed import Deployed
from tests.chart.helm import SYSTEM, Manifest

pytestmark = [pytest.mark.kube, pytest.mark.xdist_group("chart")]

ALL = (*needed(()), *for_lease(SYSTEM, "rekey"))
ADMISSION = "admissionregistration.k8s.io"
SEEN = (
    Right(ADMISSION, "validatingadmissionpolicies", "get", name="rekey-fence"),
    Right(ADMISSION, "validatingadmissionpolicybindings", "get", name="rekey-fence-rekey"),
)


def without(role: Manifest, right: Right) -> Manifest:
    """Return the role without one right, rules that have other verbs or resources split accordingly."""
    rules = []
    for rule in role["rules"]:
        named = not right.name or right.name in rule.get("resourceNames", ())
        if right.group in rule["apiGroups"] and right.resource in rule["resources"] and named:
            others = [resource for resource in rule["resources"] if resource != right.resource]
            verbs = [verb for verb in rule["verbs"] if verb != right.verb]
            rules += [rule | {"resources": others}] if others else []
            rules += [rule | {"resources": [right.resource], "verbs": verbs}] if verbs else []
        else:
            rules.append(rule)
    return role | {"rules": rules}


@contextmanager
def taken_away(release: Deployed, right: Right) -> Iterator[None]:
    """Take a right from the chart's role for as long as it takes."""
    where = ("-n", SYSTEM, "role/rekey-leader") if right.namespace else ("clusterrole/rekey",)
    role = json.loads(release.cluster.kubectl("get", *where, "-o", "json"))
    changed = without(role, right)
    assert changed != role
    release.cluster.kubectl("patch", *where, "--type=merge", "-p", json.dumps({"rules": changed["rules"]}))
    try:
        yield
    finally:
        release.cluster.kubectl("patch", *where, "--type=merge", "-p", json.dumps({"rules": role["rules"]}))


def as_pod(release: Deployed) -> config.Access:
    """Return the way to the API server that the first pod has."""
    return config.load({"KUBECONFIG": str(release.replicas[0].cluster.kubeconfig)})


async def learned(client: Client, right: Right, *, lacking: bool) -> None:
    """Wait until the API server, which caches roles, knows whether the right is lacking."""
    async with asyncio.timeout(60):
        while bool(await missing(client, (right,))) != lacking:  # noqa: ASYNC110  nothing tells us
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("right", ALL, ids=str)
def test_a_missing_right_is_named(
    release: Deployed, right: Right, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the only one that is said to be missing; when it is there again the work may begin."""
    monkeypatch.setattr(preflight, "LONGEST", timedelta(milliseconds=50))

    async def play() -> None:
        async with Client(as_pod(release)) as client:
            with taken_away(release, right):
                await learned(client, right, lacking=True)
                waiting = asyncio.create_task(preflight.Preflight(Contact(ticks)).pass_all(client, ALL))
                async with asyncio.timeout(60):
                    while not lines():  # noqa: ASYNC110  the log tells nobody
                        await asyncio.sleep(0.02)
                assert not waiting.done()
            async with asyncio.timeout(60):
                await waiting

    def lines() -> set[str]:
        return {record.message for record in caplog.records if record.name == preflight.__name__}

    with caplog.at_level(logging.INFO):
        asyncio.run(play())
    assert lines() == {f"missing right: {right}; waiting for somebody to grant it"}


@pytest.mark.parametrize("right", SEEN, ids=str)
def test_a_fence_that_may_not_be_seen(release: Deployed, right: Right) -> None:
    """It is not taken for one that is there; the message names the right."""
    wanted = fence.Wanted("rekey-fence", ("rekey",), SYSTEM, release.replicas[0].pod)

    async def play() -> Fence:
        async with Client(as_pod(release)) as client:
            assert (await fence.look(client, wanted)).holds
            with taken_away(release, right):
                await learned(client, right, lacking=True)
                found = await fence.look(client, wanted)
            await learned(client, right, lacking=False)
            return found

    found = asyncio.run(play())
    assert (found.holds, found.reason) == (False, Reason.MISSING_RIGHTS)
    assert f"not allowed to get {right.resource}" in found.message
