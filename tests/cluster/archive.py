"""A container image as one tar file, in OCI layout, written without a builder and without a registry."""

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Image:
    """What an image is: layers (tar files, the lowest first) and what runs in it.

    `name` has host and tag: the kubelet looks a short name up under another one.
    """

    name: str
    layers: Sequence[Path]
    command: Sequence[str]
    environ: Mapping[str, str] = field(default_factory=dict)
    user: str = ""


def layer(target: Path, files: Mapping[str, Path]) -> Path:
    """Write a layer that puts each file or folder at its path in the image, owned by root."""
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as tar:
        for where, source in sorted(files.items()):
            tar.add(source, arcname=where.strip("/"), filter=_plain)
    return target


def write(image: Image, target: Path) -> None:
    """Write the archive; `ctr images import` takes it."""
    layers = [(path, _digest(path)) for path in image.layers]
    architecture = _ARCHITECTURES[platform.machine()]
    config = _json(
        {
            "architecture": architecture,
            "os": "linux",
            "config": {
                "Env": [_PATH, *(f"{name}={value}" for name, value in image.environ.items())],
                "Cmd": list(image.command),
                "User": image.user,
                "WorkingDir": "/",
            },
            "rootfs": {"type": "layers", "diff_ids": [digest for _, digest in layers]},
        }
    )
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": _descriptor(_CONFIG, config),
            "layers": [{"mediaType": _LAYER, "digest": digest, "size": path.stat().st_size} for path, digest in layers],
        }
    )
    named = {
        **_descriptor(_MANIFEST, manifest),
        "platform": {"architecture": architecture, "os": "linux"},
        "annotations": {
            "io.containerd.image.name": image.name,
            "org.opencontainers.image.ref.name": image.name.rpartition(":")[2],
        },
    }
    half = target.with_suffix(".half")
    with tarfile.open(half, "w", format=tarfile.PAX_FORMAT) as tar:
        _add(tar, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
        _add(tar, "index.json", _json({"schemaVersion": 2, "manifests": [named]}))
        for blob in (config, manifest):
            _add(tar, _blob(_sha256(blob)), blob)
        for path, digest in {digest: (path, digest) for path, digest in layers}.values():
            tar.add(path, arcname=_blob(digest), filter=_plain)
    half.replace(target)


def _plain(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = info.mtime = 0
    info.uname = info.gname = ""
    return info


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def _descriptor(kind: str, data: bytes) -> dict[str, object]:
    return {"mediaType": kind, "digest": _sha256(data), "size": len(data)}


def _blob(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


def _sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
