"""Who works on which namespaces: shards, by a label of the Namespace, and how replicas share them.

1. Absent, or no number of a shard: shard 0. So whatever somebody writes into the label, somebody works there.
2. A credential carries the number too, so that a watch can choose. A watch of one shard also gets those that carry none
   yet: whoever is responsible for their namespace gives them one.
3. A replica that has two shards fewer than another asks for one of that one's; so all have about the same number.
"""

from collections import Counter
from collections.abc import Collection, Mapping

LABEL = "rekey.dev/shard"


def shard(label: str | None, number: int) -> int:
    """Return the shard that a label of a namespace stands for."""
    return next((own for own in range(number) if label == str(own)), 0)


def selector(own: Collection[int], number: int) -> str:
    """Return what a watch of some shards selects: their own credentials, and those that are nobody's yet."""
    others = ",".join(str(other) for other in range(number) if other not in own)
    return f"{LABEL} notin ({others})" if others else ""


def strays(own: int) -> str:
    """Return what selects the credentials that do not carry this shard."""
    return f"{LABEL} notin ({own})"


def share(total: int, own: int, number: int) -> int:
    """Return a shard's part of a limit that holds for all; the parts add up to it."""
    return total // number + (own < total % number)


def wanted(me: str, holders: Mapping[str, str]) -> str | None:
    """Return the Lease to ask for, given who has each or is about to; None: the shares are even enough."""
    loads = Counter(holders.values())
    most = max((holder for holder in loads if holder not in {me, ""}), key=lambda one: (loads[one], one), default=None)
    if most is None or loads[most] < loads[me] + 2:
        return None
    return max(lease for lease, holder in holders.items() if holder == most)
