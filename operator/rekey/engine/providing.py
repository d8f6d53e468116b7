"""What is done at backends: a reserved version is made there and stored, proved by use, and revoked.

1. A value that is made here is stored before its backend hears of it, so a crash leaves nothing that cannot be revoked.
2. A value that the backend makes may be lost with its answer. Once it is here it is kept until it is stored. What is
   found there under a number whose Secret does not exist was given to nobody: it is revoked, and made anew.
3. Each step may run twice, and another leader may run it too.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from typing import Final, TypeVar

from rekey.core import bundle, expiry, ledger, probing, proof, start
from rekey.core.effects import Obtain, Reserve
from rekey.core.facts import Facts
from rekey.core.material import Material
from rekey.core.outcome import Outcome
from rekey.core.probing import Verdict
from rekey.core.reasons import Reason
from rekey.core.record import floor
from rekey.core.spec_provide import Provide
from rekey.core.status import Version
from rekey.core.status_probe import Finding, Probe, Refusal
from rekey.engine import issuing, keeping, naming
from rekey.engine.sealing import Envelope
from rekey.engine.unstored import Unstored
from rekey.errors import BackendAway, Conflict, NotAccepted, Rejected, Retryable
from rekey.ports.backend import Backend, Claim, Granted, Held, Intent, Opened
from rekey.ports.cluster import Ports
from rekey.ports.secrets import SecretView

T = TypeVar("T")
Made = tuple[Outcome, Material | None]
_UNASKED: Final[Verdict] = (Finding.ACCEPTED, "its backend made it, and cannot be asked")


def reserve(ports: Ports, facts: Facts, effect: Reserve) -> Outcome:
    """Return what a reserved version is to be; nothing is done yet."""
    now, credential = ports.clock.now(), facts.credential
    return Outcome(
        before=now,
        after=now,
        secret_name=naming.version_name(facts, effect.number),
        digest=start.wanted_digest(facts.spec),
        pinned=issuing.pinned(facts.spec),
        rotation_id=f"{credential.uid[:8]}-{effect.number}",
        trigger=facts.spec.rotation.trigger or "",
        asked=frozenset(demand.uid for demand in effect.asked),
    )


async def means(ports: Ports, facts: Facts) -> str:
    """Return a digest of how the backend of a credential is reached, and by what."""
    opened = await ports.backends.open(facts.credential.key.namespace, _wanted(facts))
    return _means(opened, await _grant(ports, facts, needed=False))


async def obtain(ports: Ports, facts: Facts, effect: Obtain, unstored: Unstored) -> Made:
    """Make a reserved version at its backend and store it; or return why it refuses to, if a person must act."""
    before, namespace, wanted = ports.clock.now(), facts.credential.key.namespace, _wanted(facts)
    version = ledger.find(facts.status, effect.number)
    view = await ports.secrets.read(namespace, version.secret_name)
    if view is not None and view.owner != facts.credential.uid:
        raise Rejected(Reason.NAME_TAKEN, f"Secret {version.secret_name} is not ours: delete it")
    lifetime, claim = facts.spec.rotation.lifetime, _claim(facts, version.number)
    if view is not None and wanted.renews:
        # It was stored before a crash, and may be shown: whoever declares the backend may have gone meanwhile.
        unstored.forget(claim.owner)
        return _outcome(ports, facts, view, naming.noted(view)), view.material
    opened, grant = await ports.backends.open(namespace, wanted), await _grant(ports, facts)
    told = view is not None or unstored.of(claim) is not None
    intent = Intent(
        claim=claim,
        wanted=wanted,
        now=before,
        expires=floor(before + lifetime) if lifetime is not None else None,
        grant=grant.material if grant is not None else None,
        before=await keeping.before(ports, facts, grant) if wanted.chained and not told else None,
        unanswered=version.tries is not None,
    )
    try:
        if opened.backend.traits.makes_value:
            return await _make_there(ports, facts, opened.backend, intent, view, unstored)
        return await _make_here(ports, facts, opened.backend, intent, view)
    except Rejected as refused:
        if refused.reason != Reason.NEEDS_REAUTH:
            raise
        return Outcome(before, ports.clock.now(), refusal=_refusal(refused, opened, grant)), None


async def _make_here(ports: Ports, facts: Facts, backend: Backend, intent: Intent, view: SecretView | None) -> Made:
    """Store a value, then have the backend accept it."""
    if view is None:
        material = backend.make(intent)
        view = await _store(ports, facts, intent.claim.number, Granted(material, expires=intent.expires))
    granted = await _answer(backend.issue(intent, view.material))
    return _outcome(ports, facts, view, granted), view.material


async def _make_there(
    ports: Ports, facts: Facts, backend: Backend, intent: Intent, view: SecretView | None, unstored: Unstored
) -> Made:
    """Have the backend make a value, and store it; one that is stored already is taken as it is."""
    if view is None:
        view = await _got(ports, facts, backend, intent, unstored)
    unstored.forget(intent.claim.owner)
    made = _outcome(ports, facts, view, naming.noted(view))
    return replace(made, probe=_as_made(facts, backend, made.after)), view.material


def _as_made(facts: Facts, backend: Backend, now: datetime) -> Probe | None:
    """Return that a token is accepted, where its backend cannot be asked: nothing needs to be saved in between.

    Of others it is said later (`prove`): who can be listed revokes what it finds for a version that is only reserved.
    """
    if backend.traits.provable or not facts.spec.renews or probing.http_of(facts) is not None:
        return None
    return Probe(by=probing.digest(facts), time=now, finding=_UNASKED[0], message=_UNASKED[1])


async def _got(ports: Ports, facts: Facts, backend: Backend, intent: Intent, unstored: Unstored) -> SecretView:
    """Have the backend make a value and store it; a key for what it tells is at hand before it is asked.

    What it told before and could not be stored is stored now, with a key of now: it would not be told again.
    """
    granted = unstored.of(intent.claim)
    if granted is None:
        for left in await _answer(backend.find(intent.claim.owner)):
            if left.number == intent.claim.number:
                await _answer(backend.revoke(Held(left, intent.wanted)))
    async with keeping.envelope(ports, facts) as envelope:
        if granted is None:
            if envelope is not None:
                keeping.demand_timely(ports, facts, intent.claim.number)
            granted = await _answer(backend.issue(intent, None))
            unstored.keep(intent.claim, granted)
        return await _store(ports, facts, intent.claim.number, granted, envelope)


async def _store(
    ports: Ports, facts: Facts, number: int, granted: Granted, envelope: Envelope | None = None
) -> SecretView:
    notes = naming.backend_notes(granted) | keeping.sealed(facts, number, granted.material, envelope)
    new = issuing.version_secret(facts, number, bundle.shown(granted.material), start.wanted_digest(facts.spec), notes)
    return await issuing.store(ports, facts, new)


def _outcome(ports: Ports, facts: Facts, view: SecretView, granted: Granted) -> Outcome:
    now, verifier = ports.clock.now(), facts.spec.verifier
    return Outcome(
        before=now,
        after=now,
        handle=view.uid,
        backend_id=granted.backend_id,
        issued=view.created,
        expires=granted.expires or expiry.of(facts.spec, view.name, view.material, view.created),
        proof=proof.prove(verifier.format, view.material) if verifier is not None else None,
    )


async def prove(ports: Ports, facts: Facts, version: Version, material: Material) -> Verdict | Refusal:
    """Have the backend say whether it accepts the version; one that cannot be asked accepts what it made."""
    wanted, opened = _wanted(facts), None
    try:
        opened = await ports.backends.open(facts.credential.key.namespace, wanted)
        if not opened.backend.traits.provable:
            return _UNASKED
        held = Held(_claim(facts, version.number), wanted, version.backend_id, material)
        await opened.backend.prove(held)
    except NotAccepted as refused:
        return Finding.REFUSED, str(refused)
    except Retryable as away:
        return Finding.UNREACHABLE, str(away)
    except Rejected as refused:
        if opened is not None and refused.reason == Reason.NEEDS_REAUTH:
            return _refusal(refused, opened, await _grant(ports, facts, needed=False))
        return Finding.FORBIDDEN, str(refused)
    return Finding.ACCEPTED, "its backend accepts it"


async def revoke(ports: Ports, facts: Facts, number: int) -> Refusal | None:
    """See that a version is not accepted any more at its backend, if it has one; or return why it does not let us in.

    Raises:
        BackendAway: it does not answer.
        Rejected: a person must act otherwise.
    """
    if facts.spec.provider is None:
        return None
    version, namespace = ledger.find(facts.status, number), facts.credential.key.namespace
    if facts.spec.renews and version.expiration_time is not None and ports.clock.now() >= version.expiration_time:
        return None  # it has ended by itself
    view = await ports.secrets.read(namespace, version.secret_name)
    ours = view is not None and view.owner == facts.credential.uid
    material = view.material if view is not None and ours else None
    opened = await ports.backends.open(namespace, facts.spec.provider)
    held = Held(_claim(facts, number), facts.spec.provider, version.backend_id, material)
    try:
        await _answer(opened.backend.revoke(held))
    except Rejected as refused:
        if refused.reason != Reason.NEEDS_REAUTH:
            raise
        return _refusal(refused, opened, await _grant(ports, facts, needed=False))
    return None


async def _answer(asked: Awaitable[T]) -> T:
    """Return a backend's answer; one that is away is told from an API server that is."""
    try:
        return await asked
    except Retryable as away:
        raise BackendAway(str(away), retry_after=away.retry_after) from away


