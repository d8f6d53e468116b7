"""Rotations of credentials that live at a backend, which are run again and again with the plug pulled."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rekey.core.reasons import Reason
from rekey.core.spec_notify import Notify
from rekey.errors import Rejected, Retryable
from rekey.ports.backend import Traits
from tests.engine.lives import Pause, Scenario, Step
from tests.engine.scenarios import MINUTE, WEB, ask, both, delete, lose_status, placed, tamper, web
from tests.sim.world import World

HELD: dict[str, Any] = {
    "provider": {"ref": {"name": "store"}, "postgresql": {"role": "orders"}},
    "rotation": {"interval": "240h", "jitterPercent": 0},
    "overlap": {"duration": "10m"},
}
"""A credential that lives at the world's backend."""


def held(trigger: str | None = None, **changes: Any) -> Step:
    """Return that the credential is applied."""
    rotation = {**HELD["rotation"], **({"trigger": trigger} if trigger else {})}
    return lambda world: world.apply("api", HELD | {"rotation": rotation} | changes)


def _made_there(*, listable: bool = True, provable: bool = True) -> Step:
    def step(world: World) -> None:
        world.backend.traits = Traits(makes_value=True, listable=listable, provable=provable)

    return step


@dataclass(frozen=True)
class _Away:
    """Until then the backend does not answer some calls."""

    world: World
    until: datetime
    calls: tuple[str, ...]

    def __call__(self, call: str) -> Exception | None:
        return Retryable("no connection") if call in self.calls and self.world.time < self.until else None


def _away(*calls: str) -> Step:
    """For two minutes the backend does not answer some calls."""

    def step(world: World) -> None:
        world.backend.trouble = _Away(world, world.time + 2 * MINUTE, calls)

    return step


def _refuse_the_second(world: World) -> None:
    """The backend does not know its second version when that is used."""
    world.backend.unknown = frozenset({2})


def _close(world: World) -> None:
    """The backend refuses what we log in with; a minute later somebody mends that."""
    refused = Rejected(Reason.NEEDS_REAUTH, "it does not accept what we log in with")
    world.backend.trouble = lambda call: refused if call == "issue" else None


def _mend(world: World) -> None:
    world.backend.trouble = lambda _: None
    world.backend.login += 1


HOOK: list[dict[str, Any]] = [{"ref": {"name": "hook"}}]
_FOR_ALL = Notify.model_validate({"ref": {"kind": "ClusterCredentialProvider", "name": "all"}})


def _tell_of_all(world: World) -> None:
    """Whoever runs the operator starts it anew with a webhook that is told of every credential."""
    world.audience = (_FOR_ALL,)
    world.restart()


TOKEN: dict[str, Any] = {"provider": {"ref": {"name": "store"}, "oauth2": {}}}
"""A token of the world's backend, which is good for half an hour."""


CONSENT = b"canary-of-a-consent"
GRANTED: dict[str, Any] = {"provider": {"ref": {"name": "store"}, "oauth2": {"grantSecretName": "consent"}}}
"""A token that is got with what the one before it kept."""


def consented(world: World, token: bytes = CONSENT) -> None:
    """A person consents."""
    world.put("consent", {"refresh_token": token})
    world.backend.refreshing = (token,)


def _token(**changes: Any) -> Step:
    return lambda world: world.apply("api", TOKEN | changes)


_KEPT: dict[str, Any] = {"revocationPolicy": "Manual"}


def _key(trigger: str | None = None) -> Step:
    return held(trigger, provider={"ref": {"name": "store"}, "awsAccessKey": {"userName": "orders"}})


@dataclass(frozen=True)
class _Full:
    """The backend takes two versions."""

    world: World

    def __call__(self, call: str) -> Exception | None:
        full = call == "issue" and len(self.world.backend.things) > 1
        return Rejected(Reason.BACKEND_REFUSED, "it has two already") if full else None


