"""What the API server itself admits and refuses of providers, with nothing of Rekey running but the CRDs."""

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any, Final, cast

import pytest
from kubernetes.client import ApiClient, CustomObjectsApi
from kubernetes.client.exceptions import ApiException
from kubernetes.config import new_client_from_config

from rekey.app import crd
from rekey.app.crd_provider import CLUSTER_PROVIDER, PROVIDER
from rekey.core.spec_backend import ClusterCredentialProviderSpec
from tests.cluster.handle import Cluster
from tests.kube import refusals_of_api_keys
from tests.kube.manifests import GONE, changed, documents
from tests.kube.refusals import Refusal
from tests.kube.test_admission import refusal_of

pytestmark = pytest.mark.kube

EXAMPLES = sorted(
    path for kind in ("oauth2", "api-keys") for path in (Path(__file__).parents[2] / "examples" / kind).glob("*.yaml")
)
R = Refusal
_ENDPOINTS: Final = {
    "tokenUrl": "https://idp.example.com/token",
    "revocationUrl": "https://idp.example.com/revoke",
    "introspectionUrl": "https://idp.example.com/introspect",
}
_CONSENT: Final = {
    "authorizationUrl": "https://idp.example.com/authorize",
    "authorizationParameters": {"access_type": "offline"},
    "issuer": "https://idp.example.com",
}
PROVIDERS: Final[dict[str, dict[str, Any]]] = {
    **refusals_of_api_keys.PROVIDERS,
    "database": {
        "postgresql": {"host": "db.example.com", "secretName": "login", "caSecretName": "db-ca"},
        "allowedNamespaces": {"names": ["orders"], "selector": {"matchLabels": {"team": "shop"}}},
    },
    "database that knows us by a certificate": {
        "postgresql": {"host": "127.0.0.1", "secretName": "login", "certificateSecretName": "client-tls"},
    },
    "database here": {"postgresql": {"host": "127.0.0.1", "secretName": "login", "tls": "None"}},
    "server behind a proxy": {
        "oauth2": {**_ENDPOINTS, "secretName": "client", "proxyUrl": "http://proxy.egress.svc:3128"},
    },
    "server that knows us by a certificate": {
        "oauth2": {
            **_ENDPOINTS,
            "secretName": "client",
            "authorizationMethod": "Certificate",
            "certificateSecretName": "client-tls",
        },
    },
    "webhook": {"webhook": {"url": "https://hooks.example.com/a/b", "secretName": "hook", "caSecretName": "ca"}},
    "webhook behind a proxy": {
        "webhook": {
            "url": "https://hooks.example.com/a/b",
            "secretName": "hook",
            "certificateSecretName": "client-tls",
            "proxyUrl": "http://proxy.egress.svc:3128",
        },
    },
    "vault": {
        "vault": {
            "address": "https://vault.example.com:8200",
            "namespace": "shop/orders",
            "caSecretName": "ca",
            "certificateSecretName": "client-tls",
            "proxyUrl": "http://proxy.egress.svc:3128",
            "auth": {"kubernetes": {"role": "rekey", "serviceAccountName": "rekey-vault"}},
        },
    },
    "vault here": {"vault": {"address": "http://127.0.0.1:8200", "auth": {"appRole": {"secretName": "login"}}}},
    "vault by token": {"vault": {"address": "http://[::1]:8200/", "auth": {"token": {"secretName": "login"}}}},
    "server": {
        "oauth2": {**_ENDPOINTS, "secretName": "client", "tokenLifetime": "30m", "longestLifetime": "12h", **_CONSENT},
        "limits": {"concurrency": 8, "perMinute": 60},
        "allowedNamespaces": {"selector": {"matchExpressions": [{"key": "team", "operator": "In", "values": ["a"]}]}},
    },
    "account": {
        "aws": {
            "region": "us-gov-west-1",
            "secretName": "login",
            "roleArn": "arn:aws-us-gov:iam::123456789012:role/ops/rekey",
            "endpointUrl": "https://iam.example.com:8443",
            "caSecretName": "ca",
        },
    },
    "account as it comes": {"aws": {"secretName": "login"}},
    "this cluster": {"kubernetes": {"serviceAccounts": ["sync", "deployer"]}},
}
_SELECTOR: Final = "allowedNamespaces/selector"
_ITEM: Final = f"{_SELECTOR}/matchExpressions/0"
REFUSED: Final[dict[str, Refusal]] = {
    **refusals_of_api_keys.REFUSED,
    "no kind": R("database here", "postgresql", GONE, "must have exactly one of", at=""),
    "two kinds": R(
        "database here", "oauth2", {"tokenUrl": "https://a/b", "secretName": "c"}, "must have exactly one of", at=""
    ),
    "a server in the clear": R("database here", "postgresql/host", "db.example.com", "loopback", at="postgresql.tls"),
    "an authority for nothing": R("database here", "postgresql/caSecretName", "ca", "must be set only with"),
    "no log-in": R("database", "postgresql/secretName", GONE, "Required"),
    "a host that is a URL": R("database", "postgresql/host", "https://db", "should match"),
    "a port that is none": R("database", "postgresql/port", 0, "greater than or equal to 1"),
    "a certificate that is nowhere": R(
        "server that knows us by a certificate", "oauth2/certificateSecretName", GONE, "must be set with"
    ),
    "a certificate of no name": R("server", "oauth2/certificateSecretName", "", "at least 1 chars"),
    "another way to show who we are": R("server", "oauth2/authorizationMethod", "Query", "Unsupported value"),
    "a proxy before what is in the clear": R(
        "server behind a proxy",
        "oauth2/introspectionUrl",
        "http://idp/a",
        "all endpoints are https://",
        at="oauth2.proxyUrl",
    ),
    "a proxy with a user": R("server behind a proxy", "oauth2/proxyUrl", "http://a:b@proxy:3128", "should match"),
    "a proxy with a path": R("server behind a proxy", "oauth2/proxyUrl", "http://proxy:3128/a", "should match"),
    "a webhook in the clear behind a proxy": R(
        "webhook behind a proxy", "webhook/url", "http://hooks/a", "where `url` is https://", at="webhook.proxyUrl"
    ),
    "a Vault here behind a proxy": R(
        "vault", "vault/address", "http://127.0.0.1:8200", "where `address` is https://", at="vault.proxyUrl"
    ),
    "keys in the clear behind a proxy": R(
        "keys", "apiKey/baseUrl", "http://crm/api", "where `baseUrl` is https://", at="apiKey.proxyUrl"
    ),
    "a certificate that is shown to nobody": R(
        "database that knows us by a certificate",
        "postgresql/tls",
        "None",
        "must be set only with `tls: VerifyFull`",
        at="postgresql.certificateSecretName",
    ),
    "an endpoint with a user": R("server", "oauth2/tokenUrl", "https://a:b@idp/token", "should match"),
    "an endpoint with a query": R("server", "oauth2/tokenUrl", "https://idp/token?a=b", "should match"),
    "an endpoint that is a file": R("server", "oauth2/tokenUrl", "file:///etc/passwd", "should match"),
    "a browser that is sent through the clear": R(
        "server", "oauth2/authorizationUrl", "http://idp.example.com/authorize", "should match"
    ),
    "a browser that is sent to a script": R("server", "oauth2/authorizationUrl", "javascript:alert(1)", "should match"),
    "a state that is not ours": R(
        "server", "oauth2/authorizationParameters", {"state": "a"}, "must not name what Rekey itself sends"
    ),
    "a webhook with a token in its address": R("webhook", "webhook/url", "https://a/b?token=c", "should match"),
    "a webhook beside a backend": R(
        "webhook", "oauth2", {"tokenUrl": "https://a/b", "secretName": "c"}, "must have exactly one of", at=""
    ),
    "a life of a second": R("server", "oauth2/tokenLifetime", "1s", "must be from 1m to 8760h"),
    "a life of two years": R("server", "oauth2/longestLifetime", "17520h", "must be from 1m to 8760h"),
    "a region that is none": R("account", "aws/region", "Frankfurt", "should match"),
    "a role by its name": R("account", "aws/roleArn", "rekey", "should match"),
    "an endpoint with a path": R("account", "aws/endpointUrl", "https://iam.example.com/iam", "should match"),
    "an account without a log-in": R("account", "aws/secretName", GONE, "Required"),
    "no account": R("this cluster", "kubernetes/serviceAccounts", [], "should have at least 1"),
    "an account twice": R("this cluster", "kubernetes/serviceAccounts/1", "sync", "Duplicate value"),
    "an account that is no name": R("this cluster", "kubernetes/serviceAccounts/0", "a b", "should match"),
    "a Vault in the clear": R("vault here", "vault/address", "http://vault.example.com", "must begin with `https://`"),
    "a Vault that begins like this host": R(
        "vault here", "vault/address", "http://127.0.0.1.example.com:8200", "must begin with `https://`"
    ),
    "a Vault with a path": R("vault", "vault/address", "https://vault/v1", "should match"),
    "a Vault with a user": R("vault", "vault/address", "https://a:b@vault:8200", "should match"),
    "a namespace of Vault's that leads out": R("vault", "vault/namespace", "../root", "should match"),
    "no way to log in": R("vault", "vault/auth", {}, "must have exactly one of"),
    "two ways to log in": R(
        "vault", "vault/auth/token", {"secretName": "login"}, "must have exactly one of", at="vault.auth"
    ),
    "no ServiceAccount": R("vault", "vault/auth/kubernetes/serviceAccountName", GONE, "Required"),
    "no request at all": R("server", "limits/perMinute", 0, "greater than or equal to 1"),
    "everybody": R("database", _SELECTOR, {}, "must not be empty"),
    "a label that is none": R("database", f"{_SELECTOR}/matchLabels", {"a b": "c"}, "must have valid keys of labels"),
    "a comparison with nothing": R("server", f"{_ITEM}/values", GONE, "must be set with `In`"),
}
KIND: Final = R(
    "database here", "", {"oauth2": {"tokenUrl": "https://a/b", "secretName": "c"}}, "cannot change its kind"
)


