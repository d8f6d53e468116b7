"""Drift is repaired by restoring: Secrets say again what the ledger says; no version is made, nothing restarts."""

from __future__ import annotations

from rekey.core import bundle as content
from rekey.core import gate, ledger
from rekey.core.facts import BundleState, Facts
from rekey.core.material import Material
from rekey.core.outcome import Outcome
from rekey.core.reasons import Reason
from rekey.core.spec import MergePolicy
from rekey.core.status import State, Version
from rekey.engine import composing, issuing, naming, showing
from rekey.errors import Rejected, Taken
from rekey.ports.cluster import Ports
from rekey.ports.secrets import SecretChange, SecretView


async def restore(ports: Ports, facts: Facts) -> Outcome:
    """Write the version Secrets that are missing, then the bundle."""
    now = ports.clock.now()
    active = ledger.active(facts.status)
    view = await ports.secrets.read(facts.credential.key.namespace, gate.target_name(facts))
    if active is None:
        return Outcome(now, now, bundle=facts.status.bundle)
    if view is not None:
        await _own(ports, facts, view)
    older = next((item for item in facts.status.versions if _is_previous(facts, item)), None)
    for version in filter(None, (active, older)):
        await _reclaim(ports, facts, version)
    material, active = await _value(ports, facts, active, view, "")
    previous: tuple[int, Material] | None = None
    mended = [active]
    if older is not None:
        value = await showing.value(ports, facts, older)
        if value is None and view is not None:
            value, older = await _value(ports, facts, older, view, content.PREVIOUS)
            mended.append(older)
        previous = (older.number, value) if value is not None else None
    wanted = composing.compose(facts, composing.target_of(facts), (active.number, material), previous)
    if view is not None and _intact(facts, view) and composing.says(view, wanted):
        ref = composing.reference(wanted, view)
    else:
        ref, _ = await showing.show(ports, facts, wanted)
    return Outcome(now, ports.clock.now(), bundle=ref, versions=tuple(mended))


def _is_previous(facts: Facts, version: Version) -> bool:
    """Say whether the bundle is to show it as previous: not what is committed to revocation, it may be gone by now."""
    shown = facts.status.bundle.previous if facts.status.bundle else None
    return version.number == shown and version.state in ledger.LIVE - {State.REVOKING}


def _intact(facts: Facts, view: SecretView | None) -> bool:
    """Say whether the bundle is as last written, so that its content can be trusted."""
    known = facts.status.bundle
    return (
        view is not None
        and known is not None
        and (view.uid, view.resource_version) == (known.uid, known.resource_version)
    )


async def _own(ports: Ports, facts: Facts, view: SecretView) -> None:
    """Put the owner back on a bundle that lost it; one that was never ours is not touched (promise S6)."""
    if view.owner == facts.credential.uid:
        return
    if view.owner is not None or facts.bundle is not BundleState.CHANGED:
        raise Rejected(Reason.NAME_TAKEN, f"Secret {view.name} is not ours any more")
    change = SecretChange(view.uid, view.resource_version, owner=naming.owner(facts.credential))
    await ports.secrets.change(facts.credential.key.namespace, view.name, change)


async def _reclaim(ports: Ports, facts: Facts, version: Version) -> None:
    """Put the owner back on a version that lost it: its uid proves that it is the one that was made for us."""
    namespace = facts.credential.key.namespace
    stored = await ports.secrets.read(namespace, version.secret_name)
    if stored is not None and showing.is_disowned(version, stored):
        change = SecretChange(stored.uid, stored.resource_version, owner=naming.owner(facts.credential))
        await ports.secrets.change(namespace, version.secret_name, change)


async def _value(
    ports: Ports, facts: Facts, version: Version, view: SecretView | None, prefix: str
) -> tuple[Material, Version]:
    """Return the value of a version; if its Secret is gone it is made again from the bundle as last written."""
    stored = await ports.secrets.read(facts.credential.key.namespace, version.secret_name)
    if stored is not None and stored.owner == facts.credential.uid:
        return stored.material, version.model_copy(update={"handle": stored.uid})
    template = composing.target_of(facts).template
    plain = template is None or template.merge_policy is MergePolicy.MERGE
    shown = content.shown_versions(view.material) if view is not None else (None, None)
    if view is None or not plain or version.number != shown[bool(prefix)]:
        raise Rejected(Reason.BACKEND_REFUSED, f"Secret {version.secret_name} is gone and no copy of its value is left")
    names = content.plain_names(view.material, composing.target_of(facts), prefix)
    value = content.pick(view.material, names, prefix)
    made = await _store(ports, facts, version, value)
    return value, version.model_copy(update={"handle": made.uid})


async def _store(ports: Ports, facts: Facts, version: Version, value: Material) -> SecretView:
    new = issuing.version_secret(facts, version.number, value, version.digest or "")
    namespace = facts.credential.key.namespace
    try:
        return await ports.secrets.create(namespace, new)
    except Taken:
        view = await ports.secrets.read(namespace, version.secret_name)
        if view is not None and view.owner == facts.credential.uid and content.shown(view.material) == value:
            return view
        raise Rejected(Reason.NAME_TAKEN, f"Secret {version.secret_name} was replaced: delete it") from None
