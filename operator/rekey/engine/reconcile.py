"""One credential, once: observe, decide, do one thing, save, look again.

1. A status that was advanced is saved before any effect that needs its intent on record, and when there is nothing more
   to do; so a crash at any point loses nothing that the cluster does not show.
2. Whatever conflicts is looked at anew; nothing is written from an old look.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from rekey.core import expiry, health, ledger, providing, report, rollout, staging
from rekey.core import notifying as notify
from rekey.core.decide import decide
from rekey.core.effects import INTENT_FIRST, Act, Hold, Issue, LetGo, Look, Prove, Restart
from rekey.core.facts import Credential, Facts, Fence, Key, Timing
from rekey.core.machine import advance
from rekey.core.reasons import Reason
from rekey.core.schedule import problems
from rekey.core.status import MAX_CONSUMERS, Status
from rekey.engine import announce, notifying, perform, sight
from rekey.engine.aggregating import Aggregates
from rekey.engine.limits import Surroundings
from rekey.engine.parts import Members
from rekey.engine.unstored import Unstored
from rekey.errors import BackendAway, Conflict, Forbidden, NamespaceTerminating, NotFound, Rejected, Retryable
from rekey.ports.cluster import Ports
from rekey.ports.issuer import Issuer

MAX_STEPS = 64 + 2 * MAX_CONSUMERS
"""One pass may restart every consumer, with a look before each: those without pods have moved at once."""
MAX_CONFLICTS = 5
LOOK_AGAIN = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Result:
    """How a pass ended: the credential as last seen (None: gone), and when to look again (None: when it changes).

    `latest`: until when that look may wait behind more urgent ones (None: it may not).
    """

    credential: Credential | None
    until: datetime | None
    reason: Reason
    message: str
    stalled: bool = False
    latest: datetime | None = None


class Engine:
    """Drives credentials; between passes it keeps who waits to write what several share, and what is not stored yet."""

    def __init__(self, ports: Ports, issuer: Issuer, around: Surroundings, started: datetime, timing: Timing) -> None:
        self.ports = ports
        self.issuer = issuer
        self.shared = Aggregates(ports, Members(around.claims.shares, around.storage.read))
        self.unstored = Unstored()
        self.claims = around.claims
        self.pacing = around.pacing
        self.demands = around.demands
        self.peers = around.peers
        self.audience = around.audience
        self.started = started
        self.timing = timing
        self.fence: Fence | None = None
        self.answering: datetime | None = None

    def begin(self) -> None:
        """Take note that work begins: by the API server's time, if it has answered before."""
        self.started = self.ports.clock.now()

    def answered(self) -> None:
        """Take note that the API server answers again; from any thread."""
        self.answering = self.ports.clock.now()

    async def reconcile(self, credential: Credential, *, check: bool = False) -> Result:
        """Do whatever is to be done for one credential now.

        `check`: compare its Secrets with the ledger too.

        Raises:
            Retryable: the API server was away or busy, or others kept writing; the same again later.
            Forbidden: a right is missing.
        """
        for _ in range(MAX_CONFLICTS):
            try:
                return await Pass(self, credential, check=check).run()
            except (Conflict, NotFound):
                fresh = await self.ports.credentials.read(credential.key)
            check = True
            if fresh is None:
                return Result(None, None, Reason.DELETING, "the credential is gone")
            credential = fresh
        raise Retryable(f"{credential.key}: others kept writing while it was worked on")


