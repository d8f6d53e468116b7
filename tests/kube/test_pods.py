"""One list of pods for many: who may share it, and who may not."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import orjson
import pytest
from aiohttp import web

from rekey.errors import Retryable
from rekey.kube.client import Client
from rekey.kube.pods import KubePods
from tests.kube.answering import Answering, Asked, answering


class Kitchen:
    """A server that answers a list of pods only when told; the answer's pod is named by its order."""

    def __init__(self) -> None:
        self.begun: asyncio.Queue[asyncio.Future[int]] = asyncio.Queue()
        self.count = 0

    async def answer(self, _: Asked) -> web.Response:
        order: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.count += 1
        number = self.count
        await self.begun.put(order)
        code = await order
        pod = {"metadata": {"name": f"list-{number}"}, "spec": {}}
        body = orjson.dumps({"items": [pod], "metadata": {}})
        return web.Response(status=code, body=body)

    async def serve(self, code: int = 200) -> None:
        """Wait until a list has begun, and answer it."""
        (await self.begun.get()).set_result(code)


Scene = Callable[[Kitchen, KubePods, Answering], Coroutine[Any, Any, None]]


def play(scene: Scene) -> None:
    """Play a scene with pods from a kitchen."""

    async def show() -> None:
        kitchen = Kitchen()
        async with answering(kitchen.answer) as server, Client(server.access()) as client:
            await asyncio.wait_for(scene(kitchen, KubePods(client), server), 30)

    asyncio.run(show())


async def names(pods: KubePods, namespace: str = "shop") -> list[str]:
    """Return the names of the pods in an answer."""
    return [pod.name for pod in await pods.list(namespace)]


def test_asked_together() -> None:
    """Who asks before a list begins shares it; ended pods are not asked for."""

    async def scene(kitchen: Kitchen, pods: KubePods, server: Answering) -> None:
        asking = asyncio.gather(names(pods), names(pods), names(pods))
        await kitchen.serve()
        assert list(await asking) == [["list-1"]] * 3
        [asked] = server.asked
        assert asked.query["fieldSelector"] == "status.phase!=Succeeded,status.phase!=Failed"

    play(scene)


def test_asked_in_between() -> None:
    """Who asks while a list runs gets the next one, all of them together: the running one may be too old."""

    async def scene(kitchen: Kitchen, pods: KubePods, _: Answering) -> None:
        first = asyncio.ensure_future(names(pods))
        order = await kitchen.begun.get()
        late = asyncio.gather(names(pods), names(pods))
        await asyncio.sleep(0)  # lets them ask
        order.set_result(200)
        assert await first == ["list-1"]
        await kitchen.serve()
        assert list(await late) == [["list-2"], ["list-2"]]
        after = asyncio.ensure_future(names(pods))
        await kitchen.serve()
        assert await after == ["list-3"]

    play(scene)


def test_two_namespaces() -> None:
    """Lists of two namespaces do not wait for each other."""

    async def scene(kitchen: Kitchen, pods: KubePods, server: Answering) -> None:
        asking = asyncio.gather(names(pods, "shop"), names(pods, "bank"))
        orders = [await kitchen.begun.get() for _ in range(2)]
        for order in orders:
            order.set_result(200)
        await asking
        assert {asked.path.split("/")[4] for asked in server.asked} == {"shop", "bank"}

    play(scene)


def test_gone_away() -> None:
    """A caller that goes away does not take the list from the others."""

    async def scene(kitchen: Kitchen, pods: KubePods, _: Answering) -> None:
        leaver, stayer = asyncio.ensure_future(names(pods)), asyncio.ensure_future(names(pods))
        order = await kitchen.begun.get()
        leaver.cancel()
        order.set_result(200)
        assert await stayer == ["list-1"]
        assert leaver.cancelled()

    play(scene)


def test_failed() -> None:
    """A list that fails, fails for all who share it, and the next one is a new one."""

    async def scene(kitchen: Kitchen, pods: KubePods, _: Answering) -> None:
        asking = asyncio.gather(names(pods), names(pods), return_exceptions=True)
        order = await kitchen.begun.get()
        late = asyncio.ensure_future(names(pods))
        await asyncio.sleep(0)  # lets it ask
        order.set_result(503)
        assert [type(error) for error in await asking] == [Retryable, Retryable]
        await kitchen.serve()
        assert await late == ["list-2"]

    play(scene)


def test_nobody_left() -> None:
    """A failed list that nobody waits for any more makes no noise."""
    noise: list[dict[str, Any]] = []

    async def scene(kitchen: Kitchen, pods: KubePods, _: Answering) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: noise.append(context))
        leaver = asyncio.ensure_future(names(pods))
        order = await kitchen.begun.get()
        leaver.cancel()
        order.set_result(503)
        after = asyncio.ensure_future(names(pods))
        await kitchen.serve()
        with pytest.raises(asyncio.CancelledError):
            await leaver
        assert await after == ["list-2"]

    play(scene)
    assert noise == []
