"""Who leads: what one replica does about the Lease, and that never two lead, whatever is lost, late or edited."""

import heapq
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import count, pairwise

import pytest

from rekey.core.election import NO_TERM, RELEASED, Move, Pace, Record, Sight, Term, choose, number, seen, won

PACE = Pace(duration=15, deadline=10, retry=2)
ME, OTHER = "rekey-a", "rekey-b"
MINE = Record(ME, 15, "r1", 7)
THEIRS = Record(OTHER, 15, "r1", 7)
LEADING = Sight(MINE, since=100, term=Term(7, 110, 50))
BEHIND = Sight(THEIRS, since=100)
MOVES: dict[str, tuple[Sight, float, Move]] = {
    "there is no Lease yet: it is made": (Sight(), 0, Move.CREATE),
    "we lead: it is renewed": (LEADING, 102, Move.RENEW),
    "we lead and somebody deleted it: it is made again": (replace(LEADING, gone=True), 102, Move.CREATE),
    "it is in our name, but of an earlier life: it is taken": (Sight(MINE, since=100), 101, Move.TAKE),
    "another holds it and was seen to renew a while ago: wait": (BEHIND, 114.9, Move.WAIT),
    "another holds it and has been silent for its duration: it is taken": (BEHIND, 115, Move.TAKE),
    "another says a longer duration than ours: that one counts": (
        Sight(replace(THEIRS, duration=60), since=100),
        130,
        Move.WAIT,
    ),
    "somebody wrote a duration of a second into it: ours counts": (
        Sight(replace(THEIRS, duration=1), since=100),
        114,
        Move.WAIT,
    ),
    "it was given back: it is taken at once": (Sight(Record("", RELEASED, "r2", 7), since=100), 100, Move.TAKE),
    "somebody took the holder out by hand: that is no giving back": (
        Sight(Record("", 15, "r2", 7), since=100),
        114,
        Move.WAIT,
    ),
    "somebody took the holder out by hand, long ago": (Sight(Record("", 15, "r2", 7), since=100), 115, Move.TAKE),
    "somebody deleted another's: wait as if it were there": (replace(BEHIND, gone=True), 114, Move.WAIT),
    "somebody deleted another's, long ago: it is made": (replace(BEHIND, gone=True), 115, Move.CREATE),
    "it was given back and then deleted: the holder was gone before": (
        Sight(Record("", RELEASED, "r2", 7), since=100, gone=True),
        114,
        Move.WAIT,
    ),
}


@pytest.mark.parametrize("name", MOVES)
def test_what_is_done_about_the_lease(name: str) -> None:
    """What is known and the moment give this move."""
    sight, now, wanted = MOVES[name]
    assert choose(sight, ME, PACE, now) is wanted


