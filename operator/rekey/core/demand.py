"""What RotationRequests ask of one credential, as values: the pure form of what somebody applied."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from rekey.core.answer import Answer, AnswerState
from rekey.core.spec_request import RequestReason, RevokeWhen
from rekey.core.status import Cause, Rotation, Step

_LONGEST = 250
MAX_ATTEMPTS = 1000
"""What `Rotation.attempts` can count."""
_ON_DEMAND = (Cause.TRIGGER, Cause.MANUAL, Cause.COMPROMISE)


@dataclass(frozen=True, slots=True)
class Demand:
    """One request that names the credential.

    `created` is by the API server's clock. `settled`: the request itself says already how it ended here.
    """

    uid: str
    name: str
    reason: RequestReason
    created: datetime
    revoke: RevokeWhen | None = None
    version: int | None = None
    requested_by: str | None = None
    settled: bool = False

    def __str__(self) -> str:
        """Return the request and who made it."""
        return f"RotationRequest {self.name}" + (f" ({self.requested_by})" if self.requested_by else "")

    def answer(
        self,
        state: AnswerState,
        message: str,
        now: datetime,
        *,
        before: int | None = None,
        after: int | None = None,
    ) -> Answer:
        """Return what the ledger says of it from now on."""
        return Answer(
            uid=self.uid,
            name=self.name,
            reason=self.reason,
            requested_by=self.requested_by,
            revoke=self.revoke,
            state=state,
            from_version=before,
            to_version=after,
            message=message[:1024],
            finished_time=None if state is AnswerState.RUNNING else now,
        )


def attempts(last: Rotation | None, cause: Cause, *, again: bool) -> int:
    """Return how many times in a row this is tried; what a person asks for, or has mended, is tried anew."""
    failed = last is not None and last.step is Step.ROLLED_BACK and last.refused is None
    same = last is not None and last.cause is cause and cause not in _ON_DEMAND
    return min(MAX_ATTEMPTS, last.attempts + 1) if last is not None and (again or (failed and same)) else 1


def credit(asked: Iterable[Demand], before: Rotation | None = None) -> str | None:
    """Return who asked, for the rotation that follows; `before` is the one that it repeats; None if nobody did."""
    first, *more = tuple(asked) or (None,)
    if first is None:
        return before.requested_by if before is not None else None
    return f"{first}"[: _LONGEST - 16] + (f" and {len(more)} more" if more else "")
