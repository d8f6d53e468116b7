"""What verifiers read, byte for byte: worked out from a ledger, the same for the same, in every format."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rekey.core import proof, verifying
from rekey.core.facts import Key
from rekey.core.material import Material
from rekey.core.spec_verifier import Format, Verifier
from rekey.core.status import State, Status, Version
from tests.core.situations import NOON, active, ended, retiring, status, version

KEY = Key("shop", "orders")
ISSUED = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
FULL: dict[str, Any] = {"client": "till", "scopes": ["read", "write"], "audience": ["api"]}
PROOFS: dict[Format, dict[str, Any]] = {
    Format.SHA256: {"id": "4pX", "sha256": "ab12"},
    Format.JWKS: {"kid": "k7", "jwk": {"kty": "OKP", "kid": "k7"}},
    Format.CA_BUNDLE: {"ca": "-----BEGIN", "serial": "abc"},
    Format.AUTHORIZED_KEYS: {"key": "ssh-ed25519 AAAA orders"},
}


def verifier(form: Format = Format.SHA256, **fields: Any) -> Verifier:
    """Return a verifier."""
    return Verifier.model_validate({"secretName": "v", "format": form, **fields})


def proved(number: int, state: State, form: Format = Format.SHA256, **fields: Any) -> Version:
    """Return a version with the proof of its format; another number, another hash."""
    found = PROOFS[form] | ({"sha256": f"hash-{number}"} if form is Format.SHA256 else {})
    return version(number, state, proof=proof.as_text(found), issued_time=ISSUED, **fields)


def content(found: Status, asked: Verifier, keys: dict[int, Material] | None = None) -> dict[str, bytes]:
    """Return the content of the Secret for that ledger."""
    return dict(verifying.content(KEY, asked, verifying.accepted(found), keys or {}).reveal())


ACCEPTED: dict[str, tuple[Status, dict[int, str]]] = {
    "what is stored only is not": (status(version(1, State.ISSUED)), {}),
    "what is published is next": (status(active(1), version(2, State.PUBLISHED)), {2: "next", 1: "current"}),
    "what is retiring is previous": (status(retiring(1), active(2)), {2: "current", 1: "previous"}),
    "after a rollback the newer one is": (
        status(active(1), version(2, State.RETIRING, rolled_back=True)),
        {2: "previous", 1: "current"},
    ),
    "what is committed to revocation is not": (status(version(1, State.REVOKING), active(2)), {2: "current"}),
    "what has ended is not": (status(ended(1), ended(2, State.DISCARDED), active(3)), {3: "current"}),
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_accepted(case: str) -> None:
    """From the moment it is published until it is committed to revocation; the newest first."""
    found, expected = ACCEPTED[case]
    entries = verifying.accepted(found)
    assert {one.version.number: one.status for one in entries} == expected
    assert [one.version.number for one in entries] == sorted(expected, reverse=True)


def test_what_is_about_to_be_told_and_what_is_no_more() -> None:
    """Publishing adds the stored version as next; discarding leaves the published one out."""
    stored, told = status(active(1), version(2, State.ISSUED)), status(active(1), version(2, State.PUBLISHED))
    assert [one.status for one in verifying.accepted(stored, also=2)] == ["next", "current"]
    assert [one.version.number for one in verifying.accepted(told, without=2)] == [1]


def test_a_list_of_hashes_to_the_byte() -> None:
    """Sorted, compact, and complete."""
    found = status(
        proved(6, State.RETIRING),
        proved(7, State.ACTIVE, expiration_time=ISSUED + timedelta(days=30)),
        proved(8, State.PUBLISHED).model_copy(update={"proof": '{"sha256":"no-id"}'}),
    )
    common = '"audience":["api"],"client":"till","credential":"shop/orders"'
    scopes = '"scopes":["read","write"]'
    assert content(found, verifier(**FULL)) == {
        "verifier.json": (
            f'{{"entries":[{{{common},"issued":"2026-03-01T12:00:00Z",{scopes},"sha256":"no-id","status":"next","version":8}},'
            f'{{{common},"expires":"2026-03-31T12:00:00Z","id":"4pX","issued":"2026-03-01T12:00:00Z",{scopes},'
            '"sha256":"hash-7","status":"current","version":7},'
            f'{{{common},"id":"4pX","issued":"2026-03-01T12:00:00Z",{scopes},"sha256":"hash-6","status":"previous",'
            '"version":6}],"format":"SHA256"}'
        ).encode()
    }


def test_what_is_not_restricted_is_not_there() -> None:
    """No client, scope or audience in the spec: the credential's name, and nothing else."""
    (entry,) = json.loads(content(status(proved(7, State.ACTIVE)), verifier())["verifier.json"])["entries"]
    assert (entry["client"], entry.keys() & {"scopes", "audience", "expires"}) == ("orders", set())


