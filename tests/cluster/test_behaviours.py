"""What the annotations of a pod do to it, each tried with kubectl."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from tests.cluster.handle import Cluster
from tests.cluster.waiting import until

pytestmark = pytest.mark.kube

BEHAVIOUR = "test.rekey.dev/behaviour"
DELAY = "test.rekey.dev/delay"
BAD_VERSION = "test.rekey.dev/failing-on-version"


class Pods:
    """Pods of one namespace, with what the tests ask of them."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster = cluster
        self._namespace = namespace

    def kubectl(self, *args: str, stdin: str | None = None) -> str:
        return self._cluster.kubectl("-n", self._namespace, *args, stdin=stdin)

    def make(self, name: str, annotations: dict[str, str], **spec: object) -> None:
        self.apply("v1", "Pod", name, pod_spec(**spec), annotations)

    def apply(
        self, api: str, kind: str, name: str, spec: dict[str, Any], annotations: dict[str, str] | None = None
    ) -> None:
        meta = {"name": name, "annotations": annotations or {}}
        self.kubectl(
            "apply",
            "-f",
            "-",
            stdin=yaml.safe_dump({"apiVersion": api, "kind": kind, "metadata": meta, "spec": spec}),
        )

    def annotate(self, name: str, value: str) -> None:
        self.kubectl("annotate", "--overwrite", "pod", name, value)

    def get(self, name: str) -> dict[str, Any]:
        return dict(json.loads(self.kubectl("get", "pod", name, "-o", "json")))

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Return the pods that an object of this kind owns."""
        pods = json.loads(self.kubectl("get", "pods", "-o", "json"))["items"]
        return [pod for pod in pods if pod["metadata"]["ownerReferences"][0]["kind"] == kind]

    def until(self, name: str, what: str, look: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        def seen() -> dict[str, Any] | None:
            pod = self.get(name)
            return pod if look(pod) else None

        found = until(seen, f"pod {name}: {what}", seconds=30)
        assert found is not None
        return found


@pytest.fixture
def pods(cluster: Cluster, namespace: str) -> Pods:
    """Give the pods of a fresh namespace, on a cluster where kwok plays them."""
    if not cluster.kwok:
        pytest.skip("the pods of this cluster are not played by kwok")
    return Pods(cluster, namespace)


def pod_spec(**more: object) -> dict[str, Any]:
    """Return the spec of a pod with one container."""
    return {"containers": [{"name": "main", "image": "nothing"}], **more}


def container(pod: dict[str, Any]) -> dict[str, Any]:
    """Return the status of the first container, empty before there is one."""
    statuses = pod["status"].get("containerStatuses", [{}])
    return dict(statuses[0])


def ready(pod: dict[str, Any]) -> bool:
    """Tell whether the pod says that it is ready."""
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))


def crashing(pod: dict[str, Any]) -> bool:
    """Tell whether the first container crashes over and over."""
    return bool(container(pod).get("state", {}).get("waiting", {}).get("reason") == "CrashLoopBackOff")


def running(pod: dict[str, Any]) -> bool:
    """Tell whether the first container runs."""
    return "running" in container(pod).get("state", {})


def test_a_plain_pod_runs(pods: Pods) -> None:
    """A pod without annotations is ready, its containers run since a moment, its init containers ended."""
    init = [
        {"name": "once", "image": "nothing"},
        {"name": "always", "image": "nothing", "restartPolicy": "Always"},
    ]
    pods.make("plain", {}, initContainers=init)
    pod = pods.until("plain", "ready", ready)
    assert pod["status"]["phase"] == "Running"
    assert container(pod)["ready"]
    assert container(pod)["state"]["running"]["startedAt"]
    once, always = pod["status"]["initContainerStatuses"]
    assert once["state"]["terminated"]["exitCode"] == 0
    assert always["state"]["running"]["startedAt"]


def test_a_slow_pod_runs_and_is_ready_later(pods: Pods) -> None:
    """A slow pod's containers run (they have read their Secrets) before it is ready."""
    pods.make("slow", {BEHAVIOUR: "slow", DELAY: "3s"})
    assert not ready(pods.until("slow", "running", running))
    started = container(pods.get("slow"))["state"]["running"]["startedAt"]
    pod = pods.until("slow", "ready", ready)
    assert container(pod)["ready"]
    assert container(pod)["state"]["running"]["startedAt"] == started


def test_a_slow_pod_is_ready_at_once_when_told(pods: Pods) -> None:
    """Without its annotation a slow pod does not wait for the rest of its delay."""
    pods.make("slow", {BEHAVIOUR: "slow", DELAY: "1h"})
    assert not ready(pods.until("slow", "running", running))
    pods.annotate("slow", f"{BEHAVIOUR}-")
    pods.until("slow", "ready", ready)


def test_a_pending_pod_has_read_nothing(pods: Pods) -> None:
    """A pending pod waits for its containers to be made, and runs when it is told to."""
    pods.make("late", {BEHAVIOUR: "pending"})
    reason = pods.until("late", "a status", container)
    assert container(reason)["state"]["waiting"]["reason"] == "ContainerCreating"
    assert not running(pods.get("late"))
    pods.annotate("late", f"{BEHAVIOUR}-")
    pods.until("late", "ready", ready)


def test_a_failing_pod_crashes_and_recovers(pods: Pods) -> None:
    """A failing pod crashes instead of running; when it may, it runs and remembers the crash."""
    pods.make("bad", {BEHAVIOUR: "failing"})
    pod = pods.until("bad", "crashing", crashing)
    assert not ready(pod)
    assert container(pod)["lastState"]["terminated"]["exitCode"] == 1
    pods.annotate("bad", f"{BEHAVIOUR}-")
    pod = pods.until("bad", "ready", ready)
    assert running(pod)
    assert container(pod)["restartCount"] == 1


