"""What is served is what a real API server has: through changes, silence, and whatever goes wrong in between."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from rekey.app.publish.running import Publisher, serving
from rekey.app.publish.settings import read
from rekey.core.facts import Key
from rekey.core.publication import Standing
from rekey.kube.config import Access
from tests.app.tcp_proxy import Mode, Proxy
from tests.publish.objects import SPEC, kid, version
from tests.publish.writing import Writer, writing

pytestmark = pytest.mark.kube

WINDOW = 3
PATIENCE = 60
TOKEN = {"generate": {"token": {}}, "rotation": {"interval": "720h"}}


@dataclass(frozen=True)
class Live:
    """A publisher in this process that follows one namespace over a proxy."""

    publisher: Publisher
    proxy: Proxy
    writer: Writer
    client: aiohttp.ClientSession

    async def get(self, path: str) -> tuple[int, Any, bytes]:
        """Return status, headers and body."""
        async with self.client.get(f"http://127.0.0.1:{self.publisher.port}{path}") as answer:
            return answer.status, answer.headers, await answer.read()

    async def document(self, name: str, document: str = "jwks") -> tuple[int, Any]:
        """Return status and content of a document of a credential."""
        status, _, body = await self.get(f"/v1/namespaces/{self.writer.namespace}/{name}/{document}.json")
        return status, json.loads(body) if status == 200 else None

    async def kids(self, name: str = "orders") -> list[str] | None:
        """Return the ids in the key set of a credential, None if there is none."""
        _, found = await self.document(name)
        return None if found is None else [key["kid"] for key in found["keys"]]

    async def until(self, look: Callable[[], Awaitable[object]]) -> None:
        """Return as soon as the look gives something true."""
        async with asyncio.timeout(PATIENCE):
            while not await look():  # noqa: ASYNC110  another process's state has no event
                await asyncio.sleep(0.05)

    async def until_kids(self, wanted: list[str] | None, name: str = "orders") -> None:
        """Wait until these are served."""

        async def there() -> bool:
            return await self.kids(name) == wanted

        await self.until(there)

    async def figure(self, name: str) -> float:
        """Return a figure."""
        async with self.client.get(f"http://127.0.0.1:{self.publisher.http_port}/metrics") as answer:
            lines = (await answer.text()).splitlines()
        return float(next(line.split()[1] for line in lines if line.startswith(f"{name} ")))


@asynccontextmanager
async def living(access: Access, **settings: str) -> AsyncIterator[Live]:
    """Give a publisher that knows its namespace."""
    async with writing(access) as writer, Proxy(access).listening() as proxy, aiohttp.ClientSession() as client:
        variables = {"REKEY_PUBLISH_HOST": "127.0.0.1", "REKEY_PUBLISH_PORT": "0", "REKEY_PUBLISH_HTTP_PORT": "0"}
        chosen = read({"namespaces": [writer.namespace], **settings}, variables)
        async with serving(chosen, proxy.access, asyncio.Event(), window=WINDOW) as publisher:
            live = Live(publisher, proxy, writer, client)

            async def ready() -> bool:
                async with client.get(f"http://127.0.0.1:{publisher.http_port}/readyz") as answer:
                    return answer.status == 200

            await live.until(ready)
            yield live


def play(access: Access, scene: Callable[[Live], Awaitable[None]], **settings: str) -> None:
    """Play a scene with a publisher."""

    async def show() -> None:
        async with living(access, **settings) as live:
            await scene(live)

    asyncio.run(show())


def test_keys_come_and_go(access: Access) -> None:
    """A key is there when it is announced, stays through its overlap, and is gone when its revocation begins."""

    async def scene(live: Live) -> None:
        await live.writer.make("orders", version(1, "Active"))
        await live.until_kids([kid(1)])
        stories: list[tuple[list[dict[str, Any]], list[int]]] = [
            ([version(1, "Active"), version(2, "Published")], [2, 1]),
            ([version(1, "Retiring"), version(2, "Active")], [2, 1]),
            ([version(1, "Revoking"), version(2, "Active")], [2]),
            ([version(2, "Active"), version(3, "Issued")], [3, 2]),
        ]
        for versions, wanted in stories:
            await live.writer.tell("orders", *versions)
            await live.until_kids([kid(number) for number in wanted])
        await live.writer.end("orders")
        await live.until_kids(None)

    play(access, scene)


def test_only_what_asks_for_it_is_published(access: Access) -> None:
    """Others, and those of other namespaces, do not exist for the world; what ceases to ask is gone."""

    async def scene(live: Live) -> None:
        async with writing(access) as elsewhere:
            await elsewhere.make("orders", version(1, "Active"))
            await live.writer.make("token", version(1, "Active"), spec=TOKEN)
            await live.writer.make("orders", version(1, "Active"))
            await live.until_kids([kid(1)])
            answers = {
                (await live.get(f"/v1/namespaces/{namespace}/{name}/jwks.json"))[::2]
                for namespace, name in (
                    (live.writer.namespace, "token"),
                    (live.writer.namespace, "nothing"),
                    (elsewhere.namespace, "orders"),
                )
            }
            assert answers == {(404, b"Not Found\n")}

    play(access, scene)


@pytest.mark.parametrize("mode", [Mode.RESET, Mode.HANG])
def test_the_api_server_is_away(access: Access, mode: Mode) -> None:
    """What is known is served on, then marked as stale; when it answers again all is as it should be."""

    async def scene(live: Live) -> None:
        await live.writer.make("orders", version(1, "Active"))
        await live.until_kids([kid(1)])
        live.proxy.set(mode)
        await live.writer.tell("orders", version(1, "Retiring"), version(2, "Active"))

        async def stale() -> bool:
            _, catalog = await live.document("orders", "catalog")
            return bool(catalog.get("stale"))

        await live.until(stale)
        status, headers, _ = await live.get(f"/v1/namespaces/{live.writer.namespace}/orders/jwks.json")
        assert (status, headers["Rekey-Stale"]) == (200, "true")
        assert await live.kids() == [kid(1)]
        as_of = headers["Rekey-As-Of"]
        assert (await live.document("orders", "timeline"))[1]["asOf"] == as_of
        assert b"may be outdated" in (await live.get(f"/v1/namespaces/{live.writer.namespace}/orders/"))[2]
        assert await live.figure("rekey_publish_stale") == 1
        live.proxy.set(Mode.PASS)
        await live.until_kids([kid(2), kid(1)])
        _, headers, _ = await live.get(f"/v1/namespaces/{live.writer.namespace}/orders/jwks.json")
        assert headers["Rekey-As-Of"] > as_of
        assert "Rekey-Stale" not in headers

    play(access, scene, stale_after="4s")


def test_what_is_served_is_compared_and_put_right(access: Access, caplog: pytest.LogCaptureFixture) -> None:
    """Memory that went wrong in any way is found out by a new list, said, counted, and put right."""

    async def scene(live: Live) -> None:
        shelf = live.publisher.shelf
        for name in ("orders", "bills", "carts"):
            await live.writer.make(name, version(1, "Active"))
        await live.until_kids([kid(1)], "carts")
        good = {one.key: one for one in shelf.all()}
        bills, carts, orders = (good[key] for key in sorted(good, key=str))
        shelf.put(orders.key, None)
        shelf.put(bills.key, carts)
        shelf.put(Key(live.writer.namespace, "ghost"), carts)

        async def healed() -> bool:
            return shelf.within(live.writer.namespace) == good

        await live.until(healed)
        assert await live.figure("rekey_publish_differences_total") == 3

    with caplog.at_level(logging.ERROR):
        play(access, scene, compare_interval="1s")
    said = sorted(str(record.__dict__["credential"]).partition("/")[2] for record in caplog.records)
    assert said == ["bills", "ghost", "orders"]


def test_a_comparison_finds_nothing_where_nothing_is_wrong(access: Access) -> None:
    """However much is changed, made and deleted while it lists: no difference is told that there is not."""

    async def scene(live: Live) -> None:
        async def churn(name: str) -> None:
            while await live.figure("rekey_publish_comparisons_total") < 3:
                await live.writer.make(name, version(1, "Active"))
                await live.writer.tell(name, version(1, "Retiring"), version(2, "Active"))
                await live.writer.end(name)

        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*(churn(f"orders-{number}") for number in range(4)))
        assert await live.figure("rekey_publish_differences_total") == 0

    play(access, scene, compare_interval="1s")


def test_a_proof_that_cannot_be_read(access: Access, caplog: pytest.LogCaptureFixture) -> None:
    """The version is told of without its key; that is said once, and counted."""

    async def scene(live: Live) -> None:
        await live.writer.make("orders", version(1, "Active"), version(2, "Issued", proof="{"))
        await live.until_kids([kid(1)])
        await live.writer.tell("orders", version(1, "Active"), version(2, "Published", proof="{"))

        async def published() -> bool:
            standings = [key.standing for one in live.publisher.shelf.all() for key in one.keys]
            return standings == [Standing.NEXT, Standing.CURRENT]

        await live.until(published)
        assert await live.figure("rekey_published_gaps") == 1

    play(access, scene)
    assert [record.__dict__["version"] for record in caplog.records if "cannot be published" in record.message] == [2]


def test_the_index(access: Access) -> None:
    """It names what is published and nothing else."""

    async def scene(live: Live) -> None:
        await live.writer.make("token", version(1, "Active"), spec=TOKEN)
        await live.writer.make("orders", version(1, "Active"), spec=SPEC)
        await live.until_kids([kid(1)])
        page = (await live.get("/"))[2].decode()
        assert f"{live.writer.namespace}/orders" in page
        assert "token" not in page

    play(access, scene)
