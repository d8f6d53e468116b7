"""A ledger is made from what is there: an unowned Secret that may be adopted, or our own after a lost status."""

from __future__ import annotations

from rekey.core import bundle as content
from rekey.core import expiry, gate, start
from rekey.core.facts import Facts
from rekey.core.material import Material
from rekey.core.outcome import Outcome
from rekey.core.reasons import Reason
from rekey.core.record import ceil
from rekey.core.spec import MergePolicy
from rekey.core.status import State, Version
from rekey.engine import composing, issuing, naming, showing
from rekey.errors import Conflict, Rejected, Taken
from rekey.ports.cluster import Ports
from rekey.ports.secrets import SecretChange, SecretView


async def adopt(ports: Ports, facts: Facts) -> Outcome:
    """Take over the bundle and its version Secrets; what has no version Secret gets one, with the value it has."""
    credential, name = facts.credential, gate.target_name(facts)
    view = await ports.secrets.read(credential.key.namespace, name)
    if view is None:
        raise Conflict(f"Secret {name} vanished")
    changed = ceil(view.written) if view.written is not None else ports.clock.now()
    shown, older = content.shown_versions(view.material)
    label = view.labels.get(naming.VERSION, "")
    now = ports.clock.now()
    changed = ceil(view.written) if view.written is not None else now
    _admit(facts, view, shown)
    current, value = await _version(ports, facts, shown or (int(label) if label.isdigit() else 1), view, "")
    number = current.number
    # Since when it was shown nobody knows: every pod that started before it ceases to be current may hold it.
    versions = [current.model_copy(update={"state": State.ACTIVE})]
    previous: tuple[int, Material] | None = None
    if older is not None and older != shown:
        before, its_value = await _version(ports, facts, older, view, content.PREVIOUS)
        retiring = {"state": State.RETIRING, "retire_time": changed}
        # One above the current was being taken back when the status was lost.
        failed = {"rolled_back": True, "activated_time": before.issued_time} if before.number > number else {}
        versions.append(before.model_copy(update=retiring | failed))
        previous = (before.number, its_value)
    wanted = composing.compose(facts, facts.spec.target, (number, value), previous)
    if view.owner is None:
        change = SecretChange(view.uid, view.resource_version, owner=naming.owner(credential))
        view = await ports.secrets.change(credential.key.namespace, name, change)
    if composing.says(view, wanted):
        ref = composing.reference(wanted, view)
    else:
        ref, _ = await showing.show(ports, facts, wanted)
    return Outcome(
        now,
        ports.clock.now(),
        bundle=ref,
        versions=tuple(versions),
        rotation_id=f"{credential.uid[:8]}-{number}",
        trigger=facts.spec.rotation.trigger or "",
    )


def _admit(facts: Facts, view: SecretView, shown: int | None) -> None:
    """Make sure that the Secret can be taken over, before anything of it is.

    Raises:
        Conflict: somebody took it since it was looked at.
        Rejected: it cannot be changed, or has not the keys that the spec would generate.
    """
    if view.owner not in {None, facts.credential.uid}:
        raise Conflict(f"Secret {view.name} belongs to somebody else now")
    if view.immutable:
        text = f"spec.target.adopt: Secret {view.name} is immutable and could never show another version"
        raise Rejected(Reason.INVALID_SPEC, text)
    if shown is None:
        _plain(facts, view, "")


async def _version(ports: Ports, facts: Facts, number: int, view: SecretView, prefix: str) -> tuple[Version, Material]:
    """Return one version as stored: its own Secret if that is ours, else one that is made from the bundle.

    The bundle is what is read: a Secret that only has the name, or another value, is a stranger's, and its number is
    skipped (promise S6).
    """
    credential = facts.credential
    for free in range(number, number + issuing.MAX_SKIPPED):
        name = naming.version_name(facts, free)
        stored = await ports.secrets.read(credential.key.namespace, name)
        if stored is None:
            stored = await _store(ports, facts, free, _plain(facts, view, prefix))
        elif stored.owner is None and _was_ours(facts, stored, view, prefix):
            change = SecretChange(stored.uid, stored.resource_version, owner=naming.owner(credential))
            stored = await ports.secrets.change(credential.key.namespace, name, change)
        elif stored.owner != credential.uid:
            continue
        noted = naming.noted(stored)
        digest = stored.annotations.get(naming.DIGEST) or start.wanted_digest(facts.spec)
        version = Version(
            number=free,
            state=State.ISSUED,
            secret_name=name,
            handle=stored.uid,
            digest=digest,
            backend_id=noted.backend_id,
            issued_time=stored.created,
            expiration_time=noted.expires or expiry.of(facts.spec, name, stored.material, stored.created),
        )
        return version, stored.material
    raise Rejected(Reason.NAME_TAKEN, f"Secret {naming.version_name(facts, number)} belongs to somebody else")


def _was_ours(facts: Facts, stored: SecretView, view: SecretView, prefix: str) -> bool:
    """Say whether an unowned version Secret was released by an earlier life of this credential."""
    wanted = naming.labels(facts.credential, "version", 0)
    labels = all(stored.labels.get(key) == text for key, text in wanted.items() if key != naming.VERSION)
    template = facts.spec.target.template
    hidden = template is not None and template.merge_policy is MergePolicy.REPLACE
    return labels and stored.immutable and (hidden or content.contains(view.material, stored.material, prefix))


def _plain(facts: Facts, view: SecretView, prefix: str) -> Material:
    """Return the plain value a bundle holds.

    Raises:
        Rejected: it has not the keys that the spec would generate.
    """
    try:
        return content.pick(view.material, facts.spec.plain_keys, prefix)
    except KeyError as missing:
        text = f"spec.target.adopt: Secret {view.name} has no key {missing.args[0]}"
        raise Rejected(Reason.INVALID_SPEC, text) from None


async def _store(ports: Ports, facts: Facts, number: int, value: Material) -> SecretView:
    new = issuing.version_secret(facts, number, value, start.wanted_digest(facts.spec))
    try:
        return await ports.secrets.create(facts.credential.key.namespace, new)
    except Taken:
        raise Conflict(f"Secret {new.name} appeared") from None
