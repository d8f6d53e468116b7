"""Shards: what a label means, what a watch selects, who asks whom for one, and how a limit is divided."""

import pytest

from rekey.core.shards import selector, shard, share, strays, wanted

LABELS: dict[str, tuple[str | None, int]] = {
    "no label is shard 0": (None, 0),
    "a number is its shard": ("3", 3),
    "a number that is no shard is shard 0": ("4", 0),
    "a number in another spelling is a word, as it is to a selector": ("03", 0),
    "a word is shard 0": ("blue", 0),
    "nothing is shard 0": ("", 0),
    "less than nothing is shard 0": ("-1", 0),
    "digits of another alphabet are a word": ("٣", 0),
}


@pytest.mark.parametrize("name", LABELS)
def test_what_a_label_means(name: str) -> None:
    """Of four shards this label stands for this one."""
    label, wanted_shard = LABELS[name]
    assert shard(label, 4) == wanted_shard


def test_what_is_selected() -> None:
    """A watch gets its own and what nobody has; a search for strays everything that does not carry the number."""
    assert selector((1,), 4) == "rekey.dev/shard notin (0,2,3)"
    assert selector((0, 2), 4) == "rekey.dev/shard notin (1,3)"
    assert not selector(range(4), 4)
    assert strays(1) == "rekey.dev/shard notin (1)"


@pytest.mark.parametrize(("total", "number"), [(20, 1), (20, 4), (7, 3), (4, 4)])
def test_a_limit_that_is_divided_is_kept(total: int, number: int) -> None:
    """The parts add up, differ by one at most, and none is nothing."""
    parts = [share(total, own, number) for own in range(number)]
    assert sum(parts) == total
    assert max(parts) - min(parts) <= 1
    assert min(parts) >= 1


ASKS: dict[str, tuple[dict[str, str], str | None]] = {
    "one has all four: the last of them": (dict.fromkeys(("l0", "l1", "l2", "l3"), "b"), "l3"),
    "one has three, we one: the last of them": ({"l0": "a", "l1": "b", "l2": "b", "l3": "b"}, "l3"),
    "two each: none": ({"l0": "a", "l1": "a", "l2": "b", "l3": "b"}, None),
    "one more than we: none": ({"l0": "a", "l1": "b", "l2": "b"}, None),
    "nobody has any: none": (dict.fromkeys(("l0", "l1"), ""), None),
    "free ones are nobody's load": ({"l0": "", "l1": "", "l2": "b"}, None),
    "of the one with most": ({"l0": "b", "l1": "b", "l2": "c", "l3": "c", "l4": "c"}, "l4"),
    "what we asked for already counts as ours": ({"l0": "b", "l1": "b", "l2": "a", "l3": "a"}, None),
}


@pytest.mark.parametrize("name", ASKS)
def test_which_lease_is_asked_for(name: str) -> None:
    """We are `a`; with these holders we ask for this one."""
    holders, lease = ASKS[name]
    assert wanted("a", holders) == lease


@pytest.mark.parametrize("number", [1, 4, 5, 16])
def test_asking_ends_with_even_shares(number: int) -> None:
    """However many replicas come one by one, each asking in turn ends in shares that differ by one at most."""
    holders = {f"l{place:02}": "r0" for place in range(16)}
    for newcomer in range(1, number):
        asked = True
        while asked:
            asked = False
            for me in [f"r{place}" for place in range(newcomer + 1)]:
                lease = wanted(me, holders)
                if lease is not None:
                    holders[lease], asked = me, True
    loads = [list(holders.values()).count(f"r{place}") for place in range(number)]
    assert max(loads) - min(loads) <= 1
