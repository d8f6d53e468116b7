"""Our CRDs are put into a cluster, and every kind of them is waited for until it can be used."""

import fcntl
from functools import partial
from pathlib import Path

from tests.cluster.handle import Cluster, KubectlFailed
from tests.cluster.waiting import until

CRDS = Path(__file__).parents[1] / "crds"
KINDS = {
    "rotatedcredentials": "rcred",
    "rotationrequests": "rreq",
    "credentialproviders": "cprov",
    "clustercredentialproviders": "ccprov",
}


def ensure(cluster: Cluster) -> None:
    """Have them in a cluster of this run: whoever comes first applies them, which takes the server a second."""
    with (cluster.directory / "crds.installed").open("a") as note:
        fcntl.flock(note, fcntl.LOCK_EX)
        if not note.tell():
            install(cluster)
            note.write(f"{CRDS}\n")


def install(cluster: Cluster) -> None:
    """Apply `crds/` and return when each kind is served."""
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(CRDS))
    for kind in KINDS:
        until(partial(_is_served, cluster, kind), f"the CRD of {kind}", seconds=60)


def _is_served(cluster: Cluster, kind: str) -> bool:
    """Tell whether it can be listed and watched: a kind is neither for a moment after it was `Established`.

    kubectl learns its short name with that; `explain` would go by what it knew of the server before, for ten minutes.
    """
    path = f"/apis/rekey.dev/v1alpha1/{kind}"
    try:
        cluster.kubectl("get", "--raw", path)
        cluster.kubectl("get", "--raw", f"{path}?watch=true&timeoutSeconds=1")
        cluster.kubectl("get", KINDS[kind], "--all-namespaces")
    except KubectlFailed:
        return False
    return True
