"""Refresh tokens are sealed by a key that a real Vault server keeps: rotated there, and without it nothing goes."""

import json
import re
import secrets
from collections.abc import Callable, Iterator

import pytest

from tests.e2e import leaks
from tests.e2e.conftest import Opening
from tests.e2e.manifests import Manifest
from tests.e2e.stage import Stage
from tests.e2e.test_oauth2 import consent, declared, django, secret, token
from tests.e2e.test_sealing import HOME, Ring, renewed, sealed
from tests.e2e.test_secrecy import everywhere
from tests.providers.test_oauth2_real import Django
from tests.providers.vault import RealVault

pytestmark = [pytest.mark.kube, pytest.mark.xdist_group("vault")]
__all__ = ["django"]


def right(stage: Stage, name: str, prefix: str, rule: Manifest) -> list[Manifest]:
    """Return the right of the stage's operator to read something; `prefix`: of the kinds that grant it."""
    group, role = "rbac.authorization.k8s.io", {"kind": f"{prefix}Role", "name": name}
    operator = {"kind": "ServiceAccount", "name": f"rekey-{stage.namespace}", "namespace": HOME}
    head: Manifest = {"apiVersion": f"{group}/v1", "metadata": {"name": name}}
    bound = {"roleRef": {"apiGroup": group, **role}, "subjects": [operator]}
    granted = {**head, "kind": f"{prefix}Role", "rules": [{"verbs": ["get"], **rule}]}
    return [granted, {**head, "kind": f"{prefix}RoleBinding", **bound}]


def keeper(stage: Stage, vault: RealVault, name: str) -> list[Manifest]:
    """Return what an administrator declares in the operator's namespace, and the right to read its Secrets there."""
    pair = {key: value.decode() for key, value in vault.door.secret.reveal().items()}
    made = [secret(f"{name}-login", **pair), secret(f"{name}-ca", **{"ca.crt": vault.authority.read_text()})]
    auth = {"appRole": {"secretName": f"{name}-login"}}
    server = {"address": f"https://127.0.0.1:{vault.port}", "caSecretName": f"{name}-ca", "auth": auth}
    names = [one["metadata"]["name"] for one in made]
    return [
        *made,
        *right(stage, name, "", {"apiGroups": [""], "resources": ["secrets"], "resourceNames": names}),
        *right(stage, name, "Cluster", {"apiGroups": ["rekey.dev"], "resources": ["clustercredentialproviders"]}),
        {
            "apiVersion": "rekey.dev/v1alpha1",
            "kind": "ClusterCredentialProvider",
            "metadata": {"name": name},
            "spec": {"vault": server, "allowedNamespaces": {"names": [HOME]}},
        },
    ]


@pytest.fixture
def kept(opening: Opening, django: Django, vault: RealVault) -> Iterator[tuple[Stage, str]]:
    """Give a stage whose operator has its key at the server, and the key's name; a person has consented."""
    name = f"keys-{secrets.token_hex(4)}"
    settings = {
        "REKEY_PROBE_ALLOWED": "http://127.0.0.0/8,127.0.0.0/8",
        "REKEY_LOG_LEVEL": "debug",
        "REKEY_TRANSIT_PROVIDER": name,
        "REKEY_TRANSIT_KEY": name,
    }
    vault.root.secrets.transit.create_key(name)
    with opening(settings=settings) as stage:
        items = {"apiVersion": "v1", "kind": "List", "items": keeper(stage, vault, name)}
        stage.cluster.kubectl("-n", HOME, "apply", "-f", "-", stdin=json.dumps(items))
        stage.apply(*declared(django), consent(django))
        yield stage, name
    stage.cluster.kubectl("delete", "clustercredentialprovider,clusterrole,clusterrolebinding", name)


def without(vault: RealVault, name: str) -> Callable[[], object]:
    """Take the right to use the key away; return what gives it back."""
    root, whole = vault.root.sys, vault.root.sys.read_policy("rekey")["data"]["rules"]
    no = [f'path "transit/{what}/{name}" {{ capabilities = ["deny"] }}' for what in ("encrypt", "decrypt")]
    root.create_or_update_policy("rekey", "\n".join([whole, *no]))
    return lambda: root.create_or_update_policy("rekey", whole)


def test_the_key_is_at_vault(kept: tuple[Stage, str], django: Django, vault: RealVault) -> None:
    """It is rotated there: wraps change, ciphertexts stay. Without it no server is asked; no key is in the cluster."""
    stage, name = kept
    stage.apply(token("person", grantSecretName="consent"))
    stage.until(lambda: stage.states("person").get(1) == "Active", "a token")
    renewed(stage, 2)
    rotated(stage, vault, name)
    give_back = without(vault, name)
    try:
        left_alone(stage, django, name)
    finally:
        give_back()
    stage.until(lambda: stage.states("person").get(3) == "Active", "a token, when the key is back")
    tokens = [one.encode() for one in (django.ask("test/refreshed") or {})["tokens"]]
    held = {f"secrets/{one['metadata']['name']}": json.dumps(one) for one in stage.all("secrets")}
    assert leaks.find({**everywhere(stage), **held, "the log": vault.log.read_text()}, tokens) == ["secrets/consent"]
    assert leaks.find({**everywhere(stage), **held}, [vault.door.secret.reveal()["secret_id"]]) == []


def rotated(stage: Stage, vault: RealVault, name: str) -> None:
    """Rotate the key at the server, and see what becomes of a value and of the record."""
    ring, before = Ring(stage), sealed(stage, "person-v2")
    assert before[:2] == ["rk1", "v1"]
    vault.root.secrets.transit.rotate_key(name)
    stage.until(lambda: sealed(stage, "person-v2") != before, "another wrap")
    after, said = sealed(stage, "person-v2"), ring.says()
    assert after[1] == "v2"
    assert after[3:] == before[3:]
    assert [(key["id"], key["state"]) for key in said["keys"]] == [("v1", "DecryptOnly"), ("v2", "Enabled")]
    assert not ring.read().get("data")


def left_alone(stage: Stage, django: Django, name: str) -> None:
    """See that no token is asked for while the key cannot be used."""
    asked = len((django.ask("test/refreshed") or {})["tokens"])
    stage.trigger("person", "while it is away")
    stage.until(lambda: stage.condition("person", "Ready")[1] == "KeyUnavailable", "to be told")
    assert re.search(f"does not let us (en|de)crypt with key {name}", json.dumps(stage.status("person")))
    assert stage.states("person")[2] == "Active"
    assert len((django.ask("test/refreshed") or {})["tokens"]) == asked
