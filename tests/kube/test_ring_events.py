"""What becomes of a key ring is said once, and again only where it did not arrive."""

import asyncio
from datetime import UTC, datetime

import pytest

from rekey.core.keyring import Ring
from rekey.core.reasons import Notice
from rekey.kube.client import Client
from rekey.kube.ring_events import RingEvents
from rekey.ports.cluster import News
from tests.kube.answering import always, answering, status

NEWS = News("rekey-keyring.k1.rotated", Notice.RING_ROTATED, "key k1: Rotated, at the word of ann")
RING = Ring((), revision=("uid-1", "7"))


class Noon:
    """A clock that stands."""

    def now(self) -> datetime:
        return datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("code", "reason", "times"), [(201, "", 1), (409, "AlreadyExists", 1), (403, "Forbidden", 2), (500, "", 2)]
)
def test_it_is_said_until_it_arrived(code: int, reason: str, times: int) -> None:
    """Said by another leader it has arrived as well; nobody fails for it."""

    async def scene() -> None:
        async with answering(always(code, status(reason))) as server, Client(server.access()) as client:
            events = RingEvents(client, Noon(), "pod-1", "rekey-system", "rekey-keyring")
            await events.say(RING, NEWS)
            await events.say(RING, NEWS)
        sent = [one for one in server.asked if one.path.endswith("/events")]
        assert len(sent) == times
        body = sent[0].body
        assert (body["metadata"]["name"], body["reason"], body["type"]) == (NEWS.name, "KeyRingRotated", "Normal")
        assert body["regarding"] == {
            "apiVersion": "v1",
            "kind": "Secret",
            "namespace": "rekey-system",
            "name": "rekey-keyring",
            "uid": "uid-1",
        }

    asyncio.run(scene())
