"""Situations for the tests of the core: a credential `api`, its ledger, its consumers and pods, in few words."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from rekey.core import effects, start
from rekey.core.decide import FINALIZER
from rekey.core.effects import Decision, What
from rekey.core.facts import Credential, Facts, How, Key, PodView, Reference, WorkloadView
from rekey.core.reasons import Reason
from rekey.core.spec import RotatedCredentialSpec
from rekey.core.status import BundleRef, Cause, ConsumerStatus, Rotation, State, Status, Step, Version

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
"""When version 2 became current, and version 1 stopped to be."""

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
OVERLAP = timedelta(minutes=10)
DEADLINE = timedelta(hours=72)
INTERVAL = timedelta(days=10)
WEB = {"kind": "Deployment", "name": "web"}
JOBS = {"kind": "Deployment", "name": "jobs"}
HOT = {"kind": "Deployment", "name": "hot", "refresh": "None"}
SNAPSHOT = (Reference("api", How.SNAPSHOT),)
VOLUME = (Reference("api", How.VOLUME),)
BUNDLE = BundleRef(uid="bundle", resource_version="7")


def after(seconds: float) -> datetime:
    """Return an instant so many seconds after noon."""
    return NOON + timedelta(seconds=seconds)


def spec(**changes: Any) -> RotatedCredentialSpec:
    """Return a token spec with changes at the top level; a change of `rotation` joins what is there."""
    rotation = {"interval": "240h", "jitterPercent": 0} | changes.pop("rotation", {})
    if "schedule" in rotation:
        del rotation["interval"]
    base = {"generate": {"token": {}}, "rotation": rotation, "overlap": {"duration": "10m"}}
    return RotatedCredentialSpec.model_validate(base | changes)


DIGEST = start.wanted_digest(spec())


def version(number: int, state: State, **fields: Any) -> Version:
    """Return a version made by the spec as it is."""
    given = {"secret_name": f"api-v{number}", "handle": f"uid-{number}", "digest": DIGEST, **fields}
    return Version(number=number, state=state, **given)


def active(number: int = 2, since: datetime = NOON, **fields: Any) -> Version:
    """Return a version that is current since then."""
    return version(number, State.ACTIVE, **{"issued_time": since, "activated_time": since, **fields})


def retiring(number: int = 1, until: datetime = NOON, **fields: Any) -> Version:
    """Return a version that was current for a day until then."""
    times = {"issued_time": until - DAY, "activated_time": until - DAY, "retire_time": until}
    return version(number, State.RETIRING, **(times | fields))


def ended(number: int, state: State = State.REVOKED) -> Version:
    """Return a version that is gone."""
    return version(number, state, issued_time=NOON - 2 * DAY, activated_time=NOON - 2 * DAY, retire_time=NOON - DAY)


def rotation(step: Step, number: int = 2, **fields: Any) -> Rotation:
    """Return a rotation under way."""
    given = {"id": "r", "cause": Cause.SCHEDULE, "started_time": NOON, **fields}
    return Rotation(number=number, step=step, **given)


def status(*versions: Version, **fields: Any) -> Status:
    """Return a status with these versions and what follows from them."""
    current = next((item for item in versions if item.state is State.ACTIVE), None)
    derived = {
        "current_version": current and current.number,
        "last_rotation_time": current and current.activated_time,
        "bundle": BUNDLE if current else None,
        "observed_trigger": "",
    }
    return Status(versions=versions, **(derived | fields))


ONE = status(active(1))
"""Version 1 is current and nothing else was ever."""

MOVING = status(retiring(), active(), rotation=rotation(Step.ROLLING_OUT))
"""Version 2 is current since noon and the consumers are to be moved to it."""

OVERLAPPING = status(retiring(overlap_start_time=NOON + MINUTE), active(), rotation=rotation(Step.OVERLAP))
"""Everybody moved at one minute past noon."""


def facts(
    status: Status = ONE, now: datetime = NOON, wish: RotatedCredentialSpec | None = None, **fields: Any
) -> Facts:
    """Return the facts of a credential that is watched in peace; `fields` are those of the facts or the credential."""
    own: dict[str, Any] = {key: fields.pop(key) for key in ("deleting", "finalizers", "generation") if key in fields}
    given: dict[str, Any] = {"finalizers": (FINALIZER,), "generation": 1, "deleting": None, **own}
    credential = Credential(
        key=Key("orders", "api"),
        uid="uid-api",
        resource_version="9",
        created=NOON - 2 * DAY,
        spec=wish or spec(),
        status=status,
        **given,
    )
    return Facts(now=now, started=fields.pop("started", NOON - DAY), credential=credential, status=status, **fields)


def pod(
    name: str = "web-1", start: float | None = -60.0, uses: Iterable[Reference] = SNAPSHOT, **fields: Any
) -> PodView:
    """Return a pod of the workload its name begins with, that started so many seconds after noon (None: not yet)."""
    starts = () if start is None else (after(start),)
    given: dict[str, Any] = {"labels": {"app": name.split("-", maxsplit=1)[0]}, "owner": None, **fields}
    given = {"starts": starts, "pending": start is None, **given}
    return PodView(name=name, references=frozenset(uses), **given)


def workload(name: str = "web", annotation: str | None = None, **fields: Any) -> WorkloadView:
    """Return a Deployment whose pods carry its name as label."""
    return WorkloadView(
        **{"kind": "Deployment", "name": name, "match_labels": {"app": name}, **fields}, annotation=annotation
    )


def entry(
    name: str = "web", wanted: int | None = None, restarted: float | None = None, **fields: Any
) -> ConsumerStatus:
    """Return what the status remembers of a Deployment."""
    when = None if restarted is None else after(restarted)
    return ConsumerStatus(**{"kind": "Deployment", "name": name, "restarted_time": when, **fields}, wanted=wanted)


Gist = effects.Effect | frozenset[What] | tuple[datetime | None, Reason, str] | None


def gist(decision: Decision | None) -> Gist:
    """Return what a decision comes to, without its words: an effect, a look, or until when it waits and why."""
    match decision:
        case effects.Act():
            return decision.effect
        case effects.Look():
            return decision.at
        case effects.Hold():
            return waits(decision.until, decision.reason, stalled=decision.stalled, blocked=decision.blocked)
        case None:
            return None


def waits(until: datetime | None, reason: Reason, *, stalled: bool = False, blocked: bool = False) -> Gist:
    """Return the gist of a hold."""
    return until, reason, " ".join(word for word, said in (("stalled", stalled), ("blocked", blocked)) if said)
