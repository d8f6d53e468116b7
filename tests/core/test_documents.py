"""The published documents, byte by byte."""

import json
from datetime import timedelta
from typing import Any

import pytest

from rekey.core.documents import Age, catalog, etag, jwks, timeline
from tests.publish.objects import ROTATING, START, at, credential, jwk, kid, published, version

FRESH, LATER = Age(START), Age(START + timedelta(days=9))
AWAY = Age(START, away=True)
STALE = Age(START, away=True, stale=True)
ROTATION = credential(*ROTATING, overlapEndTime=at(52))


def catalog_of(*versions: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the entries of the catalog."""
    found = json.loads(catalog(published(credential(*versions)), FRESH))
    return list(found["keys"])


def test_the_key_set_is_what_is_accepted_now() -> None:
    """Next, current and previous, the newest first; of each the key and nothing else."""
    assert json.loads(jwks(published(ROTATION))) == {"keys": [jwk(4), jwk(3), jwk(2)]}


def test_the_catalog_tells_all_but_shows_no_revoked_key() -> None:
    """Every version has its id and its times; one that is not accepted has no key any more."""
    entries = catalog_of(*ROTATING)
    assert [(one["version"], one["status"], one["kid"] == kid(one["version"])) for one in entries] == [
        (4, "next", True),
        (3, "current", True),
        (2, "previous", True),
        (1, "revoked", True),
    ]
    assert [one.get("jwk") for one in entries] == [jwk(4), jwk(3), jwk(2), None]
    assert entries[3] == {
        "kid": kid(1),
        "algorithm": "ES256",
        "status": "revoked",
        "version": 1,
        "created": at(0),
        "activated": at(1),
        "deprecated": at(25),
        "revoked": at(27),
    }


def test_the_timeline_tells_what_happened_and_what_is_announced() -> None:
    """The past from its end, the announced from its beginning; overdue or not, what is planned stays announced."""
    found = json.loads(timeline(published(ROTATION), FRESH))
    assert [(one["time"], one["what"], one.get("version")) for one in found["announced"]] == [
        (at(52), "OverlapEnd", 2),
        (at(500), "Rotation", None),
    ]
    assert [(one["time"], one["what"], one["version"]) for one in found["past"]] == [
        (at(72), "Created", 4),
        (at(49), "Activated", 3),
        (at(49), "Deprecated", 2),
        (at(48), "Created", 3),
        (at(27), "Revoked", 1),
        (at(25), "Activated", 2),
        (at(25), "Deprecated", 1),
        (at(24), "Created", 2),
        (at(1), "Activated", 1),
        (at(0), "Created", 1),
    ]
    until = f"it is accepted until {at(52)} at least."
    assert found["notices"] == [
        f"Key {kid(4)} (version 4) is announced: verifiers should know it before it signs.",
        f"Key {kid(2)} (version 2) is deprecated since {at(49)}: sign with the current key; {until}",
    ]
    assert not any("jwk" in entry for entry in found["keys"])


def test_expiry_is_announced_of_what_is_accepted() -> None:
    """A revoked version has no end to come."""
    ends = {"expirationTime": at(900)}
    found = json.loads(
        timeline(published(credential(version(1, "Revoked", **ends), version(2, "Active", **ends))), FRESH)
    )
    assert [(one["what"], one.get("version")) for one in found["announced"]] == [("Rotation", None), ("Expiry", 2)]


@pytest.mark.parametrize("make", [catalog, timeline], ids=lambda make: str(make.__name__))
def test_the_same_facts_give_the_same_bytes(make: Any) -> None:
    """Neither time nor the order in the status changes a document; how old it is is said only while nobody answers."""
    turned = credential(*reversed(ROTATING), overlapEndTime=at(52))
    fresh = make(published(ROTATION), FRESH)
    assert fresh == make(published(turned), LATER)
    assert b"asOf" not in fresh
    away, stale = json.loads(make(published(ROTATION), AWAY)), json.loads(make(published(ROTATION), STALE))
    assert (away["asOf"], away["stale"], stale["stale"]) == (at(0), False, True)


def test_the_key_set_is_always_the_same() -> None:
    """Its bytes, and so its ETag, change with what is accepted, and with nothing else."""
    turned = credential(*reversed(ROTATING), nextRotationTime=at(9), overlapEndTime=at(53))
    assert etag(jwks(published(turned))) == etag(jwks(published(ROTATION)))
    assert etag(jwks(published(credential(*ROTATING[1:3])))) != etag(jwks(published(ROTATION)))


@pytest.mark.parametrize("secret", ["orders-v2", "requestedBy", "secretName", "uid", "proof"])
def test_nothing_else_is_told(secret: str) -> None:
    """Names of Secrets, people and the cluster's own ids stay inside."""
    found = published(ROTATION)
    assert secret.encode() not in jwks(found) + catalog(found, STALE) + timeline(found, STALE)
