"""The administrator's way to the API server, past the proxy, and a record of all that changes in our namespaces."""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

import aiohttp
import orjson

from rekey.kube.config import Access
from tests.cluster.errors import ClusterError
from tests.e2e.history import WATCHED, Change, History
from tests.e2e.manifests import Manifest
from tests.e2e.reader import FOLDERS

RECORDED = (*WATCHED, "statefulsets", "daemonsets")
LOOK = 0.2
Key = tuple[str, str]


class Refused(ClusterError):
    """The API server refused what a test needs."""

    def __init__(self, code: int, what: str) -> None:
        super().__init__(what)
        self.code = code


class Admin:
    """Requests of the administrator, and what changed where."""

    def __init__(self, access: Access, session: aiohttp.ClientSession) -> None:
        self._access, self._session = access, session
        self._changes: defaultdict[str, list[Change]] = defaultdict(list)
        self.now: defaultdict[str, dict[Key, Manifest]] = defaultdict(dict)

    async def ask(self, method: str, path: str, body: Manifest | None = None) -> Manifest:
        """Send one request."""
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        headers = {"Content-Type": kind, **await self._login()}
        url = f"{self._access.server}{path}"
        async with self._session.request(method, url, json=body, headers=headers) as answer:
            text = await answer.text()
            if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
                raise Refused(answer.status, f"{method} {path}: {answer.status} {text[:500]}")
            found: Manifest = json.loads(text)
            return found

    async def make(self, namespace: str, thing: Manifest) -> Manifest:
        """Make an object in a namespace."""
        return await self.ask("POST", path_of(f"{thing['kind'].lower()}s", namespace, thing["apiVersion"]), thing)

    async def make_sure(self, namespace: str, thing: Manifest) -> None:
        """Make an object that somebody else may make first."""
        try:
            await self.make(namespace, thing)
        except Refused as refused:
            if refused.code != HTTPStatus.CONFLICT:
                raise

    async def _login(self) -> dict[str, str]:
        login = await self._access.login.header() if self._access.login is not None else None
        return {"Authorization": login} if login else {}

    def changes(self, namespace: str) -> int:
        """Return how many changes there were in a namespace."""
        return len(self._changes[namespace])

    def history(self, namespace: str) -> History:
        """Return what happened in a namespace until now."""
        return History(self._changes[namespace])

    def forget(self, namespace: str) -> None:
        """Keep nothing of a namespace any more."""
        self._changes.pop(namespace, None)
        self.now.pop(namespace, None)

    async def follow(self, resource: str, prefix: str, version: str) -> None:
        """Write down what happens in the namespaces whose names begin so, for ever."""
        path = f"/{FOLDERS[resource]}/{resource}"
        while True:
            headers = await self._login()
            query = f"watch=1&resourceVersion={version}&timeoutSeconds=3600"
            async with self._session.get(f"{self._access.server}{path}?{query}", headers=headers) as answer:
                async for line in answer.content:
                    event = orjson.loads(line)
                    assert event["type"] != "ERROR", event
                    version = event["object"]["metadata"]["resourceVersion"]
                    if event["object"]["metadata"]["namespace"].startswith(prefix):
                        self._take(resource, event["type"] == "DELETED", event["object"])

    def _take(self, resource: str, gone: bool, body: Manifest) -> None:  # noqa: FBT001
        metadata = body["metadata"]
        fields = metadata.pop("managedFields", [])
        metadata["managedFields"] = [{"time": one["time"]} for one in fields if "time" in one]
        namespace, key = metadata["namespace"], (resource, metadata["name"])
        self._changes[namespace].append(Change(int(metadata["resourceVersion"]), resource, gone, body))
        if gone:
            self.now[namespace].pop(key, None)
        else:
            self.now[namespace][key] = body

    async def caught_up(self, namespaces: set[str]) -> bool:
        """Tell whether everything that is there was written down."""
        for resource in RECORDED:
            found = await self.ask("GET", f"/{FOLDERS[resource]}/{resource}")
            there = {_mark(item) for item in found["items"] if item["metadata"]["namespace"] in namespaces}
            here = {_mark(body) for one in namespaces for key, body in self.now[one].items() if key[0] == resource}
            if there != here:
                return False
        return True

    async def until(self, look: Callable[[], bool], what: Callable[[], str], seconds: float) -> None:
        """Wait until it is so."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while not look():
            if loop.time() > deadline:
                raise TimeoutError(what())
            await asyncio.sleep(LOOK)


def path_of(resource: str, namespace: str, version: str = "") -> str:
    """Return the path of all objects of a kind in a namespace."""
    folder = FOLDERS.get(resource) or (f"apis/{version}" if "/" in version else f"api/{version}")
    return f"/{folder}/namespaces/{namespace}/{resource}"


def _mark(body: Manifest) -> tuple[str, str, str]:
    metadata: dict[str, Any] = body["metadata"]
    return metadata["namespace"], metadata["name"], metadata["resourceVersion"]


@asynccontextmanager
async def administering(access: Access, prefix: str) -> AsyncIterator[Admin]:
    """Give the administrator, with the record of all namespaces whose names begin so."""
    connector = aiohttp.TCPConnector(limit=0, ssl=access.tls if access.tls is not None else True)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=30)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, read_bufsize=2**21) as session:
        admin = Admin(access, session)
        tasks = []
        for resource in RECORDED:
            listed = await admin.ask("GET", f"/{FOLDERS[resource]}/{resource}?limit=1")
            version = listed["metadata"]["resourceVersion"]
            tasks.append(asyncio.create_task(admin.follow(resource, prefix, version)))
        try:
            yield admin
            assert not any(task.done() for task in tasks), tasks
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
