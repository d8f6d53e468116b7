"""What many credentials tell verifiers: entries of others as they are stored, one's own as they are wanted, no gap."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rekey.core import aggregate
from rekey.core.aggregate import Part
from rekey.core.material import Material
from rekey.core.proof import fingerprint_of
from rekey.core.spec_verifier import Format
from rekey.core.verifying import Told, files

LINE = "ssh-ed25519 AAAA orders"


def told(credential: str, version: int = 1, note: str = "") -> Told:
    """Return what is told of one version."""
    entry = {"credential": credential, "sha256": f"{note}{version}", "version": version}
    return Told(credential, version, json.dumps(entry, sort_keys=True, separators=(",", ":")))


A1, A2, A3, B1, C1 = told("a", 1), told("a", 2), told("a", 3), told("b", 1), told("c", 1)
NEW = told("a", 1, "other")

MERGED: dict[str, tuple[tuple[Part, ...], dict[str, tuple[Told, ...]], set[str], tuple[Part, ...]]] = {
    "the first of all": ((), {"a": (A1,)}, set(), ((A1,),)),
    "nothing where nothing is": ((), {"a": ()}, set(), ()),
    "one beside others, in order": (((A1, C1),), {"b": (B1,)}, set(), ((A1, B1, C1),)),
    "a newer version before the older": (((A1, B1),), {"a": (A2, A1)}, set(), ((A2, A1, B1),)),
    "what is accepted no more goes": (((A2, A1, B1),), {"a": (A2,)}, set(), ((A2, B1),)),
    "all of one that leaves goes": (((A2, A1, B1),), {"a": ()}, set(), ((B1,),)),
    "what is said otherwise is replaced": (((A1, B1),), {"a": (NEW,)}, set(), ((NEW, B1),)),
    "several at once": (((A1,),), {"b": (B1,), "c": (C1,)}, set(), ((A1, B1, C1),)),
    "what is gone goes": (((A1, B1, C1),), {"a": (A1,)}, {"c"}, ((A1, B1),)),
    "who tells is not gone": (((A1,),), {"a": (A1,)}, {"a"}, ((A1,),)),
    "an entry stays in its part": (((A1,), (B1,)), {"b": (B1,)}, set(), ((A1,), (B1,))),
    "a newer version comes to the older": (((B1,), (A1,)), {"a": (A2, A1)}, set(), ((B1,), (A2, A1))),
    "a new credential comes where there is room": (((A1,), (B1,)), {"c": (C1,)}, set(), ((A1, C1), (B1,))),
    "what stands twice is kept right in both": (((A1,), (A1,)), {"a": (NEW,)}, set(), ((NEW,), (NEW,))),
    "what ended goes from every part": (((A1,), (A1, B1)), {"a": ()}, set(), ((), (B1,))),
    "a part that is empty stays a part": (((A1,), (), (C1,)), {"a": (A1,)}, set(), ((A1,), (), (C1,))),
}


@pytest.mark.parametrize("case", MERGED)
def test_merge(case: str) -> None:
    """Each credential replaces exactly what is said of itself."""
    stored, own, gone, expected = MERGED[case]
    assert aggregate.merge(stored, own, gone) == expected


def test_a_part_that_is_full_takes_no_new_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one takes it; entries in the full part may still change."""
    monkeypatch.setattr(aggregate, "LIMIT", 100)
    assert aggregate.merge(((A1, B1),), {"a": (A2, A1)}) == ((A1, B1), (A2,))
    assert aggregate.merge(((A1, B1), (A2,)), {"a": (A3, A2)}) == ((B1,), (A3, A2))
    assert aggregate.merge(((A1, B1),), {"a": (told("a", 1, "x" * 200),)}) == ((told("a", 1, "x" * 200), B1),)


CREDENTIALS = st.sampled_from([f"c{number}" for number in range(6)])
STEPS = st.lists(st.tuples(CREDENTIALS, st.sets(st.integers(1, 4), max_size=3)), max_size=30)


@given(steps=STEPS)
def test_no_step_of_one_changes_what_is_told_of_another(steps: list[tuple[str, set[int]]]) -> None:
    """Whatever they do, in parts of any number, each is told of as it said last, and nothing ever changes its part."""
    monkey = pytest.MonkeyPatch()
    monkey.setattr(aggregate, "LIMIT", 120)
    parts: tuple[Part, ...] = ()
    said: dict[str, set[int]] = {}
    for credential, versions in steps:
        after = aggregate.merge(parts, {credential: tuple(told(credential, number) for number in versions)})
        said[credential] = versions
        assert len(after) >= len(parts)
        for before, now in zip(parts, after, strict=False):
            assert {one for one in before if one.credential != credential} <= set(now)
        found = [(one.credential, one.version) for part in after for one in part]
        assert sorted(found) == sorted((name, number) for name, numbers in said.items() for number in numbers)
        parts = after
    monkey.undo()


