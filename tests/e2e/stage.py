"""One namespace with its operator: what tests do there, what they see, and how they wait for it."""

import json
import secrets
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import yaml

from tests.cluster import choose
from tests.cluster.handle import Cluster
from tests.cluster.waiting import until
from tests.e2e.manifests import ANNOTATION, Manifest
from tests.e2e.process import PATIENCE, PROGRAM, Operator
from tests.e2e.reader import Reader, folder

_T = TypeVar("_T")
OPEN: list["Stage"] = []
"""The stages of this process that are open: their logs are shown when a test fails."""
REMAINS: list[tuple[str, str]] = []
"""The same of stages that a failing test has closed already."""
SHOWN = 12_000


class Stage:
    """A namespace and the operator that works in it, and only there."""

    def __init__(self, cluster: Cluster, reader: Reader, namespace: str, operator: Operator) -> None:
        self.cluster, self.reader = cluster, reader
        self.namespace, self.operator = namespace, operator

    def kubectl(self, *args: str, stdin: str | None = None) -> str:
        """Run kubectl in the namespace."""
        return self.cluster.kubectl("-n", self.namespace, *args, stdin=stdin)

    def apply(self, *objects: Manifest) -> None:
        """Apply the objects."""
        items = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self.kubectl("apply", "-f", "-", stdin=json.dumps(items))

    def patch(self, kind: str, name: str, patch: Mapping[str, Any]) -> None:
        """Merge the patch into an object."""
        self.kubectl("patch", kind, name, "--type=merge", "-p", json.dumps(patch))

    def change(self, name: str, **spec: Any) -> None:
        """Merge changes into the spec of a credential."""
        self.patch("rcred", name, {"spec": spec})

    def trigger(self, name: str, word: str = "a") -> None:
        """Ask for a rotation."""
        self.change(name, rotation={"trigger": word})

    def get(self, resource: str, name: str) -> Manifest | None:
        """Return an object as it is now."""
        found: Manifest | None = self.reader.get(f"{folder(resource, self.namespace)}/{name}")
        return found

    def all(self, resource: str) -> list[Manifest]:
        """Return all objects of a kind in the namespace."""
        return list(self.reader.get(folder(resource, self.namespace))["items"])

    def data(self, secret: str) -> dict[str, bytes] | None:
        """Return what a Secret holds, None if there is none."""
        found = self.get("secrets", secret)
        return None if found is None else {key: b64decode(text) for key, text in (found.get("data") or {}).items()}

    def held(self, secret: str) -> dict[str, bytes]:
        """Return what a Secret holds that must be there."""
        found = self.data(secret)
        assert found is not None, f"Secret {secret} is gone"
        return found

    def status(self, name: str) -> Manifest:
        """Return the status of a credential."""
        found = self.get("rotatedcredentials", name)
        return dict((found or {}).get("status") or {})

    def states(self, name: str) -> dict[int, str]:
        """Return the states of the versions on record."""
        return {version["number"]: version["state"] for version in self.status(name).get("versions", ())}

    def condition(self, name: str, kind: str) -> tuple[str, str, str]:
        """Return status, reason and message of a condition."""
        for found in self.status(name).get("conditions", ()):
            if found["type"] == kind:
                return found["status"], found["reason"], found.get("message", "")
        return "Unknown", "", ""

    def events(self, name: str) -> list[str]:
        """Return the reasons of all Events about a credential, in their order."""
        who = ("RotatedCredential", name)
        about = [one for one in self.all("events") if (one["regarding"]["kind"], one["regarding"]["name"]) == who]
        return [event["reason"] for event in sorted(about, key=lambda one: one["eventTime"])]

    def named(self, kind: str, workload: str, credential: str) -> str | None:
        """Return the version that a workload's pod template names."""
        found = self.get(kind, workload)
        assert found is not None
        notes = found["spec"]["template"]["metadata"].get("annotations") or {}
        version: str | None = notes.get(f"{ANNOTATION}{credential}")
        return version

    def until(self, look: Callable[[], _T], what: str, seconds: float = PATIENCE) -> _T:
        """Wait until the look answers something true."""
        return until(look, f"{what} in {self.namespace}", seconds=seconds, every=0.2)

    def until_states(self, name: str, wanted: Mapping[int, str], seconds: float = PATIENCE) -> None:
        """Wait until the versions of a credential are in these states and nothing is under way."""

        def there() -> bool:
            status = self.status(name)
            found = {version["number"]: version["state"] for version in status.get("versions", ())}
            step = (status.get("rotation") or {}).get("step")
            return found == dict(wanted) and step in {None, "RolledBack"}

        self.until(there, f"{name} to be {dict(wanted)}", seconds)

    def until_condition(self, name: str, kind: str, status: str, reason: str) -> str:
        """Wait until a condition is as said; return its message."""

        def there() -> tuple[str, str, str] | None:
            found = self.condition(name, kind)
            return found if found[:2] == (status, reason) else None

        found = self.until(there, f"{name}: {kind}={status} because of {reason}")
        assert found is not None
        return found[2]

    def until_events(self, name: str, wanted: Sequence[str]) -> None:
        """Wait until exactly these Events were made, in this order."""
        self.until(lambda: len(self.events(name)) >= len(wanted), f"the Events of {name}")
        assert self.events(name) == list(wanted)

    def remains(self) -> list[tuple[str, str]]:
        """Return what tells why a test failed: titles and texts."""
        status = [f"{one['metadata']['name']}: {one.get('status')}" for one in self.all("rotatedcredentials")]
        texts = {"operator": self.operator.text(), "credentials": "\n".join(status)}
        return [(f"{title} of {self.namespace}", text[-SHOWN:]) for title, text in texts.items()]

    def until_ready(self, *pods_of: str) -> None:
        """Wait until the pods of these apps, and at least one of each, are ready."""

        def ready() -> bool:
            pods = self.all("pods")
            return all(
                (own := [pod for pod in pods if app in {pod["metadata"]["name"], _app(pod)}])
                and all(map(is_ready, own))
                for app in pods_of
            )

        self.until(ready, f"pods of {', '.join(pods_of)} to be ready")

    def until_old(self, *pods_of: str) -> None:
        """Wait until the pods of these apps are ready and their starts, known in seconds, precede what comes next."""
        self.until_ready(*pods_of)

        def old() -> bool:
            starts = [start for pod in self.all("pods") if _app(pod) in pods_of and (start := started(pod))]
            return datetime.now(UTC) > max(starts) + timedelta(seconds=2)

        self.until(old, f"pods of {', '.join(pods_of)} to be old enough")


