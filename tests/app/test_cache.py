"""The cache: the newest wins whatever the order, our own writes are no news, claims and rollouts are counted."""

from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rekey.app.cache import Cache
from rekey.app.seen import Standing, look, unpack, written
from rekey.core.facts import Credential, Key
from rekey.kube.credentials import Parser
from tests.app.credentials import manifest, settled

KEY = Key("shop", "orders")


def cache() -> Cache:
    """Return an empty cache with limits of 2 rollouts per namespace and 3 in all."""
    return Cache(Parser().parse, 2, 3)


def parsed(found: dict[str, Any]) -> Credential:
    """Return the credential of an object."""
    return Parser().parse(found)


@pytest.mark.parametrize("order", list(permutations([10, 11, 12])), ids=str)
def test_the_newest_version_wins(order: tuple[int, ...]) -> None:
    """Events in any order, each twice: the newest one is kept, and only newer ones are news."""
    kept, newest = cache(), 0
    for version in (*order, *order):
        assert kept.put(look(manifest(version=version))) is (version > newest)
        newest = max(newest, version)
    assert kept.versions() == {KEY: 12}


def test_versions_are_compared_as_numbers() -> None:
    """Version 100 is newer than version 99."""
    kept = cache()
    kept.put(look(manifest(version=99)))
    assert kept.put(look(manifest(version=100)))


def test_our_own_write_is_no_news() -> None:
    """The event of a write that we made is kept without being told; a later one by somebody else is told."""
    kept = cache()
    kept.put(look(manifest(version=10)))
    assert kept.get(KEY) is not None
    kept.learn(KEY, 12)
    assert kept.is_behind(KEY)
    assert not kept.put(look(manifest(version=12, metadata__generation=2, spec__suspend=True)))
    assert not kept.is_behind(KEY)
    assert not kept.has_news(KEY)
    found = kept.get(KEY)
    assert found is not None
    assert found.spec.suspend
    assert kept.put(look(manifest(version=13)))
    assert kept.has_news(KEY)


def test_what_was_acted_on_is_no_news_any_more() -> None:
    """A version counts as news until it is taken out to be acted on."""
    kept = cache()
    kept.put(look(manifest(version=10)))
    assert kept.has_news(KEY)
    assert not kept.knows(KEY, 10)
    kept.get(KEY)
    assert not kept.has_news(KEY)
    assert kept.knows(KEY, 10)
    assert not kept.knows(KEY, 11)


def test_a_look_for_the_sake_of_another_is_no_turn() -> None:
    """What is read of a credential because another one waits for it stays as much news as it was."""
    kept = cache()
    assert kept.peer(KEY) is None
    kept.put(look(manifest(version=10)))
    found = kept.peer(KEY)
    assert found is not None
    assert found.resource_version == "10"
    assert kept.has_news(KEY)
    kept.put(look(manifest(version=11, spec__rotation={"interval": "soon"})))
    assert kept.peer(KEY) is None, "it cannot be parsed"


def test_a_deletion_that_comes_late_does_not_remove_the_successor() -> None:
    """A credential that was made anew stays when the deletion of the one before it is heard afterwards."""
    kept = cache()
    kept.put(look(manifest(version=20)))
    assert kept.remove(KEY, 15) is None
    assert KEY in kept
    assert kept.remove(KEY, 21) == ()
    assert KEY not in kept
    assert len(kept) == 0


def test_nothing_that_is_kept_is_lost_in_packing() -> None:
    """Metadata that counts, spec and status come out as they went in; the rest is dropped."""
    found = settled(metadata__finalizers=["rekey.dev/finalizer"], metadata__labels={"a": "b"})
    back = unpack(look(found))
    assert back["spec"] == found["spec"]
    assert back["status"] == found["status"]
    assert parsed(back) == parsed(found)
    assert "managedFields" not in back["metadata"]
    assert back["metadata"]["labels"] == {"a": "b"}


