"""A version is used once, by the operator, before anybody else is given it; it may be used twice after a crash."""

from __future__ import annotations

from rekey.core import ledger, probing
from rekey.core.effects import Prove
from rekey.core.facts import Facts
from rekey.core.material import Material
from rekey.core.outcome import Outcome
from rekey.core.probing import Reply, Verdict
from rekey.core.spec import HttpProbe
from rekey.core.status_probe import Finding, Probe, Refusal
from rekey.engine import named, providing, showing
from rekey.errors import Conflict
from rekey.ports.cluster import Ports
from rekey.ports.prober import Question


async def prove(ports: Ports, facts: Facts, effect: Prove, made: Material | None) -> Outcome:
    """Use what is stored, at its backend and then as the spec says, and return what the answers say."""
    version, before = ledger.find(facts.status, effect.number), ports.clock.now()
    material = made or await showing.value(ports, facts, version)
    if material is None:
        raise Conflict(f"Secret {version.secret_name} vanished before it was proved")
    validation = facts.spec.validation
    verdict: Verdict = Finding.ACCEPTED, ""
    if facts.spec.provider is not None:
        said = await providing.prove(ports, facts, version, material)
        if isinstance(said, Refusal):
            return Outcome(before, ports.clock.now(), refusal=said)
        verdict = said
    if verdict[0] is Finding.ACCEPTED and validation is not None and validation.http is not None:
        seconds = validation.timeout.total_seconds()
        verdict = probing.judge(validation.http, await _ask(ports, facts, validation.http, seconds, material))
    now = ports.clock.now()
    found = Probe(by=probing.digest(facts), time=now, finding=verdict[0], message=verdict[1][:512])
    return Outcome(before, now, versions=(probing.counted(version, found),))


async def _ask(ports: Ports, facts: Facts, http: HttpProbe, seconds: float, material: Material) -> Reply:
    header, namespace = probing.header(http, facts.spec.plain_keys[0], material), facts.credential.key.namespace
    if header is None:
        return Reply(trouble="the value cannot stand in a header", forbidden=True)
    authority = await named.read(ports, namespace, http.ca_secret_name, "ca.crt")
    if isinstance(authority, str):
        return Reply(trouble=authority)
    return await ports.prober.ask(Question(namespace, http.url, header, seconds, authority))
