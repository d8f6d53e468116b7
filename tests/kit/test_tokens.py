"""Tokens and passwords: who is accepted, and what everyone else is told."""

from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from rekey_client import Identity, Reason
from tests.kit.values import Opaque, at, row, sha256
from tests.kit.world import World

GOOD = Opaque()
OTHER = Opaque()

ROWS: dict[str, tuple[dict[str, Any], Reason]] = {
    "an entry without limits": ({}, Reason.ACCEPTED),
    "a version that is published and not used yet": ({"status": "next"}, Reason.ACCEPTED),
    "the version before, during the overlap": ({"status": "previous"}, Reason.ACCEPTED),
    "an entry for this service among others": ({"audience": ["web", "api"]}, Reason.ACCEPTED),
    "an entry for other services": ({"audience": ["web"]}, Reason.WRONG_AUDIENCE),
    "an entry for nobody": ({"audience": []}, Reason.WRONG_AUDIENCE),
    "an entry that may read and write": ({"scopes": ["write", "read"]}, Reason.ACCEPTED),
    "an entry that may only write": ({"scopes": ["write"]}, Reason.INSUFFICIENT_SCOPE),
    "an entry that may do nothing": ({"scopes": []}, Reason.INSUFFICIENT_SCOPE),
    "an entry that expires in a second": ({"expires": at(1)}, Reason.ACCEPTED),
    "an entry that expired 29 seconds ago": ({"expires": at(-29)}, Reason.ACCEPTED),
    "an entry that expired 30 seconds ago": ({"expires": at(-30)}, Reason.EXPIRED),
    "an entry with fields of a later release": ({"colour": "red"}, Reason.ACCEPTED),
}


@pytest.mark.parametrize("name", ROWS)
def test_the_entry_decides(name: str, tmp_path: Path) -> None:
    """A true token for the scope `read` at the service `api` comes to what its entry says."""
    more, reason = ROWS[name]
    world = World.of(tmp_path, sha256(GOOD.row(**more), OTHER.row(2)))
    assert world.reason(GOOD.bearer, "read") is reason


def _flip(text: str) -> str:
    return text[:-1] + ("a" if text[-1] != "a" else "b")


SHOWN: dict[str, tuple[str, Reason]] = {
    "the token": (GOOD.bearer, Reason.ACCEPTED),
    "the token after a scheme in capitals": (f"BEARER {GOOD.value}", Reason.ACCEPTED),
    "the token after two blanks": (f"Bearer  {GOOD.value}", Reason.ACCEPTED),
    "the token without its last sign": (GOOD.bearer[:-1], Reason.MALFORMED),
    "the token with one sign mistyped": (_flip(GOOD.bearer), Reason.MALFORMED),
    "the token's beginning": (f"Bearer {GOOD.value[:26]}", Reason.MALFORMED),
    "another secret behind the same id": (Opaque(id=GOOD.id).bearer, Reason.INVALID),
    "a token that was never known": (OTHER.bearer, Reason.UNKNOWN),
    "a word": ("Bearer hunter2", Reason.UNKNOWN),
    "the token by another scheme": (f"Token {GOOD.value}", Reason.BAD_REQUEST),
    "the token without a scheme": (GOOD.value, Reason.BAD_REQUEST),
    "a scheme without a token": ("Bearer", Reason.BAD_REQUEST),
    "nothing at all": ("", Reason.BAD_REQUEST),
}


@pytest.mark.parametrize("name", SHOWN)
def test_what_is_shown_decides(name: str, tmp_path: Path) -> None:
    """One token is accepted; each other thing has its own reason."""
    shown, reason = SHOWN[name]
    assert World.of(tmp_path, sha256(GOOD.row())).reason(shown) is reason


def test_who_was_accepted_is_told(tmp_path: Path) -> None:
    """The identity says client, credential, version and scopes of the entry."""
    world = World.of(tmp_path, sha256(GOOD.row(7, scopes=["read"])))
    assert world.ask(GOOD.bearer).identity == Identity("orders", "shop/orders", 7, frozenset({"read"}))


def test_the_client_is_the_credential_where_none_is_named(tmp_path: Path) -> None:
    """An entry without a client is of the credential's name."""
    entry = GOOD.row()
    del entry["client"]
    found = World.of(tmp_path, sha256(entry)).ask(GOOD.bearer).identity
    assert found is not None
    assert found.client == "shop/orders"


