"""What verifiers read is written: the versions that are accepted now, each time from the whole ledger.

1. A change applies to the Secret as last written; otherwise it is read, and written only if it is ours and says
   something else (promise S6, and nobody reloads for nothing).
2. The values are read for HMAC only; of every other format the ledger has all that is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from rekey.core import bundle as bundle_content
from rekey.core import proof, verifying
from rekey.core.effects import Publish, Tell
from rekey.core.facts import BundleState, Facts
from rekey.core.material import Material
from rekey.core.outcome import Outcome
from rekey.core.reasons import Reason
from rekey.core.spec import Adopt
from rekey.core.spec_verifier import Format, Verifier
from rekey.core.status import VerifierRef, Version
from rekey.core.verifying import Entry, Told
from rekey.engine import naming, showing
from rekey.engine.aggregating import Aggregates
from rekey.errors import Conflict, NotFound, Rejected, Taken
from rekey.ports.cluster import Ports
from rekey.ports.secrets import NewSecret, SecretChange, SecretView


async def tell(ports: Ports, shared: Aggregates, facts: Facts, effect: Publish | Tell) -> Outcome:
    """Have verifiers accept what the ledger says, and the version that is to be published."""
    also = effect.number if isinstance(effect, Publish) else None
    return await _tell(ports, shared, facts, verifying.accepted(facts.status, also=also))


async def withdraw(ports: Ports, shared: Aggregates, facts: Facts, number: int) -> VerifierRef | None:
    """Have verifiers refuse the version from now on; None if they were never told of any."""
    if facts.spec.verifier is None or facts.status.verifier is None:
        return None
    return (await _tell(ports, shared, facts, verifying.accepted(facts.status, without=number))).verifier


async def leave(shared: Aggregates, facts: Facts, *, retained: bool) -> None:
    """In a Secret that others share, take out what is said of a credential that goes, or mark it as left to stay."""
    verifier = facts.spec.verifier
    if verifier is None or not verifier.aggregate:
        return
    try:
        await shared.write(facts, verifier, told(facts, verifier, retained=True) if retained else ())
    except Rejected as refused:
        if refused.reason != Reason.NAME_TAKEN:  # what is not ours says nothing of us
            raise


def told(facts: Facts, verifier: Verifier, *, retained: bool = False) -> tuple[Told, ...]:
    """Return what verifiers were told by this ledger; of a value that is lost they are told nothing."""
    entries = [one for one in verifying.accepted(facts.status) if one.version.proof is not None]
    return verifying.tell(facts.credential.key, verifier, entries, {}, retained=retained)


async def compare(ports: Ports, shared: Aggregates, facts: Facts) -> BundleState:
    """Compare what verifiers read with what was written last, in what many share with what the ledger says."""
    known, verifier = facts.status.verifier, facts.spec.verifier
    if known is None or verifier is None:
        return BundleState.INTACT
    if verifier.aggregate:
        return await shared.compare(facts, verifier, told(facts, verifier))
    view = await ports.secrets.read(facts.credential.key.namespace, verifier.secret_name)
    if view is None:
        return BundleState.CHANGED
    if not is_ours(facts, view):
        return BundleState.FOREIGN
    same = (view.uid, view.resource_version) == (known.uid, known.resource_version)
    return BundleState.INTACT if same and view.owner is not None else BundleState.CHANGED


def empty(facts: Facts, view: SecretView) -> SecretChange:
    """Return the change after which verifiers accept nothing."""
    verifier = facts.spec.verifier
    material = verifying.content(facts.credential.key, verifier, (), {}) if verifier is not None else Material({})
    return SecretChange(view.uid, view.resource_version, material=material)


async def _tell(ports: Ports, shared: Aggregates, facts: Facts, entries: Sequence[Entry]) -> Outcome:
    verifier, key, before = facts.spec.verifier, facts.credential.key, ports.clock.now()
    if verifier is None:
        raise Conflict("there is no verifier to tell")
    keys: dict[int, Material] = {}
    proved: list[Entry] = []
    for entry in entries:
        version, hidden = entry.version, verifier.format is Format.HMAC
        if hidden or version.proof is None:
            material = await _value(ports, facts, version)
            if hidden and material is not None:
                keys[version.number] = material
            elif material is not None:
                version = version.model_copy(update={"proof": proof.prove(verifier.format, material)})
        proved.append(replace(entry, version=version))
    # Of a value that is lost nobody can be told anything.
    shown = [one for one in proved if one.version.proof is not None or one.version.number in keys]
    if verifier.aggregate:
        written = await shared.write(facts, verifier, verifying.tell(key, verifier, shown, {}))
        if written is None:
            raise Conflict(f"Secret {verifier.secret_name} is gone, and there is nothing to tell")
        view, at, parts = written.view, written.at, written.parts
    else:
        view = await _show(ports, facts, verifier, verifying.content(key, verifier, shown, keys))
        at, parts = view.written, None
    digest = verifying.recipe(key, verifier, proved)
    now = ports.clock.now()
    return Outcome(
        before,
        max(now, at or now),
        versions=tuple(entry.version for entry in proved),
        verifier=VerifierRef(uid=view.uid, resource_version=view.resource_version, digest=digest, parts=parts),
    )


async def _value(ports: Ports, facts: Facts, version: Version) -> Material | None:
    """Return the value of a version, None if no copy is left: that is said only after a look that may restore it."""
    material = await showing.value(ports, facts, version)
    if material is None and facts.bundle is None:
        raise Conflict(f"Secret {version.secret_name} is gone: it is restored before verifiers are told of it")
    return material


async def _show(ports: Ports, facts: Facts, verifier: Verifier, wanted: Material) -> SecretView:
    """Write the Secret, or leave it where it says so already."""
    namespace, name, known = facts.credential.key.namespace, verifier.secret_name, facts.status.verifier
    labels = naming.verifier_labels(facts.credential, verifier)
    if known is not None and facts.verifier is not BundleState.CHANGED:
        with suppress(Conflict, NotFound):
            change = SecretChange(known.uid, known.resource_version, material=wanted, labels=labels)
            return await ports.secrets.change(namespace, name, change)
        await showing.still_decided(ports, facts)
    view = await ports.secrets.read(namespace, name) if known is not None else None
    if view is None:
        new = NewSecret(name, wanted, naming.owner(facts.credential), immutable=False, labels=labels)
        try:
            return await ports.secrets.create(namespace, new)
        except Taken:
            view = await ports.secrets.read(namespace, name)
    if view is None:
        raise Conflict(f"Secret {name} comes and goes")
    if not is_ours(facts, view):
        raise Rejected(Reason.NAME_TAKEN, f"Secret {name} is not ours: delete it, so that verifiers can be told")
    says = bundle_content.contains(view.material, wanted) and labels.items() <= view.labels.items()
    if says and view.owner is not None:
        return view
    owner = naming.owner(facts.credential) if view.owner is None else None
    change = SecretChange(view.uid, view.resource_version, material=wanted, labels=labels, owner=owner)
    return await ports.secrets.change(namespace, name, change)


def is_ours(facts: Facts, view: SecretView) -> bool:
    """Say whether the Secret is ours, though somebody may have taken our ownership off.

    One that an earlier life of this credential left behind comes with its bundle, if that may be adopted.
    """
    known, verifier = facts.status.verifier, facts.spec.verifier
    if view.owner is not None or verifier is None:
        return view.owner == facts.credential.uid
    if known is not None and view.uid == known.uid:
        return True
    ours = naming.verifier_labels(facts.credential, verifier).items() <= view.labels.items()
    return ours and facts.spec.target.adopt is Adopt.UNOWNED
