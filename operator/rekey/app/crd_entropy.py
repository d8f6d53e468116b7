"""How the API server counts the entropy of a password: with a table, for CEL has no logarithm.

1. A password of `length` characters out of n has `length × log2(n)` bits, less what is lost because every
   class must appear: below 1 bit for whole classes and below 4 for any. The rule takes off as much.
2. The rule may refuse a password that has just enough, and admits none that has not (a test counts exactly).
"""

from math import floor, log2
from typing import Final

from rekey.core.spec_generate import CHARACTERS, MINIMUM_BITS

# Thousandths of a bit in one character, by how many there are to choose from; rounded down.
THOUSANDTHS: Final = (
    0,
    *(floor(1000 * log2(count)) for count in range(1, sum(map(len, CHARACTERS.values())) + 1)),
)
LOSS_OF_WHOLE_CLASSES: Final = 1000
LOSS_OF_ANY_CLASSES: Final = 4000

_EXCLUDED: Final = "self.?exclude.orValue('')"
_ALPHABETS: Final = "{" + ", ".join(f"'{kind}': '{signs}'" for kind, signs in CHARACTERS.items()) + "}"
_LEFT: Final = f"{_ALPHABETS}[kind].split('').filter(sign, !{_EXCLUDED}.contains(sign))"
_COUNT: Final = f"self.classes.map(kind, {_LEFT}.size()).sum()"

EVERY_CLASS_KEEPS_ONE: Final = f"self.classes.all(kind, {_LEFT}.size() > 0)"
ENOUGH: Final = (
    "self.classes.size() == 0 ||"
    f" self.length * {list(THOUSANDTHS)}[{_COUNT}] >= {1000 * MINIMUM_BITS}"
    f" + ({_EXCLUDED} == '' ? {LOSS_OF_WHOLE_CLASSES} : {LOSS_OF_ANY_CLASSES})"
)


def admits(length: int, sizes: tuple[int, ...], *, whole: bool) -> bool:
    """Say whether the rule admits a password of that length from classes of these sizes."""
    loss = LOSS_OF_WHOLE_CLASSES if whole else LOSS_OF_ANY_CLASSES
    return length * THOUSANDTHS[sum(sizes)] >= 1000 * MINIMUM_BITS + loss