def _app(pod: Manifest) -> str:
    labels = pod["metadata"].get("labels") or {}
    return str(labels.get("app") or labels.get("job-name") or "")


def is_ready(pod: Manifest) -> bool:
    """Tell whether the pod says that it is ready."""
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))


def started(pod: Manifest) -> datetime | None:
    """Return when the first of its running containers was started."""
    states = [one["state"] for one in pod["status"].get("containerStatuses", [])]
    return min(
        (datetime.fromisoformat(one["running"]["startedAt"]) for one in states if "running" in one), default=None
    )


@contextmanager
def opened(
    cluster: Cluster,
    reader: Reader,
    directory: Path,
    settings: Mapping[str, str] | None = None,
    program: Sequence[str] = PROGRAM,
) -> Iterator[Stage]:
    """Give a fresh namespace with an operator that is not started, and which ends."""
    namespace = f"t-{secrets.token_hex(4)}"
    kubeconfig = make(cluster, reader, namespace, directory)
    lease = {"REKEY_LEASE_NAME": f"rekey-{namespace}", "REKEY_LEASE_NAMESPACE": "default"}
    operator = Operator(kubeconfig, [namespace], directory, {**lease, **(settings or {})}, program)
    stage = Stage(cluster, reader, namespace, operator)
    OPEN.append(stage)
    try:
        yield stage
    except BaseException:
        REMAINS.extend(stage.remains())
        raise
    finally:
        OPEN.remove(stage)
        operator.stop()
        _leave(cluster, namespace)


def _leave(cluster: Cluster, namespace: str) -> None:
    own = (f"{kind}/rekey-{namespace}" for kind in ("serviceaccount", "rolebinding", "lease"))
    choose.leave(cluster, f"namespace/{namespace}", *own, f"secret/rekey-{namespace}-keyring")


def make(cluster: Cluster, reader: Reader, namespace: str, directory: Path) -> Path:
    """Make the namespace and a login with the rights of rbac.yaml in it; return the login's kubeconfig.

    The account lives elsewhere: in a namespace that is deleted it would go before the credentials do.
    """
    account = {"name": f"rekey-{namespace}", "namespace": "default"}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "rekey-e2e"}
    items: list[Manifest] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "rekey", "namespace": namespace},
            "roleRef": role,
            "subjects": [{"kind": "ServiceAccount", **account}],
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": account["name"], "namespace": "default"},
            "roleRef": {**role, "kind": "Role", "name": "rekey-e2e-lease"},
            "subjects": [{"kind": "ServiceAccount", **account}],
        },
    ]
    cluster.kubectl("create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    token = cluster.kubectl("-n", "default", "create", "token", account["name"], "--duration=2h").strip()
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "here", "cluster": {"server": cluster.server, "certificate-authority": str(cluster.ca_file)}}
        ],
        "users": [{"name": "rekey", "user": {"token": token}}],
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "rekey"}}],
        "current-context": "here",
    }
    path = directory / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    # No pod can be made before its namespace has a ServiceAccount.
    wanted = f"{folder('serviceaccounts', namespace)}/default"
    until(lambda: reader.get(wanted), "the ServiceAccount", seconds=PATIENCE)
    return path