NUMBERS: dict[str, tuple[Sight, Move, int]] = {
    "a renewal goes on with the term": (LEADING, Move.RENEW, 7),
    "a Lease that was deleted under us goes on with the term": (replace(LEADING, gone=True), Move.CREATE, 7),
    "taking begins the next term": (BEHIND, Move.TAKE, 8),
    "taking back one's own begins the next term": (Sight(MINE, since=100), Move.TAKE, 8),
    "a Lease that another's deletion left begins the next term": (replace(BEHIND, gone=True), Move.CREATE, 8),
    "the first Lease begins the first term": (Sight(), Move.CREATE, 1),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_the_number_of_the_term(name: str) -> None:
    """Terms are numbered without a gap and none has two holders."""
    sight, move, wanted = NUMBERS[name]
    assert number(sight, move, 102) == wanted


LOOKS: dict[str, tuple[Record | None, Sight]] = {
    "nothing changed: the silence goes on, and so does our term": (MINE, LEADING),
    "another took it: our term is over": (THEIRS, Sight(THEIRS, since=105)),
    "somebody put another number in: our term is over": (
        replace(MINE, transitions=9),
        Sight(replace(MINE, transitions=9), since=105),
    ),
    "it is gone: our term goes on to its end": (None, replace(LEADING, gone=True, since=105)),
}


@pytest.mark.parametrize("name", LOOKS)
def test_what_a_look_tells(name: str) -> None:
    """A look gives this knowledge."""
    record, wanted = LOOKS[name]
    assert seen(LEADING, ME, record, 105) == wanted


def test_a_renewal_that_is_seen_begins_the_silence_anew() -> None:
    """Only a change that its holder made counts as a sign of life; when it happened by his clock does not matter."""
    renewed = replace(THEIRS, renewed="an hour from now")
    assert seen(BEHIND, ME, renewed, 110).since == 110
    assert seen(BEHIND, ME, THEIRS, 110).since == 100


WINS: dict[str, tuple[Sight, float, Term]] = {
    "the first term": (Sight(), 109, Term(7, 110, 100)),
    "a renewal in time goes on": (replace(LEADING, term=Term(7, 109.5, 50)), 109, Term(7, 110, 50)),
    "a renewal whose answer came after the end begins anew": (
        replace(LEADING, term=Term(7, 108, 50)),
        109,
        Term(7, 110, 100),
    ),
    "another number begins anew": (replace(LEADING, term=Term(6, 120, 50)), 109, Term(7, 110, 100)),
}


@pytest.mark.parametrize("name", WINS)
def test_a_term_is_counted_from_before_the_request(name: str) -> None:
    """However late the reply is, the term ends one deadline after the request was sent; a gap begins it anew."""
    sight, now, term = WINS[name]
    assert won(sight, MINE, before=100, now=now, pace=PACE) == Sight(MINE, now, term=term)


@dataclass
class Server:
    """The API server's part: one object, and writes on a version."""

    record: Record | None = None
    version: int = 0

    def write(self, record: Record | None, version: int | None) -> bool:
        """Write if the version is still that one; None: whatever it is."""
        if version not in {None, self.version}:
            return False
        self.record, self.version = record, self.version + 1
        return True


@dataclass
class Replica:
    """One replica with a monotonic clock of its own, over a network that loses and delays."""

    name: str
    server: Server
    dice: random.Random
    pace: Pace
    offset: float
    stamps: Iterator[int]
    loss: float
    sight: Sight = field(default_factory=Sight)
    version: int = 0
    began: float = 0.0
    led: list[tuple[float, float]] = field(default_factory=list)

    def live(self) -> Iterator[float]:
        """Go on for ever; what is given is how long the next step takes."""
        while True:
            yield from self.attempt()
            yield self.dice.uniform(0.5, 1.1) * self.pace.retry

    def attempt(self) -> Iterator[float]:
        self.began = self.clock()
        if self.clock() >= self.sight.term.until:
            self.sight = replace(self.sight, term=NO_TERM)
            yield from self.look()
        before = self.clock()
        move = choose(self.sight, self.name, self.pace, before)
        if move is Move.WAIT:
            return
        mine = Record(self.name, self.pace.duration, f"r{next(self.stamps)}", number(self.sight, move, before))
        yield self.delay()
        made = move is Move.CREATE
        if made and self.server.record is not None:
            done = False
        else:
            done = self.server.write(mine, None if made else self.version)
        version = self.server.version
        yield self.delay()
        if self.lost():
            return
        if done:
            self.sight, self.version = won(self.sight, mine, before, self.clock(), self.pace), version
        else:
            yield from self.look()

    def look(self) -> Iterator[float]:
        yield self.delay()
        record, version = self.server.record, self.server.version
        yield self.delay()
        if not self.lost():
            self.sight, self.version = seen(self.sight, self.name, record, self.clock()), version

    def delay(self) -> float:
        return self.dice.choice((*[0.01] * 12, 0.1, 1.0, self.dice.uniform(0, 20)))

    def lost(self) -> bool:
        """Tell whether no answer came, or too late to be waited for."""
        return self.dice.random() < self.loss or self.clock() > self.began + self.pace.patience

    clock: Callable[[], float] = lambda: 0.0


EDITS: tuple[Callable[[Record], Record | None], ...] = (
    lambda _: None,
    lambda record: replace(record, holder="", duration=15),
    lambda record: replace(record, holder="nobody-we-know"),
    lambda record: replace(record, duration=1),
    lambda record: replace(record, transitions=0),
)


def history(seed: int, pace: Pace, *, edits: bool) -> list[Replica]:
    """Play ten minutes of three replicas, with faults that the seed gives."""
    dice = random.Random(seed)  # noqa: S311  a seed, no secret
    server, stamps, moment = Server(), count(), 0.0
    replicas = [Replica(f"r{n}", server, dice, pace, dice.uniform(0, 1e6), stamps, loss=0.1) for n in range(3)]
    agenda: list[tuple[float, int, Replica | None, Iterator[float]]] = []
    for order, one in enumerate(replicas):
        one.clock = lambda one=one: moment + one.offset  # type: ignore[misc]
        heapq.heappush(agenda, (0.0, order, one, one.live()))
    if edits:
        heapq.heappush(agenda, (60.0, 9, None, vandal(server, dice)))
    while agenda[0][0] < 600:
        moment, order, who, life = heapq.heappop(agenda)
        heapq.heappush(agenda, (moment + next(life), order, who, life))
        if who is not None:
            note(who, moment)
    return replicas


def vandal(server: Server, dice: random.Random) -> Iterator[float]:
    """Edit the Lease by hand now and then."""
    while True:
        if server.record is not None:
            server.write(dice.choice(EDITS)(server.record), None)
        yield dice.uniform(40, 80)


def note(who: Replica, moment: float) -> None:
    """Write down until when the replica believes, at this moment, that it leads; belief ends early when it learns."""
    end = who.sight.term.until - who.offset
    if who.led and who.led[-1][1] > moment and (not who.sight.term.number or end <= moment):
        who.led[-1] = (who.led[-1][0], moment)
    elif who.sight.term.number and end > moment:
        who.led.append((moment, end))


def overlaps(replicas: list[Replica]) -> list[str]:
    """Return where two led at once."""
    spans = sorted((start, end, one.name) for one in replicas for start, end in one.led)
    reach: dict[str, float] = {}
    found = []
    for start, end, name in spans:
        found += [
            f"{name} and {other} at {start:.2f}" for other, until in reach.items() if other != name and start < until
        ]
        reach[name] = max(reach.get(name, 0), end)
    return found


@pytest.mark.parametrize("edits", [False, True], ids=["nobody edits", "somebody edits and deletes the Lease"])
def test_never_two_lead(edits: bool) -> None:  # noqa: FBT001  a parameter
    """Over many histories with lost, late and conflicting requests no two terms overlap, and somebody leads mostly."""
    led = 0.0
    for seed in range(300):
        replicas = history(seed, PACE, edits=edits)
        assert overlaps(replicas) == [], f"seed {seed}"
        led += sum(end - start for start, end in union(replicas)) / 600
    assert led / 300 > (0.25 if edits else 0.5), "they lead too seldom for the test to mean anything"


def union(replicas: list[Replica]) -> list[tuple[float, float]]:
    """Return the times at which anybody led."""
    merged: list[tuple[float, float]] = []
    for start, end in sorted(span for one in replicas for span in one.led):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def test_the_search_finds_two_leaders_where_the_deadline_is_longer_than_the_duration() -> None:
    """With the one rule broken on which all rests, the same histories have two leaders."""
    broken = Pace(duration=6, deadline=14, retry=2)
    assert any(overlaps(history(seed, broken, edits=False)) for seed in range(300))


def test_two_tries_fit_into_a_deadline() -> None:
    """One try may hang for its whole patience and the next one still comes in time."""
    for pace in (PACE, Pace(3, 2, 0.5)):
        times = [0, pace.patience, pace.patience + pace.retry, 2 * pace.patience + pace.retry]
        assert all(before < after for before, after in pairwise(times))
        assert times[-1] <= pace.deadline
