"""What calls to a backend say of its provider, and what its status says of that."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from rekey.core.provider_health import Health, ProviderStatus, health, report
from rekey.core.rate import Rate
from rekey.core.reasons import ProviderWhy, Reason
from rekey.errors import (
    ConsentRefused,
    Forbidden,
    NoAnswer,
    NotAccepted,
    NotLeading,
    NotYet,
    Rejected,
    RekeyError,
    Retryable,
)

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
LATER = NOON + timedelta(minutes=5)
RATE = Rate(100, 7, NOON + timedelta(seconds=30, microseconds=5))
SAYS: dict[str, tuple[RekeyError | None, ProviderWhy | None]] = {
    "a call that went well": (None, ProviderWhy.ANSWERS),
    "a version that it does not accept": (NotAccepted("no"), ProviderWhy.ANSWERS),
    "a revocation that has not come about yet": (NotYet("no"), ProviderWhy.ANSWERS),
    "one person's consent that ended": (ConsentRefused(Reason.NEEDS_REAUTH, "no"), ProviderWhy.ANSWERS),
    "our own log-in that is refused": (Rejected(Reason.NEEDS_REAUTH, "no"), ProviderWhy.NEEDS_REAUTH),
    "a Secret that is missing": (Rejected(Reason.PROVIDER_NOT_READY, "no"), ProviderWhy.PROVIDER_NOT_READY),
    "no answer": (NoAnswer("no"), ProviderWhy.BACKEND_UNREACHABLE),
    "no connection": (Retryable("no"), ProviderWhy.BACKEND_UNREACHABLE),
    "a wish to wait": (Retryable("no", retry_after=5.0), ProviderWhy.RATE_LIMITED),
    "a wish to wait for no time": (Retryable("no", retry_after=0.0), ProviderWhy.RATE_LIMITED),
    "something that is asked for in vain": (Rejected(Reason.BACKEND_REFUSED, "no"), None),
    "a namespace that may not": (Rejected(Reason.PROVIDER_NOT_ALLOWED, "no"), None),
    "a lead that is lost": (NotLeading("no"), None),
    "a right of ours in the cluster": (Forbidden("get", "secrets"), None),
}


@pytest.mark.parametrize("name", SAYS)
def test_what_a_call_says(name: str) -> None:
    """How the provider is; what befell one credential says nothing bad of it."""
    error, why = SAYS[name]
    found = health(error, RATE)
    assert (found.why if found else None) == why
    assert found is None or found.rate is RATE
    assert found is None or found.why is ProviderWhy.ANSWERS or found.message == "no"


def test_the_status() -> None:
    """It has the condition, in whole seconds, and what is known of the limit; times are of the last change of truth."""
    well = report(ProviderStatus(), Health(ProviderWhy.ANSWERS, rate=RATE), 3, NOON)
    assert well.to_json() == {
        "rateLimit": {"limit": 100, "remaining": 7, "reset": "2026-11-21T12:00:30Z"},
        "conditions": [
            {
                "type": "Ready",
                "status": "True",
                "reason": "Answers",
                "message": "",
                "observedGeneration": 3,
                "lastTransitionTime": "2026-11-21T12:00:00Z",
            }
        ],
    }
    down = report(well, Health(ProviderWhy.BACKEND_UNREACHABLE, "x" * 5000), 3, LATER)
    assert (down.conditions[0].status, down.conditions[0].last_transition_time) == ("False", LATER)
    assert len(down.conditions[0].message) == 1024
    assert down.rate_limit == well.rate_limit
    busy = report(down, Health(ProviderWhy.RATE_LIMITED, "y"), 3, LATER + timedelta(minutes=1))
    assert (busy.conditions[0].reason, busy.conditions[0].last_transition_time) == ("RateLimited", LATER)


CHANGES: dict[str, tuple[Health, int, bool]] = {
    "nothing": (Health(ProviderWhy.BACKEND_UNREACHABLE, "a", RATE), 3, False),
    "the words": (Health(ProviderWhy.BACKEND_UNREACHABLE, "b", RATE), 3, False),
    "a limit that was not said": (Health(ProviderWhy.BACKEND_UNREACHABLE, "a"), 3, False),
    "the reason": (Health(ProviderWhy.NEEDS_REAUTH, "a", RATE), 3, True),
    "the truth": (Health(ProviderWhy.ANSWERS, "a", RATE), 3, True),
    "the generation": (Health(ProviderWhy.BACKEND_UNREACHABLE, "a", RATE), 4, True),
    "what is left": (Health(ProviderWhy.BACKEND_UNREACHABLE, "a", replace(RATE, remaining=6)), 3, True),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_is_a_change(name: str) -> None:
    """Only that is written."""
    found, generation, changes = CHANGES[name]
    before = report(ProviderStatus(), Health(ProviderWhy.BACKEND_UNREACHABLE, "a", RATE), 3, NOON)
    stored = ProviderStatus.model_validate(before.to_json())
    assert (report(stored, found, generation, LATER) != stored) is changes
