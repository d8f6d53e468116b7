"""One folder with the programs of one cluster, wherever each of them comes from."""

from collections.abc import Mapping
from pathlib import Path


def make(folder: Path, programs: Mapping[str, Path]) -> Path:
    """Fill the folder with links to the programs and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, path in programs.items():
        link = folder / name
        link.unlink(missing_ok=True)
        link.symlink_to(path)
    return folder
