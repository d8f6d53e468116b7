"""When a workload's rollout counts as over, and who is not restarted by Rekey."""

from typing import Any

import pytest

from rekey.kube.workload_view import view

DONE = {"observedGeneration": 2, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3}
ON_NODES = {
    "observedGeneration": 2,
    "desiredNumberScheduled": 3,
    "currentNumberScheduled": 3,
    "updatedNumberScheduled": 3,
    "numberAvailable": 3,
}
EVEN = {"currentRevision": "a", "updateRevision": "a"}
ODD = {"currentRevision": "a", "updateRevision": "b"}
ON_DELETE = {"updateStrategy": {"type": "OnDelete"}}
PARTITION = {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}}


def workload(spec: dict[str, Any], status: dict[str, Any]) -> dict[str, Any]:
    """Return a workload as the API server gives it."""
    annotations = {"version.rekey.dev/db": "7", "version.rekey.dev/mail": "1"}
    template = {"metadata": {"annotations": annotations}}
    return {
        "metadata": {"name": "web", "uid": "u", "resourceVersion": "9", "generation": 2},
        "spec": {"replicas": 3, "template": template, "selector": {"matchLabels": {"app": "web"}}, **spec},
        "status": status,
    }


Part = dict[str, Any]
PROGRESS: dict[str, tuple[str, Part, Part, bool, str]] = {
    "all pods are new and available": ("Deployment", {}, DONE, True, "3 of 3 pods updated"),
    "no pods are wanted": (
        "Deployment",
        {"replicas": 0},
        {"observedGeneration": 2},
        True,
        "0 of 0 pods updated",
    ),
    "the controller has not looked yet": (
        *("Deployment", {}, {**DONE, "observedGeneration": 1}, False),
        "its controller has not seen the change yet",
    ),
    "it is new and has no status": (
        *("Deployment", {}, {}, False),
        "its controller has not seen the change yet",
    ),
    "a pod is still old": (
        *("Deployment", {}, {**DONE, "updatedReplicas": 2}, False),
        "2 of 3 pods updated, 1 old",
    ),
    "an old pod is on its way out": (
        *("Deployment", {}, {**DONE, "replicas": 4}, False),
        "3 of 3 pods updated, 1 old, 1 not ready",
    ),
    "a new pod is not ready": (
        *("Deployment", {}, {**DONE, "availableReplicas": 2}, False),
        "3 of 3 pods updated, 1 not ready",
    ),
    "a pod is missing": (
        *("Deployment", {}, {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2}, False),
        "2 of 3 pods updated, 2 not ready",
    ),
    "a StatefulSet is even": ("StatefulSet", {}, {**DONE, **EVEN}, True, "3 of 3 pods updated"),
    "a StatefulSet has yet to take its revision over": (
        *("StatefulSet", {}, {**DONE, **ODD}, False),
        "3 of 3 pods updated",
    ),
    "a StatefulSet on OnDelete never does": (
        "StatefulSet",
        ON_DELETE,
        {**DONE, **ODD},
        True,
        "3 of 3 pods updated",
    ),
    "a StatefulSet stops at its partition": (
        *("StatefulSet", PARTITION, {**DONE, **ODD, "updatedReplicas": 1}, False),
        "1 of 3 pods updated, 2 old",
    ),
    "a DaemonSet is everywhere": ("DaemonSet", {}, ON_NODES, True, "3 of 3 pods updated"),
    "a DaemonSet is old on a node": (
        *("DaemonSet", {}, {**ON_NODES, "updatedNumberScheduled": 2}, False),
        "2 of 3 pods updated, 1 old",
    ),
    "a DaemonSet is not ready on a node": (
        *("DaemonSet", {}, {**ON_NODES, "numberAvailable": 2}, False),
        "3 of 3 pods updated, 1 not ready",
    ),
    "a DaemonSet wants another node": (
        *("DaemonSet", {}, {**ON_NODES, "desiredNumberScheduled": 4}, False),
        "3 of 4 pods updated",
    ),
    "a Job has no rollouts": ("Job", {}, {}, True, ""),
}


@pytest.mark.parametrize(("kind", "spec", "status", "over", "words"), PROGRESS.values(), ids=PROGRESS)
def test_progress(kind: str, spec: Part, status: Part, over: bool, words: str) -> None:  # noqa: FBT001
    """A rollout is over when every pod is new and available and no old one is left."""
    seen = view(kind, workload(spec, status), "db")
    assert (seen.complete, seen.progress) == (over, words)


MANUAL: dict[str, tuple[str, Part, str | None]] = {
    "a Deployment": ("Deployment", {}, None),
    "a paused Deployment": ("Deployment", {"paused": True}, "paused"),
    "a StatefulSet": ("StatefulSet", {"updateStrategy": {"rollingUpdate": {"partition": 0}}}, None),
    "a StatefulSet on OnDelete": ("StatefulSet", ON_DELETE, "OnDelete"),
    "a StatefulSet with a partition": ("StatefulSet", PARTITION, "partition 2"),
    "a DaemonSet": ("DaemonSet", {"updateStrategy": {"type": "RollingUpdate"}}, None),
    "a DaemonSet on OnDelete": ("DaemonSet", ON_DELETE, "OnDelete"),
}


@pytest.mark.parametrize(("kind", "spec", "manual"), MANUAL.values(), ids=MANUAL)
def test_manual(kind: str, spec: Part, manual: str | None) -> None:
    """Whoever a person has to restart is shown with the reason, and can be restarted in principle."""
    seen = view(kind, workload(spec, DONE), "db")
    assert (seen.manual, seen.restartable) == (manual, True)


def test_version() -> None:
    """The version of this credential is read from the pod template, and that of no other."""
    assert view("Deployment", workload({}, DONE), "db").annotation == "7"
    assert view("Deployment", workload({}, DONE), "dbx").annotation is None
    bare = workload({"template": {}}, DONE)
    assert view("Deployment", bare, "db").annotation is None


def test_selector() -> None:
    """The pods of a workload are found by its whole selector."""
    expressions = [{"key": "a", "operator": "In", "values": ["b", "c"]}, {"key": "d", "operator": "Exists"}]
    selector = {"matchLabels": {"app": "web"}, "matchExpressions": expressions}
    seen = view("DaemonSet", workload({"selector": selector}, ON_NODES), "db")
    assert seen.match_labels == {"app": "web"}
    assert seen.match_expressions == (("a", "In", ("b", "c")), ("d", "Exists", ()))


def test_cron_job() -> None:
    """A CronJob's template is one level deeper, it has no selector, and it is never restarted."""
    cron = workload({}, {})
    spec = cron["spec"]
    cron["spec"] = {"jobTemplate": {"spec": {"template": spec["template"]}}}
    seen = view("CronJob", cron, "db")
    assert (seen.annotation, seen.match_labels, seen.restartable, seen.complete) == ("7", {}, False, True)
