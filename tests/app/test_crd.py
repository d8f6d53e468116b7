"""The CRD is what the models and the rules say, complete, bounded, and the same as the file in crds/."""

from collections.abc import Iterator
from itertools import combinations
from math import log2
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rekey.app import generate
from rekey.app.crd_credential import CREDENTIAL
from rekey.app.crd_entropy import admits
from rekey.app.crd_request import REQUEST
from rekey.app.crd_rules import RULES
from rekey.core.spec_generate import CHARACTERS
from tests.kube.refusals_of_providers import IMMUTABLE, REFUSED

ROOT = Path(__file__).parents[2]
BOUNDS = {
    "string": {"maxLength", "enum", "format"},
    "array": {"maxItems"},
    "object": {"maxProperties", "properties"},
}
UNBOUND = {"status.rotation.spec"}  # a copy of what was bounded when it was written


def nodes(path: str, node: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every node of a schema with its path."""
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from nodes(f"{path}.{name}", child)
    for name, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if name in node:
            yield from nodes(path + mark, node[name])


SCHEMA = CREDENTIAL.schema()
NODES = {
    path if root is SCHEMA else f"{path} of a request": node
    for root in (SCHEMA, REQUEST.schema())
    for part in ("spec", "status")
    for path, node in nodes(part, root["properties"][part])
}


@pytest.mark.parametrize("path", generate.FILES)
def test_the_file_is_what_the_code_says(path: str) -> None:
    """`make generate` would change nothing."""
    assert (ROOT / path).read_text(encoding="utf-8") == generate.FILES[path](), "run `make generate`"


def test_generating_writes_only_what_changed(tmp_path: Path) -> None:
    """The first time all files are written, the second time none."""
    assert set(generate.write(tmp_path)) == set(generate.FILES)
    assert generate.write(tmp_path) == ()


def test_every_field_is_explained() -> None:
    """`kubectl explain` has a text for each: every member of every object has a description."""
    named = [(path.removesuffix(" of a request"), node) for path, node in NODES.items()]
    mute = [path for path, node in named if path[-1] not in "]}" and not node.get("description")]
    assert mute == []


def test_every_text_list_and_map_is_bounded() -> None:
    """Nothing in a resource can be longer than the rules were priced for."""
    boundless = [path for path, node in NODES.items() if not BOUNDS.get(node["type"], {"type"}) & set(node)]
    assert set(boundless) == UNBOUND


def test_the_schema_is_structural() -> None:
    """No reference, no choice of types and no null is left over from pydantic."""
    allowed = {
        *("description", "type", "format", "enum", "pattern", "default", "required", "properties", "items"),
        *("minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems", "maxProperties"),
        *("additionalProperties", "x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-map-type"),
        *("x-kubernetes-preserve-unknown-fields", "x-kubernetes-validations"),
    }
    assert {path: set(node) - allowed for path, node in NODES.items() if set(node) - allowed} == {}


def test_every_list_says_how_it_is_merged() -> None:
    """Server-side apply treats each list as one value, as a set, or by keys that every item has."""
    for path, node in NODES.items():
        if node["type"] == "array":
            keys = node.get("x-kubernetes-list-map-keys", ())
            assert node["x-kubernetes-list-type"] == ("map" if keys else node["x-kubernetes-list-type"]), path
            assert set(keys) <= set(node["items"].get("required", ())), path


def test_the_status_has_no_default_but_that_nobody_looked() -> None:
    """A default in a status would be a statement that nobody made."""
    defaults = {
        path: node["default"] for path, node in NODES.items() if path.startswith("status") and "default" in node
    }
    assert defaults == {path: {"observedGeneration": -1} for path in ("status", "status of a request")}


def test_rules_about_durations_ask_first() -> None:
    """`duration()` of something that is none would hide the message that says so."""
    rules = (*RULES, *REQUEST.rules)
    assert [rule.rule for rule in rules if "duration(" in rule.rule and ".matches(" not in rule.rule] == []


def test_every_rule_is_tried() -> None:
    """For each rule of the CRD a resource is refused, on a real API server, at its place and in its words."""
    cases = [(case.field, case.says) for case in (*REFUSED.values(), *IMMUTABLE.values())]
    idle = [
        rule.message
        for rule in RULES
        if not any(
            says in rule.message and without_numbers(field) == without_numbers(f"{rule.at}{rule.field or ''}")
            for field, says in cases
        )
    ]
    assert idle == []


def without_numbers(path: str) -> str:
    """Return the path of an item as the path of every item of its list."""
    return "".join(sign for sign in path.removeprefix(".") if sign not in "[]0123456789")


def bits(length: int, sizes: tuple[int, ...]) -> float:
    """Return the exact entropy of a password in which each class appears, by counting the passwords."""
    total = sum(sizes)
    count = sum(
        (-1) ** len(left_out) * (total - sum(left_out)) ** length
        for some in range(len(sizes) + 1)
        for left_out in combinations(sizes, some)
    )
    return log2(count) if count > 0 else 0.0


@given(st.sets(st.sampled_from(sorted(CHARACTERS)), min_size=1), st.data())
def test_no_admitted_password_is_weak(classes: set[str], data: st.DataObject) -> None:
    """Whatever is excluded, a password that the rule admits has 128 bits by exact count."""
    whole = tuple(len(CHARACTERS[name]) for name in sorted(classes))  # type: ignore[index]  # a class is its name
    sizes = tuple(data.draw(st.integers(1, size)) for size in whole)
    length = next((n for n in range(20, 257) if admits(n, sizes, whole=sizes == whole)), None)
    assume(length is not None)
    assert length is not None
    assert bits(length, sizes) >= 128


@pytest.mark.parametrize("classes", [some for n in range(1, 5) for some in combinations(CHARACTERS, n)])
def test_no_strong_password_of_whole_classes_is_refused(classes: tuple[str, ...]) -> None:
    """With nothing excluded the rule is exact: the shortest admitted length is the shortest with 128 bits."""
    sizes = tuple(len(CHARACTERS[name]) for name in classes)  # type: ignore[index]  # a class is its name
    admitted = next(n for n in range(1, 257) if admits(n, sizes, whole=True))
    strong = next(n for n in range(1, 257) if bits(n, sizes) >= 128)
    assert admitted == strong