def test_a_typical_credential_takes_little_room() -> None:
    """One with two versions and its conditions is packed into a quarter of its JSON, and less than 600 bytes."""
    packed = look(settled()).packed
    assert len(packed) < 600


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(manifest(), id="one without a ledger"),
        pytest.param(settled(spec__target={"secretName": "other"}), id="one with a ledger"),
        pytest.param(settled(metadata__deletionTimestamp="2026-11-21T09:00:00Z"), id="one that is being deleted"),
    ],
)
def test_what_was_read_is_kept_like_what_was_heard(found: dict[str, Any]) -> None:
    """A credential that was read by the port is kept with the same content as one that came from the watch."""
    credential = parsed(found)
    again = look(written(credential))
    heard = look(found)
    assert parsed(unpack(again)) == credential
    assert (again.version, again.claim, again.next, again.standing) == (
        heard.version,
        heard.claim,
        heard.next,
        heard.standing,
    )


def condition(kind: str, status: str, reason: str) -> dict[str, str]:
    """Return a condition."""
    return {"type": kind, "status": status, "reason": reason}


STANDINGS: dict[str, tuple[dict[str, Any], Standing, str]] = {
    "without conditions it is new": (manifest(), Standing.NEW, ""),
    "one that is deleted is that first of all": (
        settled(metadata__deletionTimestamp="2026-11-21T09:00:00Z"),
        Standing.DELETING,
        "Deleting",
    ),
    "in a rotation it rotates": (settled(), Standing.ROTATING, "Overlap"),
    "stalled counts more than ready": (
        manifest(status__conditions=[condition("Ready", "True", "Active"), condition("Stalled", "True", "NameTaken")]),
        Standing.STALLED,
        "NameTaken",
    ),
    "blocked counts more than rotating": (
        manifest(
            status__conditions=[
                condition("Rotating", "True", "Overlap"),
                condition("RevocationBlocked", "True", "HeldByPods"),
            ]
        ),
        Standing.BLOCKED,
        "HeldByPods",
    ),
    "at rest it is ready": (
        manifest(status__conditions=[condition("Ready", "True", "Active")]),
        Standing.READY,
        "Active",
    ),
    "else it is not ready": (
        manifest(status__conditions=[condition("Ready", "False", "Issuing")]),
        Standing.NOT_READY,
        "Issuing",
    ),
}


@pytest.mark.parametrize("name", STANDINGS)
def test_the_standing(name: str) -> None:
    """One word says how a credential stands, with the reason of the condition it came from."""
    found, standing, reason = STANDINGS[name]
    seen = look(found)
    assert (seen.standing, seen.reason) == (standing, reason)


def claimed(name: str, created: str, secret: str | None = None) -> dict[str, Any]:
    """Return a credential made at that hour, with that Secret name."""
    changes: dict[str, Any] = {"metadata__creationTimestamp": f"2026-11-21T{created}:00:00Z"}
    if secret is not None:
        changes["spec__target"] = {"secretName": secret}
    return manifest(name, **changes)


def held(name: str, created: str, secret: str) -> dict[str, Any]:
    """Return the same of one that has versions."""
    return claimed(name, created, secret) | {"status": settled(name)["status"]}


CLAIMS: dict[str, tuple[list[dict[str, Any]], dict[str, Any], str | None]] = {
    "nobody else wants the name": ([claimed("a", "08")], claimed("b", "09"), None),
    "an older one has the name by its own": ([claimed("a", "08")], claimed("b", "09", "a"), "a"),
    "an older one has the name explicitly": ([claimed("a", "08", "x")], claimed("b", "09", "x"), "a"),
    "an older one wants the name of this one": ([claimed("a", "08", "b")], claimed("b", "09"), "a"),
    "a younger one wants it too: the older one keeps it": ([claimed("a", "10", "b")], claimed("b", "09"), None),
    "of two of the same second one wins by uid": ([claimed("a", "09", "x")], claimed("b", "09", "x"), "a"),
    "a younger one that has its versions was there first": ([held("z", "09", "x")], claimed("b", "09", "x"), "z"),
    "one that has its versions keeps the name": ([claimed("a", "09", "x")], held("b", "09", "x"), None),
    "of two that have versions the older one": ([held("a", "08", "x")], held("b", "09", "x"), "a"),
    "one that has moved its own name away": ([claimed("a", "08", "y")], claimed("b", "09", "a"), None),
}


