"""A RotationRequest as a value, and what its status says: copied from the ledgers of the credentials it names.

1. The credentials are chosen once, when the request is first looked at; who comes later is not asked.
2. A result that is over never changes again.
3. The same ledgers give the same status, so an unchanged world gives no write.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from pydantic import Field

from rekey.core.answer import OVER, Answer, AnswerState
from rekey.core.demand import Demand
from rekey.core.facts import Key
from rekey.core.reasons import RequestWhy
from rekey.core.record import Record, Time
from rekey.core.selecting import matches
from rekey.core.spec_request import RotationRequestSpec
from rekey.core.status import Condition

MAX_RESULTS: Final = 1000
PATIENCE: Final = timedelta(minutes=1)


class Result(Record):
    """How far the request is at one credential."""

    name: str = Field(max_length=63, description="Name of the RotatedCredential.")
    uid: str = Field(max_length=64, description="Its uid: one of the same name that is made later is another one.")
    state: AnswerState = Field(description="How far it is there.")
    from_version: int | None = Field(default=None, ge=1, description="Version that was current, or is revoked.")
    to_version: int | None = Field(default=None, ge=1, description="Version that was made, or is current again.")
    message: str = Field(default="", max_length=1024, description="What it waits for, or how it ended.")
    finished_time: Time | None = Field(default=None, description="When it succeeded, failed or was refused.")


class RequestStatus(Record):
    """All of a request's `.status`."""

    observed_generation: int = Field(default=-1, description="Generation of the spec that was last acted on.")
    start_time: Time | None = Field(default=None, description="When the credentials were chosen.")
    completion_time: Time | None = Field(default=None, description="When the last result was in.")
    total: int = Field(default=0, ge=0, le=MAX_RESULTS, description="Credentials it is about.")
    done: int = Field(default=0, ge=0, le=MAX_RESULTS, description="Credentials whose result is in.")
    succeeded: int = Field(default=0, ge=0, le=MAX_RESULTS, description="Credentials where it succeeded.")
    results: tuple[Result, ...] = Field(
        default=(), max_length=MAX_RESULTS, description="How far it is at each credential."
    )
    conditions: tuple[Condition, ...] = Field(default=(), max_length=8, description="What a person should know.")


@dataclass(frozen=True, slots=True)
class Request:
    """One RotationRequest as the API server holds it."""

    key: Key
    uid: str
    resource_version: str
    generation: int
    created: datetime
    deleting: bool
    spec: RotationRequestSpec
    status: RequestStatus

    def demand(self, uid: str) -> Demand | None:
        """Return what it asks of the credential with that uid, if it names it."""
        for result in self.status.results:
            if result.uid == uid:
                return Demand(
                    uid=self.uid,
                    name=self.key.name,
                    reason=self.spec.reason,
                    created=self.created,
                    revoke=self.spec.revoke,
                    version=self.spec.version,
                    requested_by=self.spec.requested_by,
                    settled=result.state in OVER,
                )
        return None

    @property
    def finished(self) -> bool:
        """Say whether every result is in."""
        return self.status.completion_time is not None


@dataclass(frozen=True, slots=True)
class Ledger:
    """What a request needs to know of one credential; `says`: what its condition Ready says."""

    uid: str
    labels: Mapping[str, str]
    answers: tuple[Answer, ...]
    says: str
    deleting: bool = False


def chosen(request: Request, known: Mapping[str, Ledger]) -> tuple[str, ...]:
    """Return the names of the credentials that it is about, among those that are known and not being deleted."""
    ref, selector = request.spec.credential_ref, request.spec.selector
    if ref is not None:
        found = known.get(ref.name)
        return (ref.name,) if found is not None and not found.deleting else ()
    if selector is None:
        return ()
    living = ((name, ledger) for name, ledger in known.items() if not ledger.deleting)
    return tuple(sorted(name for name, ledger in living if matches(selector, ledger.labels)))


def wakes(request: Request) -> datetime | None:
    """Return when the request is to be looked at again although nothing changed."""
    if request.status.completion_time is not None:
        return request.status.completion_time + request.spec.ttl_after_finished
    return request.created + PATIENCE if not request.status.results else None


