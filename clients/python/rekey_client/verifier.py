"""Judge a request by its Authorization header: who is it, and may it go on?

1. `check` never raises for anything that a stranger sends, reads no file and parses no content while nothing changed.
2. A version that is gone is called `revoked` only to who shows its secret or signature; to guesses all ids are alike.
3. What is logged, counted and reported holds hashed ids and names of credentials, never a byte of what was sent.
"""

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import ceil
from threading import Lock
from typing import Final, Self

from rekey_client import presented
from rekey_client.anomalies import Anomalies, Anomaly, Kind, Rate
from rekey_client.clock import SYSTEM, Clock
from rekey_client.counters import Counters
from rekey_client.directories import Directories
from rekey_client.entries import Table
from rekey_client.judge import Judge
from rekey_client.memory import Gone, Windows
from rekey_client.outcome import Outcome, Reason
from rekey_client.presented import Presented
from rekey_client.sources import Source

_log = logging.getLogger("rekey_client")
_TRY_AGAIN: Final = 5
_QUIET: Final = {Reason.ACCEPTED, Reason.MISSING}
_LINE: Final = "validated: reason=%s credential=%s version=%s id=%s degraded=%s"


@dataclass(frozen=True, slots=True)
class Health:
    """How fresh the content is; `usable` is what a readiness probe wants to know."""

    usable: bool
    degraded: bool
    staleness: float


class Verifier:
    """Checks what requests present against one source of content. Threads may share it."""

    def __init__(
        self,
        source: Source,
        *,
        audience: str | None = None,
        max_stale: float = 3600,
        rate: Rate | None = None,
        on_anomaly: Callable[[Anomaly], None] | None = None,
        clock: Clock = SYSTEM,
    ) -> None:
        self.counters = Counters()
        self._source, self._max_stale, self._clock = source, max_stale, clock
        self._judge = Judge(audience).judge
        self._anomalies = Anomalies(on_anomaly) if on_anomaly else None
        self._rate, self._calls = rate, Windows(rate.seconds) if rate else None
        self._table, self._gone, self._learning = Table(), Gone(), Lock()

    @classmethod
    def from_directories(cls, *paths: str | os.PathLike[str], audience: str | None = None) -> Self:
        """Return a verifier by mounted verifier Secrets; one with options is `Verifier(Directories(…), …)`."""
        return cls(Directories(paths), audience=audience)

    @classmethod
    def from_jwks(cls, url: str, audience: str | None = None) -> Self:
        """Return a verifier by a published key set; one with options is `Verifier(JwksUrl(…), …)`."""
        from rekey_client.jwks_url import JwksUrl  # noqa: PLC0415  # needs joserfc, which others need not install

        return cls(JwksUrl(url), audience=audience)

    def check(self, authorization: Sequence[str | bytes], scopes: Sequence[str] = ()) -> Outcome:
        """Judge all values of a request's Authorization header; `scopes` are what the request needs."""
        start = self._clock.steady()
        outcome = self._check(authorization, scopes, start)
        self.counters.add(outcome, self._clock.steady() - start)
        level = logging.INFO if outcome.reason in _QUIET else logging.WARNING
        if _log.isEnabledFor(level):
            who = outcome.identity
            version = (who.credential, who.version) if who else ("-", "-")
            _log.log(level, _LINE, outcome.reason.value, *version, outcome.hashed_id, outcome.degraded)
        return outcome

    def health(self) -> Health:
        """Return how fresh the content is, after a look where one is due."""
        now = self._clock.steady()
        trust = self._source.trust(now)
        staleness = now - trust.confirmed
        return Health(staleness <= self._max_stale, trust.degraded, staleness)

    def _check(self, authorization: Sequence[str | bytes], scopes: Sequence[str], now: float) -> Outcome:
        shown = presented.read(authorization)
        if not isinstance(shown, Presented):
            return Outcome(shown)
        trust = self._source.trust(now)
        if trust.table is not self._table:
            self._learn(now)
        if now - trust.confirmed > self._max_stale:
            return Outcome(Reason.UNAVAILABLE, degraded=True, retry_after=_TRY_AGAIN)
        outcome = self._judge(trust.table, self._gone.table, shown, scopes, self._clock.wall())
        if trust.degraded:
            outcome = replace(outcome, degraded=True)
        if outcome.reason is Reason.ACCEPTED and self._rate is None:
            return outcome
        return self._watch(outcome, now)

    def _watch(self, outcome: Outcome, now: float) -> Outcome:
        """Tell of what is odd, and hold up who calls too often."""
        match outcome.reason:
            case Reason.UNKNOWN:
                self._source.miss(now)
                if outcome.hashed_id != "-":
                    self._notice(Kind.UNKNOWN_ID, outcome, now)
            case Reason.REVOKED:
                self._notice(Kind.REVOKED_IN_USE, outcome, now)
            case Reason.ACCEPTED if self._rate and self._calls:
                calls, seconds = self._calls.count(outcome.hashed_id, now)
                if calls > self._rate.calls:
                    self._notice(Kind.EXCESSIVE_CALLS, outcome, now)
                    if self._rate.enforce:
                        return replace(outcome, reason=Reason.THROTTLED, retry_after=ceil(seconds))
            case _:
                pass
        return outcome

    def _notice(self, kind: Kind, outcome: Outcome, now: float) -> None:
        if self._anomalies:
            self._anomalies.notice(Anomaly(kind, outcome.hashed_id, outcome.identity), now)

    def _learn(self, now: float) -> None:
        """Keep what the new content does not have any more, so that its holders get a better answer than strangers."""
        with self._learning:
            table = self._source.trust(now).table
            if table is not self._table:
                self._gone.learn(self._table, table)
                self._table = table
                self.counters.forget(table, self._gone.table)
