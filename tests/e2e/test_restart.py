"""The operator, a credential, a status or a whole namespace goes, and comes again or not."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cluster.handle import Cluster
from tests.e2e.conftest import Opening
from tests.e2e.history import recording
from tests.e2e.manifests import Manifest, consumer, credential, workload
from tests.e2e.reader import reading
from tests.e2e.stage import Stage, opened

pytestmark = pytest.mark.kube

DONE = {1: "Revoked", 2: "Active"}
OURS = {"rotatedcredentials", "secrets", "deployments", "statefulsets", "daemonsets", "pods"}
WRITES = {"POST", "PUT", "PATCH", "APPLY", "DELETE", "DELETECOLLECTION"}
COUNT = re.compile(r"^apiserver_request_total\{(?P<labels>.*)\} (?P<count>[0-9.e+]+)$", re.MULTILINE)
LABEL = re.compile(r'([a-z_]+)="([^"]*)"')


def counted(cluster: Cluster, verbs: set[str]) -> Counter[tuple[str, str]]:
    """Return how many requests the API server counted, by verb and resource of those that are Rekey's."""
    found: Counter[tuple[str, str]] = Counter()
    for match in COUNT.finditer(cluster.metrics()):
        labels = dict(LABEL.findall(match["labels"]))
        if labels["verb"] in verbs and labels["resource"] in OURS:
            found[labels["verb"], labels["resource"]] += int(float(match["count"]))
    return found


def versions(stage: Stage) -> dict[str, str]:
    """Return the resourceVersion of all that Rekey could have written."""
    items = [
        (kind, item["metadata"])
        for kind in ("rotatedcredentials", "secrets", "events", "deployments")
        for item in stage.all(kind)
    ]
    return {f"{kind}/{meta['name']}": meta["resourceVersion"] for kind, meta in items}


def test_a_restart_with_100_settled_credentials_writes_nothing(own_cluster: Cluster, tmp_path: Path) -> None:
    """The API server counts no write of ours, no Secret is read, and nothing has another resourceVersion."""
    names = [f"c{number:03}" for number in range(100)]
    with reading(own_cluster) as reader, opened(own_cluster, reader, tmp_path) as stage:
        stage.apply(
            workload("web", "c000", replicas=1),
            *[credential(name, consumers=[consumer("web")] if name == "c000" else []) for name in names],
        )
        stage.operator.start()
        stage.until(lambda: _settled(stage) == 100, "100 credentials to be ready")
        stage.trigger("c000")
        stage.until_states("c000", DONE)
        stage.until(lambda: len(stage.events("c000")) == 6, "the last Event")
        stage.operator.stop()
        before, writes, reads = versions(stage), counted(own_cluster, WRITES), counted(own_cluster, {"GET"})
        assert writes["POST", "secrets"] >= 200

        stage.operator.start()
        stage.until(lambda: _reconciled(stage) >= 100, "every credential to be looked at")
        stage.operator.stop()
        assert counted(own_cluster, WRITES) == writes
        assert counted(own_cluster, {"GET"})["GET", "secrets"] == reads["GET", "secrets"]
        assert versions(stage) == before


def _settled(stage: Stage) -> int:
    ready = [one for one in stage.all("rotatedcredentials") if (one.get("status") or {}).get("currentVersion") == 1]
    return len(ready)


def _reconciled(stage: Stage) -> int:
    """Return how many turns the workers of this process have had."""
    text = stage.operator.metrics()
    return int(
        sum(
            float(value) for value in re.findall(r"^rekey_reconcile_seconds_count(?:\{.*\})? (.*)$", text, re.MULTILINE)
        )
    )


def test_a_credential_is_deleted_and_made_again(stage: Stage) -> None:
    """Under Retain its Secrets stay, owned by nobody; made again with adopt it has the same values and rotates on."""
    mine = credential("again", consumers=[consumer("user")], target={"adopt": "Unowned"})
    stage.apply(workload("user", "again", replicas=1), mine)
    stage.until_states("again", {1: "Active"})
    stage.until_ready("user")
    stage.trigger("again")
    stage.until_states("again", DONE)
    before = stage.held("again")
    stage.kubectl("delete", "rcred", "again")
    assert stage.held("again") == before
    assert not any(item["metadata"].get("ownerReferences") for item in _secrets_of(stage, "again"))
    stage.until(lambda: "Released" in stage.events("again"), "the Event")

    stage.apply(mine)
    stage.until_states("again", {2: "Active"})
    assert stage.held("again") == before
    assert stage.held("again-v2")["token"] == before["token"]
    stage.trigger("again", "b")
    stage.until_states("again", {2: "Revoked", 3: "Active"})
    assert stage.named("deployments", "user", "again") == "3"
    app = stage.get("deployments", "user")
    assert app is not None
    assert app["metadata"]["generation"] == 3


