"""The lives of credentials that are crashed at every effect: what there is, what is done to them, how they end."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

from tests.e2e.manifests import BAD_VERSION, Manifest, consumer, credential, request, workload
from tests.e2e.services import Service, Tokens, start
from tests.e2e.stage import Stage

CLIENT = "client"
"""The Secret by which an authorization server knows us; it is nobody's."""
PATIENCE = 400.0
WORDS = {"rotation": {"trigger": "a"}}
ROTATED = {1: "Revoked", 2: "Active"}
Change = Callable[[Stage, list[str]], None]


def patch_all(stage: Stage, names: list[str], **spec: Any) -> None:
    """Merge changes into the spec of several credentials."""
    stage.kubectl("patch", "rcred", *names, "--type=merge", "-p", json.dumps({"spec": spec}))


def trigger(stage: Stage, names: list[str]) -> None:
    """Ask for a rotation of each."""
    patch_all(stage, names, **WORDS)


@dataclass(frozen=True)
class Scenario:
    """A life of a credential: what there is, what is done when it has settled, how it ends, and where it is crashed."""

    effects: tuple[str, ...]
    ends: dict[int, str]
    begin: Callable[[Stage, str], list[Manifest]]
    then: Change = trigger
    templates: tuple[str | None, ...] = (None, "2")
    made: dict[int, int] = field(default_factory=lambda: {1: 1, 2: 1})
    kept: tuple[str, ...] = ("{name}", "{name}-v2")
    key: str = "token"
    open: bool = False
    """Whether the version before is still accepted at the end."""

    def cases(self) -> dict[str, list[str]]:
        """Return the plan: a credential for each effect and each side of it."""
        points = [(effect, when) for effect in self.effects for when in ("before", "after")]
        return {
            f"c{number:02}": [effect.format(name=f"c{number:02}"), when] for number, (effect, when) in enumerate(points)
        }


def _plain(**spec: Any) -> Callable[[Stage, str], list[Manifest]]:
    return lambda _, name: [credential(name, **spec)]


def _consumed(notes: dict[str, str] | None = None, **spec: Any) -> Callable[[Stage, str], list[Manifest]]:
    def begin(stage: Stage, name: str) -> list[Manifest]:
        app = workload(name, name, notes=notes, replicas=1)
        return [app, credential(name, consumers=[consumer(name)], **spec)]

    return begin


def _told(notes: dict[str, str] | None = None, **spec: Any) -> Callable[[Stage, str], list[Manifest]]:
    """Return credentials with a verifier's Secret; with notes, and a verifier that is restarted."""

    def begin(_: Stage, name: str) -> list[Manifest]:
        verifier = {"secretName": f"{name}-told", "format": "SHA256"}
        app = [] if notes is None else [workload(name, f"{name}-told", notes=notes, replicas=1)]
        consumers = [consumer(name, role="Verifier") for _ in app]
        both = credential(name, verifier=verifier, overlap={"propagation": "1s"}, consumers=consumers, **spec)
        return [*app, both]

    return begin


@cache
def _accepting() -> str:
    """Start a service that accepts every value, for as long as this process lives; return its address."""
    return start(Service)[1].url


def _proved(_: Stage, name: str) -> list[Manifest]:
    return [credential(name, validation={"http": {"url": _accepting(), "bearer": {}}})]


@cache
def _giving() -> str:
    """Start an authorization server, for as long as this process lives; return its address."""
    return start(Tokens)[1].url


def _token(_: Stage, name: str) -> list[Manifest]:
    client = {"client_id": "rekey", "client_secret": "shared"}
    api = {"apiVersion": "rekey.dev/v1alpha1", "kind": "CredentialProvider", "metadata": {"name": "idp"}}
    made = credential(name, provider={"ref": {"name": "idp"}, "oauth2": {"scopes": ["good"]}})
    del made["spec"]["generate"], made["spec"]["rotation"]
    return [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": CLIENT}, "stringData": client},
        {**api, "spec": {"oauth2": {"tokenUrl": f"{_giving()}/token", "secretName": CLIENT}}},
        made,
    ]


def _rest(_: Stage, __: list[str]) -> None:
    """Do nothing more."""


def _change_their_minds(stage: Stage, names: list[str]) -> None:
    """Ask for what is refused, and then, when a version is reserved for it, for something else."""
    patch_all(stage, names, provider={"oauth2": {"scopes": ["bad"]}})
    for name in names:
        stage.until(partial(_is_announced_anew, stage, name), f"{name} to be announced anew", PATIENCE)
    patch_all(stage, names, provider={"oauth2": {"scopes": ["better"]}})


def _is_announced_anew(stage: Stage, name: str) -> bool:
    """Tell whether what is to be done with its second version at the backend was announced more than once."""
    return any(one["state"] == "Reserved" and "tries" in one for one in stage.status(name).get("versions", ()))


def _by_hand(stage: Stage, name: str) -> list[Manifest]:
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "stringData": {"token": f"typed-{name}"},
    }
    return [secret, credential(name, target={"adopt": "Unowned"})]


