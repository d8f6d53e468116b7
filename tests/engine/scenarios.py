"""The rotations that are run again and again with the plug pulled: each is set up, then driven to its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from rekey.core.facts import How
from tests.engine.lives import Pause, Scenario, Step, Steps
from tests.sim.cluster import Workload
from tests.sim.world import World

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
SOON = Pause(timedelta(seconds=15))
WEB = {"kind": "Deployment", "name": "web"}
JOBS = {"kind": "Deployment", "name": "jobs"}
HOT = {"kind": "Deployment", "name": "hot", "refresh": "None"}


def spec(trigger: str | None = None, **changes: Any) -> dict[str, Any]:
    """Return a token spec with changes at the top level."""
    rotation: dict[str, Any] = {**changes.pop("rotation", {"interval": "240h", "jitterPercent": 0})}
    if trigger:
        rotation["trigger"] = trigger
    base: dict[str, Any] = {
        "generate": {"token": {"prefix": "ord_"}},
        "rotation": rotation,
        "overlap": {"duration": "10m"},
    }
    return base | changes


def _apply(trigger: str | None = None, **changes: Any) -> Step:
    return lambda world: world.apply("api", spec(trigger, **changes))


def both(*steps: Step) -> Step:
    """Return these steps as one."""
    return Steps(steps)


def placed(*workloads: Callable[[], Workload]) -> Step:
    """Return that these workloads are put into the cluster."""

    def step(world: World) -> None:
        for workload in workloads:
            world.add(workload())

    return step


def web(**options: Any) -> Callable[[], Workload]:
    """Return a consumer that reads the bundle when it starts."""
    return lambda: Workload("web", "api", **options)


def _jobs() -> Workload:
    return Workload("jobs", "api")


def _hot() -> Workload:
    return Workload("hot", "api", how=How.VOLUME)


def delete(world: World) -> None:
    """Delete the credential."""
    world.delete("api")


def tamper(world: World) -> None:
    """Delete the Secret of version 1, and have that noticed."""
    del world.secrets["api-v1"]
    world.promises.excused = True
    while world.reconcile("api", check=True) is None:
        pass
    world.promises.excused = False


def _stranger(world: World) -> None:
    world.put("api", {"token": b"made-by-hand"})


lose_status = both(Pause(MINUTE), lambda world: world.lose_status("api"))
"""The status is lost while both versions are accepted."""


def _leftover(world: World) -> None:
    """A version that a crash left behind, made by an older spec."""
    notes = {"rekey.dev/generate-digest": "older"}
    world.put("api-v2", {"token": b"left-over"}, owner=world.credentials["api"].uid, annotations=notes)


def ask(name: str, reason: str, **fields: Any) -> Step:
    """Return that somebody makes a request."""
    return lambda world: world.ask(name, reason, **fields)


def _leak(revoke: str) -> Step:
    """A compromise is told of in the middle of a rollout."""
    return both(Pause(timedelta(seconds=8)), ask("leak", "Compromise", revoke=revoke))


_back = both(Pause(MINUTE), ask("back", "Rollback"))
"""During the overlap a person wants the version before back."""
_revoke = both(Pause(MINUTE), ask("revoke", "Revoke", version=1))
"""During the overlap a person wants the old version to go."""


ALL = [WEB, JOBS, HOT]
ADOPT = {"adopt": "Unowned"}
CERTIFICATE: dict[str, Any] = {
    "generate": {"certificate": {"commonName": "shop", "dnsNames": ["shop.test"]}},
    "rotation": {"interval": "240h", "jitterPercent": 0, "lifetime": "480h"},
}
SCENARIOS: dict[str, Scenario] = {
    "two rotations without consumers": Scenario((_apply(), _apply("a"), _apply("b"))),
    "a rotation with three kinds of consumers": Scenario(
        (placed(web(), _jobs, _hot), _apply(consumers=ALL), _apply("a", consumers=ALL))
    ),
    "a rollout that fails and is rolled back": Scenario(
        (
            placed(web(fails_on=frozenset({"2"}))),
            _apply(consumers=[WEB]),
            _apply("a", consumers=[WEB]),
            _apply("b", consumers=[WEB]),
        )
    ),
    "a credential that is deleted and revoked": Scenario(
        (_apply(deletionPolicy="Revoke"), _apply("a", deletionPolicy="Revoke"), delete)
    ),
    "a credential that is deleted and retained": Scenario((_apply(), _apply("a"), delete)),
    "a version Secret that somebody deletes": Scenario((_apply(), tamper, _apply("a"))),
    "a Secret made by hand that is adopted": Scenario((_stranger, _apply(target=ADOPT), _apply("a", target=ADOPT))),
    "a status that is lost during the overlap": Scenario(
        (placed(web()), _apply(consumers=[WEB]), both(_apply("a", consumers=[WEB]), lose_status))
    ),
    "a version left by a crash under an older spec": Scenario((_apply(), both(_leftover, _apply("a")))),
    "a request to rotate now": Scenario(
        (placed(web()), _apply(consumers=[WEB]), both(ask("now", "Manual"), ask("too", "Manual")))
    ),
    "a compromise that waits for the rollout, in the middle of another": Scenario(
        (placed(web()), _apply(consumers=[WEB]), both(_apply("a", consumers=[WEB]), _leak("AfterRollout")))
    ),
    "a compromise that waits for nobody, in the middle of a rollout": Scenario(
        (placed(web()), _apply(consumers=[WEB]), both(_apply("a", consumers=[WEB]), _leak("Immediately")))
    ),
    "a version that a person takes back": Scenario(
        (placed(web()), _apply(consumers=[WEB]), both(_apply("a", consumers=[WEB]), _back))
    ),
    "a version that a person revokes": Scenario((_apply(), both(_apply("a"), _revoke))),
    "a certificate, whose second version is issued by the authority of the first": Scenario(
        (_apply(**CERTIFICATE), _apply("a", **CERTIFICATE), _apply("b", **CERTIFICATE))
    ),
    "a spec whose generator changes": Scenario((_apply(), _apply(generate={"token": {"prefix": "ord_", "bytes": 48}}))),
}

VERIFIED: dict[str, Any] = {
    "verifier": {"secretName": "api-verifier", "format": "SHA256"},
    "overlap": {"duration": "10m", "propagation": "30s"},
}
GATE = {"kind": "Deployment", "name": "gate", "role": "Verifier"}
RELOADS = {"kind": "Deployment", "name": "reloads", "role": "Verifier", "refresh": "None"}
BOTH_SIDES = [WEB, GATE, RELOADS]


def gate(**options: Any) -> Workload:
    """Return a verifier that is restarted."""
    return Workload("gate", "api-verifier", **options)


def _verified(*consumers: dict[str, Any], gate_fails: str = "", web_fails: str = "") -> tuple[Step, ...]:
    """Return how verifiers, and then a client, come to version 1; either fails on another, if so asked."""
    verifiers = placed(lambda: gate(fails_on=frozenset({gate_fails})), _reloads)
    return both(verifiers, _apply(consumers=consumers, **VERIFIED)), placed(web(fails_on=frozenset({web_fails})))


def _reloads() -> Workload:
    return Workload("reloads", "api-verifier", how=How.VOLUME)


def _edit_verifier(world: World) -> None:
    """Somebody deletes what verifiers are to read, then empties it."""
    del world.secrets["api-verifier"]
    world.inspect("api")
    world.edit("api-verifier", **{"verifier.json": b"{}"})
    world.inspect("api")


SCENARIOS |= {
    "a rotation in which verifiers come first": Scenario(
        (*_verified(*BOTH_SIDES), _apply("a", consumers=BOTH_SIDES, **VERIFIED))
    ),
    "a verifier that fails with what it reads": Scenario(
        (
            *_verified(WEB, GATE, gate_fails="2"),
            _apply("a", consumers=[WEB, GATE], rollout={"progressDeadline": "20s"}, **VERIFIED),
            _apply("b", consumers=[WEB, GATE], **VERIFIED),
        )
    ),
    "a client that fails after verifiers have moved": Scenario(
        (
            *_verified(*BOTH_SIDES, web_fails="2"),
            _apply("a", consumers=BOTH_SIDES, rollout={"progressDeadline": "20s"}, **VERIFIED),
            _apply("b", consumers=BOTH_SIDES, **VERIFIED),
        )
    ),
    "a verifier that is added later": Scenario(
        (
            placed(web(), gate),
            _apply(consumers=[WEB]),
            _apply(consumers=[WEB, GATE], **VERIFIED),
            _apply("a", consumers=[WEB, GATE], **VERIFIED),
        )
    ),
    "a ring of HMAC keys": Scenario(
        (
            placed(web(), gate),
            *(
                _apply(
                    trigger,
                    generate={"hmacKey": {}},
                    verifier={"secretName": "api-verifier", "format": "HMAC"},
                    consumers=[WEB, GATE],
                )
                for trigger in (None, "a")
            ),
        )
    ),
    "a verifier's credential that is deleted and revoked": Scenario(
        (_apply(deletionPolicy="Revoke", **VERIFIED), _apply("a", deletionPolicy="Revoke", **VERIFIED), delete)
    ),
    "a compromise that waits for nobody, while verifiers are moved": Scenario(
        (
            *_verified(*BOTH_SIDES),
            both(_apply("a", consumers=BOTH_SIDES, **VERIFIED), _leak("Immediately")),
        )
    ),
    "a compromise that waits for the rollout, while verifiers are moved": Scenario(
        (
            *_verified(*BOTH_SIDES),
            both(_apply("a", consumers=BOTH_SIDES, **VERIFIED), _leak("AfterRollout")),
        )
    ),
    "a spec that changes while verifiers are moved": Scenario(
        (
            _apply(**VERIFIED),
            both(
                _apply("a", **VERIFIED),
                SOON,
                _apply("a", generate={"token": {"prefix": "ord_", "bytes": 48}}, **VERIFIED),
            ),
        )
    ),
    "what verifiers read is deleted and edited while they are moved": Scenario(
        (
            *_verified(*BOTH_SIDES),
            both(_apply("a", consumers=BOTH_SIDES, **VERIFIED), SOON, _edit_verifier),
        )
    ),
    "a status that is lost while verifiers are moved": Scenario(
        (
            _apply(**VERIFIED),
            both(
                _apply("a", **VERIFIED),
                SOON,
                lambda world: world.lose_status("api"),
            ),
        )
    ),
}


def _ill(world: World) -> None:
    """Every consumer is away for a while from now on, for a rotation that needs them."""
    for workload in world.workloads.values():
        for pod in workload.pods:
            pod.fails_at = world.time


def _well(world: World) -> None:
    for workload in world.workloads.values():
        for pod in workload.pods:
            pod.fails_at = None


WAITING: dict[str, Any] = {"consumers": [WEB], "validation": {"consumers": "Required", "after": "staging"}}
SETTLING: dict[str, Any] = {"consumers": [WEB], "validation": {"settle": "30s"}}
SCENARIOS |= {
    "a rotation that waits for another credential, then for a consumer to be healthy": Scenario(
        (
            both(
                placed(web()), lambda world: world.apply("staging", spec(overlap={"duration": "1m"})), _apply(**WAITING)
            ),
            both(
                _apply("a", **WAITING),
                Pause(MINUTE),
                _ill,
                lambda world: world.apply("staging", spec("a", overlap={"duration": "1m"})),
                Pause(2 * MINUTE),
                Pause(MINUTE),
                _well,
            ),
        )
    ),
    "a consumer that falls ill after it has moved": Scenario(
        (
            placed(web(fails_on=frozenset({"2"}), fails_after=timedelta(seconds=20))),
            _apply(**SETTLING),
            _apply("a", **SETTLING),
        ),
        lasts=HOUR,
    ),
}

PROVED: dict[str, Any] = {"validation": {"http": {"url": "https://till.orders.svc/whoami", "bearer": {}}}}
PROVED_BOTH = PROVED | VERIFIED


@dataclass(frozen=True)
class _Service:
    """Answers a version so, and 200 to any other."""

    world: World
    by_version: tuple[tuple[int, int | None], ...]

    def __call__(self, value: bytes) -> int | None:
        for number, status in self.by_version:
            view = self.world.secrets.get(f"api-v{number}")
            if view is not None and view.material.reveal()["token"] in value:
                return status
        return 200


def _answers(*by_version: tuple[int, int | None]) -> Step:
    """Return that the service answers a version so, and 200 to any other."""

    def step(world: World) -> None:
        world.service = _Service(world, by_version)

    return step


def _later(*steps: Step) -> Step:
    return both(Pause(MINUTE), *steps)


SCENARIOS |= {
    "a version that a service accepts": Scenario((_apply(**PROVED), _apply("a", **PROVED))),
    "a version that a service refuses, and another that it accepts": Scenario(
        (_apply(**PROVED), both(_answers((2, 401)), _apply("a", **PROVED)))
    ),
    "a service that is away, and comes back": Scenario(
        (_apply(**PROVED), both(_answers((2, None)), _apply("a", **PROVED), _later(_answers())))
    ),
    "a version that verifiers know and a service refuses": Scenario(
        (
            both(placed(gate), _apply(consumers=[GATE], **PROVED_BOTH)),
            both(_answers((2, 403)), _apply("a", consumers=[GATE], **PROVED_BOTH)),
        )
    ),
}
