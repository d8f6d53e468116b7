"""The key ring: what is done next in every situation, and that nothing else can be done to a key."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from rekey.core.keyring import (
    AGAIN,
    SETTLE,
    Begin,
    Change,
    Delete,
    Did,
    Disable,
    Inspect,
    Inspection,
    Key,
    Progress,
    Rest,
    Rewrap,
    Ring,
    State,
    Step,
    Wish,
    advance,
    created,
    wished,
)
from rekey.core.ring_steps import decide

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAY = timedelta(days=1)
MONTH = timedelta(days=30)
SECOND = timedelta(seconds=1)
WISH = Wish("2026-11", "ann")
IDLE = Progress()
WRAPPED = Progress(rewrapped=())


def ring(trigger: str = "", **keys: State) -> Ring:
    """Return a ring of which each key came into its state at noon."""
    return Ring(tuple(Key(name, state, NOON - DAY, NOON) for name, state in keys.items()), trigger)


NEW = ring(a=State.ENABLED)
TURNING = ring("2026-11", a=State.DECRYPT_ONLY, b=State.ENABLED)
TURNED = ring("2026-11", a=State.DISABLED, b=State.ENABLED)
TWICE = ring("2026-11", a=State.DECRYPT_ONLY, b=State.DECRYPT_ONLY, c=State.ENABLED)
SETTLED = NOON + SETTLE
CLEAN = Inspection(SETTLED, {"b": 10}, opened=1)
LEFT = replace(CLEAN, under={"a": 1, "b": 9})


def seen(found: Inspection) -> Progress:
    """Return a turn in which all was re-wrapped and that was found."""
    return Progress(rewrapped=(), found=found)


STEPS: dict[str, tuple[Ring, Wish | None, Progress, datetime, type[Step] | Step]] = {
    "nobody asks: nothing": (NEW, None, IDLE, NOON, Rest),
    "asked for the first time: begin": (NEW, WISH, IDLE, NOON, Begin(WISH)),
    "asked the same again: nothing": (TURNED, WISH, IDLE, NOON, Rest),
    "asked something new: begin": (TURNED, Wish("2026-12", "ann"), IDLE, NOON, Begin(Wish("2026-12", "ann"))),
    "begun: re-wrap": (TURNING, WISH, IDLE, NOON, Rewrap()),
    "begun by somebody who asks no more: re-wrap all the same": (TURNING, None, IDLE, NOON, Rewrap()),
    "asked again before the end: the first one is finished": (TURNING, Wish("x", "bob"), IDLE, NOON, Rewrap()),
    "re-wrapped at once: writes may be under way": (TURNING, WISH, WRAPPED, SETTLED - SECOND, Rest),
    "re-wrapped, and no write can be under way: inspect": (TURNING, WISH, WRAPPED, SETTLED, Inspect()),
    "nothing is left: disable": (TURNING, WISH, seen(CLEAN), SETTLED, Disable(("a",), 10)),
    "no record at all: disable": (TURNING, WISH, seen(Inspection(SETTLED)), SETTLED, Disable(("a",), 0)),
    "the look began too early: wait": (TURNING, WISH, seen(replace(CLEAN, started=SETTLED - SECOND)), SETTLED, Rest),
    "one is left: wait": (TURNING, WISH, seen(replace(CLEAN, under={"a": 1, "b": 9})), SETTLED, Rest),
    "nothing was opened: wait": (TURNING, WISH, seen(replace(CLEAN, opened=0)), SETTLED, Rest),
    "one of the sample does not open: wait": (TURNING, WISH, seen(replace(CLEAN, trouble=("bad",))), SETTLED, Rest),
    "records of a ring that was lost: they hold up nobody": (
        TURNING,
        WISH,
        seen(replace(CLEAN, under={"lost": 3, "b": 7})),
        SETTLED,
        Disable(("a",), 10),
    ),
    "two old keys, and one is free: it is disabled": (
        TWICE,
        None,
        seen(Inspection(SETTLED, {"a": 1, "c": 9}, opened=1)),
        SETTLED,
        Disable(("b",), 10),
    ),
    "within the retention: nothing": (TURNED, None, IDLE, NOON + MONTH - SECOND, Rest),
    "two old keys of a ring that goes in order, and the younger is free: wait": (
        replace(TWICE, in_order=True),
        None,
        seen(Inspection(SETTLED, {"a": 1, "c": 9}, opened=1)),
        SETTLED,
        Rest,
    ),
    "after the retention: look again": (TURNED, None, IDLE, NOON + MONTH, Inspect()),
    "after the retention, and asked for more: look first": (TURNED, Wish("x", "y"), IDLE, NOON + MONTH, Inspect()),
    "after the retention, and nothing is under it: delete": (
        TURNED,
        Wish("x", "y"),
        Progress(found=CLEAN),
        NOON + MONTH,
        Delete(("a",)),
    ),
    "after the retention, and one is under it: it is kept": (TURNED, None, Progress(found=LEFT), NOON + MONTH, Rest),
    "after the retention, one is under it, and asked for more: begin": (
        TURNED,
        Wish("x", "y"),
        Progress(found=LEFT),
        NOON + MONTH,
        Begin(Wish("x", "y")),
    ),
}


@pytest.mark.parametrize("case", STEPS)
def test_what_is_next(case: str) -> None:
    """In each situation one step is next."""
    found, wish, done, now, wanted = STEPS[case]
    step = decide(found, wish, done, now, MONTH)
    assert isinstance(step, wanted) if isinstance(wanted, type) else step == wanted


RESTS: dict[str, tuple[Ring, Progress, Rest]] = {
    "a rotation that settles": (TURNING, WRAPPED, Rest(SETTLED, "writes under the old key may still be under way")),
    "a key that is kept": (TURNED, IDLE, Rest(NOON + MONTH, "a disabled key is kept for its retention")),
    "nothing to do": (NEW, IDLE, Rest(None, "no rotation is asked for")),
    "records that may not be written": (
        TURNING,
        Progress(rewrapped=("the x: not allowed",), found=Inspection(NOON, {"a": 1, "b": 9}, opened=1)),
        Rest(NOON + AGAIN, "1 of 10 records are under the old key, 0 unreadable; the x: not allowed"),
    ),
    "records under a key that is to be deleted": (
        replace(TURNED, keys=tuple(replace(key, since=NOON - MONTH) for key in TURNED.keys)),
        Progress(found=Inspection(NOON, {"a": 2, "b": 8}, opened=1)),
        Rest(
            NOON + AGAIN,
            "2 of 10 records are under a disabled key: make it DecryptOnly again (docs/keys.md), 0 unreadable",
        ),
    ),
    "records that are left": (
        TURNING,
        seen(Inspection(NOON, {"a": 2, "b": 8}, opened=1, trouble=("the x is changed", "the y"))),
        Rest(NOON + AGAIN, "2 of 10 records are under the old key, 2 unreadable; the x is changed"),
    ),
}


@pytest.mark.parametrize("case", RESTS)
def test_why_nothing_is_done_and_until_when(case: str) -> None:
    """A rest says when to come back, and what it waits for."""
    found, done, wanted = RESTS[case]
    assert decide(found, None, done, NOON, MONTH) == wanted


def test_the_life_of_a_ring() -> None:
    """From the first key to its end: states, times, and who did what to how many records."""
    first = created("a", "rekey", NOON)
    later = [NOON + number * DAY for number in range(1, 4)]
    turning = advance(first, Begin(WISH), later[0], "b")
    turned = advance(turning, Disable(("a",), 10_000), later[1], "unused")
    ended = advance(turned, Delete(("a",)), later[2], "unused")
    states = [{key.id: key.state for key in one.keys} for one in (first, turning, turned, ended)]
    assert states == [
        {"a": State.ENABLED},
        {"a": State.DECRYPT_ONLY, "b": State.ENABLED},
        {"a": State.DISABLED, "b": State.ENABLED},
        {"b": State.ENABLED},
    ]
    assert [(entry.at, entry.by, entry.did, entry.key, entry.records) for entry in ended.history] == [
        (NOON, "rekey", Did.CREATED, "a", None),
        (later[0], "ann", Did.ROTATED, "b", None),
        (later[1], "ann", Did.DISABLED, "a", 10_000),
        (later[2], "ann", Did.DELETED, "a", None),
    ]
    assert ended.trigger == WISH.trigger
    assert turned.find("a") == Key("a", State.DISABLED, NOON, later[1])
    assert turned.find("b") == Key("b", State.ENABLED, later[0], later[0])


ASKED = Wish("now", "ann")
AGE = timedelta(days=90)
LATER = NEW.primary.created + AGE
WISHES: dict[str, tuple[Ring, datetime, timedelta, Wish | None]] = {
    "nobody asks, and no age is set": (NEW, LATER + MONTH, timedelta(), None),
    "its key is not old yet": (NEW, LATER - SECOND, AGE, None),
    "its key is old": (NEW, LATER, AGE, Wish(None, "a setting")),
    "a person asks": (replace(NEW, asked=ASKED), NOON, timedelta(), ASKED),
    "a person asks for what was done": (replace(NEW, asked=ASKED, trigger="now"), NOON, AGE, None),
    "a person asked, and its key is old": (
        replace(NEW, asked=ASKED, trigger="now"),
        LATER,
        AGE,
        Wish(None, "a setting"),
    ),
}


@pytest.mark.parametrize("case", WISHES)
def test_who_wants_it_rotated(case: str) -> None:
    """A person by a new text, or a setting by the age of its key; either wish is one that `decide` begins."""
    found, now, age, wanted = WISHES[case]
    wish = wished(found, now, age, "a setting")
    assert wish == wanted
    assert isinstance(decide(found, wish, IDLE, now, MONTH), Begin if wanted else Rest)


def test_a_rotation_by_age_forgets_no_persons_trigger() -> None:
    """What a person asked for is not begun again because a setting had it done since."""
    one = advance(replace(NEW, asked=ASKED), Begin(ASKED), NOON, "b")
    one = advance(one, Disable(("a",), 0), NOON, "")
    one = advance(one, Begin(Wish(None, "a setting")), NOON + AGE, "c")
    assert one.history[-1].by == "a setting"
    assert wished(replace(one, asked=ASKED), NOON + AGE, AGE, "a setting") is None


ILLEGAL: dict[str, tuple[Ring, Change]] = {
    "to disable the key that wraps": (NEW, Disable(("a",), 0)),
    "to disable one that is disabled": (TURNED, Disable(("a",), 0)),
    "to disable one that is not there": (NEW, Disable(("z",), 0)),
    "to delete the key that wraps": (NEW, Delete(("a",))),
    "to delete one that still decrypts": (TURNING, Delete(("a",))),
    "to delete one that is not there": (NEW, Delete(("z",))),
}


@pytest.mark.parametrize("case", ILLEGAL)
def test_it_is_impossible(case: str) -> None:
    """A key goes its way step by step; all else is an error of ours."""
    found, change = ILLEGAL[case]
    with pytest.raises(ValueError, match=r"^key [az] is "):
        advance(found, change, NOON, "new")


def test_the_history_is_short() -> None:
    """A ring that is rotated for years still fits into an annotation."""
    one = created("k0", "rekey", NOON)
    for number in range(1, 100):
        one = advance(one, Begin(Wish(str(number), "ann")), NOON, f"k{number}")
        one = advance(one, Disable((f"k{number - 1}",), 1), NOON, "")
        one = advance(one, Delete((f"k{number - 1}",)), NOON, "")
    assert (len(one.keys), len(one.history), one.history[-1].key) == (1, 50, "k98")
