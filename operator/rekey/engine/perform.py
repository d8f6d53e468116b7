"""Effects are carried out: each does one thing, may run twice, and reports what it found out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import assert_never

from rekey.core import effects
from rekey.core.facts import Credential, Facts
from rekey.core.material import Material
from rekey.core.outcome import Outcome
from rekey.engine import adopting, issuing, leaving, providing, proving, publishing, repairing, showing
from rekey.engine.aggregating import Aggregates
from rekey.engine.unstored import Unstored
from rekey.errors import Conflict
from rekey.ports.cluster import Ports
from rekey.ports.issuer import Issuer


@dataclass(frozen=True, slots=True)
class Done:
    """What an effect left: the outcome for the ledger, the credential if it was written, and how a deletion went."""

    advance: Outcome
    credential: Credential | None = None
    cleared: bool | None = None
    gone: bool = False


class Bench:
    """The tools of one pass, and the value that was just made in it, until it is shown."""

    def __init__(
        self, ports: Ports, issuer: Issuer, shared: Aggregates, unstored: Unstored, credential: Credential
    ) -> None:
        self.ports = ports
        self.shared = shared
        self.unstored = unstored
        self.issuer = issuer
        self.namespace = credential.key.namespace
        self.made: dict[int, Material] = {}

    async def perform(self, facts: Facts, effect: effects.Effect) -> Done:  # noqa: C901, PLR0911, PLR0912  one arm an effect
        """Carry out one effect.

        Raises:
            Conflict, NotFound: something changed since it was looked at; nothing is lost by looking again.
            Rejected: a person must act.
        """
        now = self.ports.clock.now()
        match effect:
            case effects.Finalize():
                return Done(Outcome(now, now), await self.ports.credentials.finalize(facts.credential, present=True))
            case effects.Issue() | effects.Reserve() | effects.Obtain() | effects.Adopt():
                return Done(await self._enter(facts, effect))
            case effects.Publish() | effects.Tell():
                return Done(await publishing.tell(self.ports, self.shared, facts, effect))
            case effects.Prove():
                return Done(await proving.prove(self.ports, facts, effect, self.made.get(effect.number)))
            case effects.Activate():
                return Done(await showing.activate(self.ports, facts, effect, self.made.pop(effect.number, None)))
            case effects.Reinstate():
                return Done(await showing.reinstate(self.ports, facts, effect))
            case effects.Revoke() | effects.Discard():
                return Done(await self._end(facts, effect))
            case effects.Restore():
                return Done(await repairing.restore(self.ports, facts))
            case effects.Restart():
                return Done(await self._restart(facts, effect))
            case effects.Announce() | effects.StartOverlap() | effects.Condemn() | effects.Commit():
                return Done(Outcome(now, now))
            case effects.Reply() | effects.Conclude():
                return Done(Outcome(now, now))
            case effects.Release():
                return Done(Outcome(now, now), cleared=await leaving.release(self.ports, self.shared, facts))
            case effects.Destroy():
                return Done(Outcome(now, now), cleared=await leaving.destroy(self.ports, self.shared, facts))
            case effects.LetGo():
                left = await self.ports.credentials.finalize(facts.credential, present=False)
                return Done(Outcome(now, now), left, gone=True)
            case _:
                assert_never(effect)

    async def _enter(
        self, facts: Facts, effect: effects.Issue | effects.Reserve | effects.Obtain | effects.Adopt
    ) -> Outcome:
        """Have a version made, written down or found; what was just made is kept until it is shown."""
        match effect:
            case effects.Issue():
                outcome, material = await issuing.issue(self.ports, self.issuer, facts, effect)
                self.made[outcome.number] = material
                return outcome
            case effects.Reserve():
                return providing.reserve(self.ports, facts, effect)
            case effects.Obtain():
                outcome, obtained = await providing.obtain(self.ports, facts, effect, self.unstored)
                self.made |= {effect.number: obtained} if obtained is not None else {}
                return outcome
            case effects.Adopt():
                return await adopting.adopt(self.ports, facts)

    async def _end(self, facts: Facts, effect: effects.Revoke | effects.Discard) -> Outcome:
        """Verifiers refuse the version before it is gone: that is its revocation."""
        told = await publishing.withdraw(self.ports, self.shared, facts, effect.number)
        refusal = await providing.revoke(self.ports, facts, effect.number)
        if refusal is not None:
            now = self.ports.clock.now()
            return Outcome(now, now, refusal=refusal, verifier=told)
        if isinstance(effect, effects.Revoke):
            return replace(await showing.revoke(self.ports, facts, effect), verifier=told)
        self.unstored.forget(facts.credential.uid)
        return replace(await issuing.discard(self.ports, facts, effect), verifier=told)

    async def _restart(self, facts: Facts, effect: effects.Restart) -> Outcome:
        key = (effect.kind, effect.name)
        view = next((view for view in facts.workloads or () if (view.kind, view.name) == key), None)
        if view is None:
            raise Conflict(f"{effect.kind}/{effect.name} was not looked at")
        entry = next((entry for entry in facts.status.consumers if (entry.kind, entry.name) == key), None)
        await self.ports.workloads.restart(facts.credential, view, effect.value)
        replaced = view.annotation
        if entry is not None and effect.reapplied:
            replaced = entry.replaced
        elif view.annotation == effect.value:
            replaced = str(entry.wanted) if entry is not None and entry.wanted else None
        now = self.ports.clock.now()
        return Outcome(now, now, replaced=replaced)
