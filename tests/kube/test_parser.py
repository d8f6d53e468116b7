"""A RotatedCredential as the API server gives it becomes a Credential, or an error that says why not."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rekey.core.facts import Key
from rekey.core.spec import DeletionPolicy
from rekey.core.status import State, Status
from rekey.errors import Rejected
from rekey.kube.credentials import Parser


def stored(**changes: Any) -> dict[str, Any]:
    """Return a RotatedCredential; `changes` go over its metadata, or replace spec and status."""
    metadata = {
        "namespace": "shop",
        "name": "db",
        "uid": "u-1",
        "resourceVersion": "9",
        "generation": 3,
        "creationTimestamp": "2026-05-04T12:00:00Z",
    }
    spec = changes.pop("spec", {"generate": {"token": {}}, "rotation": {"interval": "720h"}})
    status = changes.pop("status", {"currentVersion": 2})
    return {"metadata": {**metadata, **changes}, "spec": spec, "status": status}


def test_parsed() -> None:
    """All that the engine works with is taken over."""
    noon = "2026-05-04T12:30:00Z"
    credential = Parser().parse(stored(deletionTimestamp=noon, finalizers=["a", "b"]))
    assert credential.key == Key("shop", "db")
    assert (credential.uid, credential.resource_version, credential.generation) == ("u-1", "9", 3)
    assert credential.created == datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
    assert credential.deleting == datetime(2026, 5, 4, 12, 30, tzinfo=UTC)
    assert credential.finalizers == ("a", "b")
    assert credential.spec.generate is not None
    assert credential.spec.generate.token is not None
    assert credential.status == Status(current_version=2)


def test_bare() -> None:
    """A credential that nobody has looked at yet has an empty status."""
    credential = Parser().parse(stored(status=None))
    assert (credential.status, credential.deleting, credential.finalizers) == (Status(), None, ())


def test_spec_parsed_once() -> None:
    """A spec is parsed once for each credential, as far as memory goes, and anew when it is another one."""
    parser = Parser(remembered=2)
    first = parser.parse(stored()).spec
    assert parser.parse(stored(resourceVersion="10")).spec is first
    assert parser.parse(stored(generation=4)).spec is first
    other = {"generate": {"token": {}}, "rotation": {"interval": "720h", "trigger": "after a restore"}}
    assert parser.parse(stored(generation=4, spec=other)).spec.rotation.trigger == "after a restore"
    assert parser.parse(stored(uid="u-2")).spec is not first
    assert len(parser._specs) == 2
    parser.parse(stored(uid="u-3"))
    assert set(parser._specs) == {"u-2", "u-3"}


UNKNOWN: dict[str, tuple[dict[str, Any], str]] = {
    "a field of a later version": (
        {"spec": {"generate": {"token": {}}, "rotation": {"interval": "1h"}, "approval": {}}},
        r"^spec\.approval: unknown field$",
    ),
    "a spec that is missing": ({"spec": None}, r"^spec: "),
    "a value of a later version": (
        {"spec": {"generate": {"token": {}}, "rotation": {}, "deletionPolicy": "Keep"}},
        r"^spec\.deletionPolicy: must be one of Retain, Revoke$",
    ),
    "a state of a later version": (
        {"status": {"versions": [{"number": 1, "state": "Dormant", "secretName": "db-v1"}]}},
        r"^status\.versions\[0\]\.state: must be one of ",
    ),
}


@pytest.mark.parametrize(("parts", "words"), UNKNOWN.values(), ids=UNKNOWN)
def test_unknown(parts: dict[str, Any], words: str) -> None:
    """What this version does not know needs a person, and is named by its path."""
    with pytest.raises(Rejected, match=words) as caught:
        Parser().parse(stored(**parts))
    assert caught.value.reason == "InvalidSpec"


LATER = {"generate": {"oracle": {}}, "rotation": {}, "approval": {"by": "two"}}
NOON = "2026-05-04T12:30:00Z"
DORMANT = [
    {"number": 1, "state": "Dormant", "secretName": "db-v1"},
    {"number": 2, "state": "Active", "secretName": "db-v2"},
    {"number": 3, "state": "Revoked", "secretName": "db-v3"},
]


def test_what_is_being_deleted_is_read_for_its_end() -> None:
    """Of a spec and a status of a later version the policy, the names of Secrets and the versions are taken."""
    parser = Parser()
    spec = {**LATER, "deletionPolicy": "Revoke", "target": {"secretName": "orders", "shape": "round"}}
    spec |= {"verifier": {"secretName": "orders-told", "format": "CBOR"}}
    found = parser.parse(stored(deletionTimestamp=NOON, spec=spec, status={"versions": DORMANT, "currentVersion": "x"}))
    assert found.spec.verifier is not None
    assert found.spec.verifier.secret_name == "orders-told"
    assert (found.spec.deletion_policy, found.spec.target.secret_name) == (DeletionPolicy.REVOKE, "orders")
    versions = [(version.number, version.secret_name, version.state) for version in found.status.versions]
    assert versions == [
        (1, "db-v1", State.ISSUED),
        (2, "db-v2", State.ACTIVE),
        (3, "db-v3", State.REVOKED),
    ]


def test_without_a_policy_the_secrets_stay() -> None:
    """A spec of a later version that says nothing of its end has the default, like every other one."""
    found = Parser().parse(stored(deletionTimestamp=NOON, spec=LATER))
    assert (found.spec.deletion_policy, found.spec.target.secret_name) == (DeletionPolicy.RETAIN, None)
    assert found.status == Status(current_version=2)


GUESSES: dict[str, tuple[dict[str, Any], str]] = {
    "a policy of a later version": ({"spec": {**LATER, "deletionPolicy": "Archive"}}, r"^spec\.deletionPolicy: "),
    "a verifier that is no name": (
        {"spec": {**LATER, "verifier": {"secretName": 7}}},
        r"^spec\.verifier\.secretName: ",
    ),
    "a target that is no name": ({"spec": {**LATER, "target": {"secretName": 7}}}, r"^spec\.target\.secretName: "),
    "no spec": ({"spec": None}, r"^spec: "),
    "versions without names": ({"status": {"versions": [{"number": 1}]}}, r"^status\.versions\[0\]\.secretName: "),
    "a status that is none": ({"status": ["?"]}, r"^status: "),
}


@pytest.mark.parametrize(("parts", "words"), GUESSES.values(), ids=GUESSES)
def test_nothing_is_ended_on_a_guess(parts: dict[str, Any], words: str) -> None:
    """Where even that is of a form that is not known, a person is needed."""
    with pytest.raises(Rejected, match=words):
        Parser().parse(stored(deletionTimestamp=NOON, **parts))


def test_what_was_read_for_its_end_is_not_remembered() -> None:
    """The reduced spec of one that is being deleted is nobody else's."""
    parser = Parser()
    parser.parse(stored(deletionTimestamp=NOON, spec=LATER))
    assert parser.parse(stored()).spec.rotation.interval == timedelta(hours=720)
    with pytest.raises(Rejected):
        parser.parse(stored(spec=LATER, generation=4))


def test_unknown_spec_is_not_remembered() -> None:
    """A spec that was refused is looked at again."""
    parser = Parser()
    with pytest.raises(Rejected):
        parser.parse(stored(spec={}))
    assert parser.parse(stored()).generation == 3
