"""A folder that follows a Secret as a kubelet has it: the whole content at once, and late."""

import threading
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.manifests import Manifest
from tests.e2e.reader import folder
from tests.e2e.stage import Stage
from tests.kit.mount import Mount


@contextmanager
def projected(stage: Stage, secret: str, path: Path, late: float) -> Iterator[Path]:
    """Give the folder of a Secret that is there; each change comes that many seconds after it was written."""
    first = stage.get("secrets", secret)
    assert first is not None, f"Secret {secret} is not there"
    mount, ended = Mount(path, _files(first)), threading.Event()
    watch = stage.reader.watch(folder("secrets", stage.namespace), first["metadata"]["resourceVersion"])

    def follow() -> None:
        for change, found in watch:
            if found["metadata"]["name"] == secret and change == "MODIFIED":
                ended.wait(late)
                mount.write(_files(found))

    thread = threading.Thread(target=follow, name=f"projection of {secret}")
    thread.start()
    try:
        yield mount.path
    finally:
        ended.set()
        watch.close()
        thread.join()


def _files(secret: Manifest) -> dict[str, bytes]:
    return {key: b64decode(text) for key, text in secret["data"].items()}
