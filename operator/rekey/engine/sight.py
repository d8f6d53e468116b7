"""Looks: what a decision asked to see is read from the cluster and put into the facts."""

from __future__ import annotations

from dataclasses import replace

from rekey.core import bundle as content
from rekey.core import effects, gate, ledger
from rekey.core.effects import (
    Activate,
    Conclude,
    Discard,
    Effect,
    Issue,
    Obtain,
    Prove,
    Publish,
    Reinstate,
    Reserve,
    Restart,
    Restore,
    Revoke,
    Tell,
    What,
)
from rekey.core.facts import BundleState, Credential, Facts, InUse
from rekey.core.spec import Adopt
from rekey.core.status import State, Status, Step, Version
from rekey.engine import providing, publishing, showing, watching
from rekey.engine.aggregating import Aggregates
from rekey.ports.cluster import Ports
from rekey.ports.secrets import SecretView


def must_redraw(credential: Credential, status: Status) -> bool:
    """Say whether the template changed since the bundle was written; a rotation under way keeps its pinned one."""
    bundle, rotation = status.bundle, status.rotation
    if bundle is None or credential.deleting is not None:
        return False
    idle = rotation is None or rotation.step is Step.ROLLED_BACK
    return idle and bundle.render is not None and bundle.render != ledger.digest(credential.spec.target)


def consumers_may_differ(credential: Credential) -> bool:
    """Say whether the spec changed while old versions are accepted: a consumer that was added is moved at once."""
    status = credential.status
    edited = status.observed_generation != credential.generation
    calm = status.rotation is None or status.rotation.step is Step.OVERLAP
    return edited and calm and bool(ledger.retiring(status))


def forget(facts: Facts, effect: Effect) -> Facts:
    """Return the facts without what the effect made stale."""
    match effect:
        case Publish():
            return replace(facts, verifier=BundleState.INTACT, workloads=None, pods=None, usage=None)
        case Prove() | Obtain():
            # It may have taken long: whatever was looked at before is looked at anew.
            unseen = replace(facts, bundle=None, bundle_version=None, verifier=None, means=None)
            return replace(unseen, workloads=None, pods=None, usage=None)
        case Tell() | Discard() | Revoke():
            return replace(facts, verifier=BundleState.INTACT, means=None)
        case Restart() | Activate() | Reinstate():
            return replace(facts, workloads=None, pods=None, usage=None, bundle=None, bundle_version=None)
        case Restore() | effects.Adopt():
            return replace(facts, check=False, bundle=BundleState.INTACT)
        case Issue() | Reserve():
            return replace(facts, check=False, pending_gone=False)
        case Conclude() if must_redraw(facts.credential, facts.status):
            return replace(facts, check=True, bundle=None, bundle_version=None)
        case _:
            return facts


async def look(ports: Ports, shared: Aggregates, facts: Facts, at: frozenset[What]) -> Facts:
    """Return the facts with what was asked for."""
    if What.BUNDLE in at:
        facts = await _bundle(ports, facts)
    if What.VERIFIER in at or What.BUNDLE in at:
        facts = replace(facts, verifier=await publishing.compare(ports, shared, facts))
    if What.PROVIDER in at:
        facts = replace(facts, means=await providing.means(ports, facts))
    if What.WORKLOADS in at:
        facts = replace(facts, workloads=await ports.workloads.find(facts.credential, facts.spec.consumers))
    if What.PODS in at:
        facts = replace(facts, pods=await ports.pods.list(facts.credential.key.namespace), now=ports.clock.now())
    if What.USAGE in at:
        facts = replace(facts, usage=await watching.seen(ports, facts), now=ports.clock.now())
        if any(found.in_use is InUse.NO for found in (facts.usage or {}).values()):
            # It may have taken seconds; what is revoked next no pod holds as of now.
            facts = replace(facts, workloads=None, pods=None)
    return facts


async def _bundle(ports: Ports, facts: Facts) -> Facts:
    view = await ports.secrets.read(facts.credential.key.namespace, gate.target_name(facts))
    shown = content.shown_versions(view.material)[0] if view is not None else None
    if facts.status.bundle is None or not any(version.state in ledger.LIVE for version in facts.status.versions):
        state = _unknown(facts, view)
    else:
        state = await _known(ports, facts, view, shown)
    pending = ledger.pending(facts.status)
    gone = pending is not None and await _stored(ports, facts, pending) is None
    return replace(facts, bundle=state, bundle_version=shown, pending_gone=gone)


def _unknown(facts: Facts, view: SecretView | None) -> BundleState:
    """Classify what is there when the ledger is empty."""
    if view is None:
        return BundleState.MISSING
    if view.owner == facts.credential.uid:
        return BundleState.OURS
    return BundleState.UNOWNED if view.owner is None else BundleState.FOREIGN


async def _known(ports: Ports, facts: Facts, view: SecretView | None, shown: int | None) -> BundleState:
    """Compare what is there with the ledger."""
    known, active = facts.status.bundle, ledger.active(facts.status)
    if known is None or active is None:
        return BundleState.OURS
    stored = await _stored(ports, facts, active)
    kept = stored is not None and _same(active, stored, view)
    lost = not kept and (view is None or shown != active.number)
    if view is None:
        return BundleState.LOST if lost else BundleState.MISSING
    same = view.uid == known.uid
    if view.owner != facts.credential.uid and not same:
        mine = view.owner is None and facts.spec.target.adopt is Adopt.UNOWNED
        return BundleState.CHANGED if mine and not lost else BundleState.FOREIGN
    if shown is not None and shown > active.number and await _is_ours(ports, facts, shown):
        return BundleState.AHEAD
    if lost:
        return BundleState.LOST
    intact = same and view.resource_version == known.resource_version
    as_recorded = (
        intact
        and not must_redraw(facts.credential, facts.status)
        and await _versions_intact(ports, facts, active, stored)
    )
    return BundleState.INTACT if as_recorded else BundleState.CHANGED


async def _stored(ports: Ports, facts: Facts, version: Version) -> SecretView | None:
    """Return the Secret of a version if it is ours, or was until somebody took our ownership off."""
    view = await ports.secrets.read(facts.credential.key.namespace, version.secret_name)
    ours = view is not None and (view.owner == facts.credential.uid or showing.is_disowned(version, view))
    return view if ours else None


async def _versions_intact(ports: Ports, facts: Facts, active: Version, stored: SecretView | None) -> bool:
    """Say whether the Secrets of the versions that the bundle shows are the ones on record."""
    if stored is None or stored.owner is None or active.handle not in {None, stored.uid}:
        return False
    older = next((item for item in facts.status.versions if _shown_before(facts, item)), None)
    if older is None:
        return True
    before = await _stored(ports, facts, older)
    return before is not None and before.owner is not None and older.handle in {None, before.uid}


def _shown_before(facts: Facts, version: Version) -> bool:
    shown = facts.status.bundle.previous if facts.status.bundle else None
    return version.number == shown and version.state is State.RETIRING


def _same(active: Version, stored: SecretView, view: SecretView | None) -> bool:
    """Say whether a version Secret is the one on record, or one that was made again and that the bundle confirms."""
    if active.handle in {None, stored.uid}:
        return True
    return view is not None and stored.immutable and content.contains(view.material, stored.material)


async def _is_ours(ports: Ports, facts: Facts, number: int) -> bool:
    name = f"{gate.target_name(facts)}-v{number}"
    view = await ports.secrets.read(facts.credential.key.namespace, name)
    return view is not None and view.owner == facts.credential.uid
