"""`rekey run` that goes on acting when its lead is over: what is left to stop it is others' part. Never the product's.

A process that was elected once believes for ever that it leads. Take it as the program of a stage:
`opening(program=("-m", "tests.e2e.ungated"))`.
"""

import sys

from rekey.app import cli
from rekey.app.lead import Leadership
from rekey.app.sharding import Sharding
from rekey.errors import NotLeading

FOR_EVER = 3600.0


def _was_elected(lead: Leadership) -> bool:
    return any(post.campaign.renewed for post in lead._posts)


def install() -> None:
    """Take the gate out of the doors of this process; the election itself goes on."""

    def remaining(self: Leadership, namespace: str) -> float:
        return FOR_EVER if _was_elected(self) else 0.0

    def begin(self: Leadership, namespace: str) -> None:
        if not _was_elected(self):
            raise NotLeading("never elected")

    def leave(self: Sharding, shard: int) -> None:
        """Go on listening to what was ours."""

    Sharding.leave = leave  # type: ignore[method-assign]
    Leadership.remaining = remaining  # type: ignore[method-assign]
    Leadership.begin = begin  # type: ignore[method-assign]


if __name__ == "__main__":
    sys.argv[0] = "rekey"
    install()
    cli.main()
