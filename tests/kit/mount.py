"""A folder that is written the kubelet's way: a new folder, then one rename of the link `..data`."""

import shutil
from collections.abc import Mapping
from itertools import count
from pathlib import Path

_NUMBERS = count(1)


class Mount:
    """A mounted Secret."""

    def __init__(self, path: Path, files: Mapping[str, bytes]) -> None:
        self.path = path
        path.mkdir()
        self.write(files)

    def write(self, files: Mapping[str, bytes]) -> None:
        """Replace all files at once, as kubelet's atomic writer does."""
        fresh = self.path / f"..2026_11_21_{next(_NUMBERS)}"
        fresh.mkdir()
        for name, content in files.items():
            (fresh / name).write_bytes(content)
        old = self.path / (self.path / "..data").readlink() if (self.path / "..data").is_symlink() else None
        (self.path / "..data_tmp").symlink_to(fresh.name)
        (self.path / "..data_tmp").rename(self.path / "..data")
        for name in files:
            if not (self.path / name).is_symlink():
                (self.path / name).symlink_to(Path("..data") / name)
        for entry in self.path.iterdir():
            if entry.is_symlink() and not entry.name.startswith("..") and entry.name not in files:
                entry.unlink()
        if old is not None:
            shutil.rmtree(old)
