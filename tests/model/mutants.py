"""The mutants of the protocol, M1 to M10: what each leaves out of the code, and which promises give it away."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from rekey.core import decide, gate, start
from rekey.core.facts import Facts
from rekey.core.material import Material
from rekey.core.outcome import Outcome
from rekey.core.spec import Generate
from rekey.engine import issuing, showing
from rekey.errors import Conflict, Taken
from rekey.ports.issuer import Order
from rekey.ports.secrets import NewSecret, SecretView
from tests.engine.scenarios import WEB, spec
from tests.model import checker, server_made
from tests.model.checker import Violation, judge
from tests.model.replicas import Fence, Rack
from tests.model.server_made import Backend
from tests.sim.cluster import Pod, Workload

HOUR = timedelta(hours=1)
Fault = Callable[[Rack], None]
Patch = Callable[[pytest.MonkeyPatch, Rack], None]
CRASHES: tuple[Fault, ...] = (Rack.crash, Rack.lose_call, Rack.lose_reply)


def ask_again(rack: Rack) -> None:
    """Ask for another rotation."""
    old = rack.world.credentials["api"].spec
    word = f"w{rack.chance.randrange(10**9)}"
    with rack.by_hand() as world:
        world.apply("api", {**old.model_dump(mode="json", by_alias=True, exclude_none=True), **_rotation(word)})


def _rotation(word: str) -> dict[str, Any]:
    return {"rotation": {"interval": "240h", "jitterPercent": 0, "trigger": word}}


def delete_a_version(rack: Rack) -> None:
    """Have a person delete the newest version's Secret."""
    names = sorted(name for name in rack.world.secrets if "-v" in name)
    with rack.by_hand() as world:
        if len(names) > 1:
            del world.secrets[names[-1]]


def restore_the_ledger(rack: Rack) -> None:
    """Put the credential back as it was before its first rotation; the Secrets stay as they are."""
    with rack.by_hand() as world:
        now = world.credentials["api"]
        world.credentials["api"] = replace(rack.backup["api"], uid=now.uid, resource_version=world.next_id())


@dataclass(frozen=True)
class Variant:
    """A way in which the code is changed, the fence it runs behind, and what goes wrong while it runs."""

    title: str
    patch: Patch = lambda *_: None
    caught: frozenset[str] = frozenset()
    fence: Fence = Fence.CAS
    menu: tuple[Fault, ...] = (*CRASHES, Rack.flip, Rack.flip, ask_again)
    rules: Any = None
    faults: int = 8
    last: Fault | None = None

    def play(self, seed: int) -> list[Violation]:
        """Run once, by the chance of that seed, and return what the checker finds."""
        with pytest.MonkeyPatch.context() as patch:
            rack = Rack(Random(seed), self.fence)  # noqa: S311  # the same seed, the same run
            self.patch(patch, rack)
            _drive(rack, self, consumers=[WEB] if seed % 2 else [], stray_pod=seed % 3 == 0)
            rules = self.rules or checker.RULES
            return judge(rack.scribe.history(), resting=True, rules=rules)


def _drive(rack: Rack, variant: Variant, *, consumers: list[dict[str, str]], stray_pod: bool) -> None:
    """Live through a first version, a rotation in which things go wrong, and the rest that follows."""
    with rack.by_hand() as world:
        if consumers:
            world.add(Workload("web", "api"))
        world.apply("api", spec(consumers=consumers, overlap={"duration": "20s"}))
    rack.settle(HOUR)
    rack.backup = dict(rack.world.credentials)
    ask_again(rack)
    if stray_pod:
        rack.world.bare.append(Pod("tool", None, rack.world.time, {}, "api"))
    rack.go_wrong(80, variant.faults, variant.menu)
    rack.settle(HOUR, check=True)
    rack.world.bare.clear()
    if variant.last:
        variant.last(rack)
    for _ in range(3):
        # The drift check looks every hour.
        rack.wake = rack.world.time
        rack.settle(HOUR, check=True)


def _backend(**options: bool) -> Patch:
    return lambda patch, rack: server_made.install(patch, rack, Backend(**options))


def _nothing_is_found_again(patch: pytest.MonkeyPatch, rack: Rack) -> None:
    """M2: what a crash left under the next number is nobody's business."""
    create = issuing._create

    async def skip(ports: Any, issuer: Any, facts: Facts, effect: Any, number: int) -> SecretView | None:
        while (view := await create(ports, issuer, facts, effect, number)) is None:
            number += 1
        return view

    patch.setattr(issuing, "_create", skip)
    real = issuing._outcome
    patch.setattr(
        issuing, "_outcome", lambda ports, facts, view, _: real(ports, facts, view, int(view.name.rpartition("-v")[2]))
    )


