"""A mounted bundle: the value to use now, read again when the folder changes.

1. A look is one stat per file, at most each `every` seconds, by one thread; the others use what there is.
2. What is half written or gone never replaces what was good.
3. With `mode="manual"` the folder is read once and then only by `reload()`.
"""

import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from secrets import randbelow
from threading import Lock
from typing import Final, Literal

from rekey_client.clock import SYSTEM, Clock
from rekey_client.errors import NoCredential, Unreadable
from rekey_client.folder import Folder, Stamp
from rekey_client.secret import Secret

_log = logging.getLogger("rekey_client")
_PAUSES: Final = (0.1, 5.0)
_VERSION: Final = "version"
_VISIBLE: Final = re.compile(r"[\x21-\x7e]+")

Mode = Literal["auto", "manual"]


@dataclass(frozen=True, slots=True)
class Held:
    """The wanted files of one version."""

    version: str
    files: Mapping[str, Secret]


class Bundle:
    """Some files of one bundle. Threads may share it."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *names: str,
        mode: Mode = "auto",
        every: float = 0.5,
        clock: Clock = SYSTEM,
    ) -> None:
        self.clock, self.mode = clock, mode
        self._folder, self._names = Folder(path, *names, _VERSION), names
        self._every = every
        self._lock = Lock()
        self._stamp: Stamp | None = None
        self._held: Held | None = None
        self._problem = ""
        self._next, self._next_forced, self._pause = -inf, -inf, _PAUSES[0]

    def current(self) -> Held:
        """Return the version to use now.

        Raises:
            NoCredential: there was never one to read.
        """
        now = self.clock.steady()
        if now >= self._next and (self.mode == "auto" or self._held is None):
            self._take_turns(now)
        if self._held is None:
            raise NoCredential(f"no credential to send: {self._problem}")
        return self._held

    def _take_turns(self, now: float) -> None:
        """Look, unless another thread is at it; wait for that one only while there is nothing to send."""
        if self._lock.acquire(blocking=self._held is None):
            try:
                if now >= self._next:
                    self._look()
                    self._next = now + self._every
            finally:
                self._lock.release()

    def reload(self) -> None:
        """Read the folder now."""
        with self._lock:
            self._look()

    def other_than(self, version: str) -> Held | None:
        """Return what the folder has now if it is another version; after a refusal that helped nobody, less often.

        Of many threads that were refused together one looks; the others find what it found.
        """
        with self._lock:
            now = self.clock.steady()
            if self._has(version) and self.mode == "auto" and now >= self._next_forced:
                self._look()
                self._pause = min(self._pause * 2, _PAUSES[1]) if self._has(version) else _PAUSES[0]
                self._next_forced = now + self._pause * (1 - randbelow(500) / 1000)
            return None if self._has(version) else self._held

    def _has(self, version: str) -> bool:
        return self._held is None or self._held.version == version

    def _look(self) -> None:
        stamp = self._folder.stamp()
        if stamp == self._stamp:
            return
        try:
            self._held, self._stamp, self._problem = self._read(), stamp, ""
        except Unreadable as error:
            if self._problem != str(error):
                _log.error("cannot read a bundle, going on with the last good version: %s", error)
            self._problem = str(error)

    def _read(self) -> Held:
        files = self._folder.read()
        missing = [name for name in (*self._names, _VERSION) if not files.get(name, b"").strip()]
        if missing:
            raise Unreadable(f"{self._folder.path}: {' and '.join(missing)} missing or empty")
        texts = {name: content.decode("latin-1").strip() for name, content in files.items()}
        for name, text in texts.items():
            if not name.endswith(".pem") and not _VISIBLE.fullmatch(text):
                # a library would refuse to send it too, and quote it in the error
                raise Unreadable(f"{self._folder.path}: {name} has signs that no header can carry")
        if not texts[_VERSION].isdigit():
            raise Unreadable(f"{self._folder.path}: version is no number")
        return Held(texts[_VERSION], {name: Secret(texts[name]) for name in self._names})
