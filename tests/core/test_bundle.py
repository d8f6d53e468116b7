"""What the bundle says, key by key: plain, previous, rendered; and how it is read back."""

from __future__ import annotations

from typing import Any

import pytest

from rekey.core import bundle
from rekey.core.material import Material
from rekey.core.spec import Target

SEVEN = (7, Material({"token": b"seven"}))
SIX = (6, Material({"token": b"six"}))
RAW = (7, Material({"key": b"\x00\xff"}))
KEEPING = (7, Material({"tls.crt": b"seven", "issuer.key": b"sealed"}))
Keys = dict[str, bytes]


def target(merge: str | None = None, **data: str) -> Target:
    """Return a target with a template, if a policy is given; underscores in keys stand for dots."""
    if merge is None:
        return Target()
    texts = {key.replace("_", "."): text for key, text in data.items()}
    return Target.model_validate({"template": {"mergePolicy": merge, "data": texts}})


RENDERED: dict[str, tuple[Target, Any, Any, Keys]] = {
    "one version": (target(), SEVEN, None, {"token": b"seven", "version": b"7"}),
    "two versions": (
        *(target(), SEVEN, SIX),
        {"token": b"seven", "version": b"7", "previous.token": b"six", "previous.version": b"6"},
    ),
    "after a rollback the newer one is the previous": (
        *(target(), SIX, SEVEN),
        {"token": b"six", "version": b"6", "previous.token": b"seven", "previous.version": b"7"},
    ),
    "Merge adds to the plain keys": (
        *(target("Merge", app_env="KEY=${token}\nN=${version}\n"), SEVEN, None),
        {"token": b"seven", "version": b"7", "app.env": b"KEY=seven\nN=7\n"},
    ),
    "Replace stands alone, but for the number": (
        *(target("Replace", app_env="KEY=${token}"), SEVEN, None),
        {"version": b"7", "app.env": b"KEY=seven"},
    ),
    "each version is rendered for itself": (
        *(target("Replace", url="${token}@${version}"), SEVEN, SIX),
        {"version": b"7", "url": b"seven@7", "previous.version": b"6", "previous.url": b"six@6"},
    ),
    "a template may name the version before": (
        *(target("Replace", keys="${token} ${previous.token} ${previous.version}"), SEVEN, SIX),
        {"version": b"7", "keys": b"seven six 6", "previous.version": b"6", "previous.keys": b"six  "},
    ),
    "without a version before its placeholders are empty": (
        *(target("Replace", keys="[${previous.token}${previous.version}]"), SEVEN, None),
        {"version": b"7", "keys": b"[]"},
    ),
    "nothing else is evaluated": (
        *(target("Replace", text="$token $$ ${} {token} $(token) ${ token } %s {{ token }}"), SEVEN, None),
        {"version": b"7", "text": b"$token $$ ${} {token} $(token) ${ token } %s {{ token }}"},
    ),
    "a value is not rendered again": (
        *(target("Replace", text="${token}"), (7, Material({"token": b"${version}"})), None),
        {"version": b"7", "text": b"${version}"},
    ),
    "a backslash in a value is itself": (
        *(target("Replace", text="${token}"), (7, Material({"token": rb"\1\g<0>"})), None),
        {"version": b"7", "text": rb"\1\g<0>"},
    ),
    "bytes that are no text": (target(), RAW, None, {"key": b"\x00\xff", "version": b"7"}),
    "letters beyond ASCII": (
        *(target("Replace", text="clé=${token}"), SEVEN, None),
        {"version": b"7", "text": "clé=seven".encode()},
    ),
    "what is for the next version only is not shown": (
        *(target(), KEEPING, (6, KEEPING[1])),
        {"tls.crt": b"seven", "version": b"7", "previous.tls.crt": b"seven", "previous.version": b"6"},
    ),
    "nor does a template show it": (
        *(target("Replace", text="[${issuer.key}${previous.issuer.key}]"), KEEPING, (6, KEEPING[1])),
        {"version": b"7", "text": b"[]", "previous.version": b"6", "previous.text": b"[]"},
    ),
    "a template without data": (target("Merge"), SEVEN, None, {"token": b"seven", "version": b"7"}),
}


@pytest.mark.parametrize("situation", RENDERED)
def test_the_bundle_says(situation: str) -> None:
    """The keys and values are exactly these."""
    wanted, current, previous, expected = RENDERED[situation]
    assert bundle.render(wanted, current, previous) == Material(expected)


