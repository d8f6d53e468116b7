"""What the bundle is to show: put together from versions, compared with what is there, remembered in the status."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from rekey.core import bundle as content
from rekey.core import ledger
from rekey.core.facts import Facts
from rekey.core.material import Material
from rekey.core.spec import Target
from rekey.core.status import BundleRef
from rekey.engine import naming
from rekey.ports.secrets import SecretView


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the bundle is to show: `copy` inside it, write `material`, remove `drop`; `keys` are ours afterwards."""

    number: int
    previous: int | None
    target: Target
    material: Material
    drop: frozenset[str]
    keys: tuple[str, ...]
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    copy: Mapping[str, str] = field(default_factory=dict)
    expect: Mapping[str, str] = field(default_factory=dict)


def target_of(facts: Facts) -> Target:
    """Return the target as pinned by the rotation under way, else as it is."""
    pinned = facts.status.rotation.spec if facts.status.rotation else None
    return Target.model_validate(pinned["target"]) if pinned and "target" in pinned else facts.spec.target


def compose(
    facts: Facts, target: Target, current: tuple[int, Material], previous: tuple[int, Material] | None
) -> Wanted:
    """Return what the bundle is to show for these versions; keys we wrote before and need no more are dropped."""
    material = content.render(target, current, previous)
    known = facts.status.bundle.keys if facts.status.bundle else ()
    drop = frozenset(known) - frozenset(material.keys())
    labels = naming.bundle_labels(facts.credential, target, current[0])
    notes = naming.bundle_annotations(target)
    return Wanted(current[0], previous and previous[0], target, material, drop, material.keys(), labels, notes)


def says(view: SecretView, wanted: Wanted) -> bool:
    """Say whether the bundle says what it should, so that nothing need be written."""
    values = content.contains(view.material, wanted.material)
    labels = all(view.labels.get(key) == value for key, value in wanted.labels.items())
    notes = all(view.annotations.get(key) == value for key, value in wanted.annotations.items())
    return values and labels and notes and not wanted.drop & set(view.material.keys())


def reference(wanted: Wanted, view: SecretView) -> BundleRef:
    """Return what the status remembers of the bundle when it shows what is wanted."""
    return BundleRef(
        uid=view.uid,
        resource_version=view.resource_version,
        render=ledger.digest(wanted.target),
        previous=wanted.previous,
        keys=wanted.keys,
    )


def over(facts: Facts, target: Target, current: tuple[int, Material], previous: int) -> Wanted | None:
    """Return the same for a version in the place of the one that is shown, whose value is copied where it is.

    So nobody needs to read it. None: a template renders the bundle, which then must be written whole.
    """
    ref = facts.status.bundle
    if ref is None or target.template is not None or ref.render != ledger.digest(target):
        return None
    copy = {content.PREVIOUS + key: key for key in ref.keys if not key.startswith(content.PREVIOUS)}
    fresh = compose(facts, target, current, None)
    keys = tuple(sorted({*fresh.keys, *copy}))
    # Whoever comes late must not copy what is already the new version; not only the resourceVersion sees to that.
    expect = {content.VERSION: str(previous)}
    return replace(fresh, previous=previous, drop=fresh.drop - set(keys), keys=keys, copy=copy, expect=expect)
