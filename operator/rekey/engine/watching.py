"""Whether old versions are still used: somebody who knows is asked, each time anew."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from rekey.core import retire, usage
from rekey.core.facts import Facts, InUse, Usage
from rekey.core.spec import UsageGate
from rekey.core.spec_usage import Prometheus
from rekey.core.status import Version
from rekey.core.usage import Reading
from rekey.engine import named
from rekey.errors import NotAccepted, NotYet, Rejected, Retryable
from rekey.ports.backend import Claim, Held, TellsUse
from rekey.ports.cluster import Ports
from rekey.ports.meter import Query

_MUTE: Final = Usage(InUse.UNKNOWN, "no backend is known that tells when it was last used")
_AWAY: Final = Usage(InUse.UNKNOWN, "its backend cannot be asked now; the condition Ready of its provider says why")
"""Words that stay the same, whichever request got no answer, or was not made for that."""


async def seen(ports: Ports, facts: Facts) -> Mapping[int, Usage]:
    """Return what is seen of each version that waits for that."""
    gate = facts.spec.usage
    if gate is None:
        return {}
    return {version.number: await _seen(ports, facts, gate, version) for version in retire.asked_about(facts)}


async def _seen(ports: Ports, facts: Facts, gate: UsageGate, version: Version) -> Usage:
    if gate.prometheus is not None:
        return usage.judge(gate, await _read(ports, facts, gate, gate.prometheus, version))
    return await _told(ports, facts, gate, version)


async def _read(ports: Ports, facts: Facts, gate: UsageGate, server: Prometheus, version: Version) -> Reading:
    namespace = facts.credential.key.namespace
    authority = await named.read(ports, namespace, server.ca_secret_name, "ca.crt")
    if isinstance(authority, str):
        return Reading(trouble=authority)
    token = await named.read(ports, namespace, server.token_secret_name, "token")
    if isinstance(token, str):
        return Reading(trouble=token)
    text = usage.expression(gate, facts, version)
    return await ports.meter.read(Query(namespace, server.url, text, usage.PATIENCE, authority, token))


async def _told(ports: Ports, facts: Facts, gate: UsageGate, version: Version) -> Usage:
    """Return what is said by the backend that holds the version."""
    key, wanted, now = facts.credential.key, facts.spec.provider, ports.clock.now()
    if wanted is None:
        return _MUTE
    claim = Claim(facts.credential.uid, key.namespace, key.name, version.number)
    try:
        backend = (await ports.backends.open(key.namespace, wanted)).backend
        if not backend.traits.tells_use or not isinstance(backend, TellsUse):
            return _MUTE
        last = await backend.last_used(Held(claim, wanted, version.backend_id))
    except NotAccepted:
        return Usage(InUse.NO)  # it is gone
    except (Rejected, NotYet) as why:
        return Usage(InUse.UNKNOWN, str(why))
    except Retryable:
        return _AWAY
    return usage.since(gate, version, last, now)
