"""The images that real pods run, built once and cached: the pause container, and a Python that reads.

No registry is asked: Debian packages make the base, a C file the pause container.
"""

import fcntl
import hashlib
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.cluster import archive, debian
from tests.cluster.archive import Image
from tests.cluster.errors import NodeRefused
from tests.cluster.progress import Progress
from tests.cluster.versions import cache

PAUSE = "rekey.local/pause:1"
READER = "rekey.local/reader:1"

_HERE = Path(__file__).parent / "image"
_PACKAGES = (
    *("base-files", "coreutils", "dash", "findutils", "grep", "libc-bin", "media-types", "netbase", "procps"),
    *("libpython3-stdlib", "python3", "python3-minimal", "sed", "tzdata"),
)
_LEFT_OUT = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*")
# What the packages' scripts would have written: unpacking without configuring takes a third of the time.
_ETC = {
    "etc/passwd": "root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/nonexistent:/usr/sbin/nologin\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "etc/nsswitch.conf": "hosts: files dns\n",
}


def ensure() -> list[Path]:
    """Return the archives of all images, after building those that the cache lacks."""
    folder = cache() / "images"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return [_pause(folder), _reader(folder)]


def build(name: str, files: Mapping[str, Path], command: Sequence[str], target: Path) -> Path:
    """Write an image: these files on top of Debian and Python; `node.load` gives it to the node."""
    folder = cache() / "images"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        base = _debian(folder)
    _assemble(name, base, files, command, target)
    return target


def _assemble(name: str, base: Path, files: Mapping[str, Path], command: Sequence[str], target: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        for path, text in _ETC.items():
            Path(scratch, path).parent.mkdir(exist_ok=True)
            Path(scratch, path).write_text(text)
        etc = archive.layer(Path(scratch, "etc.tar"), {"etc": Path(scratch, "etc")})
        top = archive.layer(Path(scratch, "top.tar"), files)
        archive.write(Image(name, [base, etc, top], command, {"PYTHONUNBUFFERED": "1"}), target)


def _pause(folder: Path) -> Path:
    source = _HERE / "pause.c"
    target = folder / f"pause-{_key(source.read_bytes())}.tar"
    if not target.exists():
        debian.demand("cc", ["gcc", "libc6-dev"])
        with tempfile.TemporaryDirectory() as scratch:
            program = Path(scratch, "pause")
            _run(
                ["cc", "-O2", "-static", "-s", "-o", str(program), str(source)],
                "compiling the pause container",
            )
            files = archive.layer(Path(scratch, "layer.tar"), {"pause": program})
            archive.write(Image(PAUSE, [files], ["/pause"]), target)
    return target


def _reader(folder: Path) -> Path:
    source = _HERE / "reader.py"
    key = _key(source.read_bytes(), repr((_suite(), _PACKAGES, _ETC)).encode())
    target = folder / f"reader-{key}.tar"
    if not target.exists():
        base = _debian(folder)
        _assemble(READER, base, {"app/reader.py": source}, ["python3", "/app/reader.py"], target)
    return target


def _debian(folder: Path) -> Path:
    suite = _suite()
    target = folder / f"debian-{suite}-{_key(repr(_PACKAGES).encode())}.tar"
    if target.exists():
        return target
    debian.demand("mmdebstrap", ["mmdebstrap"])
    mirrors = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)"], capture_output=True, text=True, check=False
    ).stdout.split()
    half = target.with_name(f".half-{target.name}")
    argv = ["mmdebstrap", "--quiet", "--variant=extract", f"--include={','.join(_PACKAGES)}"]
    argv += [f"--dpkgopt=path-exclude={path}" for path in _LEFT_OUT]
    _run([*argv, suite, str(half), *mirrors[:1]], "unpacking Debian and Python for the pods' image")
    half.replace(target)
    return target


def _suite() -> str:
    try:
        lines = Path("/etc/os-release").read_text().splitlines()
    except OSError:
        lines = []
    values = dict(line.split("=", 1) for line in lines if "=" in line)
    if values.get("ID") != "debian":
        raise NodeRefused("the pods' image is made of Debian packages, and this machine is no Debian")
    return values["VERSION_CODENAME"].strip('"')


def _key(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]


def _run(argv: list[str], what: str) -> None:
    progress = Progress(what)
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen(argv, stdout=said, stderr=said, env={**os.environ, "LC_ALL": "C"})
        code = progress.wait(child)
        if code:
            said.seek(0)
            raise NodeRefused(f"{what} failed: {argv[0]}: {said.read().decode(errors='replace')[-1000:].strip()}")
    progress.done()
