"""From a situation to the one thing to do next: how a credential begins, is inspected, and leaves.

How a rotation is finished is in `test_finish.py`, when one begins in `test_start.py`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from rekey.core.decide import FINALIZER, RULES, decide
from rekey.core.effects import (
    Activate,
    Adopt,
    Destroy,
    Discard,
    Finalize,
    Hold,
    Issue,
    LetGo,
    Release,
    Restore,
    Revoke,
    What,
)
from rekey.core.facts import BundleState, Facts, Problem
from rekey.core.reasons import Reason
from rekey.core.status import Cause, State, Status, Step
from tests.core.situations import (
    INTERVAL,
    MOVING,
    NOON,
    ONE,
    OVERLAPPING,
    SECOND,
    Gist,
    active,
    ended,
    facts,
    gist,
    rotation,
    spec,
    status,
    version,
    waits,
)

NEW = Status()
GONE = status(ended(1), ended(2))
PENDING = status(active(1), version(2, State.ISSUED), rotation=rotation(Step.ISSUING))
OUTDATED = status(active(1), version(2, State.ISSUED, digest="older"), rotation=rotation(Step.ISSUING))
REVOKING = status(version(1, State.REVOKING), active(), rotation=rotation(Step.REVOKING))
FAULTY = (Problem("spec.rotation.schedule", "there is no 31st of June"),)
BUNDLE = frozenset({What.BUNDLE})
UNOWNED = spec(target={"adopt": "Unowned"})
REVOKE = spec(deletionPolicy="Revoke")
GRACE = timedelta(minutes=5)
TAKEN = waits(None, Reason.NAME_TAKEN, stalled=True)
INVALID = waits(None, Reason.INVALID_SPEC, stalled=True)
RESTING = waits(NOON + INTERVAL, Reason.ACTIVE)


def checked(state: BundleState | None, shown: int | None = None, before: Status = ONE, **fields: Any) -> Facts:
    """Return facts whose Secrets are to be compared with the ledger."""
    return facts(before, check=True, bundle=state, bundle_version=shown, **fields)


def leaving(**fields: Any) -> Facts:
    """Return facts of a credential that is being deleted since noon."""
    return facts(
        fields.pop("before", OVERLAPPING), fields.pop("now", NOON), fields.pop("wish", None), deleting=NOON, **fields
    )


BEGINS: dict[str, tuple[Facts, Gist]] = {
    "no finalizer yet": (facts(NEW, finalizers=()), Finalize()),
    "another's finalizer is not ours": (facts(NEW, finalizers=("other/one",)), Finalize()),
    "our finalizer is missing while a version is to be revoked": (facts(REVOKING, finalizers=("x",)), Finalize()),
    "a spec that cannot be carried out, before anything exists": (facts(NEW, problems=FAULTY, finalizers=()), INVALID),
    "nothing is known: look": (facts(NEW), BUNDLE),
    "there is no Secret": (facts(NEW, bundle=BundleState.MISSING), Issue(1, Cause.FIRST_ISSUE)),
    "there is no Secret, but there were versions": (
        *(facts(GONE, bundle=BundleState.MISSING),),
        Issue(3, Cause.VALUE_LOST),
    ),
    "a Secret of nobody's": (facts(NEW, bundle=BundleState.UNOWNED), TAKEN),
    "a Secret of nobody's, to be adopted": (facts(NEW, wish=UNOWNED, bundle=BundleState.UNOWNED), Adopt()),
    "a Secret of somebody's": (facts(NEW, bundle=BundleState.FOREIGN), TAKEN),
    "a Secret of somebody's is never adopted": (facts(NEW, wish=UNOWNED, bundle=BundleState.FOREIGN), TAKEN),
    "a Secret of ours: the status was lost": (facts(NEW, bundle=BundleState.OURS), Adopt()),
}
CARRIES_ON: dict[str, tuple[Facts, Gist]] = {
    "stored by the spec as it is": (facts(PENDING), Activate(2)),
    "stored by an older spec: look whether it was shown": (facts(OUTDATED), BUNDLE),
    "made by an older spec and shown already": (
        *(facts(OUTDATED, bundle=BundleState.AHEAD, bundle_version=2),),
        Activate(2),
    ),
    "made by an older spec and never shown": (
        *(facts(OUTDATED, bundle=BundleState.INTACT, bundle_version=1),),
        Discard(2),
    ),
    "made by an older spec, and there is no bundle": (facts(OUTDATED, bundle=BundleState.MISSING), Discard(2)),
    "suspend does not keep what was made from being shown": (facts(PENDING, wish=spec(suspend=True)), Activate(2)),
    "nor does a spec that has become faulty": (facts(PENDING, problems=FAULTY), Activate(2)),
    "the first version too is made anew when the spec has changed": (
        *(facts(status(version(1, State.ISSUED, digest="older")), bundle=BundleState.MISSING),),
        Discard(1),
    ),
}
INSPECTS: dict[str, tuple[Facts, Gist]] = {
    "nobody asked for it": (facts(ONE, bundle=BundleState.CHANGED), RESTING),
    "nothing was looked at yet": (checked(None), BUNDLE),
    "as it should be": (checked(BundleState.INTACT, 1), RESTING),
    "deleted": (checked(BundleState.MISSING), Restore()),
    "changed": (checked(BundleState.CHANGED, 1), Restore()),
    "replaced by a stranger's": (checked(BundleState.FOREIGN), TAKEN),
    "replaced by nobody's": (checked(BundleState.UNOWNED), TAKEN),
    "ahead of the ledger": (checked(BundleState.AHEAD, 2), Issue(2, Cause.REBUILT)),
    "ahead, by how much it does not say": (checked(BundleState.AHEAD), RESTING),
    "no copy of the value is left": (checked(BundleState.LOST), Issue(2, Cause.VALUE_LOST)),
    "no copy is left, and the next version is made already: it is shown": (
        *(checked(BundleState.LOST, before=PENDING),),
        Activate(2),
    ),
    "ahead of the ledger by the version that is pending: it is shown": (
        *(checked(BundleState.AHEAD, 2, before=PENDING),),
        Activate(2),
    ),
    "drift is repaired before a pending version is shown": (checked(BundleState.CHANGED, 1, before=PENDING), Restore()),
    "no copy is left in the middle of a rotation": (
        checked(BundleState.LOST, before=MOVING),
        Issue(3, Cause.VALUE_LOST),
    ),
    "drift is repaired while suspended": (checked(BundleState.CHANGED, wish=spec(suspend=True)), Restore()),
    "drift is repaired while the spec is faulty": (checked(BundleState.CHANGED, problems=FAULTY), Restore()),
    "drift is repaired before a revocation goes on": (checked(BundleState.CHANGED, before=REVOKING), Restore()),
    "what is committed is revoked": (facts(REVOKING), Revoke(1)),
    "what is committed is revoked although the spec has become faulty": (facts(REVOKING, problems=FAULTY), Revoke(1)),
    "what is committed is revoked although on hold now": (
        *(facts(REVOKING, wish=spec(hold={"until": "2027-01-01T00:00:00Z", "reason": "audit"})),),
        Revoke(1),
    ),
}
LEAVES: dict[str, tuple[Facts, Gist]] = {
    "Retain: everything is released": (leaving(), Release()),
    "Revoke: everything is deleted": (leaving(wish=REVOKE), Destroy()),
    "nothing else is begun or finished": (leaving(before=REVOKING), Release()),
    "a faulty spec can be left too": (leaving(before=NEW, problems=FAULTY), Release()),
    "it worked": (leaving(cleared=True), LetGo()),
    "Revoke did not work: again soon": (
        *(leaving(cleared=False, now=NOON + GRACE, wish=REVOKE),),
        waits(NOON + GRACE + timedelta(seconds=15), Reason.DELETING),
    ),
    "Revoke did not work for longer than the grace": (
        *(leaving(cleared=False, now=NOON + GRACE + SECOND, wish=REVOKE),),
        LetGo(orphaned=True),
    ),
    "Revoke did not work, but nobody has tried for long: the grace begins with the process": (
        *(leaving(cleared=False, now=NOON + GRACE + SECOND, wish=REVOKE, started=NOON + SECOND),),
        waits(NOON + GRACE + 16 * SECOND, Reason.DELETING),
    ),
    "Retain did not work: again soon": (
        *(leaving(cleared=False, now=NOON + GRACE),),
        waits(NOON + GRACE + timedelta(seconds=15), Reason.DELETING),
    ),
    "Retain did not work for longer than the grace: it is said, and what is to stay is not given up": (
        *(leaving(cleared=False, now=NOON + GRACE + SECOND),),
        waits(NOON + GRACE + 16 * SECOND, Reason.DELETING, stalled=True),
    ),
    "it worked in the end, however late": (leaving(cleared=True, now=NOON + 2 * GRACE), LetGo()),
    "our finalizer is off": (leaving(finalizers=()), waits(None, Reason.DELETING)),
    "only another's finalizer is left": (leaving(finalizers=("other/one",)), waits(None, Reason.DELETING)),
}
ALL = {
    **{f"begins: {name}": case for name, case in BEGINS.items()},
    **{f"carries on: {name}": case for name, case in CARRIES_ON.items()},
    **{f"inspects: {name}": case for name, case in INSPECTS.items()},
    **{f"leaves: {name}": case for name, case in LEAVES.items()},
}


@pytest.mark.parametrize("situation", ALL)
def test_it_decides(situation: str) -> None:
    """In this situation this is next."""
    seen, expected = ALL[situation]
    assert gist(decide(seen)) == expected


@pytest.mark.parametrize(
    ("wish", "state", "words"),
    [
        (spec(), BundleState.UNOWNED, ("Secret api ", "target.adopt: Unowned")),
        (spec(), BundleState.FOREIGN, ("Secret api ", "target.secretName")),
        (spec(target={"secretName": "key"}), BundleState.FOREIGN, ("Secret key ",)),
    ],
)
def test_a_taken_name_says_what_to_do(wish: Any, state: BundleState, words: tuple[str, ...]) -> None:
    """The message names the Secret and the way out."""
    decision = decide(facts(NEW, wish=wish, bundle=state))
    assert isinstance(decision, Hold)
    assert [word for word in words if word not in decision.message] == []


def test_a_faulty_spec_says_where() -> None:
    """The message names the field's path."""
    decision = decide(facts(NEW, problems=FAULTY))
    assert isinstance(decision, Hold)
    assert "spec.rotation.schedule" in decision.message


def test_every_decision_gives_a_reason() -> None:
    """Each act and each hold of these tables carries words for people."""
    silent = [name for name, (seen, _) in ALL.items() if getattr(decide(seen), "message", "looks say nothing") == ""]
    assert silent == []


def test_the_rules_finish_before_they_begin() -> None:
    """Leaving is asked first and starting last."""
    names = [rule.__name__ for rule in RULES]
    assert (names[0], names[-1]) == ("take_leave", "rotate")
    assert names.index("revoke_committed") < names.index("roll_back") < names.index("roll_out")
    assert names.index("inspect") < min(names.index("carry_on"), names.index("revoke_committed"))


def test_the_finalizer_is_known_by_its_name() -> None:
    """Its name is API: whoever wants to remove it by hand must find it in the docs."""
    assert FINALIZER == "rekey.dev/finalizer"
