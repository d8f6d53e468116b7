"""Write the files that are made from the code: the CRDs and the reference of the API.

The same table serves the test that compares these files with what would be written.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from rekey.app import crd_docs, state_docs
from rekey.app.crd_credential import CREDENTIAL
from rekey.app.crd_provider import CLUSTER_PROVIDER, PROVIDER
from rekey.app.crd_request import REQUEST

_KINDS: Final = (CREDENTIAL, REQUEST, PROVIDER, CLUSTER_PROVIDER)
FILES: Final[Mapping[str, Callable[[], str]]] = {
    # A chart can hold files of its own only: the definitions are there a second time.
    **{f"{place}/{kind.file}": kind.render for place in ("crds", "helm/rekey/files/crds") for kind in _KINDS},
    "docs/reference.md": crd_docs.render,
    "docs/reference-requests.md": crd_docs.render_requests,
    "docs/reference-providers.md": crd_docs.render_providers,
    "docs/states.md": state_docs.states,
    "docs/events.md": state_docs.events,
    "docs/settings.md": state_docs.settings,
}


def write(root: Path) -> tuple[str, ...]:
    """Write every file below *root* and return the paths of those that changed."""
    changed = []
    for path, text in ((root / name, made()) for name, made in FILES.items()):
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            changed.append(str(path.relative_to(root)))
    return tuple(changed)