@pytest.fixture(scope="module")
def objects(served: Cluster) -> Iterator[CustomObjectsApi]:
    """Give the API of custom objects."""
    client: ApiClient = new_client_from_config(str(served.kubeconfig))  # type: ignore[no-untyped-call]  # theirs
    yield CustomObjectsApi(client)
    client.rest_client.pool_manager.clear()


def create(objects: CustomObjectsApi, spec: dict[str, Any]) -> dict[str, Any]:
    """Try to create a provider for the cluster."""
    body = {
        "apiVersion": f"{crd.GROUP}/{crd.VERSION}",
        "kind": CLUSTER_PROVIDER.kind,
        "metadata": {"name": "one"},
        "spec": deepcopy(spec),
    }
    where = (crd.GROUP, crd.VERSION, CLUSTER_PROVIDER.plural)
    made = objects.create_cluster_custom_object(*where, body, dry_run="All", field_validation="Strict")
    return cast("dict[str, Any]", made)


@pytest.mark.parametrize("name", PROVIDERS)
def test_the_provider_is_accepted_and_understood(objects: CustomObjectsApi, name: str) -> None:
    """It passes, and the model reads what the API server stored as it reads what was written."""
    read = ClusterCredentialProviderSpec.model_validate(create(objects, PROVIDERS[name])["spec"])
    assert read == ClusterCredentialProviderSpec.model_validate(PROVIDERS[name])


