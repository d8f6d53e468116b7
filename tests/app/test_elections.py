"""Elections on a real API server, over connections that hang and break: never two leaders, and how long none."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from rekey.app.campaign import Campaign
from rekey.app.clock import SystemClock, ticks
from rekey.app.elector import Elector
from rekey.core.election import Pace
from rekey.kube.api import DELETE, GET, LEASES, MERGE, Json
from rekey.kube.client import Client
from rekey.kube.config import Access, load
from rekey.kube.leases import Lease
from tests.app.eventually import eventually
from tests.app.tcp_proxy import Mode, Proxy
from tests.cluster.handle import Cluster

pytestmark = pytest.mark.kube

PACE = Pace(duration=3, deadline=2, retry=0.5)
PATIENCE = 60.0
WHERE = "default"


class Skewed:
    """A clock that is wrong."""

    def __init__(self, by: timedelta) -> None:
        self._by = by

    def now(self) -> datetime:
        return datetime.now(UTC) + self._by


class Rival:
    """One replica, as far as the election goes."""

    def __init__(self, name: str, lease: Lease, me: str) -> None:
        self.campaign = Campaign(name, me, PACE, ticks, lambda: self.works)
        self.lease = lease
        self.works = True
        self._task: asyncio.Task[None] | None = None

    async def stand(self) -> None:
        """Take part from now on."""
        await self.campaign.attempt(self.lease)
        self._task = asyncio.create_task(self.campaign.run(self.lease))

    async def die(self) -> None:
        """Take part no more, without a word."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def leads(self) -> bool:
        """Tell whether it would act now."""
        return self.campaign.leads()


class Scene:
    """A leads, through a proxy; B stands by, with a clock of another year; and a hand that edits."""

    def __init__(self, a: Rival, b: Rival, proxy: Proxy, hand: Client, name: str) -> None:
        self.a, self.b, self.proxy = a, b, proxy
        self._hand = hand
        self._path = LEASES.one(WHERE, name)

    async def edit(self, **spec: object) -> None:
        """Edit the Lease by hand."""
        await self._hand.request(MERGE, self._path, body={"spec": spec})

    async def delete(self) -> None:
        """Delete the Lease by hand."""
        await self._hand.request(DELETE, self._path)

    async def read(self) -> Json:
        """Read the Lease."""
        return await self._hand.request(GET, self._path)


@asynccontextmanager
async def played(access: Access, name: str) -> AsyncIterator[Scene]:
    """Give the scene; the Lease is gone afterwards."""
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(Proxy(access).listening())
        far = await stack.enter_async_context(Client(proxy.access, timeout=PACE.patience))
        near = await stack.enter_async_context(Client(access, timeout=PACE.patience))
        a = Rival(name, Lease(far, WHERE, name, SystemClock()), "a")
        b = Rival(name, Lease(near, WHERE, name, Skewed(timedelta(days=-400))), "b")
        scene = Scene(a, b, proxy, near, name)
        await a.stand()
        await eventually(a.leads, seconds=PATIENCE)
        await b.stand()
        assert not b.leads()
        try:
            yield scene
        finally:
            await a.die()
            await b.die()
            await scene.delete()


async def kill(scene: Scene) -> None:
    """A is gone without a word."""
    await scene.a.die()


async def release(scene: Scene) -> None:
    """A stops and gives the Lease back."""
    await scene.a.die()
    await scene.a.campaign.release(scene.a.lease)


async def hang(scene: Scene) -> None:
    """The API server does not answer A any more."""
    scene.proxy.set(Mode.HANG)


async def reset(scene: Scene) -> None:
    """Every connection of A's is reset."""
    scene.proxy.set(Mode.RESET)


async def stall(scene: Scene) -> None:
    """What A leads for hangs, its election does not."""
    scene.a.works = False


async def rename(scene: Scene) -> None:
    """Somebody writes another holder into the Lease; A notices, and dies, lest it stands for election itself."""
    await scene.edit(holderIdentity="nobody")
    await eventually(lambda: not scene.a.leads(), seconds=PATIENCE)
    await scene.a.die()


async def empty(scene: Scene) -> None:
    """Somebody takes the holder out of the Lease, while A cannot see it."""
    scene.proxy.set(Mode.HANG)
    await scene.edit(holderIdentity="")


async def shorten(scene: Scene) -> None:
    """Somebody writes a duration of a second into the Lease, and A dies."""
    await scene.a.die()
    await scene.edit(leaseDurationSeconds=1)


async def vanish(scene: Scene) -> None:
    """Somebody deletes the Lease, while A cannot see it."""
    scene.proxy.set(Mode.HANG)
    await scene.delete()
    await eventually(lambda: scene.b.campaign._sight.gone, seconds=PATIENCE)
    # The end of a scene deletes it again.


FAULTS: dict[str, Callable[[Scene], Awaitable[None]]] = {
    one.__name__: one for one in (kill, release, hang, reset, stall, rename, empty, shorten, vanish)
}


@pytest.mark.parametrize("fault", FAULTS)
def test_another_leads_and_never_two(
    served: Cluster, fault: str, record_property: Callable[[str, object], None]
) -> None:
    """A loses the lead, B gains it, in this order at every sample, whatever the clocks say."""

    async def scene() -> None:
        async with played(load({"KUBECONFIG": str(served.kubeconfig)}), f"t-{secrets.token_hex(4)}") as stage:
            both = 0
            ends = None
            began = ticks()
            await FAULTS[fault](stage)
            async with asyncio.timeout(PATIENCE):
                while not stage.b.leads():
                    if ends is None and not stage.a.leads():
                        ends = ticks() - began
                    await asyncio.sleep(0.002)
                    both += stage.a.leads() and stage.b.leads()
            starts = ticks() - began
            until = ticks() + 2 * PACE.retry
            while ticks() < until:
                both += stage.a.leads() and stage.b.leads()
                await asyncio.sleep(0.002)
            assert both == 0
            assert ends is not None
            assert stage.b.campaign.term.number == 2
            record_property("gap", f"{fault}: A ended at +{ends:.2f} s, B led at +{starts:.2f} s ({PACE})")

    asyncio.run(scene())


