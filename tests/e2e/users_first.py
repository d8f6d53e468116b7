"""`rekey run` that tells verifiers of a version only when it is in use: the wrong order. Never the product's.

Take it as the program of a stage: `opening(program=("-m", "tests.e2e.users_first"))`.
"""

import sys

from rekey.app import cli
from rekey.core import verifying
from rekey.core.status import Status
from rekey.core.verifying import Entry


def install() -> None:
    """Leave out of what verifiers read whatever nobody uses yet."""
    rightly = verifying.accepted

    def late(status: Status, *, also: int | None = None, without: int | None = None) -> tuple[Entry, ...]:
        return tuple(one for one in rightly(status, without=without) if one.status != "next")

    verifying.accepted = late


if __name__ == "__main__":
    sys.argv[0] = "rekey"
    install()
    cli.main()
