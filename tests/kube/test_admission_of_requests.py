"""What the API server itself admits and refuses of RotationRequests, with nothing of Rekey running but the CRDs."""

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any, cast

import pytest
from kubernetes.client import ApiClient, CustomObjectsApi
from kubernetes.client.exceptions import ApiException
from kubernetes.config import new_client_from_config

from rekey.app import crd
from rekey.app.crd_request import REQUEST
from rekey.core.spec_request import RotationRequestSpec
from tests.cluster.handle import Cluster, KubectlFailed
from tests.cluster.waiting import until
from tests.kube.manifests import GONE, changed
from tests.kube.refusals import Refusal
from tests.kube.refusals_of_requests import IMMUTABLE, REFUSED, REQUESTS, SELECTED
from tests.kube.test_admission import refusal_of

pytestmark = pytest.mark.kube


@pytest.fixture(scope="module")
def objects(served: Cluster) -> Iterator[CustomObjectsApi]:
    """Give the API of custom objects."""
    client: ApiClient = new_client_from_config(str(served.kubeconfig))  # type: ignore[no-untyped-call]  # theirs
    yield CustomObjectsApi(client)
    client.rest_client.pool_manager.clear()


def manifest(spec: dict[str, Any], namespace: str = "default") -> dict[str, Any]:
    """Return the request with that spec."""
    return {
        "apiVersion": "rekey.dev/v1alpha1",
        "kind": "RotationRequest",
        "metadata": {"name": "one", "namespace": namespace},
        "spec": deepcopy(spec),
    }


def create(objects: CustomObjectsApi, body: dict[str, Any], *, dry: bool = True) -> dict[str, Any]:
    """Create the request, only to try by default."""
    where = (crd.GROUP, crd.VERSION, body["metadata"]["namespace"], REQUEST.plural)
    made = objects.create_namespaced_custom_object(
        *where, body, dry_run="All" if dry else None, field_validation="Strict"
    )
    return cast("dict[str, Any]", made)


def field(refusal: Refusal) -> str:
    """Return the field that the answer must name; an empty `at` is the whole spec."""
    return "spec" if refusal.at == "" else refusal.field


@pytest.mark.parametrize("name", REQUESTS)
def test_the_request_is_accepted_and_understood(objects: CustomObjectsApi, name: str) -> None:
    """It passes, and the model reads what the API server stored as it reads what was written."""
    stored = create(objects, manifest(REQUESTS[name]))
    read = RotationRequestSpec.model_validate(stored["spec"])
    assert read == RotationRequestSpec.model_validate(REQUESTS[name])
    assert stored["status"] == {"observedGeneration": -1}


@pytest.mark.parametrize("case", REFUSED)
def test_one_changed_field_is_refused_by_its_path(objects: CustomObjectsApi, case: str) -> None:
    """The answer names the field to mend, says why, and names no other."""
    refusal = REFUSED[case]
    with pytest.raises(ApiException) as caught:
        create(objects, manifest(changed(REQUESTS[refusal.twin], refusal.path, refusal.value)))
    said = refusal_of(caught.value)
    assert set(said) == {field(refusal)}, said
    assert refusal.says in said[field(refusal)]


def test_a_version_means_something_for_one_credential_only(objects: CustomObjectsApi) -> None:
    """Numbers and a selector are refused together."""
    spec = changed(changed(REQUESTS[SELECTED.twin], "credentialRef", GONE), SELECTED.path, SELECTED.value)
    with pytest.raises(ApiException) as caught:
        create(objects, manifest(spec))
    said = refusal_of(caught.value)
    assert set(said) == {"spec.selector"}
    assert SELECTED.says in said["spec.selector"]


@pytest.mark.parametrize("case", IMMUTABLE)
def test_a_request_cannot_be_changed(objects: CustomObjectsApi, namespace: str, case: str) -> None:
    """What was asked for is what was asked for; labels may change."""
    refusal = IMMUTABLE[case]
    stored = create(objects, manifest(REQUESTS[refusal.twin], namespace), dry=False)
    where = (crd.GROUP, crd.VERSION, namespace, REQUEST.plural, "one")
    stored["metadata"]["labels"] = {"a": "b"}
    stored = cast("dict[str, Any]", objects.replace_namespaced_custom_object(*where, stored))
    body = {**stored, "spec": changed(stored["spec"], refusal.path, refusal.value)}
    with pytest.raises(ApiException) as caught:
        objects.replace_namespaced_custom_object(*where, body, dry_run="All")
    said = refusal_of(caught.value)
    assert set(said) == {field(refusal)}
    assert refusal.says in said[field(refusal)]


def test_the_default_is_written_out(objects: CustomObjectsApi) -> None:
    """Who reads a stored request sees how long it is kept."""
    spec = create(objects, manifest(REQUESTS["manual"]))["spec"]
    assert spec == {"reason": "Manual", "credentialRef": {"name": "orders"}, "ttlAfterFinished": "24h"}


def test_kubectl_explains_it(objects: CustomObjectsApi, cluster: Cluster) -> None:
    """`kubectl explain` knows it by its short name, some time after the CRD was installed."""

    def shown() -> str:
        try:
            return " ".join(cluster.kubectl("explain", "rreq.spec.revoke").split())
        except KubectlFailed:
            return ""

    text = until(shown, "kubectl to know requests", seconds=60)
    assert "`Immediately` revokes as soon as the new version is current" in text


def test_every_rule_is_tried() -> None:
    """For each rule of the CRD a request is refused here, at its place and in its words."""
    said = [json.dumps((field(case), case.says)) for case in (*REFUSED.values(), SELECTED, *IMMUTABLE.values())]
    idle = [
        rule.message
        for rule in REQUEST.rules
        if not any(
            says in rule.message and place.replace("[0]", "[]") == f"{rule.at}{rule.field or ''}"
            for place, says in map(json.loads, said)
        )
    ]
    assert idle == []
