"""What time it is: the one module of the kit that asks, so that everything else can be told."""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clock:
    """Two clocks: the wall's for what is written in tokens, a steady one for how long something takes."""

    wall: Callable[[], float] = time.time
    steady: Callable[[], float] = time.monotonic


SYSTEM = Clock()