@pytest.mark.parametrize("case", REFUSED)
def test_one_changed_field_is_refused_by_its_path(objects: CustomObjectsApi, case: str) -> None:
    """The answer names the field to mend, says why, and names no other."""
    refusal = REFUSED[case]
    with pytest.raises(ApiException) as caught:
        create(objects, changed(PROVIDERS[refusal.twin], refusal.path, refusal.value))
    said = refusal_of(caught.value)
    assert set(said) == {refusal.field, *refusal.also}, said
    assert refusal.says in said[refusal.field]


def test_a_kind_cannot_be_changed(objects: CustomObjectsApi, namespace: str) -> None:
    """Credentials live there: another backend is another provider, also in a namespace."""
    where = (crd.GROUP, crd.VERSION, namespace, PROVIDER.plural)
    metadata = {"name": "one", "namespace": namespace}
    body = {"apiVersion": f"{crd.GROUP}/{crd.VERSION}", "kind": PROVIDER.kind, "metadata": metadata}
    stored = objects.create_namespaced_custom_object(*where, {**body, "spec": PROVIDERS[KIND.twin]})
    with pytest.raises(ApiException) as caught:
        objects.replace_namespaced_custom_object(*where, "one", {**cast("dict[str, Any]", stored), "spec": KIND.value})
    assert KIND.says in refusal_of(caught.value)["spec"]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_are_admitted(cluster: Cluster, objects: CustomObjectsApi, path: Path) -> None:
    """Whatever stands in an example can be pasted."""
    assert objects is not None
    assert documents(path.read_text())
    cluster.kubectl("apply", "--dry-run=server", "--validate=strict", "-n", "default", "-f", str(path))


def test_every_rule_is_tried() -> None:
    """For each rule of the CRD a provider is refused here, at its place and in its words."""
    said = [(case.field.replace("[0]", "[]"), case.says) for case in (*REFUSED.values(), KIND)]
    said = [(place.removeprefix("spec.") if place != "spec" else place, says) for place, says in said]
    idle = [
        rule.message
        for rule in CLUSTER_PROVIDER.rules
        if not any(
            says in rule.message and place == f"{rule.at}{rule.field or ''}".removeprefix("spec.")
            for place, says in said
        )
    ]
    assert idle == []
