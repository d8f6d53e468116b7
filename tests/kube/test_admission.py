"""What the API server itself admits and refuses, on a real one, with nothing of Rekey running but the CRD."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from kubernetes.client import ApiClient, CustomObjectsApi
from kubernetes.client.exceptions import ApiException
from kubernetes.config import new_client_from_config

from rekey.app import crd
from rekey.app.crd_credential import CREDENTIAL
from rekey.core.spec import RotatedCredentialSpec
from tests.cluster.handle import Cluster
from tests.cluster.waiting import until
from tests.kube.manifests import GONE, TWINS, changed, documents, manifest
from tests.kube.refusals_of_providers import IMMUTABLE, REFUSED

pytestmark = pytest.mark.kube

ROOT = Path(__file__).parents[2]
UNCHECKED = "some validation rules were not checked"

MUTABLE: dict[str, tuple[str, str, object]] = {
    "the default Secret's name, written out": ("token", "target/secretName", "orders"),
    "a longer value of the same kind": ("token", "generate/token/bytes", 64),
    "a schedule's minute": ("schedule", "rotation/schedule", "5 3 * * *"),
    "a trigger": ("token", "rotation/trigger", "now"),
    "a consumer more": ("named consumers", "consumers/2", {"kind": "DaemonSet", "name": "checkout"}),
    "no consumer": ("named consumers", "consumers", []),
    "a hold": ("token", "hold", {"until": "2026-12-01T00:00:00Z", "reason": "audit"}),
    "a template": ("token", "target/template", {"data": {"a": "${token}"}}),
    "a verifier more": ("overlap", "verifier", {"secretName": "a", "format": "SHA256"}),
    "a probe more": ("password", "validation", {"http": {"url": "https://a.b.svc/", "bearer": {}}}),
    "no probe": ("probe", "validation", GONE),
    "a gate more": ("token", "usage", {"prometheus": {"url": "https://a.b.svc/"}}),
    "no gate": ("usage", "usage", GONE),
    "a scope more": ("verifier", "verifier/scopes/2", "write"),
}


@dataclass(frozen=True)
class Api:
    """The API of RotatedCredentials, over one kept connection."""

    objects: CustomObjectsApi

    def create(self, body: dict[str, Any], *, dry: bool = True) -> dict[str, Any]:
        """Create the resource, only to try by default."""
        where = (crd.GROUP, crd.VERSION, body["metadata"]["namespace"], CREDENTIAL.plural)
        made = self.objects.create_namespaced_custom_object(
            *where, body, dry_run="All" if dry else None, field_validation="Strict"
        )
        return cast("dict[str, Any]", made)

    def replace(self, body: dict[str, Any]) -> dict[str, Any]:
        """Try to replace the resource."""
        meta = body["metadata"]
        where = (crd.GROUP, crd.VERSION, meta["namespace"], CREDENTIAL.plural, meta["name"])
        made = self.objects.replace_namespaced_custom_object(*where, body, dry_run="All", field_validation="Strict")
        return cast("dict[str, Any]", made)


@pytest.fixture(scope="module")
def api(served: Cluster) -> Iterator[Api]:
    """Give the API of our kinds."""
    client: ApiClient = new_client_from_config(str(served.kubeconfig))  # type: ignore[no-untyped-call]  # theirs
    yield Api(CustomObjectsApi(client))
    client.rest_client.pool_manager.clear()


def refusal_of(error: ApiException) -> dict[str, str]:
    """Return what the API server said, by field."""
    assert error.status == 422, error.body
    causes = json.loads(error.body or "")["details"]["causes"]
    said: dict[str, str] = {}
    for cause in causes:
        if UNCHECKED not in cause["message"]:
            field = cause["field"]
            said[field] = said.get(field, "") + cause["message"]
    return said


@pytest.mark.parametrize("twin", TWINS)
def test_the_twin_is_accepted_and_understood(api: Api, twin: str) -> None:
    """The spec passes, and the model reads what the API server stored as it reads what was written."""
    stored = api.create(manifest(TWINS[twin]))
    read = RotatedCredentialSpec.model_validate(stored["spec"])
    assert read == RotatedCredentialSpec.model_validate(TWINS[twin])


@pytest.mark.parametrize("case", REFUSED)
def test_one_changed_field_is_refused_by_its_path(api: Api, case: str) -> None:
    """The answer names the field to mend, says why, and names no other."""
    refusal = REFUSED[case]
    body = manifest(changed(TWINS[refusal.twin], refusal.path, refusal.value))
    with pytest.raises(ApiException) as caught:
        api.create(body)
    said = refusal_of(caught.value)
    assert set(said) == {refusal.field}, said
    assert refusal.says in said[refusal.field]
    assert f"{refusal.field}: " in json.loads(caught.value.body or "")["message"]


@pytest.mark.parametrize("case", IMMUTABLE)
def test_what_consumers_rely_on_cannot_be_changed(api: Api, namespace: str, case: str) -> None:
    """An update that would take the Secret or its key from its readers is refused by its path."""
    refusal = IMMUTABLE[case]
    stored = api.create(manifest(TWINS[refusal.twin], namespace=namespace), dry=False)
    with pytest.raises(ApiException) as caught:
        api.replace({**stored, "spec": changed(stored["spec"], refusal.path, refusal.value)})
    said = refusal_of(caught.value)
    assert set(said) == {refusal.field, *refusal.also}
    assert refusal.says in said[refusal.field]


@pytest.mark.parametrize("case", MUTABLE)
def test_everything_else_can_be_changed(api: Api, namespace: str, case: str) -> None:
    """An update that takes nothing from anybody passes."""
    twin, path, value = MUTABLE[case]
    stored = api.create(manifest(TWINS[twin], namespace=namespace), dry=False)
    api.replace({**stored, "spec": changed(stored["spec"], path, value)})


def test_an_unknown_field_is_refused_by_its_path(api: Api) -> None:
    """A misspelt field does not vanish silently from a manifest."""
    with pytest.raises(ApiException) as caught:
        api.create(manifest(changed(TWINS["token"], "rotation/intervall", "1h")))
    assert 'unknown field \\"spec.rotation.intervall\\"' in (caught.value.body or "")


@pytest.mark.parametrize(("length", "passes"), [(63, True), (64, False)])
def test_a_name_fits_into_a_label(api: Api, length: int, *, passes: bool) -> None:
    """A name longer than a label's value is refused by its path."""
    body = manifest(TWINS["token"], name="a" * length)
    if passes:
        api.create(body)
        return
    with pytest.raises(ApiException) as caught:
        api.create(body)
    assert set(refusal_of(caught.value)) == {"metadata.name"}


