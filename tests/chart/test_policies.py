"""What the API server lets our account do, try by try: as the leader and not, to what is ours and what is not."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.chart.deployed import Deployed, Replica
from tests.chart.helm import SYSTEM, Manifest
from tests.cluster.waiting import until
from tests.e2e.manifests import credential, workload
from tests.e2e.process import PATIENCE

pytestmark = [pytest.mark.kube, pytest.mark.xdist_group("chart")]

NOT_OURS = "not Rekey's"
NO_RIGHT = "cannot"
FENCED = "fenced: "
ADMITTED = ""
THERE = "already exists"
"""What is said of an object that policies let pass."""

LABELS = {"app.kubernetes.io/managed-by": "rekey"}
OWNER = {
    "apiVersion": "rekey.dev/v1alpha1",
    "kind": "RotatedCredential",
    "name": "ours",
    "uid": "u",
    "controller": True,
}
OTHER = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "app", "uid": "u", "controller": True}


@dataclass(frozen=True)
class Try:
    """One request, and what a refusal of it says; nothing where it is admitted."""

    verb: tuple[str, ...]
    says: str
    body: Manifest | None = None

    def arguments(self) -> tuple[str, ...]:
        """Return kubectl's arguments for a try that changes nothing."""
        if self.verb[0] in {"get", "list"}:
            return self.verb
        patch = ("-p", json.dumps(self.body)) if self.verb[0] == "patch" else ()
        return (*self.verb, *patch, "--dry-run=server")


def create(says: str, kind: str = "Opaque", namespace: str = "shop", **metadata: Any) -> Try:
    """Try to make a Secret."""
    notes = {"kubernetes.io/service-account.name": "default"}
    meta = {"name": "tried", "annotations": notes, **metadata}
    body = {"apiVersion": "v1", "kind": "Secret", "type": kind, "metadata": meta}
    return Try(("create", "-n", namespace, "-f", "-"), says, body)


def patch(what: str, says: str, **body: Any) -> Try:
    """Try to merge something into an object."""
    return Try(("patch", *what.split("/"), "--type=merge"), says, body)


def template(**body: Any) -> Manifest:
    """Return a patch of a pod template."""
    return {"template": body}