def _lose_status(stage: Stage, names: list[str]) -> None:
    """Rotate each and lose its status while both versions are accepted."""
    trigger(stage, names)
    for name in names:
        _until_both(stage, name)
        stage.patch("rcred", name, {"spec": {"overlap": {"duration": "1s"}}})
        lost = '[{"op": "remove", "path": "/status"}]'
        stage.kubectl("patch", "rcred", name, "--subresource=status", "--type=json", "-p", lost)


def _until_both(stage: Stage, name: str) -> None:
    stage.until(lambda: stage.states(name) == {1: "Retiring", 2: "Active"}, f"{name} to overlap")


def _leave_a_version(stage: Stage, names: list[str]) -> None:
    """Do what a crash does that is followed by another spec: there is a version 2 that nobody asks for any more."""
    for name in names:
        found = stage.get("secrets", f"{name}-v1")
        assert found is not None
        old = {key: found["metadata"][key] for key in ("labels", "ownerReferences")}
        meta = {"name": f"{name}-v2", "annotations": {"rekey.dev/generate-digest": "older"}, **old}
        stage.apply(
            {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "immutable": True, "stringData": {"token": "left"}}
        )
    trigger(stage, names)


def _ask(stage: Stage, names: list[str]) -> None:
    """Ask for a rotation of each by a request of its own."""
    stage.apply(*(request(f"rotate-{name}", "Manual", name) for name in names))


def _tamper(stage: Stage, names: list[str]) -> None:
    stage.kubectl("delete", "secret", *names)


def _delete(stage: Stage, names: list[str]) -> None:
    stage.kubectl("delete", "rcred", "--all", "--wait=false")


TO_ACTIVE = ("Finalize", "Issue 1", "Activate 1", "Issue 2", "Activate 2", "Restart {name} 2")
ROTATION = (*TO_ACTIVE, "StartOverlap 1", "Commit 1", "Revoke 1", "Conclude")
ROLLBACK = ("Condemn 2", "Reinstate 1", "Restart {name} None", "StartOverlap 2", "Commit 2", "Revoke 2")
ONE, THREE = {1: 1}, {1: 1, 2: 1, 3: 1}
FIRST = ("{name}", "{name}-v1")
SCENARIOS: dict[str, Scenario] = {
    "a rotation": Scenario(ROTATION, ROTATED, _consumed()),
    "a rollback": Scenario(
        ROLLBACK,
        {1: "Active", 2: "Discarded"},
        _consumed({BAD_VERSION: "2"}, rollout={"progressDeadline": "3s"}),
        templates=(None, "2", None),
        kept=FIRST,
    ),
    "a rotation that verifiers are told of": Scenario(
        ("Publish 2", "Activate 2", "Tell"),
        ROTATED,
        _told(),
        templates=(),
        kept=("{name}", "{name}-v2", "{name}-told"),
    ),
    "a verifier that fails": Scenario(
        ("Discard 2",),
        {1: "Active", 2: "Discarded"},
        _told({BAD_VERSION: "2"}, rollout={"progressDeadline": "3s"}),
        templates=(),  # its pods may have started before version 1 was published: then they were restarted for it, too
        kept=(*FIRST, "{name}-told"),
    ),
    "a version that a service accepts": Scenario(("Prove 2", "Activate 2"), ROTATED, _proved, templates=()),
    "a token of a backend": Scenario(
        ("Reserve 1", "Obtain 1"), {1: "Active"}, _token, _rest, templates=(), made=ONE, kept=FIRST, key="access_token"
    ),
    "a token that is not wanted any more": Scenario(
        ("Announce 2", "Discard 2"),
        {1: "Retiring", 2: "Discarded", 3: "Active"},
        _token,
        _change_their_minds,
        templates=(),
        made={1: 1, 3: 1},
        kept=(*FIRST, "{name}-v3"),
        key="access_token",
        open=True,
    ),
    "a Secret that is adopted": Scenario(("Adopt",), ROTATED, _by_hand, templates=()),
    "a status that is lost": Scenario(
        ("Adopt",), ROTATED, _plain(overlap={"duration": "30s"}), _lose_status, templates=()
    ),
    "a version that nobody wants": Scenario(
        ("Discard 2",),
        {1: "Revoked", 2: "Discarded", 3: "Active"},
        _plain(),
        _leave_a_version,
        templates=(),
        made=THREE,
        kept=("{name}", "{name}-v3"),
    ),
    "a rotation that a request asks for": Scenario(("Reply",), ROTATED, _plain(), _ask, templates=()),
    "a bundle that somebody deletes": Scenario(
        ("Restore",), {1: "Active"}, _plain(), _tamper, templates=(), made=ONE, kept=FIRST
    ),
    "a credential that is released": Scenario(
        ("Release", "LetGo"), {}, _plain(), _delete, templates=(), made=ONE, kept=FIRST
    ),
    "a credential that is destroyed": Scenario(
        ("Destroy", "LetGo"), {}, _plain(deletionPolicy="Revoke"), _delete, templates=(), made=ONE, kept=()
    ),
}