FILES: dict[Format, tuple[str, str, bytes]] = {
    Format.JWKS: ("jwks.json", "k7", b'{"keys":[{"kid":"k7","kty":"OKP"}]}'),
    Format.CA_BUNDLE: ("ca.crt", "abc", b"-----BEGIN"),
    Format.AUTHORIZED_KEYS: (
        "authorized_keys",
        proof.fingerprint_of("ssh-ed25519 AAAA"),
        b"ssh-ed25519 AAAA orders\n",
    ),
}


@pytest.mark.parametrize("form", FILES)
def test_each_format_has_a_file_of_its_own(form: Format) -> None:
    """In the order of the list; an authority that signed both versions, or a key, is there once."""
    name, known, text = FILES[form]
    found = content(status(proved(6, State.RETIRING, form), proved(7, State.ACTIVE, form)), verifier(form))
    assert found.keys() == {"verifier.json", name}
    assert found[name] == text
    assert {one["id"] for one in json.loads(found["verifier.json"])["entries"]} == {known}


def test_a_ring_of_hmac_keys() -> None:
    """The list has ids, the ring the keys."""
    keys = {6: Material({"key": b"six"}), 7: Material({"key": b"seven"})}
    found = content(status(retiring(6), active(7)), verifier(Format.HMAC), keys)
    entries = json.loads(found["verifier.json"])["entries"]
    ring = json.loads(found["keyring.json"])["keys"]
    assert (
        [one["id"] for one in entries] == [one["kid"] for one in ring] == [proof.key_id(keys[7]), proof.key_id(keys[6])]
    )
    assert [one["status"] for one in ring] == ["current", "previous"]
    assert b"c2V2ZW4" not in found["verifier.json"]


def test_nothing_accepted_is_an_empty_list() -> None:
    """Every file is there all the same: whoever reads it finds that nothing is accepted."""
    found = content(Status(), verifier(Format.JWKS))
    assert found == {"verifier.json": b'{"entries":[],"format":"JWKS"}', "jwks.json": b'{"keys":[]}'}


BASE = status(proved(6, State.RETIRING), proved(7, State.ACTIVE))
OTHER: dict[str, tuple[Status, Verifier]] = {
    "another state": (status(proved(7, State.ACTIVE)), verifier()),
    "another proof": (
        status(proved(6, State.RETIRING), proved(7, State.ACTIVE).model_copy(update={"proof": "{}"})),
        verifier(),
    ),
    "an end": (status(proved(6, State.RETIRING), proved(7, State.ACTIVE, expiration_time=NOON)), verifier()),
    "another client": (BASE, verifier(client="till")),
    "another scope": (BASE, verifier(scopes=["read"])),
    "another format": (BASE, verifier(Format.JWKS)),
}


@pytest.mark.parametrize("case", OTHER)
def test_what_changes_the_content_changes_its_digest(case: str) -> None:
    """So that it is written."""
    found, asked = OTHER[case]
    known = verifying.recipe(KEY, verifier(), verifying.accepted(BASE))
    assert verifying.recipe(KEY, asked, verifying.accepted(found)) != known


def test_what_does_not_changes_nothing() -> None:
    """Lifetimes of tokens and caches, and what has ended, are not told."""
    asked = verifier(tokenLifetime="1h", cacheTime="1m")
    more = status(ended(5), *BASE.versions)
    assert verifying.recipe(KEY, asked, verifying.accepted(more)) == verifying.recipe(
        KEY, verifier(), verifying.accepted(BASE)
    )
    assert content(more, asked) == content(BASE, verifier())
