"""10,000 accounts of one provider whose tokens end in the same second: when each is renewed, on a clock that leaps."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest

from rekey.core.material import Material
from rekey.core.renewal import EARLIEST, LATEST, renew_at, try_again_at
from rekey.core.spec_limits import Limits
from rekey.errors import Retryable
from rekey.ports.backend import Granted, Intent
from rekey.providers.limits import Guarded, Turnstile
from tests.leaping import leap
from tests.providers.authorizing import CLAIM, NOW, intent
from tests.sim.backends import FakeBackend

ACCOUNTS = 10_000
ENDS = NOW + timedelta(hours=1)
ANSWERED = 0.25
"""Seconds until the token endpoint answers."""


@dataclass
class Desk(FakeBackend):
    """A token endpoint that notes who came when, and how many there were at once."""

    begun: list[float] = field(default_factory=list)
    at_once: int = 0
    most: int = 0

    async def issue(self, intent: Intent, material: Material | None) -> Granted:
        """Answer after a while."""
        del intent, material
        self.begun.append(asyncio.get_running_loop().time())
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await asyncio.sleep(ANSWERED)
        self.at_once -= 1
        return Granted(Material({}))


def now() -> datetime:
    """Return the moment: the loop's clock began when the tokens were issued."""
    return NOW + timedelta(seconds=asyncio.get_running_loop().time())


async def account(number: int, turnstile: Turnstile, desk: Desk) -> datetime:
    """Renew a token as the rules have it: at its own moment, and again later when it was not let in."""
    owner, failures = f"uid-{number}", 0
    asks = intent()
    asks = replace(asks, claim=replace(CLAIM, owner=owner))
    at = renew_at(NOW, ENDS, owner)
    while True:
        await asyncio.sleep((at - now()).total_seconds())
        try:
            await Guarded(desk, turnstile).issue(asks, None)
        except Retryable as error:
            failures += 1
            at = try_again_at(now(), ENDS, failures, owner, error.retry_after)
        else:
            return now()


async def everybody(desk: Desk, limits: Limits) -> list[datetime]:
    """Renew all; return when each was."""
    turnstile = Turnstile(limits, asyncio.get_running_loop().time)
    return list(await asyncio.gather(*(account(number, turnstile, desk) for number in range(ACCOUNTS))))


LIMITS: dict[str, Limits] = {
    "as much as it takes": Limits(concurrency=64, per_minute=6_000),
    "just enough under way at once": Limits(concurrency=24, per_minute=6_000),
    "just enough in a minute": Limits(concurrency=64, per_minute=4_500),
}


@pytest.mark.parametrize("case", LIMITS)
def test_none_ends_before_it_is_renewed(case: str) -> None:
    """Each is renewed once, between three minutes and the end; the limits are kept at every moment."""
    desk, limits = Desk(), LIMITS[case]
    done = leap(everybody(desk, limits))
    assert len(desk.begun) == ACCOUNTS
    assert max(done) < ENDS
    assert desk.most <= limits.concurrency
    assert max(within_a_minute(desk.begun)) <= limits.per_minute


def within_a_minute(begun: list[float]) -> list[int]:
    """Return how many began in the minute that begins with each of them."""
    return [bisect_left(begun, first + 60.0) - place for place, first in enumerate(begun)]


def test_renewals_are_spread() -> None:
    """Over two minutes, evenly: no ten seconds of them have a quarter more than their share."""
    desk = Desk()
    leap(everybody(desk, LIMITS["as much as it takes"]))
    life = (ENDS - NOW).total_seconds()
    assert life - EARLIEST.total_seconds() <= desk.begun[0]
    assert desk.begun[-1] <= life - LATEST.total_seconds() + 1
    tens = Counter(int(moment // 10) for moment in desk.begun)
    assert max(tens.values()) <= ACCOUNTS / 12 * 1.25, tens
