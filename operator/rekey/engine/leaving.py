"""A credential leaves: its Secrets are released or deleted. Both may run twice, and neither touches a stranger's."""

from __future__ import annotations

from rekey.core import bundle as content
from rekey.core import gate, ledger
from rekey.core.facts import Facts
from rekey.engine import naming, providing, publishing
from rekey.engine.aggregating import Aggregates
from rekey.errors import BackendAway, Conflict, Forbidden, NamespaceTerminating, NotFound, Rejected, Retryable
from rekey.ports.cluster import Ports
from rekey.ports.secrets import SecretChange, SecretView


async def _ours(ports: Ports, facts: Facts) -> list[SecretView]:
    """Return our Secrets, the one too that a crash may have left without a record."""
    names = {version.secret_name for version in facts.status.versions if version.state not in ledger.ENDED}
    if facts.spec.verifier is not None and not facts.spec.verifier.aggregate:
        names.add(facts.spec.verifier.secret_name)
    names |= {gate.target_name(facts), naming.version_name(facts, ledger.next_number(facts.status))}
    views = [await ports.secrets.read(facts.credential.key.namespace, name) for name in sorted(names)]
    return [view for view in views if view is not None and view.owner == facts.credential.uid]


async def release(ports: Ports, shared: Aggregates, facts: Facts) -> bool:
    """Drop our ownership, so that nothing is garbage-collected with the credential; False if it did not succeed."""
    namespace = facts.credential.key.namespace
    try:
        await publishing.leave(shared, facts, retained=True)
        await _reserved(ports, facts)
        for view in await _ours(ports, facts):
            change = SecretChange(view.uid, view.resource_version, release=facts.credential.uid)
            await ports.secrets.change(namespace, view.name, change)
    except NotFound:
        return await release(ports, shared, facts)
    except NamespaceTerminating:
        return True  # whatever there is goes with the namespace: nothing can be kept, and nothing is left to do
    except (BackendAway, Conflict, Retryable, Forbidden, Rejected):
        return False
    return True


async def destroy(ports: Ports, shared: Aggregates, facts: Facts) -> bool:
    """Have verifiers accept nothing, delete the bundle, then all else; False if it did not succeed."""
    namespace, bundle = facts.credential.key.namespace, gate.target_name(facts)
    verifier = facts.spec.verifier.secret_name if facts.spec.verifier is not None else None
    try:
        await publishing.leave(shared, facts, retained=False)
        found = sorted(await _ours(ports, facts), key=lambda view: view.name != bundle)
        for view in found:
            if view.name == verifier:
                await ports.secrets.change(namespace, view.name, publishing.empty(facts, view))
        await _at_backend(ports, facts)
        for view in found:
            await ports.secrets.delete(namespace, view.name, view.uid)
    except NamespaceTerminating:
        # What is in the namespace goes with it; what lives elsewhere does not.
        return facts.spec.provider is None
    except (BackendAway, Conflict, NotFound, Retryable, Forbidden, Rejected):
        return False
    return True


async def _reserved(ports: Ports, facts: Facts) -> None:
    """Revoke what nobody was given; for as long as a deletion is tried, then it is left: nobody will have it.

    What the bundle shows is to stay, though it was not written down yet that it does.
    """
    reserved, deleting = ledger.reserved(facts.status), facts.credential.deleting
    if reserved is None or deleting is None:
        return
    bundle = await ports.secrets.read(facts.credential.key.namespace, gate.target_name(facts))
    ours = bundle is not None and bundle.owner in {facts.credential.uid, None}  # None: it is released already
    if bundle is not None and ours and content.shown_versions(bundle.material)[0] == reserved.number:
        return
    try:
        await _revoke(ports, facts, reserved.number)
    except (BackendAway, Rejected):
        if facts.now <= max(deleting, facts.started) + facts.timing.grace:
            raise


async def _at_backend(ports: Ports, facts: Facts) -> None:
    """Revoke every version where it lives. That follows no new intent: a deletion is never taken back.

    Raises:
        BackendAway, Rejected: one of them could not be revoked; the others were tried all the same.
    """
    failed: BackendAway | Rejected | None = None
    for version in facts.status.versions:
        if version.state in ledger.LIVE:
            try:
                await _revoke(ports, facts, version.number)
            except (BackendAway, Rejected) as error:
                failed = failed or error
    if failed is not None:
        raise failed


async def _revoke(ports: Ports, facts: Facts, number: int) -> None:
    """Revoke one version; a backend that does not let us in is asked again all the same: `timing.grace` is short."""
    refusal = await providing.revoke(ports, facts, number)
    if refusal is not None:
        raise Rejected(refusal.reason, refusal.message)