class Pass:
    """One pass over one credential: what was looked at, and what is not saved yet."""

    def __init__(self, engine: Engine, credential: Credential, *, check: bool) -> None:
        self.engine = engine
        self.ports = engine.ports
        self.saved = credential.status
        self.bench = perform.Bench(engine.ports, engine.issuer, engine.shared, engine.unstored, credential)
        found = (*problems(credential.spec), *engine.claims.others(credential))
        redraw = sight.must_redraw(credential, credential.status) or sight.consumers_may_differ(credential)
        self.facts = Facts(
            now=engine.ports.clock.now(),
            started=engine.started,
            credential=credential,
            status=credential.status,
            problems=found,
            demands=engine.demands.of(credential),
            check=check or redraw,
            timing=engine.timing,
            fence=engine.fence,
            staging=staging.seen(credential, lambda name: engine.peers.peer(Key(credential.key.namespace, name))),
            audience=engine.audience,
            answering=engine.answering,
        )

    async def run(self) -> Result:
        """Decide and act until there is nothing to do."""
        self.engine.pacing.note(self.facts.credential, rollout.in_progress(self.facts))
        for _ in range(MAX_STEPS):
            self.facts = replace(
                self.facts, now=self.ports.clock.now(), slots=self.engine.pacing.free(self.facts.credential)
            )
            decision = decide(self.facts)
            if isinstance(decision, Hold):
                return await self._rest(decision)
            try:
                done = await self._step(decision)
            except Rejected as refused:
                reason = _reason(refused)
                # What is in the way is mended at the thing itself, of which nobody tells us.
                elsewhere = reason is Reason.NAME_TAKEN or self.facts.spec.provider is not None
                until = self.facts.now + LOOK_AGAIN if elsewhere else None
                return await self._rest(Hold(until, reason, str(refused), stalled=True))
            except BackendAway as away:
                return await self._rest(providing.later(self.facts, decision, away))
            except Forbidden as missing:
                until = self.facts.now + LOOK_AGAIN
                return await self._rest(Hold(until, Reason.MISSING_RIGHTS, str(missing), stalled=True))
            except NamespaceTerminating:
                until = self.facts.now + self.facts.timing.slowest_poll
                return await self._rest(Hold(until, Reason.NAMESPACE_TERMINATING, "the namespace is being deleted"))
            if done is not None:
                return done
        raise Retryable(f"{self.facts.credential.key}: no end after {MAX_STEPS} steps")

    async def _step(self, decision: Act | Look) -> Result | None:
        if isinstance(decision, Look):
            self.facts = await sight.look(self.ports, self.engine.shared, self.facts, decision.at)
            return None
        return await self._act(decision)

    async def _act(self, act: Act) -> Result | None:
        if isinstance(act.effect, Restart):
            # Counted before anything is awaited, so that others see the place taken.
            self.engine.pacing.note(self.facts.credential, rollout.in_progress(self.facts) + 1)
        if self._comes_after_intent(act) and self.facts.credential.deleting is None:
            await self._save(Hold(None, _step(self.facts.status), act.message), midway=True)
        if isinstance(act.effect, LetGo):
            announce.left(self.ports, self.facts, act.effect)
        outcome = await self.bench.perform(self.facts, act.effect)
        if outcome.gone:
            self.engine.unstored.forget(self.facts.credential.uid)
            return Result(None, None, Reason.DELETING, act.message)
        before = self.facts
        status = advance(self.facts.status, act.effect, outcome.advance)
        self.facts = replace(
            self.facts,
            credential=outcome.credential or self.facts.credential,
            status=status,
            cleared=outcome.cleared,
        )
        self.facts = sight.forget(self.facts, act.effect)
        announce.effect(self.ports, before, self.facts, act.effect)
        return None

    def _comes_after_intent(self, act: Act) -> bool:
        """Say whether what is not saved yet is saved before the effect.

        A version that was revoked in this pass is, before another is made: a crash would find a bundle that shows the
        new one and a ledger that wants the old one withdrawn from it. A version that was made in this pass is, before
        it is used to prove it.
        """
        unsaved = self.facts.status.versions != self.saved.versions
        return isinstance(act.effect, INTENT_FIRST) or (isinstance(act.effect, Issue | Prove) and unsaved)

    async def _rest(self, hold: Hold) -> Result:
        if self.facts.credential.deleting is None:
            await self._save(hold)
        elif hold.stalled:
            announce.stalled(self.ports, self.facts, hold)
        self.engine.pacing.note(self.facts.credential, rollout.in_progress(self.facts))
        if notify.pending(self.facts.status, self.facts.now) and self.facts.credential.deleting is None:
            status = await notifying.tell(self.ports, self.facts.credential, self.facts.audience)
            self.facts = replace(self.facts, status=status)
            await self._save(hold)
        told = notify.next_look(self.facts.status)
        others = (expiry.next_change(self.facts), health.next_look(self.facts), told)
        until = min(filter(None, (hold.until, *others)), default=None)
        patient = hold.latest is not None and until == hold.until and hold.latest != until
        latest = min(filter(None, (hold.latest, *others))) if patient else None
        if until is not None and until <= self.facts.now:
            until, latest = self.facts.now + self.facts.timing.poll, None
        return Result(self.facts.credential, until, hold.reason, hold.message, hold.stalled, latest)

    async def _save(self, hold: Hold, *, midway: bool = False) -> None:
        """Write the status if it differs from what was written last; then say what changed."""
        status = report.report(self.facts, hold, midway=midway)
        if report.differs(self.saved, status):
            stored = await self.ports.credentials.save(self.facts.credential, status)
            announce.changes(self.ports, stored, self.saved, status)
            self.saved = status
            self.facts = replace(self.facts, credential=stored)
        self.facts = replace(self.facts, status=status)


def _step(status: Status) -> Reason:
    """Return the reason that names the step under way, for a status that is saved in the middle of a pass."""
    if status.rotation is None:
        return Reason.ACTIVE if ledger.active(status) else Reason.ISSUING
    return _REASONS.get(status.rotation.step.value, Reason.ACTIVE)


_REASONS = {
    "Issuing": Reason.ISSUING,
    "Publishing": Reason.PUBLISHING,
    "Validating": Reason.VALIDATING,
    "RollingOut": Reason.ROLLING_OUT,
    "Overlap": Reason.OVERLAP_OPEN,
    "Revoking": Reason.REVOKING,
    "RollingBack": Reason.ROLLING_BACK,
}


def _reason(refused: Rejected) -> Reason:
    """Return the refusal's reason if it is of the closed list."""
    return Reason(refused.reason) if refused.reason in set(Reason) else Reason.BACKEND_REFUSED
