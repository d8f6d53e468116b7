"""Credentials of a real PostgreSQL server: a real operator makes, proves and drops roles while clients log in."""

import secrets
from collections.abc import Iterator

import pytest

from rekey.core.material import Material
from tests.e2e import leaks
from tests.e2e.conftest import Opening
from tests.e2e.history import recording
from tests.e2e.manifests import Manifest, credential
from tests.e2e.stage import Stage
from tests.e2e.test_secrecy import everywhere, past
from tests.providers.postgres import ADMIN, Postgres

pytestmark = pytest.mark.kube
HERE = {"REKEY_PROBE_ALLOWED": "127.0.0.0/8"}


@pytest.fixture
def declaring(opening: Opening, postgres: Postgres) -> Iterator[Stage]:
    """Give a stage in which the server is declared as a provider, with a log-in of its own."""
    with opening(settings={"REKEY_LOG_LEVEL": "debug", **HERE}) as stage:
        stage.apply(login(postgres.secret), provider(postgres))
        yield stage


def login(password: str) -> Manifest:
    """Return the Secret by which we log in."""
    values = {"username": ADMIN, "password": password}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login"}, "stringData": values}


def provider(postgres: Postgres) -> Manifest:
    """Return the declaration of the server."""
    where = {"host": "127.0.0.1", "port": postgres.port, "tls": "None", "secretName": "login"}
    return {
        "apiVersion": "rekey.dev/v1alpha1",
        "kind": "CredentialProvider",
        "metadata": {"name": "db"},
        "spec": {"postgresql": where},
    }


def role(group: str, name: str = "orders", **spec: object) -> Manifest:
    """Return a credential of that group role."""
    provide = {"ref": {"name": "db"}, "postgresql": {"role": group}}
    made = credential(name, provider=provide, **spec)
    del made["spec"]["generate"]
    return made


def touch(stage: Stage, name: str) -> None:
    """Have the operator look at a credential now: of what it is waiting for nobody tells it."""
    stage.patch("rcred", name, {"metadata": {"annotations": {"touched": secrets.token_hex(4)}}})


def test_roles_rotate_under_their_clients(declaring: Stage, postgres: Postgres) -> None:
    """What the bundle shows is let in at every moment, current and previous; then the old role is gone; no leak."""
    stage, group = declaring, postgres.group()
    with recording(stage.reader, stage.namespace) as recorder:
        stage.apply(role(group, hold={"until": "2999-01-01T00:00:00Z", "reason": "we look"}))
        stage.until_states("orders", {1: "Active"})
        assert postgres.lets_in(held(stage))
        stage.trigger("orders")
        stage.until(lambda: stage.states("orders") == {1: "Retiring", 2: "Active"}, "both to be accepted")
        assert postgres.lets_in(held(stage))
        assert postgres.lets_in(held(stage, "previous."))
        passwords = [held(stage, prefix).reveal()["password"] for prefix in ("", "previous.")]
        stage.change("orders", hold=None)
        stage.until_states("orders", {1: "Revoked", 2: "Active"})
        history = recorder.history()
    assert postgres.lets_in(held(stage))
    assert postgres.roles(group) == [f"{group}_v2"]
    # Who applied the log-in has it in an annotation of his own, and the server was made with it.
    found = {where: text for where, text in {**everywhere(stage), **past(history)}.items() if "login" not in where}
    assert leaks.find({**found, "the server's log": postgres.log.read_text()}, passwords) == []
    assert leaks.find(found, [postgres.secret.encode()]) == []


def held(stage: Stage, prefix: str = "") -> Material:
    """Return what the bundle shows to clients."""
    values = stage.held("orders")
    return Material({key: values[f"{prefix}{key}"] for key in ("username", "password")})


def test_a_log_in_that_is_refused_is_not_tried_again(declaring: Stage, postgres: Postgres) -> None:
    """It says NeedsReauth and leaves the server alone until the Secret is another; the version before stays."""
    stage, group = declaring, postgres.group()
    stage.apply(role(group))
    stage.until_states("orders", {1: "Active"})
    stage.apply(login(secrets.token_hex(8)))
    stage.trigger("orders")
    assert "put a good username" in stage.until_condition("orders", "Stalled", "True", "NeedsReauth")
    assert stage.states("orders") == {1: "Active", 2: "Reserved"}
    assert postgres.lets_in(held(stage))
    stage.apply(login(postgres.secret))
    touch(stage, "orders")
    stage.until_states("orders", {1: "Revoked", 2: "Active"})
    assert postgres.lets_in(held(stage))


def test_a_credential_that_is_deleted_leaves_no_role(declaring: Stage, postgres: Postgres) -> None:
    """Under `Revoke` its roles go before it does; under `Retain` they stay."""
    stage, group, kept = declaring, postgres.group(), postgres.group()
    stage.apply(role(group, deletionPolicy="Revoke"), role(kept, "kept"))
    for name in ("orders", "kept"):
        stage.until_states(name, {1: "Active"})
        stage.kubectl("delete", "rcred", name, "--timeout=60s")
    assert postgres.roles(group) == []
    assert postgres.roles(kept) == [f"{kept}_v1"]


def test_no_provider_is_said_and_waited_for(opening: Opening, postgres: Postgres) -> None:
    """A name that is not declared, or whose Secret is missing, is said; what is there later is used."""
    with opening(settings=HERE) as stage:
        stage.apply(role(group := postgres.group()))
        assert "an administrator declares it" in stage.until_condition("orders", "Stalled", "True", "ProviderNotFound")
        stage.apply(provider(postgres))
        touch(stage, "orders")
        assert "needs Secret login" in stage.until_condition("orders", "Stalled", "True", "ProviderNotReady")
        stage.apply(login(postgres.secret))
        touch(stage, "orders")
        stage.until_states("orders", {1: "Active"})
        assert postgres.roles(group) == [f"{group}_v1"]