def _wanted(facts: Facts) -> Provide:
    if facts.spec.provider is None:
        raise Conflict(f"{facts.credential.key} has no backend")
    return facts.spec.provider


def _claim(facts: Facts, number: int) -> Claim:
    key = facts.credential.key
    return Claim(facts.credential.uid, key.namespace, key.name, number)


async def _grant(ports: Ports, facts: Facts, *, needed: bool = True) -> SecretView | None:
    """Return the Secret with what a person was granted, if the credential names one; `needed`: it must be there."""
    oauth2 = _wanted(facts).oauth2
    name = oauth2.grant_secret_name if oauth2 is not None else None
    if name is None:
        return None
    found = await ports.secrets.read(facts.credential.key.namespace, name)
    if found is None and needed:
        raise Rejected(Reason.PROVIDER_NOT_READY, f"there is no Secret {name} with a `refresh_token`")
    return found


def _refusal(refused: Rejected, opened: Opened, grant: SecretView | None) -> Refusal:
    """Return that the backend does not let us in, to be remembered until that by which we log in is another one."""
    return Refusal(reason=refused.reason, message=str(refused)[:512], by=_means(opened, grant))


def _means(opened: Opened, grant: SecretView | None) -> str:
    version = f"{grant.uid}/{grant.resource_version}" if grant is not None else ""
    return sha256(f"{opened.means}\n{version}".encode()).hexdigest()[:16]
