"""When a version ends by itself: read off a certificate, said before it happens, and never later than told."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from rekey.core import expiry
from rekey.core.facts import Facts, Problem
from rekey.core.material import Material
from rekey.core.reasons import Reason
from rekey.core.status import State, Status
from rekey.errors import Rejected
from tests.core.situations import DAY, HOUR, NOON, ONE, SECOND, active, facts, retiring, spec, status, version
from tests.providers.making import make

LIFE = {"rotation": {"lifetime": "480h"}}
"""Twice the interval."""

ENDS = NOON + 20 * DAY
WARNED = ENDS - DAY
"""`urgentBefore` is a day."""

TIGHT = {"rotation": {"lifetime": "241h"}}
"""An hour more than the interval."""

MORTAL = status(active(1, expiration_time=ENDS))
NONE = (False, Reason.NONE)
SOON = (True, Reason.ABOUT_TO_EXPIRE)
OVER = (True, Reason.EXPIRED)


def seen(now: datetime = NOON, before: Status = MORTAL, **changes: Any) -> Facts:
    """Return the facts of a credential whose versions live twice as long as the interval."""
    return facts(before, now, spec(**{**LIFE, **changes}))


VERDICTS: dict[str, tuple[Facts, tuple[bool, Reason] | None, datetime | None]] = {
    "versions that never expire": (facts(ONE), None, None),
    "no version yet": (seen(before=Status()), NONE, None),
    "a version of the time before `lifetime` was set": (seen(before=ONE), NONE, None),
    "fresh": (seen(), NONE, WARNED),
    "a second before it is said": (seen(WARNED - SECOND), NONE, WARNED),
    "a day before the end": (seen(WARNED), SOON, ENDS),
    "a second before the end": (seen(ENDS - SECOND), SOON, ENDS),
    "at the end": (seen(ENDS), OVER, None),
    "long after": (seen(ENDS + DAY), OVER, None),
    "`lifetime` was taken away, but the version keeps its end": (facts(MORTAL, ENDS), OVER, None),
    "a version before it expired, this one does not": (
        seen(ENDS, status(retiring(1, expiration_time=ENDS), active(2, expiration_time=ENDS + 10 * DAY))),
        NONE,
        ENDS + 9 * DAY,
    ),
    "little time between the interval and the end: halfway": (
        facts(status(active(1, expiration_time=NOON + 241 * HOUR)), NOON, spec(**TIGHT)),
        NONE,
        NOON + 240.5 * HOUR,
    ),
    "a spec that cannot be carried out": (
        facts(MORTAL, WARNED, spec(**LIFE), problems=(Problem("spec.rotation.schedule", "never"),)),
        SOON,
        ENDS,
    ),
    "a pending version changes nothing": (
        seen(WARNED, status(active(1, expiration_time=ENDS), version(2, State.ISSUED))),
        SOON,
        ENDS,
    ),
}


@pytest.mark.parametrize("situation", VERDICTS)
def test_the_end_is_told_in_time(situation: str) -> None:
    """What is said, and when something else will be said."""
    given, said, change = VERDICTS[situation]
    found = expiry.verdict(given)
    assert (found and found[:2]) == said
    assert expiry.next_change(given) == change


def test_what_is_said_names_the_version_and_the_moment() -> None:
    """A person sees which version, when, and where to look."""
    found = expiry.verdict(seen(ENDS))
    assert found is not None
    assert found[2].startswith("version 1 expired 2026-03-22 12:00:00Z")
    assert "`Stalled`, `Rotating`" in found[2]


SHOP: dict[str, Any] = {"commonName": "a", "dnsNames": ["a.test"]}
CERTIFICATE: dict[str, Any] = {"generate": {"certificate": SHOP}}
SHORT = make("certificate", None, NOON, HOUR, **SHOP).material
TOKEN = Material({"token": b"x"})
OWN: dict[str, tuple[dict[str, Any], Material, datetime | None]] = {
    "a token without a lifetime": ({}, TOKEN, None),
    "a token": (LIFE, TOKEN, NOON + 20 * DAY),
    "a token beside which somebody put a certificate": (LIFE, SHORT, NOON + 20 * DAY),
    "a certificate by its own word": ({**CERTIFICATE, **LIFE}, SHORT, NOON + HOUR),
    "a certificate where `lifetime` was taken away": (CERTIFICATE, SHORT, NOON + HOUR),
}


@pytest.mark.parametrize("situation", OWN)
def test_a_version_ends(situation: str) -> None:
    """A lifetime after it was made, in whole seconds; a certificate when it says."""
    changes, material, end = OWN[situation]
    assert expiry.of(spec(**changes), "api-v1", material, NOON + timedelta(milliseconds=300)) == end


@pytest.mark.parametrize(
    "values", [{"tls.crt": b"-----BEGIN NONSENSE"}, {"tls.key": b"x"}], ids=["nonsense", "nothing"]
)
def test_what_is_no_certificate_is_refused(values: dict[str, bytes]) -> None:
    """The Secret is named, and nothing of what is in it."""
    with pytest.raises(Rejected, match=r"^Secret api: what stands under tls.crt is no certificate$"):
        expiry.of(spec(**CERTIFICATE), "api", Material(values), NOON)