PART = {**LABELS, "rekey.dev/role": "verifier", "rekey.dev/part": "0"}
RING = {**LABELS, "rekey.dev/role": "keyring"}
VALUE = {"token": "c3RvbGVu"}
NOTE = {"metadata": {"annotations": {"version.rekey.dev/ours": "9"}}}
SECRETS = {
    "to make a Secret that nothing marks": create(NOT_OURS),
    "to make one with the label alone": create(NOT_OURS, labels=LABELS),
    "to make one with the owner alone": create(NOT_OURS, ownerReferences=[OWNER]),
    "to make one for a Deployment": create(NOT_OURS, labels=LABELS, ownerReferences=[OTHER]),
    "to make the token of a ServiceAccount": create(
        NOT_OURS, "kubernetes.io/service-account-token", labels=LABELS, ownerReferences=[OWNER]
    ),
    "to make one of ours": create(ADMITTED, labels=LABELS, ownerReferences=[OWNER]),
    "to make one that many share": create(ADMITTED, labels=PART),
    "to make one that many share for a Deployment": create(NOT_OURS, labels=PART, ownerReferences=[OTHER]),
    "to make the token of a ServiceAccount that many share": create(
        NOT_OURS, "kubernetes.io/service-account-token", labels=PART
    ),
    "to make a part of something else": create(NOT_OURS, labels={**PART, "rekey.dev/role": "bundle"}),
    "to make the key ring": create(THERE, name="rekey-keyring", namespace=SYSTEM, labels=RING),
    "to make a key ring of another name": create(NOT_OURS, name="other-keyring", namespace=SYSTEM, labels=RING),
    "to make a key ring in another namespace": create(NOT_OURS, name="rekey-keyring", labels=RING),
    "to make a key ring for a Deployment": create(
        NOT_OURS, name="rekey-keyring", namespace=SYSTEM, labels=RING, ownerReferences=[OTHER]
    ),
    "to rotate the key ring": Try(
        ("patch", "secret", "rekey-keyring", "-n", SYSTEM, "--type=merge"), ADMITTED, {"data": VALUE}
    ),
    "to delete the key ring": Try(("delete", "secret", "rekey-keyring", "-n", SYSTEM), NOT_OURS),
    "to read a stranger's": Try(("get", "secret", "theirs"), ADMITTED),
    "to list them": Try(("get", "secrets"), NO_RIGHT),
    "to change a stranger's": patch("secret/theirs", NOT_OURS, data=VALUE),
    "to put our label on it": patch("secret/theirs", NOT_OURS, metadata={"labels": LABELS}),
    "to adopt it as it is": patch("secret/theirs", ADMITTED, metadata={"ownerReferences": [OWNER]}),
    "to adopt it and change it": patch("secret/theirs", NOT_OURS, metadata={"ownerReferences": [OWNER]}, data=VALUE),
    "to delete it": Try(("delete", "secret", "theirs"), NOT_OURS),
    "to change a Deployment's that has our label": patch("secret/taken", NOT_OURS, data=VALUE),
    "to adopt a Deployment's": patch("secret/taken", NOT_OURS, metadata={"ownerReferences": [OWNER]}),
    "to delete a Deployment's": Try(("delete", "secret", "taken"), NOT_OURS),
    "to change one of ours": patch("secret/ours", ADMITTED, data=VALUE),
    "to release one of ours": patch("secret/ours", ADMITTED, metadata={"ownerReferences": None}),
    "to give one of ours away": patch("secret/ours", NOT_OURS, metadata={"ownerReferences": [OTHER]}),
    "to change one that we released": patch("secret/released", ADMITTED, data=VALUE),
    "to delete one of ours": Try(("delete", "secret", "ours"), ADMITTED),
    "to change Helm's own of this release": Try(
        ("delete", "secret", "-n", SYSTEM, "sh.helm.release.v1.rekey.v1"), NOT_OURS
    ),
    "to restart a Deployment": patch("deployment/app", ADMITTED, spec=template(**NOTE)),
    "to change its image": patch(
        "deployment/app",
        NOT_OURS,
        spec=template(spec={"containers": [{"name": "main", "image": "another"}]}),
    ),
    "to write another annotation": patch(
        "deployment/app", NOT_OURS, spec=template(metadata={"annotations": {"another": "9"}})
    ),
    "to scale it": patch("deployment/app", NOT_OURS, spec={"replicas": 0}),
    "to scale a StatefulSet": patch("statefulset/set", NOT_OURS, spec={"replicas": 0}),
    "to restart a StatefulSet": patch("statefulset/set", ADMITTED, spec=template(**NOTE)),
    "to restart a DaemonSet": patch("daemonset/daemon", ADMITTED, spec=template(**NOTE)),
    "to change what a DaemonSet runs": patch("daemonset/daemon", NOT_OURS, spec=template(spec={"hostNetwork": True})),
    "to delete a Deployment": Try(("delete", "deployment", "app"), NO_RIGHT),
    "to make a credential": Try(("create", "-f", "-"), NO_RIGHT, credential("more")),
    "to delete a credential": Try(("delete", "rcred", "ours"), NO_RIGHT),
    "to change a policy": Try(("delete", "validatingadmissionpolicy", "rekey-fence"), NO_RIGHT),
    "to read a ConfigMap": Try(("get", "configmap", "kube-root-ca.crt"), NO_RIGHT),
}

EMPTY: Manifest = {"op": "add", "path": "/status", "value": {}}
FINALIZERS = {"finalizers": ["rekey.dev/finalizer"]}
FENCED_WRITES = {
    "the status": Try(("status",), FENCED),
    "the finalizer": patch("rcred/ours", FENCED, metadata=FINALIZERS),
    "a new Secret": create(FENCED, labels=LABELS, ownerReferences=[OWNER]),
    "a bundle": patch("secret/ours", FENCED, data=VALUE),
    "the end of a Secret": Try(("delete", "secret", "ours"), FENCED),
    "a Deployment": patch("deployment/app", FENCED, spec=template(**NOTE)),
    "a StatefulSet": patch("statefulset/set", FENCED, spec=template(**NOTE)),
    "a DaemonSet": patch("daemonset/daemon", FENCED, spec=template(**NOTE)),
}
EVENT = {
    "apiVersion": "events.k8s.io/v1",
    "kind": "Event",
    "metadata": {"name": "tried"},
    "eventTime": "2026-01-01T00:00:00.000000Z",
    "reportingController": "rekey.dev/operator",
    "reportingInstance": "x",
    "action": "Tried",
    "reason": "Tried",
    "type": "Normal",
    "regarding": {"namespace": "shop", "kind": "Pod", "name": "x"},
}
UNFENCED = {
    "an Event": Try(("create", "-f", "-"), ADMITTED, EVENT),
    "its claim on the Lease": Try(
        ("-n", SYSTEM, "replace", "-f", "-"),
        ADMITTED,
        {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": "rekey"},
            "spec": {"holderIdentity": "me", "leaseDurationSeconds": 15},
        },
    ),
}


