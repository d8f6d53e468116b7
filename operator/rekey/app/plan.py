"""What Rekey would do with a credential and when; nothing is written.

1. The present is asked of `decide`, the future of `schedule`: the plan cannot differ from what will happen.
2. Nobody knows how long consumers take to roll: from there on a time is the earliest one, and says so.
3. Before a credential exists nobody knows its jitter: then a time is the latest one, and says so.
"""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from rekey.core import duration, ledger, retire, schedule
from rekey.core.decide import decide
from rekey.core.effects import Act, Look, What
from rekey.core.facts import Credential, Facts, Problem
from rekey.core.schedule import StartReason
from rekey.core.spec import AtDeadline, Consumer, Refresh, RevocationPolicy, RotatedCredentialSpec, Rotation

ROTATIONS = 3

LookAt = Callable[[Facts, frozenset[What]], Awaitable[Facts]]
_WHY = {
    StartReason.DUE: "its interval or schedule",
    StartReason.WINDOW: "the last window before it is due",
    StartReason.URGENT: "no window opens in time",
    StartReason.REQUESTED: "it was asked for",
}


@dataclass(frozen=True, slots=True)
class PlanLine:
    """One thing that will happen. `bound` says how exact `at` is: "", "earliest" or "latest"."""

    at: datetime | None
    what: str
    why: str
    bound: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """All that can be said now."""

    name: str
    problems: tuple[Problem, ...]
    lines: tuple[PlanLine, ...]


def of_manifest(name: str, spec: RotatedCredentialSpec, now: datetime) -> Plan:
    """Return the plan of a credential that does not exist yet, as if it were applied now."""
    found = schedule.problems(spec)
    if found:
        return Plan(name, found, ())
    target = spec.target.secret_name or name.rpartition("/")[2]
    first = PlanLine(now, f"version 1 is made; Secret {target} shows it", "there is no version yet")
    lines = [first, *_rotations(spec, now, 1, now, lambda _: None)]
    return Plan(name, (), tuple(lines))


async def of_credential(credential: Credential, now: datetime, look: LookAt) -> Plan:
    """Return the plan of a credential that exists; `look` reads what `decide` asks to see."""
    spec, status = credential.spec, credential.status
    found = schedule.problems(spec)
    facts = Facts(now=now, started=now, credential=credential, status=status, problems=found)
    lines = [await _present(facts, look), *_old_versions(facts)]
    active = ledger.active(status)
    if active is not None and not found and credential.deleting is None:
        last = status.last_rotation_time or active.activated_time or now
        lines += _rotations(spec, last, active.number, now, lambda number: f"{credential.uid}:{number}")
    return Plan(str(credential.key), found, tuple(lines))


async def _present(facts: Facts, look: LookAt) -> PlanLine:
    """Return what would be done now, or what is waited for."""
    while isinstance(decision := decide(facts), Look):
        facts = await look(facts, decision.at)
    if isinstance(decision, Act):
        return PlanLine(facts.now, f"next: {decision.message}", type(decision.effect).__name__)
    return PlanLine(decision.until, f"now: {decision.message}", str(decision.reason))


def _old_versions(facts: Facts) -> Iterator[PlanLine]:
    """Return when the versions that are still accepted may end."""
    for version in ledger.retiring(facts.status):
        end = retire.overlap_end(version, facts)
        if end is None:
            yield PlanLine(None, f"version {version.number}: its overlap begins", "every consumer must have moved")
        else:
            yield _revocation(facts.spec, version.number, end)


def _rotations(
    spec: RotatedCredentialSpec, last: datetime, number: int, now: datetime, seed: Callable[[int], str | None]
) -> Iterator[PlanLine]:
    if spec.suspend:
        yield PlanLine(None, "no rotation begins", "spec.suspend is true")
        return
    for _ in range(ROTATIONS):
        sown = seed(number)
        known = sown is not None
        rotation = spec.rotation if known else _at_the_latest(spec)
        begin = schedule.start_at(rotation, last, max(now, last), sown or "")
        at, number = max(begin.at, now), number + 1
        exact = known or rotation.windows or rotation.interval is None or not spec.rotation.jitter_percent
        bound = "" if exact else "latest"
        yield PlanLine(at, f"version {number} is made{_moving(spec)}", _WHY[begin.why], bound)
        yield _revocation(spec, number - 1, at + spec.overlap.propagation + spec.overlap.duration)
        last = at


def _at_the_latest(spec: RotatedCredentialSpec) -> Rotation:
    """Return the rotation without jitter: its latest times."""
    return spec.rotation.model_copy(update={"jitter_percent": 0})


def _revocation(spec: RotatedCredentialSpec, number: int, end: datetime) -> PlanLine:
    hold = spec.hold.until if spec.hold is not None else end
    match spec.revocation_policy:
        case RevocationPolicy.NEVER:
            return PlanLine(None, f"version {number} stays accepted", "revocationPolicy is Never")
        case RevocationPolicy.MANUAL:
            return PlanLine(
                max(end, hold),
                f"version {number} waits to be revoked by hand",
                "revocationPolicy is Manual",
                "earliest",
            )
        case RevocationPolicy.AFTER_OVERLAP:
            limit = duration.show(spec.overlap.deadline)
            forced = f", or {limit} after it was replaced" if spec.overlap.at_deadline is AtDeadline.REVOKE else ""
            why = f"its overlap is over and no pod holds it{forced}"
            return PlanLine(max(end, hold), f"version {number} is revoked", why, "earliest")


def _moving(spec: RotatedCredentialSpec) -> str:
    moved = [_named(consumer) for consumer in spec.consumers if consumer.refresh is Refresh.RESTART]
    return f"; {', '.join(moved)} restarted" if moved else ""


def _named(consumer: Consumer) -> str:
    if consumer.name is not None:
        return f"{consumer.kind}/{consumer.name}"
    return f"every {consumer.kind} that its selector matches"