def report(request: Request, known: Mapping[str, Ledger], now: datetime) -> RequestStatus:
    """Return what the status is to say, by the ledgers of the credentials in the request's namespace."""
    status = request.status
    if request.finished:
        return status
    if not status.results:
        names = chosen(request, known)
        if not names or len(names) > MAX_RESULTS:
            return _nobody(request, names, now)
        fresh = tuple(Result(name=name, uid=known[name].uid, state=AnswerState.PENDING) for name in names)
        status = status.model_copy(update={"results": fresh, "start_time": now})
    results = tuple(
        item if item.state in OVER else _result(request, item, known.get(item.name), now) for item in status.results
    )
    return _summed(request, status.model_copy(update={"results": results}), now)


def _result(request: Request, result: Result, ledger: Ledger | None, now: datetime) -> Result:
    if ledger is None or ledger.uid != result.uid:
        text = "the credential was deleted"
        return result.model_copy(update={"state": AnswerState.FAILED, "message": text, "finished_time": now})
    answer = next((item for item in ledger.answers if item.uid == request.uid), None)
    if answer is None:
        return result.model_copy(update={"state": AnswerState.PENDING, "message": f"waits: {ledger.says}"[:1024]})
    message = answer.message
    if answer.state is AnswerState.RUNNING and ledger.says:
        message = f"{message}; {ledger.says}"[:1024]
    fields = {"state", "from_version", "to_version", "finished_time"}
    return result.model_copy(update={name: getattr(answer, name) for name in fields} | {"message": message})


def _nobody(request: Request, names: tuple[str, ...], now: datetime) -> RequestStatus:
    """There is nobody to ask: that is waited for a moment, as both may have been applied together."""
    ref = request.spec.credential_ref
    what = f"there is no RotatedCredential {ref.name}" if ref else "spec.selector matches no RotatedCredential"
    if names:
        what = f"spec.selector matches {len(names)} RotatedCredentials, at most {MAX_RESULTS} are possible: narrow it"
    elif now < request.created + PATIENCE:
        text = f"{what} yet; waiting until {request.created + PATIENCE:%F %T}Z"
        return _concluded(request, request.status, now, complete=None, why=(RequestWhy.NOTHING_FOUND, text))
    why = RequestWhy.TOO_MANY if names else RequestWhy.NOTHING_FOUND
    over = request.status.model_copy(update={"completion_time": now})
    return _concluded(request, over, now, complete=False, why=(why, what))


def _summed(request: Request, status: RequestStatus, now: datetime) -> RequestStatus:
    """Return the status with its figures and conditions."""
    count = {state: sum(item.state is state for item in status.results) for state in AnswerState}
    total, done = len(status.results), sum(count[state] for state in OVER)
    good = count[AnswerState.SUCCEEDED]
    status = status.model_copy(update={"total": total, "done": done, "succeeded": good})
    text = ", ".join(f"{number} {state.lower()}" for state, number in count.items() if number)
    if total == 1:
        text = status.results[0].message
    if done < total:
        reason = RequestWhy.RUNNING if count[AnswerState.PENDING] < total else RequestWhy.PENDING
        return _concluded(request, status, now, complete=None, why=(reason, text))
    over = status.model_copy(update={"completion_time": now})
    if good == total:
        return _concluded(request, over, now, complete=True, why=(RequestWhy.SUCCEEDED, text))
    reason = RequestWhy.REFUSED if count[AnswerState.REFUSED] == total - good else RequestWhy.FAILED
    return _concluded(request, over, now, complete=False, why=(reason, text))


def _concluded(
    request: Request, status: RequestStatus, now: datetime, *, complete: bool | None, why: tuple[RequestWhy, str]
) -> RequestStatus:
    """Return the status with the conditions Complete and Failed, as those of a Job: never both."""
    verdicts = (("Complete", complete is True), ("Failed", complete is False))
    conditions = []
    for kind, truth in verdicts:
        known = next((item for item in request.status.conditions if item.type == kind), None)
        since = known.last_transition_time if known is not None and known.status == str(truth) else now
        conditions.append(
            Condition(
                type=kind,
                status=str(truth),
                reason=why[0],
                message=why[1][:1024],
                observed_generation=request.generation,
                last_transition_time=since,
            )
        )
    return status.model_copy(update={"observed_generation": request.generation, "conditions": tuple(conditions)})