@pytest.fixture(scope="module")
def shop(release: Deployed) -> Iterator[Deployed]:
    """Give a namespace with something of everybody's; the first pod leads, and no operator runs."""
    cluster = release.cluster
    released = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "released", "labels": LABELS}}
    theirs = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "theirs"}, "stringData": {"token": "theirs"}}
    stage = release.stage("shop")
    workloads = [workload("app"), workload("set", kind="StatefulSet"), workload("daemon", kind="DaemonSet")]
    stage.apply(theirs, released, credential("ours"), *workloads)
    app = stage.get("deployments", "app")
    assert app is not None
    # The garbage collector deletes what an owner that is not there left behind.
    owned = {"labels": LABELS, "ownerReferences": [OTHER | {"uid": app["metadata"]["uid"]}]}
    stage.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "taken", **owned}})
    ring = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "rekey-keyring", "labels": RING}}
    cluster.kubectl("-n", SYSTEM, "apply", "-f", "-", stdin=json.dumps(ring))
    release.leader.start()
    stage.until_states("ours", {1: "Active"})
    release.leader.stop()
    release.hold(release.replicas[0].pod)
    yield release
    cluster.kubectl("-n", "shop", "delete", "secret", "theirs", "taken", "released")
    cluster.kubectl("-n", "shop", "delete", "deploy,sts,ds", "--all")
    cluster.kubectl("-n", SYSTEM, "delete", "secret", "rekey-keyring")


def refusal(replica: Replica, one: Try) -> str:
    """Return what the API server says to a try by one of the pods."""
    if one.verb == ("status",):
        return replica.patch_status("ours", [EMPTY], "?dryRun=All")
    where = () if "-n" in one.verb else ("-n", "shop")
    stdin = json.dumps(one.body) if one.body is not None and one.verb[0] != "patch" else None
    return replica.refusal(*where, *one.arguments(), stdin=stdin)


@pytest.mark.parametrize("name", SECRETS)
def test_the_leader_may_do_its_work_and_nothing_else(shop: Deployed, name: str) -> None:
    """What is not Rekey's is refused, to the leader too; what it needs is admitted."""
    said = refusal(shop.replicas[0], SECRETS[name])
    assert (SECRETS[name].says in said) if SECRETS[name].says else said == ""


@pytest.mark.parametrize("name", FENCED_WRITES)
def test_who_does_not_lead_writes_nothing(shop: Deployed, name: str) -> None:
    """The same request is refused to one pod and admitted to the other: the Lease makes the difference."""
    said = refusal(shop.replicas[1], FENCED_WRITES[name])
    leader, other = shop.replicas[0].pod, shop.replicas[1].pod
    assert f"fenced: pod {other} is not the leader, Lease rekey is held by {leader}" in said
    assert refusal(shop.replicas[0], FENCED_WRITES[name]) == ""


@pytest.mark.parametrize("name", UNFENCED)
def test_who_does_not_lead_may_still(shop: Deployed, name: str) -> None:
    """An Event tells of something that happened, and the Lease is how one comes to lead."""
    assert refusal(shop.replicas[1], UNFENCED[name]) == ""


def test_a_token_of_no_pod_writes_nothing(shop: Deployed, tmp_path: Path) -> None:
    """Whoever has our account's rights without being one of its pods is nobody's leader."""
    token = shop.cluster.kubectl("-n", SYSTEM, "create", "token", "rekey").strip()
    leader = shop.replicas[0]
    path = tmp_path / "kubeconfig"
    path.write_text(leader.cluster.kubeconfig.read_text().replace(leader.token, token))
    nobody = replace(leader, token=token, cluster=replace(leader.cluster, kubeconfig=path))
    for name, one in FENCED_WRITES.items():
        assert "bound to no pod" in refusal(nobody, one), name


