"""The status of a CredentialProvider: what calls to the backend met lately, as its condition `Ready`.

1. It follows from calls that were made anyway: nobody asks a backend how it is.
2. It says how the provider is, not how one credential is: what a backend refuses one credential says nothing of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pydantic import Field

from rekey.core.rate import Rate
from rekey.core.reasons import ProviderWhy, Reason
from rekey.core.record import Record, Time, floor
from rekey.core.status import Condition
from rekey.errors import ConsentRefused, NotAccepted, NotYet, Rejected, RekeyError, Retryable

READY: Final = "Ready"
_REJECTED: Final = {
    Reason.NEEDS_REAUTH: ProviderWhy.NEEDS_REAUTH,
    Reason.PROVIDER_NOT_READY: ProviderWhy.PROVIDER_NOT_READY,
}


class RateLimit(Record):
    """What the backend last said of its own limit."""

    limit: int | None = Field(default=None, description="How many requests it allows in one period.")
    remaining: int | None = Field(default=None, description="How many of them are left.")
    reset: Time | None = Field(default=None, description="When the next period begins.")


class ProviderStatus(Record):
    """All of a provider's `.status`.

    There is no `observedGeneration` but the condition's: who waits for it, as Flux does, would wait for the first use.
    """

    rate_limit: RateLimit | None = Field(default=None, description="What the backend last said of its own limit.")
    conditions: tuple[Condition, ...] = Field(default=(), max_length=8, description="What a person should know.")


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider as it was when it was used; `namespace` is empty for one of the cluster."""

    namespace: str
    name: str
    uid: str
    generation: int


@dataclass(frozen=True, slots=True)
class Health:
    """How a provider is; `message` is for people and makes no difference."""

    why: ProviderWhy
    message: str = ""
    rate: Rate | None = None


def health(error: RekeyError | None, rate: Rate | None) -> Health | None:
    """Return what a call says of the provider that ended so (None: well); None: nothing."""
    match error:
        case None:
            return Health(ProviderWhy.ANSWERS, rate=rate)
        case NotAccepted() | NotYet() | ConsentRefused():
            return Health(ProviderWhy.ANSWERS, rate=rate)
        case Retryable(retry_after=None):
            return Health(ProviderWhy.BACKEND_UNREACHABLE, str(error), rate)
        case Retryable():
            return Health(ProviderWhy.RATE_LIMITED, str(error), rate)
        case Rejected(reason=reason) if reason in _REJECTED:
            return Health(_REJECTED[Reason(reason)], str(error), rate)
        case _:
            return None


def report(status: ProviderStatus, found: Health, generation: int, now: datetime) -> ProviderStatus:
    """Return the status that says so: the same one if nothing is different but the words."""
    truth = str(found.why is ProviderWhy.ANSWERS)
    known = next((item for item in status.conditions if item.type == READY), None)
    rate = _written(found.rate) or status.rate_limit
    said = (known.status, known.reason, known.observed_generation) if known is not None else None
    if said == (truth, found.why, generation) and rate == status.rate_limit:
        return status
    ready = Condition(
        type=READY,
        status=truth,
        reason=found.why,
        message=found.message[:1024],
        observed_generation=generation,
        last_transition_time=known.last_transition_time if known is not None and known.status == truth else floor(now),
    )
    others = tuple(item for item in status.conditions if item.type != READY)
    return ProviderStatus(rate_limit=rate, conditions=(*others, ready))


def _written(rate: Rate | None) -> RateLimit | None:
    if rate is None:
        return None
    reset = floor(rate.reset) if rate.reset is not None else None
    return RateLimit(limit=rate.limit, remaining=rate.remaining, reset=reset)
