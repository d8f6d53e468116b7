"""Access keys of IAM users: a real operator makes, proves and deletes them at moto's server, over HTTP."""

from collections.abc import Iterator

import pytest

from rekey.core.material import Material
from tests.e2e import leaks
from tests.e2e.conftest import Opening
from tests.e2e.history import recording
from tests.e2e.manifests import Manifest, credential
from tests.e2e.stage import Stage
from tests.e2e.test_postgresql import touch
from tests.e2e.test_secrecy import everywhere, past
from tests.providers.aws import Aws, aws

pytestmark = [pytest.mark.kube, pytest.mark.xdist_group("aws")]
__all__ = ["aws"]

SETTINGS = {"REKEY_PROBE_ALLOWED": "http://127.0.0.0/8", "REKEY_LOG_LEVEL": "debug"}
NAMES = ("aws_access_key_id", "aws_secret_access_key")


@pytest.fixture
def declaring(opening: Opening, aws: Aws) -> Iterator[Stage]:
    """Give a stage in which the account is declared, with a log-in that may do what it needs."""
    login = {name: value.decode() for name, value in aws.login.reveal().items()}
    with opening(settings=SETTINGS) as stage:
        stage.apply(
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login"}, "stringData": login},
            {
                "apiVersion": "rekey.dev/v1alpha1",
                "kind": "CredentialProvider",
                "metadata": {"name": "aws"},
                "spec": {"aws": {"secretName": "login", "endpointUrl": aws.url}},
            },
        )
        yield stage


def access_key(user: str, **spec: object) -> Manifest:
    """Return a credential that is a key of that user."""
    made = credential("orders", provider={"ref": {"name": "aws"}, "awsAccessKey": {"userName": user}}, **spec)
    del made["spec"]["generate"]
    return made


def held(stage: Stage, prefix: str = "") -> Material:
    """Return what the bundle shows to clients."""
    values = stage.held("orders")
    return Material({key: values[f"{prefix}{key}"] for key in NAMES})


def test_keys_rotate_under_their_clients(declaring: Stage, aws: Aws) -> None:
    """What the bundle shows is let in, current and previous; then the old key is gone; no secret part of one leaks."""
    stage, user = declaring, aws.user()
    with recording(stage.reader, stage.namespace) as recorder:
        stage.apply(access_key(user, hold={"until": "2999-01-01T00:00:00Z", "reason": "we look"}))
        stage.until_states("orders", {1: "Active"})
        stage.trigger("orders")
        stage.until(lambda: stage.states("orders") == {1: "Retiring", 2: "Active"}, "both to be accepted")
        pairs = [held(stage), held(stage, "previous.")]
        assert all(aws.lets_in(pair) for pair in pairs)
        assert set(aws.keys(user)) == {pair.reveal()[NAMES[0]].decode() for pair in pairs}
        stage.change("orders", hold=None)
        stage.until_states("orders", {1: "Revoked", 2: "Active"})
        history = recorder.history()
    assert [aws.lets_in(pair) for pair in pairs] == [True, False]
    assert aws.keys(user) == {pairs[0].reveal()[NAMES[0]].decode(): "Active"}
    # Who applied the log-in has it in an annotation of his own.
    found = {where: text for where, text in {**everywhere(stage), **past(history)}.items() if "login" not in where}
    secret = [pair.reveal()[NAMES[1]] for pair in (*pairs, aws.login)]
    assert leaks.find(found, secret) == []


def test_a_slot_that_somebody_else_has(declaring: Stage, aws: Aws) -> None:
    """It is said whose key is in the way, by its id, and neither is touched; when it is gone the rotation goes on."""
    stage, user = declaring, aws.user()
    theirs = aws.key(user)
    stage.apply(access_key(user, deletionPolicy="Revoke"))
    stage.until_states("orders", {1: "Active"})
    stage.trigger("orders")
    said = stage.until_condition("orders", "Stalled", "True", "BackendRefused")
    assert f"{theirs} (not of Rekey)" in said
    assert stage.states("orders") == {1: "Active", 2: "Reserved"}
    assert len(aws.keys(user)) == 2
    aws.admin.delete_access_key(UserName=user, AccessKeyId=theirs)
    touch(stage, "orders")
    stage.until_states("orders", {1: "Revoked", 2: "Active"})
    stage.kubectl("delete", "rcred", "orders", "--timeout=60s")
    assert (aws.keys(user), aws.tags(user)) == ({}, {})


def test_a_log_in_that_is_refused_is_not_tried_again(declaring: Stage, aws: Aws) -> None:
    """It says NeedsReauth, and which Secret to mend."""
    stage, user = declaring, aws.user()
    stage.patch("secret", "login", {"stringData": {NAMES[1]: "another"}})
    stage.apply(access_key(user))
    assert "put good keys into Secret login" in stage.until_condition("orders", "Stalled", "True", "NeedsReauth")
    assert aws.keys(user) == {}