def _secrets_of(stage: Stage, name: str) -> list[Manifest]:
    return [item for item in stage.all("secrets") if item["metadata"]["name"].startswith(name)]


def test_a_status_is_lost_during_the_overlap(stage: Stage) -> None:
    """The ledger is rebuilt from the bundle: the same values under the same numbers, and the rotation is finished."""
    stage.apply(credential("restored", overlap={"duration": "20s"}))
    stage.until_states("restored", {1: "Active"})
    stage.trigger("restored")
    stage.until(lambda: stage.states("restored") == {1: "Retiring", 2: "Active"}, "both versions")
    before = stage.held("restored")
    found = stage.get("rotatedcredentials", "restored")
    assert found is not None
    del found["metadata"]["resourceVersion"]
    stage.kubectl("replace", "--subresource=status", "-f", "-", stdin=json.dumps({**found, "status": {}}))
    stage.until(lambda: stage.states("restored") == {1: "Retiring", 2: "Active"}, "the ledger to be rebuilt")
    stage.until(lambda: "LedgerRebuilt" in stage.events("restored"), "the Event")

    assert stage.held("restored") == before
    stage.change("restored", overlap={"duration": "1s"})
    stage.until_states("restored", DONE)
    stage.trigger("restored", "b")
    stage.until_states("restored", {1: "Revoked", 2: "Revoked", 3: "Active"})


def test_a_credential_is_deleted_with_all_it_made(stage: Stage) -> None:
    """Under deletionPolicy Revoke bundle and versions are gone before the credential is."""
    stage.apply(credential("revoked", deletionPolicy="Revoke", overlap={"duration": "1h"}))
    stage.until_states("revoked", {1: "Active"})
    stage.trigger("revoked")
    stage.until(lambda: stage.states("revoked") == {1: "Retiring", 2: "Active"}, "both versions")
    with recording(stage.reader, stage.namespace) as recorder:
        stage.kubectl("delete", "rcred", "revoked")
        assert _secrets_of(stage, "revoked") == []
        history = recorder.history()
    gone = history.of("rotatedcredentials", "revoked")[-1]
    assert gone.gone
    order = [history.of("secrets", name)[-1] for name in ("revoked", "revoked-v1", "revoked-v2")]
    assert all(one.gone and one.version < gone.version for one in order)
    assert order[0].version == min(one.version for one in order)
    stage.until(lambda: "Destroyed" in stage.events("revoked"), "the Event")


@contextmanager
def lasting_rights(stage: Stage) -> Iterator[None]:
    """Give the operator its rights in a way that does not end with the namespace, where a RoleBinding goes at once."""
    account, kubectl = f"rekey-{stage.namespace}", stage.cluster.kubectl
    kubectl("create", "clusterrolebinding", account, "--clusterrole=rekey-e2e", f"--serviceaccount=default:{account}")
    yield
    kubectl("delete", "clusterrolebinding", account)


@pytest.mark.parametrize("policy", ["Retain", "Revoke"])
def test_a_namespace_is_deleted(opening: Opening, policy: str) -> None:
    """It goes although credentials are in the middle of a rotation, and nothing is made in it meanwhile."""
    with opening() as stage, lasting_rights(stage):
        names = ["one", "two", "three"]
        stage.apply(*[credential(name, deletionPolicy=policy) for name in names])
        for name in names:
            stage.until_states(name, {1: "Active"})
        patch = json.dumps({"spec": {"rotation": {"trigger": "a"}}})
        stage.kubectl("patch", "rcred", *names, "--type=merge", "-p", patch)
        stage.until(lambda: len(stage.states("three")) == 2, "a rotation to be under way")
        with recording(stage.reader, stage.namespace) as recorder:
            stage.cluster.kubectl("delete", "namespace", stage.namespace, "--wait=false")
            there = f"/api/v1/namespaces/{stage.namespace}"
            began = int(stage.reader.get(there)["metadata"]["resourceVersion"])
            stage.until(lambda: stage.reader.get(there) is None, "the namespace to be gone")
            history = recorder.history()
        made: dict[str, int] = {}
        for change in history.changes:
            made.setdefault(change.body["metadata"]["uid"], change.version)
        assert [one for one in made.values() if one > began] == []
