"""What Rekey would do with a credential and when; nothing is written.

1. The present is asked of `decide`, the future of `schedule`: the plan cannot differ from what will happen.
2. Nobody knows how long consumers take to roll: from there on a time is the earliest one, and says so.
3. Before a credential exists nobody knows its jitter: then a time is the latest one, and what follows from it is about
   right; both say so.
"""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from rekey.core import duration, ledger, renewal, retire, schedule, start
from rekey.core.decide import decide
from rekey.core.effects import Act, Look, What
from rekey.core.facts import Credential, Facts, Problem, Staging
from rekey.core.schedule import StartReason
from rekey.core.spec import (
    Adopt,
    AtDeadline,
    Consumer,
    ConsumerHealth,
    Refresh,
    RevocationPolicy,
    RotatedCredentialSpec,
    Rotation,
)

ROTATIONS = 3

_AFTER = RevocationPolicy.AFTER_OVERLAP
LookAt = Callable[[Facts, frozenset[What]], Awaitable[Facts]]
_WHY = {
    StartReason.WINDOW: "the last window before it is due",
    StartReason.URGENT: "no window opens in time",
    StartReason.REQUESTED: "it was asked for",
    StartReason.EXPIRES: "the version before expires",
}


@dataclass(frozen=True, slots=True)
class PlanLine:
    """One thing that will happen. `bound` says how exact `at` is: "", "now", "earliest", "latest" or "about"."""

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
    taken = f", or taken over from Secret {target} if that exists" if spec.target.adopt is Adopt.UNOWNED else ""
    first = PlanLine(now, f"version 1 is made{taken}; Secret {target} shows it", "there is no version yet", "now")
    lines = [first, *_rotations(spec, _Past(now, 1, 2, now, _end(spec, now)), now, lambda _: None)]
    return Plan(name, (), tuple(lines))


async def of_credential(credential: Credential, now: datetime, look: LookAt, first: Staging | None = None) -> Plan:
    """Return the plan of a credential that exists; `look` reads what `decide` asks to see, `first` goes first."""
    spec, status = credential.spec, credential.status
    found = schedule.problems(spec)
    facts = Facts(now=now, started=now, credential=credential, status=status, problems=found, staging=first)
    lines = [await _present(facts, look), *_old_versions(facts)]
    active = ledger.active(status)
    if active is not None and not found and credential.deleting is None:
        last = ledger.rotated(status, active, now)
        failed = status.rotation.next_attempt_time if status.rotation is not None else None
        past = _Past(last, active.number, ledger.next_number(status), failed, active.expiration_time)
        lines += _rotations(spec, past, now, lambda number: f"{credential.uid}:{number}")
    return Plan(str(credential.key), found, tuple(lines))


async def _present(facts: Facts, look: LookAt) -> PlanLine:
    """Return what would be done now, or what is waited for."""
    while isinstance(decision := decide(facts), Look):
        facts = await look(facts, decision.at)
    if isinstance(decision, Act):
        return PlanLine(facts.now, f"next: {decision.message}", type(decision.effect).__name__, "now")
    return PlanLine(facts.now, decision.message, str(decision.reason), "now")


def _old_versions(facts: Facts) -> Iterator[PlanLine]:
    """Return when the versions that are still accepted may end."""
    for version in ledger.retiring(facts.status):
        end = retire.overlap_end(version, facts)
        if end is None:
            yield PlanLine(None, f"version {version.number}: its overlap begins", "every consumer must have moved")
        elif end <= facts.now and facts.spec.hold is None and facts.spec.revocation_policy is _AFTER:
            text = f"version {version.number} is revoked when no pod holds it{_unused(facts.spec)}"
            yield PlanLine(None, text, "its overlap is over")
        else:
            yield _revocation(facts.spec, version.number, end)


@dataclass(frozen=True, slots=True)
class _Past:
    """What rotations follow on: when the last was, the current number and the next, when that may be tried again.

    `expires`: when the current version ends by itself, if ever.
    """

    last: datetime
    current: int
    fresh: int
    again: datetime | None
    expires: datetime | None