@pytest.mark.parametrize("name", CLAIMS)
def test_two_credentials_with_one_secret(name: str) -> None:
    """Whoever was there first keeps the name, and the younger one is told by whom it is used."""
    others, mine, rival = CLAIMS[name]
    kept = cache()
    for found in [*others, mine]:
        kept.put(look(found))
    found_problems = kept.others(parsed(mine))
    assert [problem.path for problem in found_problems] == ["spec.target.secretName"] * bool(rival)
    assert all(str(problem).endswith(f"RotatedCredential {rival}") for problem in found_problems)


SHARING: dict[str, tuple[dict[str, Any] | None, bool]] = {
    "one that shares it": ({"secretName": "all", "format": "SHA256", "aggregate": True}, True),
    "one that shares another": ({"secretName": "other", "format": "SHA256", "aggregate": True}, False),
    "one that has it for itself": ({"secretName": "all", "format": "SHA256"}, False),
    "one without verifiers": (None, False),
}


@pytest.mark.parametrize("case", SHARING)
def test_who_shares_what_verifiers_read(case: str) -> None:
    """Known of each credential that was heard of; of no other."""
    verifier, expected = SHARING[case]
    kept = cache()
    changes: dict[str, Any] = {"spec__verifier": verifier} if verifier else {}
    kept.put(look(manifest(**changes)))
    assert kept.shares(KEY, "all") is expected
    assert not kept.shares(Key("shop", "never-heard-of"), "all")


def test_who_waited_for_a_name_is_told_when_it_is_free() -> None:
    """The removal of a credential returns those that claim the same Secret."""
    kept = cache()
    for found in (claimed("a", "08"), claimed("b", "09", "a"), claimed("c", "09", "z")):
        kept.put(look(found))
    assert kept.remove(Key("shop", "a"), 99) == (Key("shop", "b"),)


def rolling(name: str, namespace: str, number: int, version: int = 10) -> dict[str, Any]:
    """Return a credential with that many consumers that are restarting, and one that has moved."""
    restarting = [
        {"kind": "Deployment", "name": str(n), "restartedTime": "2026-11-21T08:00:00Z", "moved": n >= number}
        for n in range(number + 1)
    ]
    started = {"step": "RollingOut", "startedTime": "2026-11-21T08:00:00Z"}
    rotation = {"id": "x", "number": 2, "cause": "Schedule", **started}
    return manifest(name, namespace, version, status__consumers=restarting, status__rotation=rotation)


def test_rollouts_are_limited_in_namespace_and_cluster() -> None:
    """What may start is the smaller rest of both limits; an end, a removal and a note change it."""
    kept = cache()
    mine = parsed(manifest("mine", "shop"))
    kept.put(look(manifest("mine", "shop")))
    assert kept.free(mine) == 2
    kept.put(look(rolling("other", "shop", 1)))
    assert kept.free(mine) == 1
    kept.put(look(rolling("far", "elsewhere", 2)))
    assert kept.free(mine) == 0
    kept.put(look(rolling("far", "elsewhere", 0, version=11)))
    assert kept.free(mine) == 1
    kept.note(mine, 1)
    assert kept.free(mine) == 0
    kept.note(mine, 0)
    kept.remove(Key("shop", "other"), 99)
    assert kept.free(mine) == 2


Event = tuple[str, int, int]
EVENTS = st.lists(
    st.tuples(st.sampled_from(["put", "remove", "learn", "note"]), st.integers(0, 2), st.integers(1, 9)), max_size=30
)


@given(EVENTS)
def test_counts_and_claims_never_drift(events: list[Event]) -> None:
    """After any events, rollouts and claims are what the entries say."""
    kept = cache()
    for what, number, version in events:
        key = Key("shop", str(number))
        found = rolling(str(number), "shop", version % 3, version)
        found["spec"]["target"] = {"secretName": "same"}
        if what == "put":
            kept.put(look(found))
        elif what == "remove":
            kept.remove(key, version)
        elif what == "learn":
            kept.learn(key, version)
        else:
            kept.note(parsed(found), version % 3)
    assert kept._rolling.total() == sum(seen.rolling for seen in kept)
    assert kept._claims.get(("shop", "same"), set()) == {seen.key for seen in kept}
