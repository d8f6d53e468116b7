"""What people are told of a credential that cannot be parsed, and that nothing else of it changes."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from aiohttp import web

from rekey.core.facts import Credential, Key
from rekey.errors import Conflict, RekeyError, Retryable
from rekey.kube.client import Client
from rekey.kube.credentials import Parser
from rekey.kube.unreadable import Unreadable
from rekey.ports.cluster import News
from tests.kube.answering import Answering, Asked, always, answering, status

NOON = datetime(2026, 5, 4, 12, 30, tzinfo=UTC)
KEY = Key("shop", "db")
PATH = "/apis/rekey.dev/v1alpha1/namespaces/shop/rotatedcredentials/db"
MESSAGE = "spec.moonPhase: unknown field: until this is mended or Rekey is upgraded, nothing is done for it"
CONDITION = {
    "status": "True",
    "reason": "InvalidSpec",
    "message": MESSAGE,
    "observedGeneration": 3,
    "lastTransitionTime": "2026-05-04T12:30:00Z",
}
STALLED = {"type": "Stalled", **CONDITION}
NOT_READY = {"type": "Ready", **CONDITION, "status": "False"}
READY = {"type": "Ready", "status": "True", "reason": "Active", "lastTransitionTime": "2026-05-01T00:00:00Z"}
WELL = {"type": "Stalled", "status": "False", "reason": "None", "lastTransitionTime": "2026-05-01T00:00:00Z"}
STALLED_BEFORE = {**WELL, "status": "True", "reason": "NameTaken"}


class Noon:
    """A clock that stands still."""

    def now(self) -> datetime:
        return NOON


class Heard(list[tuple[Credential, News]]):
    """An announcer that remembers."""

    def announce(self, credential: Credential, news: News) -> None:
        """Keep it."""
        self.append((credential, news))


def stored(written: dict[str, Any] | None, **metadata: Any) -> dict[str, Any]:
    """Return a credential with a field that is not known."""
    known = {
        "namespace": "shop",
        "name": "db",
        "uid": "0a7b9a7e-5a9b",
        "resourceVersion": "9",
        "generation": 3,
        "creationTimestamp": "2026-05-04T12:00:00Z",
    }
    spec = {"generate": {"token": {}}, "rotation": {"interval": "720h"}, "moonPhase": "full"}
    return {"metadata": {**known, **metadata}, "spec": spec, "status": written}


def refused(found: dict[str, Any] | None, patched: int = 200) -> tuple[int | RekeyError | None, Any, Heard]:
    """Have it refused; return the version or the error, the patch of its status, and what was announced."""
    heard = Heard()

    async def answer(asked: Asked) -> web.StreamResponse:
        if found is None:
            return await always(404, status("NotFound"))(asked)
        if asked.method == "GET":
            return web.Response(body=orjson.dumps(found))
        if patched != 200:
            return await always(patched, status("Conflict"))(asked)
        return web.Response(body=orjson.dumps({**found, "metadata": {**found["metadata"], "resourceVersion": "10"}}))

    async def play() -> tuple[int | RekeyError | None, Answering]:
        async with answering(answer) as server, Client(server.access()) as client:
            try:
                return await Unreadable(client, Parser(), heard, Noon()).refuse(KEY), server
            except RekeyError as error:
                return error, server

    version, server = asyncio.run(play())
    get, *patches = server.asked
    assert (get.method, get.path) == ("GET", PATH)
    assert {(asked.method, asked.path) for asked in patches} <= {("PATCH", f"{PATH}/status")}
    return version, next((asked.body for asked in patches), None), heard


LEDGER = {"versions": [{"number": 1, "state": "Dormant"}], "currentVersion": 1}
TOLD: dict[str, tuple[dict[str, Any] | None, dict[str, Any]]] = {
    "nobody looked at it yet": (None, {"observedGeneration": 3, "conditions": [NOT_READY, STALLED]}),
    "it had been well": (
        {**LEDGER, "observedGeneration": 2, "conditions": [READY, WELL]},
        {**LEDGER, "observedGeneration": 3, "conditions": [READY, STALLED]},
    ),
    "it had been stalled by something else": (
        {"conditions": [STALLED_BEFORE, READY]},
        {
            "conditions": [{**STALLED, "lastTransitionTime": "2026-05-01T00:00:00Z"}, READY],
            "observedGeneration": 3,
        },
    ),
}


@pytest.mark.parametrize(("before", "after"), TOLD.values(), ids=TOLD)
def test_the_status_says_why(before: dict[str, Any] | None, after: dict[str, Any]) -> None:
    """It is stalled; all else stays as it was, and the write holds only for what was read."""
    version, patch, heard = refused(stored(before))
    assert version == 10
    assert patch == [
        {"op": "replace", "path": "/metadata/resourceVersion", "value": "9"},
        {"op": "add", "path": "/status", "value": after},
    ]
    [(about, news)] = heard
    assert (about.key, about.uid, news.notice, news.note) == (
        KEY,
        "0a7b9a7e-5a9b",
        "Stalled",
        f"InvalidSpec: {MESSAGE}",
    )
    assert news.name.startswith("db.0a7b9a7e-g3.stalled.")


def test_what_is_said_already_is_not_written() -> None:
    """A second visit writes nothing; its Event has the same name."""
    before = {"observedGeneration": 3, "conditions": [STALLED, READY]}
    version, patch, heard = refused(stored(before))
    assert (version, patch) == (9, None)
    _, _, first = refused(stored(None))
    assert [news.name for _, news in heard] == [news.name for _, news in first]


def test_a_deletion_that_cannot_be_carried_out_says_so() -> None:
    """Where not even the policy is known the finalizer stays, and the status says that it does."""
    found = stored(None, deletionTimestamp="2026-05-04T12:20:00Z")
    found["spec"]["deletionPolicy"] = "Archive"
    _, patch, _ = refused(found)
    message = patch[1]["value"]["conditions"][1]["message"]
    assert message.startswith("spec.deletionPolicy: must be one of Retain, Revoke")
    assert message.endswith("the finalizer stays until this is mended or Rekey is upgraded")


def test_what_is_gone_needs_no_word() -> None:
    """There is nothing to write into."""
    assert refused(None) == (None, None, [])


def test_what_was_mended_in_between_is_not_said_to_be_broken() -> None:
    """It is looked at anew instead, and so is what was changed between read and write."""
    mended = stored(None)
    del mended["spec"]["moonPhase"]
    error, patch, heard = refused(mended)
    assert isinstance(error, Retryable)
    assert (patch, heard) == (None, [])
    error, _, heard = refused(stored(None), patched=409)
    assert isinstance(error, Conflict)
    assert heard == []
