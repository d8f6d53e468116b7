"""Chance that a seed decides: the same before and after a restart, and another for each credential."""

from hashlib import sha256


def chance(seed: str) -> float:
    """Return a number from 0 up to, but not including, 1 that depends on the seed alone."""
    return int.from_bytes(sha256(seed.encode()).digest()[:6]) / (1 << 48)