@pytest.mark.parametrize("situation", [name for name, case in RENDERED.items() if case[2] is not None])
def test_what_stands_under_previous_is_what_that_version_would_show(situation: str) -> None:
    """The two parts never mix: each is the whole of one version (promise S5)."""
    wanted, current, previous, _ = RENDERED[situation]
    both = bundle.render(wanted, current, previous).reveal()
    alone = bundle.render(wanted, previous, None).reveal()
    assert {key.removeprefix("previous."): text for key, text in both.items() if key.startswith("previous.")} == alone


NUMBERS: dict[str, tuple[Keys, tuple[int | None, int | None]]] = {
    "both": ({"version": b"7", "previous.version": b"6"}, (7, 6)),
    "one": ({"version": b"7"}, (7, None)),
    "none": ({"token": b"x"}, (None, None)),
    "nine digits": ({"version": b"999999999"}, (999999999, None)),
    "ten digits": ({"version": b"1000000000"}, (None, None)),
    "words": ({"version": b"v7"}, (None, None)),
    "a sign": ({"version": b"-7"}, (None, None)),
    "an end of line": ({"version": b"7\n"}, (None, None)),
    "nothing": ({"version": b""}, (None, None)),
    "digits of another script": ({"version": "\u0667".encode()}, (None, None)),
}


@pytest.mark.parametrize("situation", NUMBERS)
def test_the_numbers_are_read_back(situation: str) -> None:
    """A bundle says which versions it shows; what is no number is none."""
    values, expected = NUMBERS[situation]
    assert bundle.shown_versions(Material(values)) == expected


CONTAINS: dict[str, tuple[Keys, Keys, bool]] = {
    "the same": ({"a": b"1"}, {"a": b"1"}, True),
    "more than asked": ({"a": b"1", "b": b"2"}, {"a": b"1"}, True),
    "less than asked": ({"a": b"1"}, {"a": b"1", "b": b"2"}, False),
    "another value": ({"a": b"1"}, {"a": b"2"}, False),
    "nothing asked": ({}, {}, True),
    "what is never shown is not asked for": ({"a": b"1"}, {"a": b"1", "issuer.key": b"2"}, True),
}


@pytest.mark.parametrize("situation", CONTAINS)
def test_one_contains_the_other(situation: str) -> None:
    """Every key asked for stands there with the same value."""
    outer, inner, expected = CONTAINS[situation]
    assert bundle.contains(Material(outer), Material(inner)) is expected


SHOWN = Material({"token": b"n", "version": b"7", "previous.token": b"o", "previous.version": b"6", "app.env": b"r"})


def test_a_bundle_may_show_all_but_what_is_for_the_next_version() -> None:
    """Of a version that keeps nothing back, it may show everything."""
    assert bundle.shown(KEEPING[1]) == Material({"tls.crt": b"seven"})
    assert bundle.shown(SEVEN[1]) == SEVEN[1]


def test_a_version_is_picked_out_of_a_bundle() -> None:
    """The named values are taken, with or without the prefix, and the prefix is gone."""
    assert bundle.pick(SHOWN, ["token"]) == Material({"token": b"n"})
    assert bundle.pick(SHOWN, ["token"], bundle.PREVIOUS) == Material({"token": b"o"})


@pytest.mark.parametrize(("name", "prefix"), [("password", ""), ("password", "previous."), ("app.env", "previous.")])
def test_what_is_not_there_cannot_be_picked(name: str, prefix: str) -> None:
    """The error names the key and no value."""
    with pytest.raises(KeyError) as caught:
        bundle.pick(SHOWN, [name], prefix)
    assert caught.value.args == (prefix + name,)


def test_the_plain_names_are_a_versions_own_keys() -> None:
    """Neither the number nor what a template renders nor what belongs to the version before is a value."""
    rendered = target("Merge", app_env="x")
    assert bundle.plain_names(SHOWN, rendered, "") == ("token",)
    assert bundle.plain_names(SHOWN, rendered, bundle.PREVIOUS) == ("token",)
    assert bundle.plain_names(SHOWN, target(), "") == ("app.env", "token")
    assert bundle.plain_names(KEEPING[1], target(), "") == ("tls.crt",)


def test_a_version_survives_the_way_into_a_bundle_and_back() -> None:
    """What is rendered is picked again, for both versions."""
    wanted = target("Merge", app_env="${token}")
    both = bundle.render(wanted, SEVEN, SIX)
    assert bundle.pick(both, bundle.plain_names(both, wanted, "")) == SEVEN[1]
    assert bundle.pick(both, bundle.plain_names(both, wanted, bundle.PREVIOUS), bundle.PREVIOUS) == SIX[1]
