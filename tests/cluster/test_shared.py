"""The cluster that many processes share."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster import controlplane
from tests.cluster.handle import Cluster
from tests.cluster.waiting import until

pytestmark = pytest.mark.kube

_USER = """
import sys
from pathlib import Path
from tests.cluster import shared
with shared.join(Path(sys.argv[1])) as cluster:
    print(cluster.server, flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("number", range(2))
def test_a_fresh_namespace_takes_pods(cluster: Cluster, namespace: str, number: int) -> None:
    """A pod can be made in the namespace at once, and becomes ready."""
    cluster.kubectl("-n", namespace, "run", f"p{number}", "--image=nothing")
    cluster.kubectl("-n", namespace, "wait", "--for=condition=Ready", f"pod/p{number}", "--timeout=20s")


def test_the_last_user_ends_the_cluster(tmp_path: Path) -> None:
    """The first user's violent death leaves it to the second, whose violent death ends it."""
    first, server = _use(tmp_path)
    second, same = _use(tmp_path)
    assert same == server
    _kill(first)
    assert set(controlplane.running(tmp_path)) >= {"etcd", "apiserver"}
    _kill(second)
    until(lambda: not controlplane.running(tmp_path), "the end of the servers", seconds=30)


def _use(directory: Path) -> tuple[subprocess.Popen[str], str]:
    user = subprocess.Popen(
        [sys.executable, "-c", _USER, str(directory)],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert user.stdout
    return user, user.stdout.readline()


def _kill(user: subprocess.Popen[str]) -> None:
    user.kill()
    user.communicate()
