"""Tokens of ServiceAccounts: a real operator has the API server make them, proves, renews and delivers them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.e2e import leaks
from tests.e2e.conftest import Opening
from tests.e2e.history import recording
from tests.e2e.manifests import Manifest, credential
from tests.e2e.stage import Stage
from tests.e2e.test_postgresql import touch
from tests.e2e.test_secrecy import everywhere, past

pytestmark = pytest.mark.kube
RBAC = "rbac.authorization.k8s.io"


def token(name: str, **asks: Any) -> Manifest:
    """Return a credential that is a token of the ServiceAccount `sync`."""
    provide = {"ref": {"name": "here"}, "serviceAccountToken": {"serviceAccountName": "sync", **asks}}
    made = credential(name, provider=provide)
    del made["spec"]["generate"], made["spec"]["rotation"]
    return made


PROVIDER: Manifest = {
    "apiVersion": "rekey.dev/v1alpha1",
    "kind": "CredentialProvider",
    "metadata": {"name": "here"},
    "spec": {"kubernetes": {"serviceAccounts": ["sync"]}},
}
ACCOUNT: Manifest = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "sync"}}


@contextmanager
def granted(stage: Stage) -> Iterator[None]:
    """Give the operator the rights that the chart gives for `rbac.serviceAccountTokens`, for as long as it takes."""
    name = f"rekey-tokens-{stage.namespace}"
    subject = {"kind": "ServiceAccount", "name": f"rekey-{stage.namespace}", "namespace": "default"}
    make = {"apiGroups": [""], "resources": ["serviceaccounts/token"], "resourceNames": ["sync"], "verbs": ["create"]}
    prove = {"apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"]}
    items = []
    for prefix, rule, where in (("", make, {"namespace": stage.namespace}), ("Cluster", prove, {})):
        metadata = {"name": name, **where}
        role = {"apiGroup": RBAC, "kind": f"{prefix}Role", "name": name}
        items += [
            {"apiVersion": f"{RBAC}/v1", "kind": f"{prefix}Role", "metadata": metadata, "rules": [rule]},
            {
                "apiVersion": f"{RBAC}/v1",
                "kind": f"{prefix}RoleBinding",
                "metadata": metadata,
                "roleRef": role,
                "subjects": [subject],
            },
        ]
    stage.cluster.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    try:
        yield
    finally:
        stage.cluster.kubectl("delete", f"clusterrole/{name}", f"clusterrolebinding/{name}", "--wait=false")


def review(stage: Stage, value: bytes, audience: str) -> Manifest:
    """Return what the API server says of a token."""
    body = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": value.decode(), "audiences": [audience]},
    }
    found: Manifest = json.loads(stage.cluster.kubectl("create", "-o", "json", "-f", "-", stdin=json.dumps(body)))
    return dict(found["status"])


def test_tokens_are_made_when_it_is_granted_and_renewed(opening: Opening) -> None:
    """The right that is missing is named; then what is shown is accepted, also after a renewal; no part of it leaks."""
    with opening(settings={"REKEY_LOG_LEVEL": "debug"}) as stage, recording(stage.reader, stage.namespace) as recorder:
        stage.apply(ACCOUNT, PROVIDER, token("api", audiences=["https://vault"], expiration="10m"))
        said = stage.until_condition("api", "Stalled", "True", "MissingRights")
        assert said == f"not allowed to create serviceaccounts/token in namespace {stage.namespace}"
        tokens = []
        with granted(stage):
            for number in (1, 2):
                touch(stage, "api")
                stage.until(lambda number=number: stage.states("api").get(number) == "Active", f"token {number}")  # type: ignore[misc]
                tokens.append(stage.held("api")["token"])
                found = review(stage, tokens[-1], "https://vault")
                assert found["user"]["username"] == f"system:serviceaccount:{stage.namespace}:sync"
                stage.trigger("api")
            assert "authenticated" not in review(stage, tokens[-1], "https://bank")
        assert stage.held("api")["previous.token"] == tokens[0] != tokens[1]
        assert stage.condition("api", "Ready")[0] == "True"
        assert leaks.find({**everywhere(stage), **past(recorder.history())}, tokens) == []


def test_an_account_that_is_not_declared(opening: Opening) -> None:
    """No token of it is made, whatever we may, and an administrator is told what to add."""
    with opening() as stage, granted(stage):
        other = {**PROVIDER, "spec": {"kubernetes": {"serviceAccounts": ["deployer"]}}}
        stage.apply(ACCOUNT, other, token("api"))
        assert "serviceAccounts" in stage.until_condition("api", "Stalled", "True", "ProviderNotAllowed")
        assert stage.states("api") == {1: "Reserved"}
