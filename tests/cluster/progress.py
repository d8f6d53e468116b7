"""What a person sees while something takes long.

One line, renewed on a terminal, and repeated every ten seconds elsewhere.
"""

import subprocess
import sys
import time
from typing import TextIO

_EVERY = 10.0


class Progress:
    """Says what is being done, how far it is, and for how long; silent once it is `done`."""

    def __init__(self, what: str, out: TextIO | None = None) -> None:
        self.what = what
        self._out = out or sys.stderr
        self._began = time.monotonic()
        self._said = 0.0
        self._live = self._out.isatty()
        self._say("…")

    @property
    def seconds(self) -> float:
        """How long it has taken so far."""
        return time.monotonic() - self._began

    def tick(self) -> None:
        """Renew the line if it is time."""
        if self.seconds - self._said >= (1 if self._live else _EVERY):
            self._said = self.seconds
            self._say(f"… {self.seconds:.0f} s")

    def wait(self, child: subprocess.Popen[bytes]) -> int:
        """Wait for the child, telling for how long, and return its exit status; end it if interrupted."""
        try:
            while True:
                try:
                    return child.wait(timeout=1)
                except subprocess.TimeoutExpired:
                    self.tick()
        except BaseException:
            child.terminate()
            child.wait()
            raise

    def done(self, word: str = "done") -> None:
        """End the line."""
        self._say(f"{word} in {self.seconds:.0f} s", end="\n")

    def _say(self, text: str, end: str = "") -> None:
        line = f"cluster: {self.what}: {text}"
        self._out.write(f"\r\033[K{line}{end}" if self._live else f"{line}\n")
        self._out.flush()
