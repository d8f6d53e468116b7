"""Who may act: asked before every effect, so that two processes never act on one credential.

How it is settled who leads is for the outer ring; whoever makes an effect only asks.
"""

from typing import Protocol


class Lead(Protocol):
    """The right to act in a namespace, for as long as it is known to last."""

    def remaining(self, namespace: str) -> float:
        """Return for how many seconds effects in this namespace may still be sent; 0 or less: not at all.

        An effect must have ended by then, or be one that the other side refuses when it comes too late.
        """
        ...
