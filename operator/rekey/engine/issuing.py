"""Versions are made and, when nobody ever saw them, discarded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rekey.core import duration, expiry, ledger, proof, start
from rekey.core.answer import MAX_ANSWERS
from rekey.core.effects import Discard, Issue
from rekey.core.facts import Facts
from rekey.core.material import Material
from rekey.core.outcome import Outcome
from rekey.core.reasons import Reason
from rekey.core.spec import RotatedCredentialSpec
from rekey.core.status import Cause
from rekey.engine import naming, showing
from rekey.errors import Conflict, Rejected, Retryable, Taken
from rekey.ports.cluster import Ports
from rekey.ports.issuer import Issuer, Order
from rekey.ports.secrets import NewSecret, SecretView

MAX_SKIPPED = 16
MAX_PINNED = 12_000
TRIES = 3


async def issue(ports: Ports, issuer: Issuer, facts: Facts, effect: Issue) -> tuple[Outcome, Material]:
    """Make a version and store it, create-only; return what is stored, which proves it.

    A Secret of that name that is ours was left by a crash and is taken as it is; a stranger's is left alone and its
    number is skipped (promise S6).
    """
    credential = facts.credential
    if effect.number > ledger.next_number(facts.status) or effect.cause is Cause.VALUE_LOST:
        # A template that names a later number was written in an earlier life, or by who has rotated since this look;
        # and a value that cannot be found may be one that a restore of etcd has undone, with its ledger.
        await showing.still_decided(ports, facts)
    for number in range(effect.number, effect.number + MAX_SKIPPED):
        name = naming.version_name(facts, number)
        view = await _create(ports, issuer, facts, effect, number)
        if view is None:
            view = await ports.secrets.read(credential.key.namespace, name)
            if view is None or view.owner != credential.uid:
                continue
        return _outcome(ports, facts, view, number), view.material
    name = naming.version_name(facts, effect.number)
    raise Rejected(Reason.NAME_TAKEN, f"Secret {name} and the {MAX_SKIPPED - 1} after it are not ours: delete them")


async def store(ports: Ports, facts: Facts, new: NewSecret) -> SecretView:
    """Store a version that a backend made: it is not given away for an API server that is away for a moment.

    What it was got with may be used up.
    """
    namespace = facts.credential.key.namespace
    for more in reversed(range(TRIES)):
        try:
            return await ports.secrets.create(namespace, new)
        except Taken:
            break
        except Retryable:
            if not more:
                raise
    view = await ports.secrets.read(namespace, new.name)
    if view is None or view.owner != facts.credential.uid:
        raise Conflict(f"Secret {new.name} appeared")
    return view


def version_secret(
    facts: Facts, number: int, material: Material, digest: str, notes: Mapping[str, str] | None = None
) -> NewSecret:
    """Return the immutable Secret that holds one version."""
    return NewSecret(
        name=naming.version_name(facts, number),
        material=material,
        owner=naming.owner(facts.credential),
        immutable=True,
        labels=naming.labels(facts.credential, "version", number),
        annotations={naming.DIGEST: digest, **(notes or {})},
    )


async def _create(ports: Ports, issuer: Issuer, facts: Facts, effect: Issue, number: int) -> SecretView | None:
    credential, name = facts.credential, naming.version_name(facts, number)
    spec, generate = facts.spec, facts.spec.generate
    if generate is None:
        raise Conflict(f"{credential.key} is not made here")
    before = await _before(ports, facts, effect) if issuer.builds_on(generate) else None
    issued = await issuer.issue(Order(generate, ports.clock.now(), spec.rotation.lifetime, before))
    public = {naming.PUBLIC + key: value for key, value in issued.public.items()}
    notes = {naming.TRIGGER: spec.rotation.trigger or "", **public}
    if effect.asked:
        notes[naming.REQUESTS] = ",".join(demand.uid for demand in effect.asked[:MAX_ANSWERS])
    new = version_secret(facts, number, issued.material, start.wanted_digest(spec), notes)
    try:
        view = await ports.secrets.create(credential.key.namespace, new)
    except Taken:
        return None
    if view.material != issued.material:
        await ports.secrets.delete(credential.key.namespace, name, view.uid)
        raise Rejected(
            Reason.BACKEND_REFUSED,
            f"Secret {name} was not stored as it was sent: look for a mutating webhook",
        )
    return view


async def _before(ports: Ports, facts: Facts, effect: Issue) -> Material | None:
    """Return the current version, on which the new one builds: on what others know nothing is built."""
    active = ledger.active(facts.status)
    if active is None or effect.cause is Cause.COMPROMISE:
        return None
    return await showing.value(ports, facts, active)


def _outcome(ports: Ports, facts: Facts, view: SecretView, number: int) -> Outcome:
    credential = facts.credential
    spec = facts.spec
    told = proof.prove(spec.verifier.format, view.material) if spec.verifier is not None else None
    return Outcome(
        before=ports.clock.now(),
        after=ports.clock.now(),
        number=number,
        handle=view.uid,
        issued=view.created,
        expires=expiry.of(spec, view.name, view.material, view.created),
        digest=view.annotations.get(naming.DIGEST),
        secret_name=view.name,
        pinned=pinned(spec),
        rotation_id=f"{credential.uid[:8]}-{number}",
        trigger=view.annotations.get(naming.TRIGGER, ""),
        proof=told,
        asked=frozenset(view.annotations.get(naming.REQUESTS, "").split(",")),
    )


def pinned(spec: RotatedCredentialSpec) -> dict[str, Any]:
    """Return what of the spec a rotation keeps to, whatever is edited meanwhile."""
    found: dict[str, Any] = {"overlap": duration.show(spec.overlap.duration)}
    target = spec.target.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {**found, "target": target} if len(str(target)) <= MAX_PINNED else found


async def discard(ports: Ports, facts: Facts, effect: Discard) -> Outcome:
    """Delete a version that nobody ever used; a reserved one may have been stored by who died then."""
    version, namespace = ledger.find(facts.status, effect.number), facts.credential.key.namespace
    now, uid = ports.clock.now(), version.handle
    if uid is None:
        view = await ports.secrets.read(namespace, version.secret_name)
        uid = view.uid if view is not None and view.owner == facts.credential.uid else None
    if uid is not None:
        await ports.secrets.delete(namespace, version.secret_name, uid)
    return Outcome(now, now, history=facts.spec.revision_history_limit)
