"""What the bundle says: the current version under its plain keys, the one before it under `previous.`, and a template.

1. The template is a closed substitution: `${key}`, `${previous.key}` and `${version}` are replaced, nothing is
   evaluated.
2. What stands under `issuer.` in a version is for the next version only, and is never shown: not by a template either.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from rekey.core.material import Material
from rekey.core.spec import MergePolicy, Target

VERSION = "version"
PREVIOUS = "previous."
ISSUER = "issuer."
_DIGITS = 9
_PLACEHOLDER = re.compile(rb"\$\{([-._a-zA-Z0-9]+)\}")


def render(target: Target, current: tuple[int, Material], previous: tuple[int, Material] | None) -> Material:
    """Return all keys of the bundle for the current version and the one before it while that is accepted.

    The two never mix: what stands under `previous.` is what the version before would have shown itself (promise S5).
    """
    number, material = current
    values = _version(target, number, material, previous)
    if previous is not None:
        older = _version(target, *previous, None)
        values |= {PREVIOUS + key: value for key, value in older.items()}
    return Material(values)


def _version(
    target: Target, number: int, material: Material, previous: tuple[int, Material] | None
) -> dict[str, bytes]:
    plain = dict(shown(material).reveal())
    known: dict[str, bytes] = plain | {VERSION: str(number).encode()}
    if previous is not None:
        known |= {PREVIOUS + key: value for key, value in shown(previous[1]).reveal().items()}
        known[PREVIOUS + VERSION] = str(previous[0]).encode()
    template = target.template
    if template is None:
        return plain | {VERSION: known[VERSION]}
    rendered = {key: _fill(text, known) for key, text in template.data.items()}
    beside = plain if template.merge_policy is MergePolicy.MERGE else {}
    return beside | rendered | {VERSION: known[VERSION]}


def shown(material: Material) -> Material:
    """Return what a bundle may show of a version."""
    return Material({key: value for key, value in material.reveal().items() if not key.startswith(ISSUER)})


def kept(material: Material) -> Material:
    """Return what of a version is for the next one only."""
    return Material({key: value for key, value in material.reveal().items() if key.startswith(ISSUER)})


def _fill(text: str, known: Mapping[str, bytes]) -> bytes:
    """Replace each placeholder; one that has no value now (no version before) becomes nothing."""
    return _PLACEHOLDER.sub(lambda match: known.get(match.group(1).decode(), b""), text.encode())


def shown_versions(material: Material) -> tuple[int | None, int | None]:
    """Return the numbers a bundle says it shows: current and previous, None where it says none."""
    values = material.reveal()
    return _number(values.get(VERSION)), _number(values.get(PREVIOUS + VERSION))


def _number(value: bytes | None) -> int | None:
    return int(value) if value is not None and value.isdigit() and len(value) <= _DIGITS else None


def contains(outer: Material, inner: Material, prefix: str = "") -> bool:
    """Say whether all that a bundle shows of `inner` stands in `outer`, behind the prefix, with the same value."""
    return all(outer.reveal().get(prefix + key) == value for key, value in shown(inner).reveal().items())


def pick(shown: Material, names: Iterable[str], prefix: str = "") -> Material:
    """Return the named values of a bundle without their prefix, as one version's value.

    Raises:
        KeyError: one of them is not there; its argument is the key.
    """
    found = shown.reveal()
    return Material({name: found[prefix + name] for name in names})


def plain_names(shown: Material, target: Target, prefix: str) -> tuple[str, ...]:
    """Return the names of a version's own keys in a bundle: neither rendered by a template nor reserved."""
    rendered = {VERSION, *(target.template.data if target.template else ())}
    keys = shown.keys()
    names = (key.removeprefix(prefix) for key in keys if key.startswith(prefix))
    return tuple(name for name in names if name not in rendered and not name.startswith((PREVIOUS, ISSUER)))
