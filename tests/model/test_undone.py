"""A history across a restore of etcd is judged by what was kept and what followed, and by nothing that was undone."""

from collections.abc import Callable
from copy import deepcopy

import pytest

from tests.e2e.history import WATCHED, History
from tests.model.checker import judge, promises
from tests.model.sheet import Sheet
from tests.model.test_checker import OVERLAP, first, overlapping, revoked
from tests.model.undone import joined


def copied() -> Sheet:
    """Return the history up to the copy: version 2 was asked for, and not begun."""
    return first().spec(overlap=OVERLAP, rotation={"trigger": "a"}).wait(20)


def rotated(sheet: Sheet, value: str) -> Sheet:
    """Rotate to version 2, which has this value, and revoke version 1."""
    sheet = sheet.version(2, token=value).bundle(2, 1, token=value).ledger("Retiring", "Active", at_rest=False)
    sheet = sheet.template(api="2").wait(5).pod("web-2").pod("web-1", gone=True).wait(10)
    sheet = sheet.ledger("Revoking", "Active", at_rest=False).bundle(2, token=value).version(1, gone=True)
    return sheet.ledger("Revoked", "Active")


def across(sheet: Sheet, follows: Callable[[Sheet], Sheet], lost: tuple[str, ...] = ()) -> History:
    """Return the joined history: a copy of what the sheet tells is put back, without the lost, and what follows."""
    kept = deepcopy(sheet).history()
    told = follows(sheet).history()
    last = {change.body["metadata"]["uid"]: change for change in kept.changes}
    listed = [change for change in last.values() if not change.gone and change.name not in lost]
    since = History([*listed, *told.changes[len(kept.changes) :]], told.hands)
    return joined(kept, since, dict.fromkeys(WATCHED, len(kept.changes)))


def _shows_what_was_undone(sheet: Sheet) -> Sheet:
    """The bundle is repaired by a ledger that is no more."""
    return sheet.bundle(2, token="undone")


def _revokes_what_had_been_revoked(sheet: Sheet) -> Sheet:
    """A deletion is repeated of which the record was undone."""
    return sheet.pod(gone=True).version(1, gone=True)


def _goes_on_from_what_was_undone(sheet: Sheet) -> Sheet:
    """The next version but one is made, and nothing knows of the one between."""
    return sheet.version(3)


GOOD: dict[str, Callable[[], History]] = {
    "nothing follows": lambda: across(overlapping().wait(10), lambda sheet: sheet),
    "what was undone is done again": lambda: across(overlapping().wait(10), revoked),
    "a number that was undone is given again": lambda: across(copied(), lambda sheet: rotated(sheet, "another")),
    "a pod is gone at the first look": lambda: across(overlapping().wait(10), revoked, ("web-2",)),
}
BAD: dict[str, tuple[str, Callable[[], History]]] = {
    "the bundle shows what was undone": ("S4", lambda: across(copied(), _shows_what_was_undone)),
    "what was not revoked yet is deleted": ("S4", lambda: across(copied(), _revokes_what_had_been_revoked)),
    "an old version is gone at the first look": ("S2", lambda: across(overlapping(), lambda sheet: sheet, ("api-v1",))),
    "a version is made before the one that is asked for": (
        "S3",
        lambda: across(copied(), lambda sheet: _goes_on_from_what_was_undone(sheet).version(2)),
    ),
}


@pytest.mark.parametrize("title", GOOD)
def test_what_follows_a_restore_is_judged_as_if_nothing_had_been_undone(title: str) -> None:
    """Nothing is found where what was kept and what followed break nothing."""
    assert [str(one) for one in judge(GOOD[title]())] == []


@pytest.mark.parametrize("title", BAD)
def test_who_acts_on_what_was_undone_is_found(title: str) -> None:
    """The promise that was broken is named."""
    promise, told = BAD[title]
    found = judge(told())
    assert promise in promises(found), [str(one) for one in found]


def test_without_the_cut_a_number_given_twice_is_an_alarm() -> None:
    """Pods are locked out, what is shown is not stored, and nothing asked for it: only the restore explains that."""
    told = rotated(rotated(copied(), "undone").version(2, token="undone", gone=True), "another").history()
    assert promises(judge(told)) == {"S1", "S4", "S8"}
