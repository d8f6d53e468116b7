"""What the bundle shows is changed: a version becomes current, is withdrawn, or is gone.

1. A change applies only to the bundle as last written (uid and resourceVersion); otherwise it is read, and written
   again only if it is ours.
2. Nothing is read on the way unless it is needed: what was current becomes `previous.` by a copy inside the bundle;
   otherwise the value of a version comes from its own immutable Secret.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from rekey.core import bundle as content
from rekey.core import gate, ledger
from rekey.core.effects import Activate, Reinstate, Revoke
from rekey.core.facts import Facts
from rekey.core.material import Material
from rekey.core.outcome import Outcome
from rekey.core.reasons import Reason
from rekey.core.spec import Target
from rekey.core.status import BundleRef, Version
from rekey.engine import naming
from rekey.engine.composing import Wanted, compose, over, reference, target_of
from rekey.errors import Conflict, NotFound, Rejected, Taken
from rekey.ports.cluster import Ports
from rekey.ports.secrets import NewSecret, SecretChange, SecretView

NOTHING = Material({})


async def value(ports: Ports, facts: Facts, version: Version) -> Material | None:
    """Return the stored value of a version; None if its Secret is gone or not ours."""
    view = await stored(ports, facts, version)
    return view.material if view is not None else None


async def stored(ports: Ports, facts: Facts, version: Version) -> SecretView | None:
    """Return the Secret of a version; None if it is gone or not ours."""
    view = await ports.secrets.read(facts.credential.key.namespace, version.secret_name)
    if view is None:
        return None
    owned = view.owner == facts.credential.uid and version.handle in {None, view.uid}
    return view if owned or is_disowned(version, view) else None


def is_disowned(version: Version, view: SecretView) -> bool:
    """Say whether the Secret is that of the version but somebody took our ownership off; the uid proves it."""
    return view.owner is None and view.uid == version.handle


async def show(ports: Ports, facts: Facts, wanted: Wanted) -> tuple[BundleRef, datetime]:
    """Write the bundle; return it as stored, and an instant that is not before the write by any clock of ours."""
    known = facts.status.bundle
    view = None
    if known is not None:
        try:
            view = await _change(ports, facts, wanted, known.uid, known.resource_version)
        except (Conflict, NotFound):
            await still_decided(ports, facts)
    if view is None:
        view = await _create_or_take(ports, facts, wanted)
    now = ports.clock.now()
    return reference(wanted, view), max(now, view.written or now)


async def still_decided(ports: Ports, facts: Facts) -> None:
    """Make sure that the bundle changed and not the decision: one from an old status writes nothing more.

    Raises:
        Conflict: the credential is another one than was decided on.
    """
    fresh = await ports.credentials.read(facts.credential.key)
    if fresh is None or fresh.resource_version != facts.credential.resource_version:
        raise Conflict(f"{facts.credential.key} was changed since it was looked at")


async def _change(ports: Ports, facts: Facts, wanted: Wanted, uid: str, resource_version: str) -> SecretView:
    credential = facts.credential
    change = SecretChange(
        uid=uid,
        resource_version=resource_version,
        copy=wanted.copy,
        expect=wanted.expect,
        material=wanted.material,
        drop=wanted.drop,
        labels=wanted.labels,
        annotations=wanted.annotations,
    )
    return await ports.secrets.change(credential.key.namespace, gate.target_name(facts), change)


async def _create_or_take(ports: Ports, facts: Facts, wanted: Wanted) -> SecretView:
    """Create the bundle, or change the one that is there if it is ours."""
    credential, name = facts.credential, gate.target_name(facts)
    new = NewSecret(
        name=name,
        material=wanted.material,
        owner=naming.owner(credential),
        immutable=False,
        type=wanted.target.type,
        labels=wanted.labels,
        annotations=wanted.annotations,
    )
    view = None
    if facts.status.bundle is not None:
        view = await ports.secrets.read(credential.key.namespace, name)
    if view is None:
        try:
            return await ports.secrets.create(credential.key.namespace, new)
        except Taken:
            view = await ports.secrets.read(credential.key.namespace, name)
    if view is None:
        raise Conflict(f"Secret {name} comes and goes")
    if view.owner != credential.uid:
        raise Rejected(Reason.NAME_TAKEN, f"Secret {name} is not ours: delete it, or name another target.secretName")
    return await _change(ports, facts, wanted, view.uid, view.resource_version)


async def activate(ports: Ports, facts: Facts, effect: Activate, made: Material | None) -> Outcome:
    """Show the version as current and the one before it as previous."""
    version, old = ledger.find(facts.status, effect.number), ledger.active(facts.status)
    before = ports.clock.now()
    material = made or await value(ports, facts, version)
    if material is None:
        raise Conflict(f"Secret {version.secret_name} vanished before it was shown")
    target = target_of(facts)
    if old is not None and (done := await _over(ports, facts, target, (version.number, material), old)):
        return Outcome(before, max(ports.clock.now(), done[1]), bundle=done[0])
    older = await value(ports, facts, old) if old is not None else None
    if old is not None and older is None and facts.bundle is None:
        raise Conflict(f"Secret {old.secret_name} is gone: it is restored before anything is shown")
    previous = (old.number, older) if old is not None and older is not None else None
    wanted = compose(facts, target, (version.number, material), previous)
    ref, after = await show(ports, facts, wanted)
    return Outcome(before, after, bundle=ref)


async def _over(
    ports: Ports, facts: Facts, target: Target, current: tuple[int, Material], old: Version
) -> tuple[BundleRef, datetime] | None:
    """Show a version over the one that is shown without reading that; None if the bundle is not as last written."""
    ref, wish = facts.status.bundle, over(facts, target, current, old.number)
    if ref is None or wish is None:
        return None
    with suppress(Conflict, NotFound):
        view = await _change(ports, facts, wish, ref.uid, ref.resource_version)
        return reference(wish, view), view.written or ports.clock.now()
    return None


async def reinstate(ports: Ports, facts: Facts, effect: Reinstate) -> Outcome:
    """Show the version before as current again; the failed one stays accepted, as previous."""
    version, failed = ledger.find(facts.status, effect.number), ledger.find(facts.status, effect.failed)
    before = ports.clock.now()
    material = await value(ports, facts, version)
    if material is None and facts.bundle is None:
        raise Conflict(f"Secret {version.secret_name} is gone: it is restored before anything is shown")
    if material is None:
        raise Rejected(Reason.BACKEND_REFUSED, f"Secret {version.secret_name} is gone: there is nothing to go back to")
    newer = await value(ports, facts, failed)
    if newer is None and facts.bundle is None:
        raise Conflict(f"Secret {failed.secret_name} is gone: it is restored before anything is shown")
    previous = (failed.number, newer) if newer is not None else None
    wanted = compose(facts, target_of(facts), (version.number, material), previous)
    ref, after = await show(ports, facts, wanted)
    return Outcome(before, after, bundle=ref)


async def revoke(ports: Ports, facts: Facts, effect: Revoke) -> Outcome:
    """Take the version out of the bundle, then delete its Secret: for generated values that is the revocation."""
    version = ledger.find(facts.status, effect.number)
    now = ports.clock.now()
    ref = facts.status.bundle
    if ref is not None and ref.previous == version.number:
        ref = await _withdraw(ports, facts, ref)
    if version.handle is not None:
        await ports.secrets.delete(facts.credential.key.namespace, version.secret_name, version.handle)
    return Outcome(now, ports.clock.now(), bundle=ref, history=facts.spec.revision_history_limit)


async def _withdraw(ports: Ports, facts: Facts, ref: BundleRef) -> BundleRef:
    """Take what is shown as previous out of the bundle.

    Without a template that needs no look at any value, as long as the bundle is as last written. Otherwise it is
    written whole: a bundle that somebody deleted or edited must not come back with less than it should show.
    """
    active, target = ledger.active(facts.status), target_of(facts)
    if active is None:
        raise Rejected(Reason.BACKEND_REFUSED, "there is no current version: nothing is revoked")
    if target.template is None:
        gone = frozenset(key for key in ref.keys if key.startswith(content.PREVIOUS))
        kept = tuple(key for key in ref.keys if key not in gone)
        labels = naming.bundle_labels(facts.credential, target, active.number)
        less = Wanted(active.number, None, target, NOTHING, gone, kept, labels, {})
        with suppress(Conflict, NotFound):
            return reference(less, await _change(ports, facts, less, ref.uid, ref.resource_version))
    material = await value(ports, facts, active)
    if material is None and facts.bundle is None:
        raise Conflict(f"Secret {active.secret_name} is gone: it is restored before anything is revoked")
    if material is None:
        raise Rejected(Reason.BACKEND_REFUSED, f"Secret {active.secret_name} is gone: nothing is revoked")
    whole, _ = await show(ports, facts, compose(facts, target, (active.number, material), None))
    return whole
