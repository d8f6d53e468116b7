"""Which promises a recorded history breaks, with the evidence: pure, offline, and ignorant of the operator's code.

1. The changes are replayed in their order; every promise looks at each of them, and at the end if all is at rest.
2. Where clocks are compared, the earlier instant is a server's, rounded down, and the later one that at which the
   change was seen: an alarm is never false because somebody was slow.
3. What the test did itself (`Hands`) breaks no promise.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from tests.e2e.history import Change, History
from tests.model import at_rest, rules_of_keeping, rules_of_revocation, rules_of_verifiers, rules_of_writing
from tests.model.moment import Body, Moment

Rule = Callable[[Change, Body | None, Moment], Iterator[str]]
"""A promise looks at a change, at the object as it was before, and at the moment after; it says what is broken."""
RULES: dict[str, list[Rule]] = {
    "S1": [rules_of_revocation.nobody_is_locked_out],
    "S2": [rules_of_revocation.a_commitment_is_due, rules_of_revocation.a_deletion_was_committed],
    "S3": [rules_of_keeping.one_number_one_value, rules_of_keeping.one_is_pending],
    "S4": [rules_of_keeping.the_current_version_exists, rules_of_keeping.the_current_version_stays],
    "S5": [rules_of_writing.a_bundle_is_whole],
    "S6": [rules_of_writing.a_stranger_is_left_alone],
    "S8": [rules_of_writing.a_restart_is_the_only_one, rules_of_writing.a_version_has_a_cause],
    "S10": [rules_of_writing.a_namespace_is_its_own],
    "V1": [rules_of_verifiers.what_is_shown_is_known],
    "V2": [rules_of_verifiers.what_is_held_is_known],
}
SERVER_MADE: dict[str, list[Rule]] = RULES | {
    "S3": [rules_of_keeping.one_number_one_value],
    "S8": [rules_of_writing.a_restart_is_the_only_one, rules_of_writing.what_is_shown_has_a_cause],
}
"""For a backend that names what it makes: a late success is a second pending version until it is found and removed, and
only what is shown counts as made."""
AT_REST = {
    "S3": [at_rest.nothing_is_unowned],
    "L1": [at_rest.everything_is_done],
    "L2": [at_rest.a_standstill_is_explained],
    "L3": [at_rest.nobody_waits_for_another],
}


@dataclass(frozen=True)
class Violation:
    """A promise, where it was broken (a resourceVersion and what was changed by it), and what was seen."""

    promise: str
    version: int
    what: str
    evidence: str

    def __str__(self) -> str:
        """Return it as a line."""
        return f"{self.promise} at {self.version} ({self.what}): {self.evidence}"


def judge(history: History, *, resting: bool = False, rules: Mapping[str, list[Rule]] = RULES) -> list[Violation]:
    """Return every violation; `resting`: nothing more is going to happen, so that what is missing is missing."""
    moment = Moment(history.hands)
    found: list[Violation] = []
    for change in history.changes:
        before = moment.find(change.resource, change.name)
        moment.see(change)
        what = f"{change.resource}/{change.name}{' deleted' if change.gone else ''}"
        for promise, each in rules.items():
            texts = [text for rule in each for text in rule(change, before, moment)]
            found += [Violation(promise, change.version, what, text) for text in texts]
    if resting:
        for promise, ends in AT_REST.items():
            found += [Violation(promise, 0, "at rest", text) for end in ends for text in end(moment)]
    return found


def promises(found: list[Violation]) -> set[str]:
    """Return the names of the broken promises."""
    return {one.promise for one in found}
