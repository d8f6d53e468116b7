"""The lives of credentials that faults meet: what there is, what is done to it, and how it ends."""

from dataclasses import dataclass, field

from tests.cluster.kwok import NODES
from tests.e2e.manifests import BAD_VERSION, Manifest, consumer, credential, workload

NAME = "web"
KINDS = ("Deployment", "StatefulSet", "DaemonSet")
RESOURCES = {kind: f"{kind.lower()}s" for kind in KINDS}


@dataclass(frozen=True)
class Life:
    """One life. The workloads come when there is a first version, so that their pods hold it.

    `change` is merged into the credential when it has settled; None deletes it.

    `whole`: its calls count from the first one on, not from the change on.
    """

    things: tuple[Manifest, ...]
    ends: dict[int, str]
    kept: tuple[str, ...]
    change: Manifest | None = field(default_factory=lambda: {"spec": {"rotation": {"trigger": "a"}}})
    templates: tuple[str | None, ...] = (None, "2")
    made: tuple[int, ...] = (1, 2)
    whole: bool = False

    @property
    def workloads(self) -> list[Manifest]:
        """Its consumers."""
        return [one for one in self.things if one["kind"] in RESOURCES]

    @property
    def others(self) -> list[Manifest]:
        """What is there from the beginning."""
        return [one for one in self.things if one["kind"] not in RESOURCES]


def _consumed(*kinds: str, notes: dict[str, str] | None = None, **spec: object) -> tuple[Manifest, ...]:
    consumers = [consumer(NAME, kind) for kind in kinds]
    apps = [_app(kind, notes) for kind in kinds]
    return (*apps, credential(NAME, consumers=consumers, **spec))


def _app(kind: str, notes: dict[str, str] | None) -> Manifest:
    more: Manifest = {} if kind == "DaemonSet" else {"replicas": 1}
    made = workload(NAME, NAME, kind=kind, notes=notes, **more)
    labels = {"app": f"{NAME}-{kind.lower()}"}
    made["spec"]["selector"]["matchLabels"] = made["spec"]["template"]["metadata"]["labels"] = labels
    if kind == "DaemonSet":
        made["spec"]["template"]["spec"]["nodeSelector"] = {"kubernetes.io/hostname": NODES[0]}
    return made


_BY_HAND = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": NAME}, "stringData": {"token": "typed"}}
LIVES: dict[str, Life] = {
    "rotation": Life(_consumed(*KINDS), {1: "Revoked", 2: "Active"}, (NAME, f"{NAME}-v2"), whole=True),
    "rollback": Life(
        _consumed("Deployment", notes={BAD_VERSION: "2"}, rollout={"progressDeadline": "3s"}),
        {1: "Active", 2: "Discarded"},
        (NAME, f"{NAME}-v1"),
        templates=(None, "2", None),
    ),
    "adoption": Life(
        (_BY_HAND, credential(NAME, target={"adopt": "Unowned"})),
        {1: "Revoked", 2: "Active"},
        (NAME, f"{NAME}-v2"),
        whole=True,
    ),
    "deletion, Retain": Life(_consumed("Deployment"), {}, (NAME, f"{NAME}-v1"), None, (None,), (1,)),
    "deletion, Revoke": Life((credential(NAME, deletionPolicy="Revoke"),), {}, (), None, (None,), (1,)),
}
