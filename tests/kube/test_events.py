"""Events: what is sent, how often, and what becomes of those that cannot be sent."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web

from rekey.core.facts import Credential, Key
from rekey.core.reasons import NOTICES, Notice
from rekey.core.spec import RotatedCredentialSpec
from rekey.core.status import Status
from rekey.kube.client import Client
from rekey.kube.events import KubeAnnouncer, cut
from rekey.ports.cluster import News
from tests.kube.answering import Answer, Answering, Asked, always, answering, never, status
from tests.kube.stage import KubeStage
from tests.sim.stage import Play, Stage

NOON = datetime(2026, 5, 4, 12, 0, 0, 5, tzinfo=UTC)
SPEC = RotatedCredentialSpec.model_validate({"generate": {"token": {}}, "rotation": {"interval": "720h"}})


def credential(uid: str = "u-1") -> Credential:
    """Return a credential to announce something about."""
    return Credential(Key("shop", "db"), uid, "9", 1, NOON, None, (), SPEC, Status())


def news(number: int = 1, notice: Notice = Notice.ACTIVATED) -> News:
    """Return one of several Events."""
    return News(f"db.r.{number}", notice, f"version {number} is current")


class Noon:
    """A clock that stands still until a test sets it."""

    def __init__(self) -> None:
        self.time = NOON

    def now(self) -> datetime:
        return self.time


Scene = Callable[[KubeAnnouncer, Answering], Coroutine[Any, Any, None]]


def play(answer: Answer, scene: Scene, patience: float = 5.0) -> tuple[list[Asked], list[str]]:
    """Play a scene to its end; return what arrived and why anything was dropped."""
    dropped: list[str] = []

    async def show() -> list[Asked]:
        async with answering(answer) as server, Client(server.access()) as client:
            async with KubeAnnouncer(client, Noon(), "rekey-0", dropped.append, patience) as announcer:
                await scene(announcer, server)
            return server.asked

    return asyncio.run(show()), dropped


def test_event() -> None:
    """An Event says what happened to which credential, when, and who says so."""

    async def scene(announcer: KubeAnnouncer, _: Answering) -> None:
        announcer.announce(credential(), news(notice=Notice.REVOCATION_BLOCKED))

    [asked], dropped = play(always(201), scene)
    assert (asked.method, asked.path) == ("POST", "/apis/events.k8s.io/v1/namespaces/shop/events")
    regarding = asked.body.pop("regarding")
    assert asked.body == {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": "db.r.1"},
        "eventTime": "2026-05-04T12:00:00.000005Z",
        "reportingController": "rekey.dev/operator",
        "reportingInstance": "rekey-0",
        "type": "Warning",
        "reason": "RevocationBlocked",
        "action": NOTICES[Notice.REVOCATION_BLOCKED].action,
        "note": "version 1 is current",
    }
    assert (regarding["kind"], regarding["name"], regarding["uid"]) == ("RotatedCredential", "db", "u-1")
    assert not dropped


def test_once() -> None:
    """The same Event is sent once, whoever announces it how often; another credential's is another one."""

    async def scene(announcer: KubeAnnouncer, _: Answering) -> None:
        for uid in ("u-1", "u-1", "u-2", "u-1"):
            announcer.announce(credential(uid), news())

    asked, dropped = play(always(201), scene)
    assert sorted(one.body["regarding"]["uid"] for one in asked) == ["u-1", "u-2"]
    assert not dropped


def test_what_the_api_server_has_forgotten_is_said_again() -> None:
    """The same Event is sent anew after half an hour, and not before; then another half hour has to pass."""
    clock, steps = Noon(), [timedelta(minutes=minutes) for minutes in (0, 20, 9, 2, 29)]

    async def show() -> int:
        async with answering(always(201)) as server, Client(server.access()) as client:
            async with KubeAnnouncer(client, clock, "rekey-0", lambda _: None) as announcer:
                for step in steps:
                    clock.time += step
                    announcer.announce(credential(), news())
            return len(server.asked)

    assert asyncio.run(show()) == 2


def test_the_names_that_are_remembered_are_bounded() -> None:
    """However many Events there were, some thousand names are kept: those that were announced last."""

    async def show() -> set[str]:
        async with answering(always(201)) as server, Client(server.access()) as client:
            announcer = KubeAnnouncer(client, Noon(), "rekey-0", lambda _: None, patience=0)
            for number in range(5_000):
                announcer.announce(credential(f"u-{number}"), news())
                if not announcer._queue.empty():
                    announcer._queue.get_nowait()
            return set(announcer._known)

    known = asyncio.run(show())
    assert len(known) == 4_096
    assert {"u-4999/db.r.1", "u-904/db.r.1"} <= known


