"""Credentials that are settled since long, as many as wanted: copies of one that the operator made, put into etcd.

1. The API server would need some 15 ms of CPU for each; etcd takes thousands a second in transactions.
2. They are put there in the order in which they would come to be: credential, Secrets, status. The garbage collector
   would otherwise ask for every owner, and delete what has none yet.
"""

import asyncio
import itertools
import re
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import uuid4

import aiohttp
import orjson

from benchmarks.load import Named
from rekey.core import shards
from rekey.core.record import ceil
from rekey.core.renewal import renew_at
from rekey.kube.api import CREDENTIALS, GET, MERGE, SECRETS
from rekey.kube.client import Client

CHOSEN: Final = "rekey.dev/bench"
"""A label of those that will be asked to rotate."""
_BATCH: Final = 64
"""etcd takes up to 128 operations in one transaction: two Secrets of each."""
_IN_FLIGHT: Final = 8
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_Puts = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Wanted:
    """One copy."""

    named: Named
    shard: int
    chosen: bool


class Template:
    """One settled credential and its Secrets, as the API server stores them."""

    def __init__(self, credential: dict[str, Any], bundle: dict[str, Any], version: dict[str, Any]) -> None:
        self._name = credential["metadata"]["name"]
        self._uids = [one["metadata"]["uid"] for one in (credential, bundle, version)]
        for one in (credential, bundle, version):
            # What is not stored: it is the revision of etcd.
            del one["metadata"]["resourceVersion"]
        self._texts = [orjson.dumps(one).decode() for one in (credential, bundle, version)]

    def copy(self, wanted: Wanted) -> "Copy":
        """Return another one like it."""
        namespace, name = wanted.named
        new = {self._name: name} | {uid: str(uuid4()) for uid in self._uids}
        made = []
        for text in self._texts:
            for old, other in new.items():
                text = text.replace(old, other)  # noqa: PLW2901  step by step
            one = orjson.loads(text)
            one["metadata"]["namespace"] = namespace
            made.append(one)
        credential, bundle, version = made
        chosen = {CHOSEN: "chosen"} if wanted.chosen else {}
        credential["metadata"]["labels"] = {shards.LABEL: str(wanted.shard), **chosen}
        return Copy(credential, (bundle, version))


@dataclass(frozen=True)
class Copy:
    """One credential and its Secrets, not stored yet."""

    credential: dict[str, Any]
    secrets: tuple[dict[str, Any], ...]

    def new(self) -> _Puts:
        """Return the credential as it was when it was created."""
        return self._stored({field: value for field, value in self.credential.items() if field != "status"})

    def made(self) -> _Puts:
        """Return its Secrets."""
        return {_key("secrets", one): one for one in self.secrets}

    def settled(self, revision: str) -> _Puts:
        """Return the credential as it is now; its Secrets were stored by that revision."""
        self.credential["status"]["bundle"]["resourceVersion"] = revision
        return self._stored(self.credential)

    def _stored(self, credential: dict[str, Any]) -> _Puts:
        return {_key(f"{CREDENTIALS.group}/{CREDENTIALS.plural}", credential): credential}


def dated(copy: Copy, ends: datetime) -> Copy:
    """Have a token end then, and say so in all of its status: else that would be written at the start."""
    status = copy.credential["status"]
    by = ends.replace(microsecond=0) - moment(status["versions"][0]["expirationTime"])
    moved = _MOMENT.sub(lambda found: f"{moment(found[0]) + by:%FT%TZ}", orjson.dumps(status).decode())
    copy.credential["status"] = status = orjson.loads(moved)
    version = status["versions"][0]
    issued, expires = (moment(version[key]) for key in ("issuedTime", "expirationTime"))
    at = renew_at(issued, expires, f"{copy.credential['metadata']['uid']}:{version['number']}")
    status["nextRotationTime"] = f"{ceil(at):%FT%TZ}"
    for condition in status["conditions"]:
        condition["message"] = re.sub(r"begins .*Z", f"begins {at:%F %T}Z", condition["message"])
    return copy


def moment(text: str) -> datetime:
    """Return a moment as statuses have it."""
    return datetime.fromisoformat(text)


async def template(client: Client, named: Named) -> Template:
    """Return what is stored of a settled credential."""
    namespace, name = named
    # Its own namespace has no number: shard 0. Whoever has that would give it the label, the only write at its start.
    body = {"metadata": {"labels": {shards.LABEL: "0"}}}
    credential = await client.request(MERGE, CREDENTIALS.one(namespace, name), body=body)
    secrets = [await client.request(GET, SECRETS.one(namespace, one)) for one in (name, f"{name}-v1")]
    return Template(credential, *secrets)


async def fill(etcd: str, copies: Iterable[Copy]) -> None:
    """Put copies into etcd."""
    todo = iter(copies)
    batches = iter(lambda: list(itertools.islice(todo, _BATCH)), [])
    async with aiohttp.ClientSession(etcd) as session:

        async def work() -> None:
            for batch in batches:
                await _put(session, *(copy.new() for copy in batch))
                revision = await _put(session, *(copy.made() for copy in batch))
                await _put(session, *(copy.settled(revision) for copy in batch))

        await asyncio.gather(*(work() for _ in range(_IN_FLIGHT)))


async def _put(session: aiohttp.ClientSession, *puts: Mapping[str, dict[str, Any]]) -> str:
    """Store all in one transaction; return its revision."""
    body = [
        {"requestPut": {"key": b64encode(key.encode()).decode(), "value": b64encode(orjson.dumps(one)).decode()}}
        for some in puts
        for key, one in some.items()
    ]
    async with session.post("/v3/kv/txn", data=orjson.dumps({"success": body})) as answer:
        answer.raise_for_status()
        return str((await answer.json())["header"]["revision"])


def _key(kind: str, obj: Mapping[str, Any]) -> str:
    return f"/registry/{kind}/{obj['metadata']['namespace']}/{obj['metadata']['name']}"
