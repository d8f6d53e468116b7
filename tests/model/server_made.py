"""A backend that names what it makes, put under the real engine: what Rekey's protocol needs there beyond a fixed name.

Generated values need none of it: a version Secret is made under a number that was known before, create-only. Such a
backend makes another credential whenever it is asked, so three things stand between a fault and a leak, and each can
be left out to see what becomes of it: an intent that is saved first, a list of what exists, the removal of strays.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import pytest

from rekey.core import ledger, start
from rekey.core.effects import Act, Activate, Hold, Issue
from rekey.core.facts import Facts
from rekey.core.material import Material
from rekey.core.outcome import Outcome
from rekey.core.reasons import Reason
from rekey.core.spec import Generate
from rekey.core.status import Rotation, Step
from rekey.engine import issuing
from rekey.engine.reconcile import Pass, Result
from rekey.ports.cluster import Ports
from rekey.ports.issuer import Issuer, Order
from rekey.ports.secrets import SecretChange, SecretView
from tests.model.replicas import Rack, Stepped, Turn
from tests.sim.ports import NAMESPACE, Secrets


@dataclass(frozen=True)
class Backend:
    """What the protocol may count on."""

    intent: bool = True
    listable: bool = True
    removal: bool = True


def install(patch: pytest.MonkeyPatch, rack: Rack, backend: Backend) -> None:  # noqa: C901  # three closures, one backend
    """Have the engine issue from the backend instead of under its own numbers."""
    names, marks = count(100), count(1)
    act, run = Pass._act, Pass.run

    async def issue(ports: Ports, issuer: Issuer, facts: Facts, effect: Issue) -> tuple[Outcome, Material]:
        order = Order(facts.spec.generate or Generate(), ports.clock.now())
        number, made = next(names), (await issuer.issue(order)).material
        notes = {"rekey.dev/trigger": facts.spec.rotation.trigger or ""}
        digest = start.wanted_digest(facts.spec)
        # Nothing of Kubernetes stands before the backend: no fence, only the wait for its answer.
        open_port = Stepped(Secrets(rack.world), ports.secrets._replica)  # type: ignore[attr-defined]
        open_port.fenced = False
        view = await open_port.create(NAMESPACE, issuing.version_secret(facts, number, made, digest, notes))
        return issuing._outcome(ports, facts, view, number), view.material

    async def with_intent(self: Pass, act_: Act) -> Result | None:
        if isinstance(act_.effect, Issue):
            mark = Rotation(
                id=f"intent-{next(marks)}",
                number=act_.effect.number,
                cause=act_.effect.cause,
                step=Step.ISSUING,
                started_time=self.facts.now,
            )
            self.facts = replace(self.facts, status=self.facts.status.model_copy(update={"rotation": mark}))
            await self._save(Hold(None, Reason.ISSUING, act_.message))
        if isinstance(act_.effect, Activate) and self.facts.status.versions != self.saved.versions:
            # Whose name is not known before must be on record before it is shown.
            await self._save(Hold(None, Reason.ISSUING, act_.message))
        return await act(self, act_)

    async def with_removal(self: Pass) -> Result:
        await Turn()
        if strays := list(_strays(rack, self.facts)):
            await self._claim()  # type: ignore[attr-defined]
            for view in strays:
                await self.ports.secrets.delete(NAMESPACE, view.name, view.uid)
        return await run(self)

    patch.setattr(issuing, "issue", issue)
    patch.setattr(Pass, "_claim", _claim, raising=False)
    if backend.intent:
        patch.setattr(Pass, "_act", with_intent)
    if backend.listable and backend.removal:
        patch.setattr(Pass, "run", with_removal)


def _strays(rack: Rack, facts: Facts) -> Iterator[SecretView]:
    """Yield what the backend has for us and no record tells of."""
    known = {version.secret_name for version in facts.status.versions if version.state not in ledger.ENDED}
    for name, view in sorted(rack.world.secrets.items()):
        if view.owner == facts.credential.uid and view.immutable and name not in known:
            yield view


async def _claim(self: Any) -> None:
    """Write ledger and bundle as they are: whoever decided on an older state of either comes too late from now on."""
    stored = await self.ports.credentials.save(self.facts.credential, self.facts.status)
    self.facts = replace(self.facts, credential=stored)
    bundle, name = self.facts.status.bundle, self.facts.credential.key.name
    there = await self.ports.secrets.read(NAMESPACE, name)
    if bundle is not None and there is not None:
        view = await self.ports.secrets.change(NAMESPACE, name, SecretChange(there.uid, there.resource_version))
        if there.resource_version == bundle.resource_version:
            ref = bundle.model_copy(update={"resource_version": view.resource_version})
            self.facts = replace(self.facts, status=self.facts.status.model_copy(update={"bundle": ref}))