def _rotations(
    spec: RotatedCredentialSpec, past: _Past, now: datetime, seed: Callable[[int], str | None]
) -> Iterator[PlanLine]:
    if spec.suspend:
        yield PlanLine(None, "no rotation begins", "spec.suspend is true")
        return
    if spec.renews:
        yield _renewal(past, now, seed(past.current))
        return
    last, number, again, expires = past.last, past.current, past.again, past.expires
    for fresh in range(past.fresh, past.fresh + ROTATIONS):
        sown = seed(number)
        known = sown is not None
        rotation = spec.rotation if known else _at_the_latest(spec)
        begin = start.in_time(schedule.start_at(rotation, last, max(now, last), sown or ""), spec, last, expires)
        at = max(begin.at, now) if again is None else max(begin.at, now, again)
        exact = known or rotation.windows or rotation.interval is None or not spec.rotation.jitter_percent
        bound = "" if exact else "latest"
        why = "the last attempt failed" if again == at and fresh > number + 1 else _why(spec.rotation, begin.why)
        yield PlanLine(at, f"version {fresh} is made{_moving(spec)}", f"{why}{_waiting(spec)}", bound)
        settle = spec.health.settle if spec.consumers else timedelta(0)
        end = at + settle + spec.overlap.propagation + spec.overlap.duration
        yield _revocation(spec, number, end, "about" if bound else "earliest")
        last, number, again, expires = at, fresh, None, _end(spec, at)


def _renewal(past: _Past, now: datetime, sown: str | None) -> PlanLine:
    """Return when a token is renewed; of those that follow only their server knows when they end."""
    what = f"version {past.fresh} is made; nothing is restarted, and version {past.current} ends by itself"
    if past.expires is None or sown is None:
        return PlanLine(None, what, "its server says when it ends: it is renewed one to three minutes before")
    at = renewal.renew_at(past.last, past.expires, sown)
    return PlanLine(max(at, now), what, f"version {past.current} ends {past.expires:%F %T}Z")


def _end(spec: RotatedCredentialSpec, made: datetime) -> datetime | None:
    lifetime = spec.rotation.lifetime
    return None if lifetime is None else made + lifetime


def _at_the_latest(spec: RotatedCredentialSpec) -> Rotation:
    """Return the rotation without jitter: its latest times."""
    return spec.rotation.model_copy(update={"jitter_percent": 0})


def _why(rotation: Rotation, why: StartReason) -> str:
    return _WHY.get(why) or ("its schedule" if rotation.interval is None else "its interval")


def _revocation(spec: RotatedCredentialSpec, number: int, end: datetime, bound: str = "earliest") -> PlanLine:
    hold = spec.hold.until if spec.hold is not None else end
    match spec.revocation_policy:
        case RevocationPolicy.NEVER:
            return PlanLine(None, f"version {number} stays accepted", "revocationPolicy is Never")
        case RevocationPolicy.MANUAL:
            return PlanLine(
                max(end, hold),
                f"version {number} waits to be revoked by hand",
                "revocationPolicy is Manual",
                bound,
            )
        case RevocationPolicy.AFTER_OVERLAP:
            limit = duration.show(spec.overlap.deadline)
            forced = f", or {limit} after it was replaced" if spec.overlap.at_deadline is AtDeadline.REVOKE else ""
            why = f"its overlap is over and no pod holds it{_unused(spec)}{forced}"
            return PlanLine(max(end, hold), f"version {number} is revoked", why, bound)


def _unused(spec: RotatedCredentialSpec) -> str:
    return f", and nobody was seen using it for {duration.show(spec.usage.quiet)}" if spec.usage is not None else ""


def _waiting(spec: RotatedCredentialSpec) -> str:
    first = spec.health.after
    healthy = spec.consumers and spec.health.consumers is ConsumerHealth.REQUIRED
    parts = [f"{first} has rotated" if first else "", "consumers are healthy" if healthy else ""]
    said = " and ".join(filter(None, parts))
    return f"; not before {said}" if said else ""


def _moving(spec: RotatedCredentialSpec) -> str:
    moved = [_named(consumer) for consumer in spec.consumers if consumer.refresh is Refresh.RESTART]
    return f"; {', '.join(moved)} restarted" if moved else ""


def _named(consumer: Consumer) -> str:
    if consumer.name is not None:
        return f"{consumer.kind}/{consumer.name}"
    return f"every {consumer.kind} that its selector matches"
