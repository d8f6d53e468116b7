"""`rekey run` on a machine whose clock is wrong: by as many seconds as the file says that CLOCK_FILE names."""

import os
import sys
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Self

from rekey.app import cli, clock

FILE = "CLOCK_FILE"


class Wrong(datetime):
    """The machine's time, moved."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        """Return the present instant as this machine has it."""
        text = Path(os.environ[FILE]).read_text() or "0"
        return super().now(tz) + timedelta(seconds=int(text))


if __name__ == "__main__":
    sys.argv[0] = "rekey"
    vars(clock)["datetime"] = Wrong
    cli.main()