def test_when_nobody_leads_nobody_writes(shop: Deployed) -> None:
    """A Lease that was given back lets no one pass until somebody has taken it."""
    leader = shop.replicas[0].pod
    shop.hold("")
    try:
        for name, one in FENCED_WRITES.items():
            assert "held by nobody" in refusal(shop.replicas[0], one), name
            assert "held by nobody" in refusal(shop.replicas[1], one), name
    finally:
        shop.hold(leader)


def test_the_lease_stays(shop: Deployed) -> None:
    """Without its parameter the fence would let everybody pass, so not even an administrator deletes the Lease."""
    with pytest.raises(Exception, match="a former leader of Rekey could write"):
        shop.cluster.kubectl("-n", SYSTEM, "delete", "lease", "rekey")


def test_without_a_lease_other_people_go_on(shop: Deployed) -> None:
    """An installation that has no leader yet is nobody else's trouble: Secrets and workloads can be written."""
    keeper = json.loads(
        shop.cluster.kubectl("get", "validatingadmissionpolicybinding", "rekey-fence-lease", "-o", "json")
    )
    shop.cluster.kubectl("delete", "validatingadmissionpolicybinding", "rekey-fence-lease")
    try:
        until(lambda: _deleted(shop), "the Lease to be gone", seconds=PATIENCE)
        # Then our account is fenced no more, which is why the Lease is kept.
        until(lambda: refusal(shop.replicas[1], FENCED_WRITES["a bundle"]) == "", "the fence to open", seconds=PATIENCE)
        body = json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "tried"}})
        shop.cluster.kubectl("-n", "shop", "create", "--dry-run=server", "-f", "-", stdin=body)
        shop.cluster.kubectl("-n", "shop", "scale", "deployment/app", "--replicas=1", "--dry-run=server")
    finally:
        clean = {"apiVersion": keeper["apiVersion"], "kind": keeper["kind"], "spec": keeper["spec"]}
        meta = {name: keeper["metadata"][name] for name in ("name", "labels", "annotations")}
        shop.cluster.kubectl("apply", "-f", "-", stdin=json.dumps(clean | {"metadata": meta}))
        shop.hold(shop.replicas[0].pod)


def _deleted(release: Deployed) -> bool:
    try:
        release.cluster.kubectl("-n", SYSTEM, "delete", "lease", "rekey", "--ignore-not-found")
    except Exception:  # noqa: BLE001  refused, for as long as the policy is remembered
        return False
    return True


def test_the_lease_comes_back(shop: Deployed) -> None:
    """A leads, B leads and writes, A leads again: what A still has in flight from its first term meets a 409."""
    first, second = shop.replicas[:2]
    stage = shop.stage("shop")
    before = {
        kind: stage.get(kind, name)
        for kind, name in (("rotatedcredentials", "ours"), ("secrets", "ours"), ("deployments", "app"))
    }
    shop.hold(second.pod)
    mark = json.dumps({"metadata": {"labels": {"touched": "by-b"}}})
    for kind, name in (("rcred", "ours"), ("secret", "ours")):
        second.cluster.kubectl("-n", "shop", "patch", kind, name, "--type=merge", "-p", mark)
    second.cluster.kubectl(
        "-n", "shop", "patch", "deployment", "app", "--type=merge", "-p", json.dumps({"spec": template(**NOTE)})
    )
    shop.hold(first.pod)
    stale = {kind: one["metadata"]["resourceVersion"] for kind, one in before.items() if one is not None}
    assert len(stale) == len(before)

    status = [
        {"op": "replace", "path": "/metadata/resourceVersion", "value": stale["rotatedcredentials"]},
        EMPTY,
    ]
    assert first.patch_status("ours", status).startswith("Conflict")
    tries = [
        ("rcred", "ours", "--type=merge", "-p", _at(stale["rotatedcredentials"], FINALIZERS)),
        ("secret", "ours", "--type=merge", "-p", _at(stale["secrets"], {})),
        ("deployment", "app", "--type=merge", "-p", _at(stale["deployments"], {})),
    ]
    for arguments in tries:
        assert "Conflict" in first.refusal("-n", "shop", "patch", *arguments), arguments


def _at(version: str, metadata: Manifest) -> str:
    return json.dumps({"metadata": {**metadata, "resourceVersion": version}})
