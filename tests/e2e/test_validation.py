"""A version is proved before anybody is given it: a real operator asks a real service, which refuses, or is away."""

from collections.abc import Iterator

import pytest

from tests.e2e import leaks
from tests.e2e.conftest import Opening
from tests.e2e.history import History, recording, shown
from tests.e2e.manifests import Manifest, credential
from tests.e2e.services import Service, serving
from tests.e2e.stage import Stage
from tests.e2e.test_secrecy import everywhere, issued, past

pytestmark = pytest.mark.kube

SETTINGS = {"REKEY_PROBE_ALLOWED": "http://127.0.0.0/8", "REKEY_LOG_LEVEL": "debug"}
RETRIED = 120.0
"""Seconds within which another version follows a refused one: half a minute, on a busy machine."""


@pytest.fixture
def service() -> Iterator[Service]:
    """Give a service."""
    with serving(Service) as found:
        yield found


@pytest.fixture
def asking(opening: Opening) -> Iterator[Stage]:
    """Give a stage whose operator may ask this host."""
    with opening(settings=SETTINGS) as stage:
        yield stage


def proved(service: Service, name: str) -> Manifest:
    """Return a credential whose versions the service is shown under a path of its own."""
    http = {"url": f"{service.url}/{name}", "header": {"name": "X-Api-Key", "prefix": "Key "}}
    return credential(name, validation={"http": http, "timeout": "5s"})


def current(history: History, name: str) -> list[int]:
    """Return the versions that the bundle showed as current, in turn."""
    found = [shown(change.body, "") for change in history.of("secrets", name) if not change.gone]
    return list(dict.fromkeys(number for number in found if number is not None))


def test_a_version_is_proved_before_anybody_is_given_it(asking: Stage, service: Service) -> None:
    """A refused version is never shown, another one follows; a service that is away is waited for; nothing leaks."""
    stage = asking
    with recording(stage.reader, stage.namespace) as recorder:
        stage.apply(proved(service, "till"), proved(service, "shop"))
        for name in ("till", "shop"):
            stage.until_states(name, {1: "Active"})
        service.shown.clear()
        service.refused, service.away = {"/till"}, {"/shop"}
        _until_neither_is_given_away(stage)
        service.away = set()
        stage.until_states("till", {1: "Revoked", 2: "Discarded", 3: "Active"}, RETRIED)
        stage.until_states("shop", {1: "Revoked", 2: "Active"}, RETRIED)
        history = recorder.history()
    assert (current(history, "till"), current(history, "shop")) == ([1, 3], [1, 2])
    refused, accepted = dict.fromkeys(service.shown["/till"])
    assert service.shown["/till"] == [refused] * 3 + [accepted]
    assert accepted == f"Key {stage.held('till')['token'].decode()}"
    assert set(service.shown["/shop"]) == {f"Key {stage.held('shop')['token'].decode()}"}
    assert stage.events("till").count("ValidationRefused") == 1
    assert stage.events("shop").count("Stalled") == 1
    values = issued(history)
    assert len(values) >= 5
    assert leaks.find({**everywhere(stage), **past(history)}, values) == []


def _until_neither_is_given_away(stage: Stage) -> None:
    """Ask for both rotations and wait until each says why it does not get on: the old versions stay current."""
    before = {name: stage.held(name) for name in ("till", "shop")}
    for name in before:
        stage.trigger(name)
    assert "refused version 2" in stage.until_condition("till", "Stalled", "True", "ValidationRefused")
    assert "without an answer" in stage.until_condition("shop", "Stalled", "True", "ValidationUnreachable")
    assert {name: stage.held(name) for name in before} == before
    assert stage.states("shop") == {1: "Active", 2: "Issued"}