def test_a_fresh_object_was_seen_by_nobody(api: Api) -> None:
    """Its status says -1, whatever status its manifest brought along."""
    fresh = api.create({**manifest(TWINS["token"]), "status": {"observedGeneration": 1, "currentVersion": 7}})
    assert fresh["status"] == {"observedGeneration": -1}


def test_every_default_is_written_out(api: Api) -> None:
    """Who reads a stored resource sees what holds, without knowing any default."""
    spec = api.create(manifest({"generate": {"password": {}}, "rotation": {"interval": "2h"}}))["spec"]
    assert spec == {
        "suspend": False,
        "generate": {"password": {"length": 32, "classes": ["Upper", "Lower", "Digit"]}},
        "rotation": {"interval": "2h", "jitterPercent": 10, "urgentBefore": "24h", "windowPolicy": "Require"},
        "overlap": {"duration": "1h", "propagation": "0s", "deadline": "72h", "atDeadline": "Hold"},
        "target": {"type": "Opaque", "adopt": "Never"},
        "rollout": {"maxConcurrent": 1, "progressDeadline": "10m", "onFailure": "Rollback"},
        "revocationPolicy": "AfterOverlap",
        "deletionPolicy": "Retain",
        "revisionHistoryLimit": 3,
    }


def test_the_columns_tell_a_credential_at_a_glance(api: Api, cluster: Cluster, namespace: str) -> None:
    """`kubectl get` shows the columns, times to come as they are, and finds it by all its names."""
    api.create(manifest(TWINS["token"], namespace=namespace), dry=False)
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "Settled",
        "message": "",
        "lastTransitionTime": "2026-11-21T00:00:00Z",
    }
    status = {
        "observedGeneration": 1,
        "currentVersion": 7,
        "nextRotationTime": "2099-01-01T00:00:00Z",
        "overlapEndTime": "2098-01-01T00:00:00Z",
        "conditions": [ready],
    }
    patch = json.dumps({"status": status})
    cluster.kubectl("-n", namespace, "patch", "rcred", "orders", "--subresource=status", "--type=merge", "-p", patch)
    named = cluster.kubectl("-n", namespace, "get", "rekey", "-o", "name").split()  # and those of no namespace
    assert [one for one in named if "cluster" not in one] == ["rotatedcredential.rekey.dev/orders"]
    head, row = cluster.kubectl("-n", namespace, "get", "rcred").splitlines()
    assert head.split() == ["NAME", "READY", "VERSION", "NEXT", "OVERLAP", "UNTIL", "REASON", "AGE"]
    assert row.split()[:6] == [
        "orders",
        "True",
        "7",
        "2099-01-01T00:00:00Z",
        "2098-01-01T00:00:00Z",
        "Settled",
    ]


