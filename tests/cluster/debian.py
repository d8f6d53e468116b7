"""Debian packages that real pods need, installed when they are missing."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence

from tests.cluster.errors import NodeRefused
from tests.cluster.progress import Progress

_INSTALL = ("apt-get", "install", "-y", "--no-install-recommends")


def demand(program: str, packages: Sequence[str]) -> None:
    """See to it that the program is there; raise `NodeRefused` with the reason if it cannot be."""
    if shutil.which(program):
        return
    by_hand = " ".join([*_INSTALL, *packages])
    if os.geteuid() != 0:
        raise NodeRefused(f"there is no {program}, and only root may install it: {by_hand}")
    if not shutil.which("apt-get"):
        raise NodeRefused(f"there is no {program}, and no apt-get to install {' '.join(packages)} with")
    progress = Progress(f"installing {' '.join(packages)}")
    said = ""
    # The second time with fresh lists: a machine's may be old, or not there at all.
    for argvs in ([_INSTALL + tuple(packages)], [("apt-get", "update"), _INSTALL + tuple(packages)]):
        said = "".join(_run(argv, progress) for argv in argvs)
        if shutil.which(program):
            progress.done()
            return
    progress.done("failed")
    raise NodeRefused(f"there is no {program}, and `{by_hand}` failed: {said[-600:].strip()}")


def _run(argv: Sequence[str], progress: Progress) -> str:
    with tempfile.TemporaryFile() as said:
        environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
        progress.wait(subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=environ))
        said.seek(0)
        return said.read().decode(errors="replace")