def test_known_already() -> None:
    """An Event that the API server has already (we were restarted) is a success."""

    async def scene(announcer: KubeAnnouncer, _: Answering) -> None:
        announcer.announce(credential(), news())

    asked, dropped = play(always(409, status("AlreadyExists")), scene)
    assert (len(asked), dropped) == (1, [])


def test_too_many() -> None:
    """A credential that has too much to say is cut short; the others are heard all the same."""

    async def scene(announcer: KubeAnnouncer, _: Answering) -> None:
        for number in range(100):
            announcer.announce(credential("chatty"), news(number))
        announcer.announce(credential("quiet"), news())

    asked, dropped = play(always(201), scene)
    heard = [one.body["regarding"]["uid"] for one in asked]
    assert (heard.count("chatty"), heard.count("quiet")) == (60, 1)
    assert dropped == ["TooMany"] * 40


def test_full() -> None:
    """When the API server does not keep up, what is too much is dropped and nobody waits."""

    async def scene(announcer: KubeAnnouncer, _: Answering) -> None:
        for number in range(10_010):
            announcer.announce(credential(f"u-{number}"), news())

    _, dropped = play(never, scene, patience=0.05)
    assert dropped.count("Full") == 10
    assert dropped.count("Stopped") == 10_000


def test_refused() -> None:
    """An Event that is refused is dropped, and does not stop the next one."""

    async def scene(announcer: KubeAnnouncer, _: Answering) -> None:
        for number in range(3):
            announcer.announce(credential(), news(number))

    async def answer(asked: Asked) -> web.StreamResponse:
        return await always(403 if asked.body["metadata"]["name"] == "db.r.1" else 201)(asked)

    asked, dropped = play(answer, scene)
    assert (len(asked), dropped) == (3, ["Refused"])


def test_tried_again() -> None:
    """An Event that met a busy API server is sent again a little later."""
    codes = iter([503, 201])

    async def scene(announcer: KubeAnnouncer, _: Answering) -> None:
        announcer.announce(credential(), news())

    async def answer(asked: Asked) -> web.StreamResponse:
        return await always(next(codes))(asked)

    asked, dropped = play(answer, scene)
    assert (len(asked), dropped) == (2, [])


NOTES = {
    "a short one is whole": ("Grüße", "Grüße"),
    "the longest one is whole": ("x" * 1024, "x" * 1024),
    "a longer one is cut": ("x" * 1025, "x" * 1021 + "…"),
    "no letter is cut in two": ("x" * 1020 + "äää", "x" * 1020 + "…"),
}


@pytest.mark.parametrize(("note", "expected"), NOTES.values(), ids=NOTES)
def test_note(note: str, expected: str) -> None:
    """A note has room for 1024 bytes."""
    assert cut(note) == expected
    assert len(cut(note).encode()) <= 1024


@pytest.mark.kube
def test_real_events(play: Play) -> None:
    """A real API server takes an Event of every kind, with the longest note, and shows it once."""

    async def scene(stage: Stage) -> None:
        assert isinstance(stage, KubeStage)
        made = await stage.credential("db")
        for notice in Notice:
            for _ in range(2):
                stage.ports.announcer.announce(made, News(f"db.r.{notice.lower()}", notice, "ü" * 700))
        async with asyncio.timeout(30):
            while len(await stage.events()) < len(Notice):  # noqa: ASYNC110  nothing tells us
                await asyncio.sleep(0.02)
        assert sorted(event["reason"] for event in await stage.events()) == sorted(Notice)

    play(scene)


def test_a_warning_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """Who reads the log only learns of what is out of order: each warning is a line, a routine Event is none."""

    async def scene(announcer: KubeAnnouncer, _: Answering) -> None:
        for number, notice in ((1, Notice.ACTIVATED), (2, Notice.DRIFT_REPAIRED), (2, Notice.DRIFT_REPAIRED)):
            announcer.announce(credential(), news(number, notice))

    with caplog.at_level(logging.INFO):
        play(always(201), scene)
    (line,) = [vars(record) for record in caplog.records if record.name == "rekey.kube.events"]
    assert (line["levelname"], line["credential"], line["reason"]) == ("WARNING", "shop/db", "DriftRepaired")
    assert line["message_text"] == "version 2 is current"