def test_kubectl_explains_every_field(api: Api, cluster: Cluster) -> None:
    """What the API server publishes has a text for every field of ours, and kubectl shows it."""
    root = until(lambda: published(cluster), "the CRD to be published", seconds=30)
    assert root is not None
    mute = [path for part in ("spec", "status") for path in without_text(part, root["properties"][part])]
    assert mute == []
    shown = cluster.kubectl("explain", "rcred.spec.overlap.deadline")
    assert "`atDeadline` says what happens" in " ".join(shown.split())


def published(cluster: Cluster) -> dict[str, Any] | None:
    """Return the schema that the API server publishes for our kind, some time after it was installed."""
    groups = json.loads(cluster.kubectl("get", "--raw", "/openapi/v3"))["paths"]
    path = f"apis/{crd.GROUP}/{crd.VERSION}"
    if path not in groups:
        return None
    document = json.loads(cluster.kubectl("get", "--raw", f"/openapi/v3/{path}"))
    schemas: dict[str, dict[str, Any]] = document["components"]["schemas"]
    return schemas.get("dev.rekey.v1alpha1.RotatedCredential")


def without_text(path: str, node: dict[str, Any]) -> Iterator[str]:
    """Yield the path of every field without a description."""
    if not node.get("description"):
        yield path
    for name, child in node.get("properties", {}).items():
        yield from without_text(f"{path}.{name}", child)
    for name, child in node.get("items", {}).get("properties", {}).items():
        yield from without_text(f"{path}[].{name}", child)


EXAMPLES = {path.name: path for path in sorted((ROOT / "examples").glob("*.yaml"))}


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_example_is_accepted(api: Api, cluster: Cluster, namespace: str, example: str) -> None:
    """Every file in examples/ can be applied as it stands, in any namespace."""
    text = EXAMPLES[example].read_text()
    assert {document["kind"] for document in documents(text)} & {"RotatedCredential", "RotationRequest"}
    said = cluster.kubectl("-n", namespace, "apply", "--dry-run=server", "--validate=strict", "-f", "-", stdin=text)
    assert len(said.splitlines()) == len(documents(text))


@pytest.mark.parametrize("example", ["vault-transit.yaml", "webhooks.yaml"])
def test_the_example_for_whoever_runs_the_operator_is_accepted(cluster: Cluster, namespace: str, example: str) -> None:
    """It stands in the operator's namespace, which is another one here."""
    text = (ROOT / "examples/operator" / example).read_text().replace("rekey-system", namespace)
    said = cluster.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", stdin=text)
    assert len(said.splitlines()) == len(documents(text))
