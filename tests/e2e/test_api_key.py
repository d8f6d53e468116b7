"""Keys of a real service over TLS: a real operator makes, proves and revokes them under a consumer that uses them."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e import leaks
from tests.e2e.conftest import Opening
from tests.e2e.history import recording
from tests.e2e.manifests import Manifest, consumer, credential, workload
from tests.e2e.stage import Stage
from tests.e2e.test_oauth2 import secret
from tests.e2e.test_postgresql import touch
from tests.e2e.test_secrecy import everywhere, past
from tests.providers import key_service
from tests.providers.key_service import ADMIN, TRUST, Keys

pytestmark = pytest.mark.kube
SETTINGS = {"REKEY_PROBE_ALLOWED": "127.0.0.0/8", "REKEY_LOG_LEVEL": "debug"}


@pytest.fixture
def keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keys]:
    """Give the service."""
    with key_service.serving(tmp_path_factory.mktemp("keys")) as found:
        yield found


@pytest.fixture
def declaring(opening: Opening, keys: Keys) -> Iterator[Stage]:
    """Give a stage in which the service is declared as a provider, with an admin's key."""
    with opening(settings=SETTINGS) as stage:
        stage.apply(
            secret("admin", api_key=keys.admin),
            secret("authority", **{"ca.crt": TRUST.reveal()["ca.crt"].decode()}),
            {
                "apiVersion": "rekey.dev/v1alpha1",
                "kind": "CredentialProvider",
                "metadata": {"name": "crm"},
                "spec": {"apiKey": keys.fields()},
            },
        )
        yield stage


def key(name: str = "orders", **spec: Any) -> Manifest:
    """Return a credential of the service."""
    wanted = {"ref": {"name": "crm"}, "apiKey": {"scopes": ["orders:read"]}}
    made = credential(name, provider=wanted, **spec)
    del made["spec"]["generate"]
    return made


def shown(stage: Stage, prefix: str = "") -> str:
    """Return the key that the bundle shows."""
    return stage.held("orders")[f"{prefix}api_key"].decode()


def test_keys_rotate_under_their_consumer(declaring: Stage, keys: Keys) -> None:
    """What is shown is let in at every moment; a key whose answer was lost is revoked, and the old one too; no leak."""
    stage = declaring
    app: Manifest = json.loads(json.dumps(workload("checkout", "orders")).replace('"token"', '"api_key"'))
    with recording(stage.reader, stage.namespace) as recorder:
        hold = {"until": "2999-01-01T00:00:00Z", "reason": "we look"}
        stage.apply(app, key(consumers=[consumer("checkout")], hold=hold, rotation={"lifetime": "1440h"}))
        stage.until_states("orders", {1: "Active"})
        stage.until_ready("checkout")
        assert keys.lets_in(shown(stage))
        assert stage.held("orders")["id"].decode() in keys.keys
        keys.losing = "POST"
        stage.trigger("orders")
        stage.until(lambda: stage.states("orders") == {1: "Retiring", 2: "Active"}, "both to be accepted")
        assert keys.lets_in(shown(stage))
        assert keys.lets_in(shown(stage, "previous."))
        stage.change("orders", hold=None)
        stage.until_states("orders", {1: "Revoked", 2: "Active"})
        history = recorder.history()
    assert keys.lets_in(shown(stage))
    assert len(keys.made) == 3, "the first, one that was lost, and the second"
    assert [one.value for one in keys.keys.values()] == [shown(stage)]
    assert stage.named("deployments", "checkout", "orders") == "2"
    found = {
        where: text for where, text in {**everywhere(stage), **past(history)}.items() if "secrets/admin" not in where
    }
    found["what the service was asked for"] = "\n".join(keys.calls)
    assert leaks.find(found, [*(one.value.encode() for one in keys.made), ADMIN.encode()]) == []


def test_an_admin_key_that_died_with_a_password(declaring: Stage, keys: Keys) -> None:
    """It says NeedsReauth and which Secret to mend, once, and leaves the service alone until that is another."""
    stage = declaring
    stage.apply(key())
    stage.until_states("orders", {1: "Active"})
    keys.admin = "canary-of-another-admin"
    stage.trigger("orders")
    text = stage.until_condition("orders", "NeedsReauth", "True", "NeedsReauth")
    assert "put another `api_key` into Secret admin" in text
    asked = len(keys.calls)
    touch(stage, "orders")
    assert stage.events("orders").count("Stalled") == 1
    assert keys.lets_in(shown(stage))
    assert len(keys.calls) == asked
    stage.apply(secret("admin", api_key=keys.admin))
    touch(stage, "orders")
    stage.until_states("orders", {1: "Revoked", 2: "Active"})
    assert keys.lets_in(shown(stage))
    assert stage.condition("orders", "NeedsReauth")[0] == "False"


def test_a_credential_that_is_deleted_leaves_no_key(declaring: Stage, keys: Keys) -> None:
    """Under `Revoke` its keys go before it does; what others have there stays."""
    stage, theirs = declaring, keys.put("theirs")
    stage.apply(key(deletionPolicy="Revoke"))
    stage.until_states("orders", {1: "Active"})
    assert len(keys.keys) == 2
    stage.kubectl("delete", "rcred", "orders", "--timeout=60s")
    assert list(keys.keys) == [theirs.id]