def part(form: Format, entries: list[Any], **beside: bytes) -> Material:
    """Return a stored part."""
    return Material({"verifier.json": json.dumps({"format": form, "entries": entries}).encode(), **beside})


def entry(**fields: Any) -> dict[str, Any]:
    """Return an entry of a list."""
    return {"credential": "n/a", "version": 1, **fields}


JWK = {"kty": "OKP", "kid": "k1", "crv": "Ed25519", "x": "AA"}
STORED: dict[str, tuple[Format, Material, list[tuple[str, int, tuple[str, ...]]]]] = {
    "hashes": (Format.SHA256, part(Format.SHA256, [entry(sha256="ab")]), [("n/a", 1, ())]),
    "keys, by their ids": (
        Format.JWKS,
        part(Format.JWKS, [entry(id="k1")], **{"jwks.json": json.dumps({"keys": [JWK]}).encode()}),
        [("n/a", 1, ('{"crv":"Ed25519","kid":"k1","kty":"OKP","x":"AA"}',))],
    ),
    "lines": (
        Format.AUTHORIZED_KEYS,
        part(Format.AUTHORIZED_KEYS, [entry(id=fingerprint_of(LINE))], authorized_keys=f"{LINE}\n".encode()),
        [("n/a", 1, (LINE,))],
    ),
    "an entry without its key": (Format.JWKS, part(Format.JWKS, [entry(id="k1")]), []),
    "an entry without its hash": (Format.SHA256, part(Format.SHA256, [entry()]), []),
    "an entry of no version": (Format.SHA256, part(Format.SHA256, [entry(sha256="ab", version="1")]), []),
    "an entry that is no text": (Format.SHA256, part(Format.SHA256, [entry(sha256="\ud800")]), []),
    "an entry whose id is a list": (
        Format.JWKS,
        part(Format.JWKS, [entry(id=["k1"])], **{"jwks.json": json.dumps({"keys": [JWK]}).encode()}),
        [],
    ),
    "an entry of nobody": (Format.SHA256, part(Format.SHA256, [entry(sha256="ab", credential=None)]), []),
    "a list of something else": (Format.SHA256, part(Format.SHA256, ["a", 1, None, []]), []),
    "no list": (Format.SHA256, Material({"verifier.json": b'{"entries": 7}'}), []),
    "no object": (Format.SHA256, Material({"verifier.json": b"[]"}), []),
    "no JSON": (Format.SHA256, Material({"verifier.json": b"\xff{"}), []),
    "nothing": (Format.SHA256, Material({}), []),
    "too deep": (Format.SHA256, Material({"verifier.json": b"[" * 100_000}), []),
    "a key set of something else": (
        Format.JWKS,
        part(Format.JWKS, [entry(id="k1")], **{"jwks.json": b'{"keys":[7]}'}),
        [],
    ),
}


@pytest.mark.parametrize("case", STORED)
def test_read(case: str) -> None:
    """What a verifier could read is taken over with what stands beside it; the rest is nobody's."""
    form, material, expected = STORED[case]
    assert [(one.credential, one.version, one.beside) for one in aggregate.read(form, material)] == expected


@pytest.mark.parametrize("case", [case for case, (_, _, found) in STORED.items() if found])
def test_what_is_read_is_written_as_it_was(case: str) -> None:
    """Reading and writing once more gives the same bytes, so nothing reloads for nothing."""
    form, material, _ = STORED[case]
    once = files(form, aggregate.read(form, material))
    assert files(form, aggregate.read(form, Material(once))) == once


FORMS = {"JWKS": part(Format.JWKS, []), None: Material({"verifier.json": b'{"format": 7}'})}


@pytest.mark.parametrize("form", FORMS)
def test_of_which_format_it_is(form: str | None) -> None:
    """None if it does not say."""
    assert aggregate.form_of(FORMS[form]) == form


def test_names_of_parts() -> None:
    """The first has no number."""
    assert [aggregate.part_name("all", number) for number in range(3)] == ["all", "all-1", "all-2"]
