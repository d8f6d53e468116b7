"""What the ports about workloads and pods promise, as suites; see `conformance.py`."""

import asyncio

import pytest

from rekey.core.facts import Credential, How, Reference, WorkloadView
from rekey.core.spec import Consumer, ConsumerKind, LabelSelector
from rekey.errors import Conflict, NotFound
from tests.sim.stage import Play, Stage


def deployment(name: str) -> Consumer:
    """Return a consumer by its name."""
    return Consumer(kind=ConsumerKind.DEPLOYMENT, name=name)


async def found(stage: Stage, credential: Credential, *consumers: Consumer) -> list[WorkloadView]:
    """Return what `find` gives."""
    return list(await stage.ports.workloads.find(credential, consumers))


async def restart(stage: Stage, credential: Credential, name: str, value: str | None) -> None:
    """Restart as the engine does: after a conflict it looks again."""
    for _ in range(20):
        [view] = await found(stage, credential, deployment(name))
        try:
            await stage.ports.workloads.restart(credential, view, value)
        except Conflict:
            continue
        return
    raise AssertionError("somebody wrote in between, twenty times")


async def says(stage: Stage, credential: Credential, name: str) -> str | None:
    """Return the version that the Deployment's template names for the credential."""
    [view] = await found(stage, credential, deployment(name))
    return view.annotation


class WorkloadsConformance:
    """The port `Workloads`."""

    def test_found(self, play: Play) -> None:
        """Consumers are found by name and by label, in order, each once; a missing one is shown."""

        async def scene(stage: Stage) -> None:
            credential = await stage.credential("db")
            for name, tier in (("b", "web"), ("a", "web"), ("c", "batch")):
                await stage.deployment(name, {"tier": tier})
            web = LabelSelector(match_labels={"tier": "web"})
            views = await found(
                stage,
                credential,
                deployment("c"),
                deployment("gone"),
                Consumer(kind=ConsumerKind.DEPLOYMENT, selector=web),
                deployment("a"),
            )
            assert [(view.name, view.exists) for view in views] == [
                ("c", True),
                ("gone", False),
                ("a", True),
                ("b", True),
            ]
            assert {view.annotation for view in views} == {None}
            assert all(view.complete and view.restartable and view.manual is None for view in views)

        play(scene)

    def test_restarted(self, play: Play) -> None:
        """A restart writes this credential's version and no other's; None takes its own away again."""

        async def scene(stage: Stage) -> None:
            db, mail = await stage.credential("db"), await stage.credential("mail")
            await stage.deployment("web", {})
            shown = []
            for credential, value in ((db, "1"), (mail, "7"), (db, "2"), (db, None), (mail, None)):
                await restart(stage, credential, "web", value)
                shown.append((await says(stage, db, "web"), await says(stage, mail, "web")))
            assert shown == [("1", None), ("1", "7"), ("2", "7"), (None, "7"), (None, None)]

        play(scene)

    def test_stale_restart(self, play: Play) -> None:
        """A restart that was decided on an older look, or of a workload that is gone, does nothing."""

        async def scene(stage: Stage) -> None:
            credential = await stage.credential("db")
            await stage.deployment("web", {})
            [view] = await found(stage, credential, deployment("web"))
            await stage.touch_deployment("web")
            with pytest.raises(Conflict):
                await stage.ports.workloads.restart(credential, view, "1")
            assert await says(stage, credential, "web") is None
            await stage.delete_deployment("web")
            with pytest.raises(NotFound):
                await stage.ports.workloads.restart(credential, view, "1")
            assert [one.exists for one in await found(stage, credential, deployment("web"))] == [False]

        play(scene)


class PodsConformance:
    """The port `Pods`."""

    def test_listed(self, play: Play) -> None:
        """Every pod that has not ended is listed with the Secrets that it reads."""

        async def scene(stage: Stage) -> None:
            assert await stage.ports.pods.list(stage.namespace) == ()
            for name in ("one", "two"):
                await stage.pod(name, "db")
            pods = {pod.name: pod for pod in await stage.ports.pods.list(stage.namespace)}
            assert set(pods) == {"one", "two"}
            assert pods["one"].references == {Reference("db", How.SNAPSHOT)}
            assert (pods["one"].starts, pods["one"].pending, pods["one"].owner) == ((), True, None)
            await stage.end_pod("one")
            assert [pod.name for pod in await stage.ports.pods.list(stage.namespace)] == ["two"]

        play(scene)

    def test_fresh(self, play: Play) -> None:
        """However many ask at once, each is told of every pod that was made before it asked."""

        async def scene(stage: Stage) -> None:
            async def made_before_asking(number: int) -> bool:
                await stage.pod(f"pod-{number}", "db")
                return f"pod-{number}" in {pod.name for pod in await stage.ports.pods.list(stage.namespace)}

            assert await asyncio.gather(*map(made_before_asking, range(12))) == [True] * 12

        play(scene)
