"""Credentials of a real Vault server: a real operator pushes versions that clients outside the cluster read."""

import json
import secrets
from collections.abc import Iterator

import pytest
from joserfc.jwk import ECKey, KeySet, RSAKey

from rekey.core.material import Material
from tests.e2e import leaks
from tests.e2e.conftest import Opening
from tests.e2e.history import recording
from tests.e2e.manifests import Manifest, credential
from tests.e2e.stage import Stage
from tests.e2e.test_secrecy import everywhere, past
from tests.providers.postgres import Postgres
from tests.providers.test_vault_database import DatabaseBench
from tests.providers.vault import RealVault

pytestmark = [pytest.mark.kube, pytest.mark.xdist_group("vault")]
SETTINGS = {"REKEY_PROBE_ALLOWED": "127.0.0.0/8", "REKEY_LOG_LEVEL": "debug"}


def secret(name: str, values: dict[str, str]) -> Manifest:
    """Return a Secret of an administrator."""
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": values}


def provider(vault: RealVault, auth: Manifest, name: str = "vault") -> Manifest:
    """Return the declaration of the server."""
    where = {"address": f"https://127.0.0.1:{vault.port}", "caSecretName": "ca", "auth": auth}
    where["tokenRole"] = "rekey-leases"
    return {
        "apiVersion": "rekey.dev/v1alpha1",
        "kind": "CredentialProvider",
        "metadata": {"name": name},
        "spec": {"vault": where},
    }


def asking(name: str, kind: str, via: str = "vault", **fields: object) -> Manifest:
    """Return a credential of that kind."""
    made = credential(name, provider={"ref": {"name": via}, kind: fields}, deletionPolicy="Revoke")
    del made["spec"]["generate"]
    return made


@pytest.fixture
def declaring(opening: Opening, vault: RealVault) -> Iterator[Stage]:
    """Give a stage in which the server is declared as a provider, with a log-in by an AppRole."""
    pair = {key: value.decode() for key, value in vault.door.secret.reveal().items()}
    with opening(settings=SETTINGS) as stage:
        stage.apply(
            secret("login", pair),
            secret("ca", {"ca.crt": vault.authority.read_text()}),
            provider(vault, {"appRole": {"secretName": "login"}}),
        )
        yield stage


def readable(vault: RealVault, path: str) -> dict[int, str]:
    """Return what clients outside the cluster can read, by the version's number there."""
    engine = vault.root.secrets.kv.v2
    found = engine.read_secret_metadata(path)["data"]["versions"]
    alive = [int(number) for number, one in found.items() if not one["destroyed"]]
    return {
        number: engine.read_secret_version(path, number, raise_on_deleted_version=True)["data"]["data"]["password"]
        for number in alive
    }


def test_a_secret_rotates_under_its_readers(declaring: Stage, vault: RealVault) -> None:
    """What the bundle shows can be read at Vault at every moment, current and previous; then the old one is gone."""
    stage, path = declaring, f"shop/{secrets.token_hex(4)}"
    with recording(stage.reader, stage.namespace) as recorder:
        made = asking("orders", "vaultKV", path=path)
        made["spec"]["hold"] = {"until": "2999-01-01T00:00:00Z", "reason": "we look"}
        stage.apply(made)
        stage.until_states("orders", {1: "Active"})
        assert readable(vault, path) == {1: shown(stage)}
        stage.trigger("orders")
        stage.until(lambda: stage.states("orders") == {1: "Retiring", 2: "Active"}, "both to be readable")
        assert readable(vault, path) == {1: shown(stage, "previous."), 2: shown(stage)}
        passwords = [value.encode() for value in readable(vault, path).values()]
        stage.change("orders", hold=None)
        stage.until_states("orders", {1: "Revoked", 2: "Active"})
        history = recorder.history()
    assert readable(vault, path) == {2: shown(stage)}
    found = {where: text for where, text in {**everywhere(stage), **past(history)}.items() if "login" not in where}
    ours = vault.door.secret.reveal()["secret_id"]
    assert leaks.find({**found, "the server's log": vault.log.read_text()}, [*passwords, ours]) == []
    stage.kubectl("delete", "rcred", "orders", "--timeout=60s")
    assert readable(vault, path) == {}


def shown(stage: Stage, prefix: str = "") -> str:
    """Return what the bundle shows to clients in the cluster."""
    return stage.held("orders")[f"{prefix}password"].decode()


