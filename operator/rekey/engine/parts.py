"""The parts of a Secret that many credentials share: found, worked out, and written if they say something else.

1. Only of a credential that nobody has heard of, and that is not there by an uncached read either, what it left is
   taken out; unless it was to be retained.
2. A part belongs to nobody, is known by its labels, and is never deleted: another credential may just have been told of
   in it.
3. It counts as told when the API server's answer says so.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from rekey.core import aggregate
from rekey.core import bundle as bundle_content
from rekey.core.aggregate import Part
from rekey.core.facts import Credential, Key
from rekey.core.material import Material
from rekey.core.reasons import Reason
from rekey.core.spec_verifier import Format
from rekey.core.verifying import Told, files
from rekey.engine import naming
from rekey.errors import Conflict, Rejected, Taken
from rekey.ports.cluster import Ports
from rekey.ports.secrets import NewSecret, SecretChange, SecretView

SUSPECTS = 16
"""So many credentials that nobody has heard of are asked for at a time."""


@dataclass(frozen=True, slots=True)
class Members:
    """Who shares a Secret: whether a credential was `heard` of as one that does; and how to `find` it as stored.

    Whoever is asked for so counts no more as heard of than before: its first event is still to be acted on.
    """

    heard: Callable[[Key, str], bool]
    find: Callable[[Key], Awaitable[Credential | None]]


@dataclass(frozen=True, slots=True)
class Shared:
    """Which Secret it is. `parts`: how many there are at least; `uids`: what the first one was known by."""

    namespace: str
    secret: str
    form: Format
    parts: int = 0
    uids: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Slot:
    """One part: as it is stored (None: it is not there), and what it is to say."""

    number: int
    view: SecretView | None
    wanted: Material

    @property
    def is_right(self) -> bool:
        """Whether nothing need be written."""
        labels = naming.part_labels(self.number).items()
        view = self.view
        return (
            view is not None and bundle_content.contains(view.material, self.wanted) and labels <= view.labels.items()
        )


async def read(ports: Ports, shared: Shared) -> list[SecretView | None]:
    """Return the parts as they are stored: those that are known of, and those that follow them.

    Raises:
        Rejected: one is a stranger's, or credentials of another format share it.
    """
    found: list[SecretView | None] = []
    while True:
        number = len(found)
        view = await ports.secrets.read(shared.namespace, aggregate.part_name(shared.secret, number))
        if number >= shared.parts and (view is None or (number and not _is_ours(shared, number, view))):
            return found
        if view is not None:
            _admit(shared, number, view)
        found.append(view)


async def plan(
    members: Members, shared: Shared, views: Sequence[SecretView | None], own: Mapping[str, Sequence[Told]]
) -> list[Slot]:
    """Return what each part is to say when these credentials have told theirs."""
    stored = [aggregate.read(shared.form, view.material) if view is not None else () for view in views]
    merged = aggregate.merge(stored, own, await _gone(members, shared, own.keys(), stored))
    return [
        Slot(number, views[number] if number < len(views) else None, Material(files(shared.form, part)))
        for number, part in enumerate(merged)
    ]


async def _gone(members: Members, shared: Shared, own: Collection[str], stored: Sequence[Part]) -> set[str]:
    """Return of whom the Secret tells though they do not share it any more, and left nothing that is to stay."""
    listed = {one.credential for part in stored for one in part if not one.retained}.difference(own)
    keys = {text: Key(shared.namespace, text.removeprefix(f"{shared.namespace}/")) for text in listed}
    gone = {text for text, key in keys.items() if str(key) != text}
    suspects = sorted(text for text in listed - gone if not members.heard(keys[text], shared.secret))
    for text in suspects[:SUSPECTS]:
        try:
            found = await members.find(keys[text])
        except Rejected:  # it is there, and cannot be parsed
            continue
        verifier = found.spec.verifier if found is not None else None
        if verifier is None or (verifier.secret_name, verifier.aggregate) != (shared.secret, True):
            gone.add(text)
    return gone


async def put(ports: Ports, shared: Shared, slot: Slot) -> SecretView:
    """Return the part as stored, after it was written if it had to be."""
    name, labels, view = aggregate.part_name(shared.secret, slot.number), naming.part_labels(slot.number), slot.view
    if view is not None and slot.is_right:
        return view
    if view is not None:
        change = SecretChange(view.uid, view.resource_version, material=slot.wanted, labels=labels)
        stored = await ports.secrets.change(shared.namespace, name, change)
    else:
        new = NewSecret(name, slot.wanted, None, immutable=False, labels=labels)
        try:
            stored = await ports.secrets.create(shared.namespace, new)
        except Taken:
            await _taken(ports, shared, slot.number, name)
    if not bundle_content.contains(stored.material, slot.wanted):
        text = f"Secret {name} was not stored as it was sent: look for a mutating webhook"
        raise Rejected(Reason.BACKEND_REFUSED, text)
    return stored


async def _taken(ports: Ports, shared: Shared, number: int, name: str) -> NoReturn:
    """Say why the part cannot be made: another process made it, or it is somebody else's."""
    view = await ports.secrets.read(shared.namespace, name)
    if view is not None:
        _admit(shared, number, view)
    raise Conflict(f"Secret {name} appeared")


def _is_ours(shared: Shared, number: int, view: SecretView) -> bool:
    """Say whether it is the part, by its labels; the first one also by its uid, should somebody take the labels off."""
    labelled = naming.part_labels(number).items() <= view.labels.items()
    return view.owner is None and (labelled or (not number and view.uid in shared.uids))


def _admit(shared: Shared, number: int, view: SecretView) -> None:
    if not _is_ours(shared, number, view):
        labels = " ".join(f"{name}={value}" for name, value in naming.part_labels(number).items())
        text = (
            f"Secret {view.name} exists and is not one that credentials with verifier.aggregate share: if it was, put"
            f" the labels {labels} back; else delete it, or make the credential anew with another verifier.secretName"
        )
        raise Rejected(Reason.NAME_TAKEN, text)
    form = aggregate.form_of(view.material)
    if form not in {None, shared.form}:
        text = (
            f"Secret {view.name} is shared by credentials with verifier.format {form}, not {shared.form}: make the"
            " credential anew with another verifier.secretName"
        )
        raise Rejected(Reason.NAME_TAKEN, text)