PASSWORDS: dict[str, tuple[str, Reason]] = {
    "the password of the user": ("orders:s3cret-of-orders", Reason.ACCEPTED),
    "a password with a colon": ("colon:with:colon", Reason.ACCEPTED),
    "another user's password": ("billing:s3cret-of-orders", Reason.INVALID),
    "a password that nobody has": ("orders:wrong", Reason.UNKNOWN),
    "no user": (":s3cret-of-orders", Reason.INVALID),
    "no password": ("orders:", Reason.MALFORMED),
    "no colon": ("orders", Reason.MALFORMED),
    "the same password of two clients, by the first": ("one:shared", Reason.ACCEPTED),
    "the same password of two clients, by the second": ("two:shared", Reason.ACCEPTED),
}


@pytest.mark.parametrize("name", PASSWORDS)
def test_a_password_comes_with_its_user(name: str, tmp_path: Path) -> None:
    """By Basic the user must be the entry's client."""
    pair, reason = PASSWORDS[name]
    rows = [row("s3cret-of-orders"), row("with:colon", client="colon")]
    rows += [row("shared", client="one"), row("shared", client="two")]
    world = World.of(tmp_path, sha256(*rows))
    assert world.reason("Basic " + b64encode(pair.encode()).decode()) is reason


def test_a_password_may_come_as_a_bearer_token(tmp_path: Path) -> None:
    """Without a user the password alone decides."""
    assert World.of(tmp_path, sha256(row("s3cret"))).reason("Bearer s3cret") is Reason.ACCEPTED


def test_revoked_is_told_to_holders_only(tmp_path: Path) -> None:
    """After a version is gone its true token is called revoked, a guess with its id is as unknown as any."""
    world = World.of(tmp_path, sha256(GOOD.row(1), OTHER.row(2), row("s3cret", 3)))
    assert world.reason(GOOD.bearer) is Reason.ACCEPTED
    world.deliver(sha256(OTHER.row(2)))
    assert world.reason(GOOD.bearer) is Reason.REVOKED
    assert world.reason("Bearer s3cret") is Reason.REVOKED
    assert world.reason(Opaque(id=GOOD.id).bearer) is Reason.UNKNOWN
    assert world.reason(Opaque().bearer) is Reason.UNKNOWN


def test_a_version_that_is_gone_after_its_expiry_has_expired(tmp_path: Path) -> None:
    """The better word for what ended by itself."""
    world = World.of(tmp_path, sha256(GOOD.row(expires=at(10))))
    assert world.reason(GOOD.bearer) is Reason.ACCEPTED
    world.time.pass_(40)
    world.deliver(sha256())
    assert world.reason(GOOD.bearer) is Reason.EXPIRED


def test_a_version_that_comes_back_is_accepted(tmp_path: Path) -> None:
    """A rollback makes a version current again."""
    world = World.of(tmp_path, sha256(GOOD.row()))
    outcomes = [world.reason(GOOD.bearer)]
    for files in (sha256(), sha256(GOOD.row()), sha256()):
        world.deliver(files)
        outcomes.append(world.reason(GOOD.bearer))
    assert outcomes == [Reason.ACCEPTED, Reason.REVOKED, Reason.ACCEPTED, Reason.REVOKED]


def test_two_credentials_may_have_adopted_one_token(tmp_path: Path) -> None:
    """While one of them is there the token is accepted."""
    world = World.of(tmp_path, sha256(GOOD.row(1), GOOD.row(4, credential="shop/other")))
    assert world.reason(GOOD.bearer) is Reason.ACCEPTED
    world.deliver(sha256(GOOD.row(4, credential="shop/other")))
    assert world.reason(GOOD.bearer) is Reason.ACCEPTED


@pytest.mark.parametrize(("after", "reason"), [(29, Reason.ACCEPTED), (30, Reason.EXPIRED)])
def test_expiry_is_to_the_second(after: float, reason: Reason, tmp_path: Path) -> None:
    """The time of the check counts, with 30 seconds of leeway, on the very content that was loaded before."""
    world = World.of(tmp_path, sha256(GOOD.row(expires=at(0))))
    world.time.pass_(after)
    assert world.reason(GOOD.bearer) is reason


def test_the_end_of_the_overlap_is_the_next_look(tmp_path: Path) -> None:
    """What the Secret does not have any more is refused half a second later, and not earlier."""
    world = World.of(tmp_path, sha256(GOOD.row(1, status="previous"), OTHER.row(2)))
    assert world.reason(GOOD.bearer) is Reason.ACCEPTED
    world.mount.write(sha256(OTHER.row(2)))
    world.time.pass_(0.49)
    assert world.reason(GOOD.bearer) is Reason.ACCEPTED
    world.time.pass_(0.01)
    assert world.reason(GOOD.bearer) is Reason.REVOKED
    assert world.reason(OTHER.bearer) is Reason.ACCEPTED