def test_the_other_kinds_rotate(declaring: Stage, vault: RealVault) -> None:
    """A secret id and a certificate are made, proved and revoked there."""
    stage, role = declaring, f"orders-{secrets.token_hex(4)}"
    approle, pki = vault.root.auth.approle, vault.root.secrets.pki
    approle.create_or_update_approle(role, token_ttl="1m")
    stage.apply(
        asking("login-id", "vaultAppRole", role=role),
        asking("served", "vaultPKI", role="orders", commonName="orders.shop.example"),
    )
    for name in ("login-id", "served"):
        stage.until_states(name, {1: "Active"})
        stage.trigger(name)
        stage.until_states(name, {1: "Revoked", 2: "Active"})
    values = {key: stage.held("login-id")[key].decode() for key in ("role_id", "secret_id")}
    assert approle.login(**values, use_token=False)["auth"]["client_token"]
    assert len(approle.list_secret_id_accessors(role)["data"]["keys"]) == 1
    numbered = {version["number"]: version["backendId"] for version in stage.status("served")["versions"]}
    old, current = (pki.read_certificate(numbered[number])["data"] for number in (1, 2))
    assert (old["revocation_time"] > 0, current["revocation_time"]) == (True, 0)
    assert stage.held("served")["tls.crt"].decode().strip() == current["certificate"].strip()
    for name in ("login-id", "served"):
        stage.kubectl("delete", "rcred", name, "--timeout=60s")
    assert pki.read_certificate(numbered[2])["data"]["revocation_time"] > 0


def test_users_of_a_database_rotate(declaring: Stage, vault: RealVault, postgres: Postgres) -> None:
    """Both are let in during the overlap, at every moment whoever is shown; then one is gone, and in the end both."""
    stage, bench = declaring, DatabaseBench(vault, postgres)
    with recording(stage.reader, stage.namespace) as recorder:
        made = asking("orders", "vaultDatabase", role=bench.role)
        made["spec"]["hold"] = {"until": "2999-01-01T00:00:00Z", "reason": "we look"}
        stage.apply(made)
        stage.until_states("orders", {1: "Active"})
        stage.trigger("orders")
        stage.until(lambda: stage.states("orders") == {1: "Retiring", 2: "Active"}, "both to be let in")
        old, new = (user(stage, prefix) for prefix in ("previous.", ""))
        assert [postgres.lets_in(one) for one in (old, new)] == [True, True]
        stage.change("orders", hold=None)
        stage.until_states("orders", {1: "Revoked", 2: "Active"})
        history = recorder.history()
    assert [postgres.lets_in(one) for one in (old, new)] == [False, True]
    found = {where: text for where, text in {**everywhere(stage), **past(history)}.items() if "login" not in where}
    passwords = [one.reveal()["password"] for one in (old, new)]
    assert leaks.find({**found, "the server's log": vault.log.read_text()}, passwords) == []
    stage.kubectl("delete", "rcred", "orders", "--timeout=60s")
    assert bench.things() == []
    assert not postgres.lets_in(new)


def user(stage: Stage, prefix: str) -> Material:
    """Return a user that the bundle shows."""
    held = stage.held("orders")
    return Material({key: held[prefix + key] for key in ("username", "password")})


def test_a_log_in_as_a_service_account(declaring: Stage, vault: RealVault) -> None:
    """Its token is asked for when we log in, good for Vault alone; without the right to that, the right is named."""
    stage, path, mount = declaring, f"shop/{secrets.token_hex(4)}", f"cluster-{secrets.token_hex(4)}"
    keys = KeySet.import_key_set(json.loads(stage.kubectl("get", "--raw", "/openid/v1/jwks"))).keys
    public = [key.as_pem(private=False).decode() for key in keys if isinstance(key, RSAKey | ECKey)]
    # This build has no auth method of Kubernetes': the one for JWTs takes the same request.
    vault.root.sys.enable_auth_method("jwt", path=mount)
    vault.root.auth.jwt.configure(jwt_validation_pubkeys=public, path=mount)
    who = f"system:serviceaccount:{stage.namespace}:vault-login"
    more = {"token_policies": ["rekey"], "path": mount, "bound_audiences": ["vault"], "bound_subject": who}
    vault.root.auth.jwt.create_role("rekey", "sub", [], role_type="jwt", **more)
    login = {"mount": mount, "role": "rekey", "serviceAccountName": "vault-login"}
    stage.apply(provider(vault, {"kubernetes": login}, "account"), asking("orders", "vaultKV", "account", path=path))
    said = stage.until_condition("orders", "Stalled", "True", "MissingRights")
    assert "serviceaccounts/token" in said
    stage.apply(*permitted(stage))
    stage.until_states("orders", {1: "Active"})
    assert readable(vault, path) == {1: shown(stage)}


def permitted(stage: Stage) -> list[Manifest]:
    """Return a ServiceAccount, and the right of the operator to log in as it."""
    group = "rbac.authorization.k8s.io"
    right = {"apiGroups": [""], "resources": ["serviceaccounts/token"], "verbs": ["create"]}
    rules = [{**right, "resourceNames": ["vault-login"]}]
    operator = {"kind": "ServiceAccount", "name": f"rekey-{stage.namespace}", "namespace": "default"}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "vault-login"}},
        {
            "apiVersion": f"{group}/v1",
            "kind": "Role",
            "metadata": {"name": "log-in"},
            "rules": rules,
        },
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "log-in"},
            "roleRef": {"apiGroup": group, "kind": "Role", "name": "log-in"},
            "subjects": [operator],
        },
    ]
