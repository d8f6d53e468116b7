"""What a pod is taken to read, and since when."""

from datetime import UTC, datetime
from typing import Any

import pytest

from rekey.core.facts import How
from rekey.kube.pod_view import view

S, P, V = How.SNAPSHOT, How.SUBPATH, How.VOLUME
MAIN = {"name": "main"}


def pod(spec: dict[str, Any], status: dict[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
    """Return a pod as the API server gives it."""
    return {
        "metadata": {"name": "web-1", **metadata},
        "spec": {"containers": [MAIN], **spec},
        "status": status or {},
    }


def mounted(source: dict[str, Any], *mounts: dict[str, Any], where: str = "containers") -> dict[str, Any]:
    """Return the spec of a pod with a volume and what mounts it."""
    here = [{"name": "v", "mountPath": "/v", **mount} for mount in mounts]
    return {"volumes": [{"name": "v", **source}], where: [{"name": "main", "volumeMounts": here}]}


def env(name: str) -> dict[str, Any]:
    """Return a container with one variable from the Secret."""
    reference = {"secretKeyRef": {"name": name, "key": "password"}}
    return {"name": "main", "env": [{"name": "PLAIN", "value": "x"}, {"name": "X", "valueFrom": reference}]}


SECRET = {"secret": {"secretName": "db"}}
PROJECTED = {"projected": {"sources": [{"configMap": {"name": "c"}}, {"secret": {"name": "db"}}]}}
ENV_FROM = {"name": "main", "envFrom": [{"configMapRef": {"name": "c"}}, {"secretRef": {"name": "db"}}]}

REFERENCES: dict[str, tuple[dict[str, Any], set[tuple[str, How]]]] = {
    "nothing": ({}, set()),
    "a variable": ({"containers": [env("db")]}, {("db", S)}),
    "all variables of a Secret": ({"containers": [ENV_FROM]}, {("db", S)}),
    "a variable of an init container": ({"initContainers": [env("db")]}, {("db", S)}),
    "a variable of an ephemeral container": ({"ephemeralContainers": [env("db")]}, {("db", S)}),
    "a volume": (mounted(SECRET, {}), {("db", V)}),
    "a volume in a projected one": (mounted(PROJECTED, {}), {("db", V)}),
    "a file of a volume": (mounted(SECRET, {"subPath": "password"}), {("db", P)}),
    "a file whose name is computed": (mounted(SECRET, {"subPathExpr": "$(NAME)"}), {("db", P)}),
    "a file of a projected volume": (mounted(PROJECTED, {"subPath": "password"}), {("db", P)}),
    "an empty subPath is the whole volume": (mounted(SECRET, {"subPath": ""}), {("db", V)}),
    "a volume and a file of it": (mounted(SECRET, {}, {"subPath": "password"}), {("db", V), ("db", P)}),
    "a file in an init container": (mounted(SECRET, {"subPath": "p"}, where="initContainers"), {("db", P)}),
    "a volume in an ephemeral container": (mounted(SECRET, {}, where="ephemeralContainers"), {("db", V)}),
    "a volume that nobody mounts": (mounted(SECRET), {("db", V)}),
    "the registry's login": ({"imagePullSecrets": [{"name": "db"}]}, {("db", S)}),
    "a registry's login without a name": ({"imagePullSecrets": [{}]}, set()),
    "a CSI driver's login": (
        mounted({"csi": {"driver": "d", "nodePublishSecretRef": {"name": "db"}}}, {}),
        {("db", S)},
    ),
    "an Azure share's login": (mounted({"azureFile": {"secretName": "db"}}, {}), {("db", S)}),
    **{
        f"the login of {driver}": (mounted({driver: {"secretRef": {"name": "db"}}}, {}), {("db", S)})
        for driver in ("cephfs", "flexVolume", "iscsi", "rbd", "scaleIO", "storageos")
    },
    "two Secrets": ({**mounted(SECRET, {}), "containers": [env("mail")]}, {("db", V), ("mail", S)}),
}


@pytest.mark.parametrize(("spec", "expected"), REFERENCES.values(), ids=REFERENCES)
def test_references(spec: dict[str, Any], expected: set[tuple[str, How]]) -> None:
    """Every way to read a Secret is seen, and whether it is read once or again and again."""
    assert {(one.secret, one.how) for one in view(pod(spec)).references} == expected


def at(second: int) -> datetime:
    """Return an instant."""
    return datetime(2026, 5, 4, 12, 0, second, tzinfo=UTC)


def running(second: int, name: str = "main") -> dict[str, Any]:
    """Return the status of a container that runs since then."""
    return {"name": name, "state": {"running": {"startedAt": at(second).isoformat()}}}


def ended(second: int, code: int, name: str = "main") -> dict[str, Any]:
    """Return the status of a container that began then and has ended."""
    return {"name": name, "state": {"terminated": {"startedAt": at(second).isoformat(), "exitCode": code}}}


def waiting(name: str = "main") -> dict[str, Any]:
    """Return the status of a container that is about to start, for the second time."""
    last = {"terminated": {"startedAt": at(1).isoformat(), "exitCode": 1}}
    return {"name": name, "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": last}


def _state(name: str = "main", **state: str | None) -> dict[str, Any]:
    """Return the status of a container that says how it is, and when it came to be so as given."""
    return {"name": name, "state": {what: {"startedAt": when, "exitCode": 0} for what, when in state.items()}}


INIT = {"initContainers": [{"name": "first"}]}
SIDECAR = {"initContainers": [{"name": "first", "restartPolicy": "Always"}]}
EPHEMERAL = {"ephemeralContainers": [{"name": "debug"}]}
RULES = {"containers": [{"name": "main", "restartPolicy": "Never", "restartPolicyRules": [{}]}]}
OWN_POLICY = {"containers": [{"name": "main", "restartPolicy": "Never"}]}
NEVER, ON_FAILURE = {"restartPolicy": "Never"}, {"restartPolicy": "OnFailure"}

Spec = dict[str, Any]
STARTS: dict[str, tuple[Spec, dict[str, list[Spec]], set[datetime], bool]] = {
    "it has no status yet": ({}, {}, set(), True),
    "it runs": ({}, {"": [running(5)]}, {at(5)}, False),
    "it waits to start": ({}, {"": [{"name": "main", "state": {"waiting": {}}}]}, set(), True),
    "it waits to start again": ({}, {"": [waiting()]}, set(), True),
    "its state is unknown": ({}, {"": [{"name": "main"}]}, set(), True),
    "it ended and will start again": ({}, {"": [ended(5, 0)]}, set(), True),
    "it ended and never starts again": (NEVER, {"": [ended(5, 1)]}, set(), False),
    "it succeeded and would start again only after failing": (ON_FAILURE, {"": [ended(5, 0)]}, set(), False),
    "it failed and starts again": (ON_FAILURE, {"": [ended(5, 1)]}, set(), True),
    "its own policy goes before the pod's": (OWN_POLICY, {"": [ended(5, 1)]}, set(), False),
    "rules may start it again": (RULES, {"": [ended(5, 1)]}, set(), True),
    "its init container runs": (INIT, {"init": [running(3, "first")]}, {at(3)}, True),
    "its init container has done its work": (
        INIT,
        {"init": [ended(3, 0, "first")], "": [running(5)]},
        {at(3), at(5)},
        False,
    ),
    "its init container failed and is tried again": (
        INIT,
        {"init": [ended(3, 1, "first")], "": [running(5)]},
        {at(3), at(5)},
        True,
    ),
    "its init container has no status": (INIT, {"": [running(5)]}, {at(5)}, True),
    "its sidecar runs": (SIDECAR, {"init": [running(3, "first")], "": [running(5)]}, {at(3), at(5)}, False),
    "its sidecar ended and starts again": (
        SIDECAR,
        {"init": [ended(3, 0, "first")], "": [running(5)]},
        {at(3), at(5)},
        True,
    ),
    "somebody debugs it": (
        EPHEMERAL,
        {"ephemeral": [running(9, "debug")], "": [running(5)]},
        {at(5), at(9)},
        False,
    ),
    "somebody is about to debug it": (EPHEMERAL, {"": [running(5)]}, {at(5)}, True),
    "somebody has debugged it": (
        EPHEMERAL,
        {"ephemeral": [ended(9, 1, "debug")], "": [running(5)]},
        {at(5)},
        False,
    ),
}
FIELDS = {
    "": "containerStatuses",
    "init": "initContainerStatuses",
    "ephemeral": "ephemeralContainerStatuses",
}


@pytest.mark.parametrize(("spec", "statuses", "starts", "pending"), STARTS.values(), ids=STARTS)
def test_starts(
    spec: Spec,
    statuses: dict[str, list[Spec]],
    starts: set[datetime],
    pending: bool,  # noqa: FBT001  a parameter
) -> None:
    """Starts are those of what runs or may have handed on what it read; pending is what has yet to read."""
    seen = view(pod(spec, {FIELDS[which]: list(some) for which, some in statuses.items()}))
    assert set(seen.starts) == starts
    assert seen.pending is pending


UNCLEAR: dict[str, tuple[Spec, dict[str, list[Spec]], set[datetime], bool]] = {
    "it does not say since when it runs": ({}, {"": [_state(running=None)]}, {at(0)}, True),
    "it says nothing of how it runs": ({}, {"": [{"name": "main", "state": {"running": {}}}]}, {at(0)}, True),
    "its sidecar says so, and it does not": (
        SIDECAR,
        {"init": [running(3, "first")], "": [_state(running=None)]},
        {at(0), at(3)},
        True,
    ),
    "its init container is done, nobody knows when": (
        INIT,
        {"init": [_state("first", terminated=None)], "": [running(5)]},
        {at(0), at(5)},
        True,
    ),
    "it ended for good, nobody knows when": (NEVER, {"": [_state(terminated=None)]}, set(), False),
}


@pytest.mark.parametrize(("spec", "statuses", "starts", "pending"), UNCLEAR.values(), ids=UNCLEAR)
def test_a_start_that_is_not_known_may_have_been_at_any_time(
    spec: Spec,
    statuses: dict[str, list[Spec]],
    starts: set[datetime],
    pending: bool,  # noqa: FBT001  a parameter
) -> None:
    """Such a container counts as started with its pod, and as about to start."""
    made = pod(spec, {FIELDS[which]: list(some) for which, some in statuses.items()})
    made["metadata"]["creationTimestamp"] = at(0).isoformat()
    seen = view(made)
    assert set(seen.starts) == starts
    assert seen.pending is pending
    assert seen.born == at(0)


def test_rest() -> None:
    """Name, labels, the controller (of all owners) and the wish to end are taken over."""
    owners = [
        {"kind": "Node", "name": "n"},
        {"kind": "ReplicaSet", "name": "web-7f", "controller": True},
    ]
    seen = view(pod({}, None, labels={"app": "web"}, ownerReferences=owners, deletionTimestamp="2026-05-04T12:00:00Z"))
    assert (seen.name, seen.labels, seen.owner) == ("web-1", {"app": "web"}, ("ReplicaSet", "web-7f"))
    assert seen.terminating
    bare = view(pod({}))
    assert (bare.labels, bare.owner, bare.terminating) == ({}, None, False)
