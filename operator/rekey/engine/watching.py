"""Whether old versions are still used: somebody who counts it is asked, each time anew."""

from __future__ import annotations

from collections.abc import Mapping

from rekey.core import retire, usage
from rekey.core.facts import Facts, Usage
from rekey.core.spec import UsageGate
from rekey.core.status import Version
from rekey.core.usage import Reading
from rekey.engine import named
from rekey.ports.cluster import Ports
from rekey.ports.meter import Query


async def seen(ports: Ports, facts: Facts) -> Mapping[int, Usage]:
    """Return what is seen of each version that waits for that."""
    gate = facts.spec.usage
    if gate is None:
        return {}
    asked = retire.asked_about(facts)
    return {version.number: usage.judge(gate, await _read(ports, facts, gate, version)) for version in asked}


async def _read(ports: Ports, facts: Facts, gate: UsageGate, version: Version) -> Reading:
    namespace, server = facts.credential.key.namespace, gate.prometheus
    authority = await named.read(ports, namespace, server.ca_secret_name, "ca.crt")
    if isinstance(authority, str):
        return Reading(trouble=authority)
    token = await named.read(ports, namespace, server.token_secret_name, "token")
    if isinstance(token, str):
        return Reading(trouble=token)
    text = usage.expression(gate, facts, version)
    return await ports.meter.read(Query(namespace, server.url, text, usage.PATIENCE, authority, token))