def test_a_running_pod_can_be_made_to_crash(pods: Pods) -> None:
    """The annotation acts on a pod that already runs."""
    pods.make("fine", {})
    pods.until("fine", "ready", ready)
    pods.annotate("fine", f"{BEHAVIOUR}=failing")
    assert not ready(pods.until("fine", "crashing", crashing))


@pytest.mark.parametrize(
    ("bad", "held", "fails"),
    [
        pytest.param("2", {"orders": "2"}, True, id="any credential's version 2 is bad, it holds one"),
        pytest.param("2", {"orders": "1", "mail": "2"}, True, id="any credential's version 2, the second"),
        pytest.param("2", {"orders": "1"}, False, id="any credential's version 2, it holds 1"),
        pytest.param("2", {"orders": "22"}, False, id="any credential's version 2, it holds 22"),
        pytest.param("2", {}, False, id="any credential's version 2, it holds none"),
        pytest.param("orders=2", {"orders": "2"}, True, id="this credential's version 2"),
        pytest.param("orders=2", {"mail": "2"}, False, id="another credential's version 2"),
    ],
)
def test_a_pod_fails_on_the_version_that_it_names(pods: Pods, bad: str, held: dict[str, str], *, fails: bool) -> None:
    """Only a pod whose template annotation says the bad version crashes."""
    versions = {f"version.rekey.dev/{name}": number for name, number in held.items()}
    pods.make("picky", {BAD_VERSION: bad, **versions})
    pods.until("picky", "crashing" if fails else "ready", crashing if fails else ready)
    assert crashing(pods.get("picky")) is fails


def test_a_stuck_pod_stays_until_it_is_let_go(pods: Pods) -> None:
    """A deleted pod that is stuck runs on, marked as terminating, until its annotation is gone."""
    pods.make("stuck", {BEHAVIOUR: "stuck"})
    pods.make("other", {})
    pods.until("stuck", "ready", ready)
    pods.kubectl("delete", "pod", "stuck", "--wait=false")
    pods.kubectl("delete", "pod", "other", "--timeout=30s")
    pod = pods.get("stuck")
    assert pod["metadata"]["deletionTimestamp"]
    assert running(pod)
    pods.annotate("stuck", f"{BEHAVIOUR}-")
    pods.kubectl("wait", "--for=delete", "pod/stuck", "--timeout=30s")


def test_behaviours_can_be_joined(pods: Pods) -> None:
    """A pod can be slow first and stuck in the end."""
    pods.make("both", {BEHAVIOUR: "slow,stuck", DELAY: "1s"})
    assert not ready(pods.until("both", "running", running))
    pods.until("both", "ready", ready)
    pods.kubectl("delete", "pod", "both", "--wait=false")
    assert running(pods.until("both", "terminating", lambda pod: "deletionTimestamp" in pod["metadata"]))


@pytest.mark.parametrize(
    ("annotations", "ends_alone"),
    [
        pytest.param({}, True, id="a Job's pod ends by itself"),
        pytest.param({BEHAVIOUR: "running"}, False, id="a Job's pod that is told to run ends when it is told to"),
    ],
)
def test_a_job_completes(pods: Pods, annotations: dict[str, str], *, ends_alone: bool) -> None:
    """The Job controller sees the end of the pod as a success."""
    template = {"metadata": {"annotations": annotations}, "spec": pod_spec(restartPolicy="Never")}
    pods.apply("batch/v1", "Job", "work", {"template": template})
    if not ends_alone:
        found = until(lambda: pods.of("Job"), "the Job's pod", seconds=30)
        name = found[0]["metadata"]["name"]
        pods.until(name, "ready", ready)
        # A Job that ends by itself ends meanwhile: this one had the time, too.
        other = {"metadata": {}, "spec": pod_spec(restartPolicy="Never")}
        pods.apply("batch/v1", "Job", "other", {"template": other})
        pods.kubectl("wait", "--for=condition=Complete", "job/other", "--timeout=30s")
        assert running(pods.get(name))
        pods.annotate(name, f"{BEHAVIOUR}=complete")
    pods.kubectl("wait", "--for=condition=Complete", "job/work", "--timeout=30s")


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        pytest.param("Deployment", {"replicas": 3}, id="a Deployment rolls"),
        pytest.param("StatefulSet", {"replicas": 3, "serviceName": "x"}, id="a StatefulSet rolls"),
        pytest.param("DaemonSet", {}, id="a DaemonSet rolls"),
    ],
)
def test_a_workload_rolls(pods: Pods, kind: str, more: dict[str, Any]) -> None:
    """A change of the template replaces every pod, and the rollout ends."""
    template = {"metadata": {"labels": {"app": "web"}}, "spec": pod_spec()}
    pods.apply("apps/v1", kind, "web", {"selector": {"matchLabels": {"app": "web"}}, "template": template, **more})
    pods.kubectl("rollout", "status", kind, "web", "--timeout=30s")
    before = {pod["metadata"]["uid"] for pod in json.loads(pods.kubectl("get", "pods", "-o", "json"))["items"]}
    pods.kubectl("rollout", "restart", kind, "web")
    pods.kubectl("rollout", "status", kind, "web", "--timeout=30s")
    items = json.loads(pods.kubectl("get", "pods", "-o", "json"))["items"]
    after = {pod["metadata"]["uid"] for pod in items if "deletionTimestamp" not in pod["metadata"]}
    assert len(before) == len(after) > 1
    assert not before & after