async def gone(scene: Scene) -> None:
    """Somebody deletes the Lease."""
    await scene.delete()
    await eventually(lambda: scene.b.campaign._sight.gone or scene.a.campaign.renewed, seconds=PATIENCE)


async def decorate(scene: Scene) -> None:
    """Somebody labels the Lease."""
    await scene._hand.request(MERGE, scene._path, body={"metadata": {"labels": {"team": "x"}}})


async def stutter(scene: Scene) -> None:
    """Every connection of A's is reset, but the next ones are not."""
    scene.proxy.set(Mode.RESET)
    scene.proxy.set(Mode.PASS)


@pytest.mark.parametrize("fault", [gone, decorate, stutter], ids=lambda one: one.__name__)
def test_the_same_goes_on_leading(served: Cluster, fault: Callable[[Scene], Awaitable[None]]) -> None:
    """A renews in the same term, B never leads, and what is not ours in the Lease stays."""

    async def scene() -> None:
        async with played(load({"KUBECONFIG": str(served.kubeconfig)}), f"t-{secrets.token_hex(4)}") as stage:
            await fault(stage)
            begun, since = ticks(), stage.a.campaign.renewed
            while stage.a.campaign.renewed < since + 2 * PACE.deadline:
                assert ticks() < begun + PATIENCE
                assert stage.a.leads()
                assert not stage.b.leads()
                await asyncio.sleep(0.01)
            assert stage.a.campaign.term.number == 1
            lease = await stage.read()
            assert lease["spec"]["holderIdentity"] == "a"
            assert lease["metadata"].get("labels", {}) == ({"team": "x"} if fault is decorate else {})

    asyncio.run(scene())


def test_a_lease_that_is_asked_for_is_handed_over(
    served: Cluster, record_property: Callable[[str, object], None]
) -> None:
    """B asks, A notices, ends its work and hands over: B leads in the next term, never both at once."""

    async def scene() -> None:
        async with played(load({"KUBECONFIG": str(served.kubeconfig)}), f"t-{secrets.token_hex(4)}") as stage:
            a, b = stage.a.campaign, stage.b.campaign
            await b.ask(stage.b.lease)
            assert b.holder == "b", "what is asked for is as good as ours"
            await eventually(lambda: a.is_wanted, seconds=PATIENCE)
            assert a.leads(), "work in hand may end first"
            began = ticks()
            a.cede()
            both = 0
            while not b.leads():
                assert ticks() < began + PATIENCE
                both += a.leads() and b.leads()
                await asyncio.sleep(0.002)
            record_property("gap", f"handed over within {ticks() - began:.2f} s ({PACE})")
            assert (both, a.leads(), a.is_wanted) == (0, False, False)
            assert b.term.number == 2
            annotations = (await stage.read())["metadata"].get("annotations") or {}
            assert annotations == {}, "the request is answered"

    asyncio.run(scene())


def test_the_thread_takes_renews_and_gives_back(served: Cluster) -> None:
    """A free Lease is ours when `start` returns, is renewed while others work, and is free when `stop` returns."""
    access, name = load({"KUBECONFIG": str(served.kubeconfig)}), f"t-{secrets.token_hex(4)}"

    async def scene() -> None:
        pace = Pace(duration=60, deadline=40, retry=0.2)  # so slow that a busy machine loses no term
        campaign = Campaign(name, "a", pace, ticks, lambda: True)
        elector = Elector(access, WHERE, [campaign], pace, SystemClock(), lambda *_: None)
        assert elector.is_well()
        await elector.start()
        assert campaign.leads()
        first = campaign.renewed
        await eventually(lambda: campaign.renewed > first, seconds=PATIENCE)
        await elector.stop()
        assert not campaign.leads()
        await eventually(lambda: not elector.is_well(), seconds=PATIENCE)

    asyncio.run(scene())
    spec = json.loads(served.kubectl("-n", WHERE, "get", "lease", name, "-o", "json"))["spec"]
    assert (spec["holderIdentity"], spec["leaseDurationSeconds"], spec["leaseTransitions"]) == ("", 1, 1)
    served.kubectl("-n", WHERE, "delete", "lease", name)


def test_a_main_loop_that_hangs_loses_the_lead(served: Cluster) -> None:
    """While the main loop does not turn the Lease is not renewed, although the thread could; then it is again."""
    access, name = load({"KUBECONFIG": str(served.kubeconfig)}), f"t-{secrets.token_hex(4)}"
    hung = {"main": False}

    async def scene() -> None:
        campaign = Campaign(name, "a", PACE, ticks, lambda: not hung["main"])
        elector = Elector(access, WHERE, [campaign], PACE, SystemClock(), lambda *_: None)
        await elector.start()
        hung["main"] = True
        await eventually(lambda: not campaign.leads(), seconds=PATIENCE)
        hung["main"] = False
        await eventually(campaign.leads, seconds=PATIENCE)
        assert campaign.term.number >= 2
        await elector.stop()

    asyncio.run(scene())
    served.kubectl("-n", WHERE, "delete", "lease", name)