def _time_alone(patch: pytest.MonkeyPatch, rack: Rack) -> None:
    """M4: no look at any pod before a revocation."""
    patch.setattr(gate, "holders", lambda *_: ())


def _stored_afterwards(patch: pytest.MonkeyPatch, rack: Rack) -> None:
    """M8: a value is shown first and stored then."""
    activate, waiting = showing.activate, dict[int, NewSecret]()

    async def issue(ports: Any, issuer: Any, facts: Facts, effect: Any) -> tuple[Outcome, Material]:
        made = (await issuer.issue(Order(facts.spec.generate or Generate(), ports.clock.now()))).material
        digest = start.wanted_digest(facts.spec)
        waiting[effect.number] = new = issuing.version_secret(facts, effect.number, made, digest)
        now = ports.clock.now()
        view = SecretView(new.name, "", "", now, made, facts.credential.uid, annotations=new.annotations)
        return issuing._outcome(ports, facts, view, effect.number), made

    async def show(ports: Any, facts: Facts, effect: Any, made: Material | None) -> Outcome:
        done = await activate(ports, facts, effect, made)
        try:
            await ports.secrets.create(facts.credential.key.namespace, waiting[effect.number])
        except Taken:
            raise Conflict("somebody stored another one") from None
        return done

    patch.setattr(issuing, "issue", issue)
    patch.setattr(showing, "activate", show)


def _unproved(patch: pytest.MonkeyPatch, rack: Rack) -> None:
    """M9: what is at hand is shown, and nobody looks whether that is what is stored."""
    issue = issuing.issue

    async def at_hand(ports: Any, issuer: Any, facts: Facts, effect: Any) -> tuple[Outcome, Material]:
        kept = Keeping(issuer)
        outcome, _ = await issue(ports, kept, facts, effect)
        return outcome, kept.last

    patch.setattr(issuing, "issue", at_hand)


class Keeping:
    """An issuer that remembers what it made last."""

    def __init__(self, issuer: Any) -> None:
        self._issuer, self.last = issuer, Material({})

    def builds_on(self, generate: Any) -> bool:
        """Tell what the other one tells."""
        return bool(self._issuer.builds_on(generate))

    async def issue(self, order: Any) -> Any:
        """Make a value."""
        made = await self._issuer.issue(order)
        self.last = made.material
        return made


def _never_looked_at_again(patch: pytest.MonkeyPatch, rack: Rack) -> None:
    """M10: what was shown is never compared with the ledger again."""
    patch.setattr(decide, "RULES", tuple(rule for rule in decide.RULES if rule is not decide.inspect))


PERSON = (*CRASHES, delete_a_version)
AS_IT_IS = {
    "the code as it is": Variant("two replicas, crashes, lost calls and replies"),
    "the code as it is, a person deletes Secrets": Variant("", menu=PERSON),
    "the code as it is, its ledger restored from a backup": Variant("", menu=CRASHES, last=restore_the_ledger),
    "a backend that names what it makes": Variant("", _backend(), rules=checker.SERVER_MADE, faults=6),
    "a backend that names what it makes, the lease going to and fro": Variant(
        "", _backend(), menu=(Rack.flip,), rules=checker.SERVER_MADE, faults=12
    ),
}
MUTANTS = {
    "M1": Variant(
        "no intent, a backend that cannot list", _backend(intent=False, listable=False), frozenset({"S3"}),
        rules=checker.SERVER_MADE,
    ),
    "M2": Variant("no intent; what is left could be found, and is not", _nothing_is_found_again, frozenset({"S3"})),
    "M3": Variant(
        "an intent, a backend that cannot list", _backend(listable=False), frozenset({"S3"}), rules=checker.SERVER_MADE
    ),
    "M4": Variant("revoked by time alone", _time_alone, frozenset({"S1"})),
    "M5": Variant(
        "no fence at all, a backend that names what it makes", _backend(), frozenset({"S3"}), Fence.NONE,
        rules=checker.SERVER_MADE,
    ),
    "M6": Variant(
        "a fence by identity only, a backend that names what it makes", _backend(), frozenset({"S8"}), Fence.IDENTITY,
        (Rack.flip,), checker.SERVER_MADE, faults=12,
    ),
    "M7": Variant("a fence by identity only, values made here", fence=Fence.IDENTITY),
    "M8": Variant("a value that is not written ahead", _stored_afterwards, frozenset({"S4"})),
    "M9": Variant("no proof before it is shown, a person deletes Secrets", _unproved, frozenset({"S5"}), menu=PERSON),
    "M10": Variant(
        "what is shown is never looked at again, a ledger restored from a backup", _never_looked_at_again,
        frozenset({"L1"}), menu=CRASHES, last=restore_the_ledger,
    ),
}  # fmt: skip
