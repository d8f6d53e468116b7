"""A folder that the kubelet swaps as a whole, read so that files of two versions never mix.

1. The kubelet writes a new folder and then renames the link `..data`: who reads through the link's target sees one
   version. A plain folder without that link works too, each file for itself.
2. Looking costs one stat for each file. Reading is for when a stamp has changed.
3. Only regular files of a sane size are read; a pipe or a device would hold up the program.
"""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from rekey_client.errors import Unreadable

_LINK = "..data"
_ATTEMPTS = 5
LIMIT = 4 << 20
"""A Secret has at most 1 MiB."""

Stamp = tuple[tuple[int, int, int, int] | None, ...]


class Folder:
    """Some files of one mounted Secret."""

    def __init__(self, path: str | os.PathLike[str], *names: str) -> None:
        self.path = os.fspath(path)
        self._names = names
        self._files = [os.path.join(self.path, name) for name in names]  # noqa: PTH118  # text is what stat takes fast

    def stamp(self) -> Stamp:
        """Return what changes when one of the files does."""
        return tuple(_stamp(file) for file in self._files)

    def read(self) -> Mapping[str, bytes]:
        """Return the files that there are, all of one version.

        Raises:
            Unreadable: not one is there, one cannot be read, or the folder changed all the time.
        """
        for _ in range(_ATTEMPTS):
            real = self._real()
            try:
                found = {name: _read(real / name) for name in self._names if (real / name).exists()}
            except FileNotFoundError:
                continue  # the kubelet removed the version under our hands: there is a newer one
            except (OSError, ValueError) as error:
                raise Unreadable(f"{self.path}: {_say(error)}") from None
            if self._real() != real:
                continue
            if not found:
                raise Unreadable(f"{self.path}: no {' or '.join(self._names)} there; is the Secret mounted here?")
            return found
        raise Unreadable(f"{self.path}: changed while it was read, {_ATTEMPTS} times")

    def _real(self) -> Path:
        link = os.path.join(self.path, _LINK)  # noqa: PTH118  # as above
        return Path(os.path.realpath(link if os.path.lexists(link) else self.path))


def _stamp(file: str) -> tuple[int, int, int, int] | None:
    try:
        found = os.stat(file)  # noqa: PTH116  # this is asked twice a second
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size


def _read(file: Path) -> bytes:
    handle = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(handle, "rb") as opened:  # noqa: PTH123  # a Path has no open for a handle
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise ValueError(f"{file.name} is no regular file")
        content = opened.read(LIMIT + 1)
    if len(content) > LIMIT:
        raise ValueError(f"{file.name} is larger than {LIMIT >> 20} MiB")
    return content


def _say(error: Exception) -> str:
    return error.strerror or type(error).__name__ if isinstance(error, OSError) else str(error)