def _two_at_most(world: World) -> None:
    """The backend makes the value, and takes two versions."""
    _made_there()(world)
    world.backend.trouble = _Full(world)


BACKENDS: dict[str, Scenario] = {
    "a token that is renewed again and again": Scenario((_made_there(listable=False), _token())),
    "a token by consent, whose refresh token is another one each time": Scenario(
        (both(_made_there(listable=False), consented, lambda world: world.apply("api", GRANTED)),)
    ),
    "a token of which nobody can be asked": Scenario((_made_there(listable=False, provable=False), _token())),
    "a token by consent of which nobody can be asked": Scenario(
        (both(_made_there(listable=False, provable=False), consented, lambda world: world.apply("api", GRANTED)),)
    ),
    "a token that a person asks to renew, twice at once": Scenario(
        (both(_made_there(listable=False), _token()), both(ask("now", "Manual"), ask("too", "Manual")))
    ),
    "a credential of a backend, with a consumer": Scenario(
        (placed(web()), held(consumers=[WEB]), held("a", consumers=[WEB]), held("b", consumers=[WEB]))
    ),
    "a credential whose backend makes the value": Scenario((_made_there(), held(), held("a"))),
    "a backend that does not answer for a while": Scenario(
        (held(), both(_away("issue", "prove", "revoke"), held("a")))
    ),
    "a backend that refuses a version it was given": Scenario((held(), both(_refuse_the_second, held("a")))),
    "a backend that does not let us in until somebody mends it": Scenario(
        (held(), both(_close, held("a")), both(_mend, Pause(6 * MINUTE)))
    ),
    "a webhook that is told of a backend that does not let us in, and does again": Scenario(
        (
            held(notify=HOOK),
            both(_close, held("a", notify=HOOK)),
            both(_mend, Pause(6 * MINUTE)),
        )
    ),
    "a webhook for all that is set while a backend does not let us in": Scenario(
        (held(), both(_close, held("a")), _tell_of_all, both(_mend, Pause(6 * MINUTE)), held("b"))
    ),
    "a rollout at a backend that fails and is rolled back": Scenario(
        (
            placed(web(fails_on=frozenset({"2"}))),
            held(consumers=[WEB]),
            held("a", consumers=[WEB], rollout={"progressDeadline": "20s"}),
        )
    ),
    "a credential of a backend that is deleted and revoked": Scenario(
        (held(deletionPolicy="Revoke"), held("a", deletionPolicy="Revoke"), delete)
    ),
    "a credential of a backend that is deleted and retained": Scenario((held(), held("a"), delete)),
    "a version Secret of a backend's that somebody deletes": Scenario((held(), tamper, held("a"))),
    "a status of a backend's that is lost during the overlap": Scenario(
        (placed(web()), held(consumers=[WEB]), both(held("a", consumers=[WEB]), lose_status))
    ),
    "a wish of a backend that changes while it is away": Scenario(
        (
            held(),
            both(
                _away("issue"),
                held("a"),
                Pause(MINUTE),
                held("a", provider={"ref": {"name": "store"}, "postgresql": {"role": "orders", "connectionLimit": 5}}),
            ),
        )
    ),
    "an old version that a person revokes while no new one can be made": Scenario(
        (
            held(**_KEPT),
            held("a", **_KEPT),
            both(_close, held("b", **_KEPT)),
            both(ask("room", "Revoke", version=1), Pause(6 * MINUTE), _mend),
        )
    ),
    "a compromise where the backend takes two versions, during an overlap": Scenario(
        (
            both(_two_at_most, _key()),
            both(_key("a"), Pause(MINUTE), ask("leak", "Compromise", revoke="AfterRollout")),
        )
    ),
    "a compromise of a credential of a backend": Scenario(
        (placed(web()), held(consumers=[WEB]), ask("leak", "Compromise", revoke="AfterRollout"))
    ),
}
