"""Shards at the API server: labels of namespaces are read, those of credentials are put on."""

import pytest

from rekey.core.facts import Key
from rekey.core.shards import LABEL, selector, strays
from rekey.errors import Conflict, NotFound
from rekey.kube.api import MERGE, Path
from rekey.kube.shard_labels import credentials, give, labelled
from tests.kube.stage import KubeStage
from tests.sim.stage import Play, Stage

pytestmark = pytest.mark.kube


def test_labels_of_namespaces(play: Play) -> None:
    """A namespace is in the map when it has the label, and not before."""

    async def scene(stage: Stage) -> None:
        assert isinstance(stage, KubeStage)
        here = stage.namespace
        assert here not in await labelled(stage.client)
        path = Path(f"/api/v1/namespaces/{here}", "namespaces")
        await stage.client.request(MERGE, path, body={"metadata": {"labels": {LABEL: "3"}}})
        assert (await labelled(stage.client))[here] == "3"

    play(scene)


def test_labels_of_credentials(play: Play) -> None:
    """One without a number is seen in every shard and is a stray in each; one that has it is in its own alone."""

    async def scene(stage: Stage) -> None:
        assert isinstance(stage, KubeStage)
        client, here = stage.client, stage.namespace
        made = await stage.credential("db")
        key = Key(here, "db")

        async def seen(which: str) -> list[Key]:
            return [found async for found, _ in credentials(client, which, here)]

        assert [await seen(selector((own,), 4)) for own in range(4)] == [[key]] * 4
        assert [one async for one in credentials(client, strays(2), here)] == [(key, made.resource_version)]
        await give(client, key, made.resource_version, 2)
        assert [await seen(selector((own,), 4)) for own in range(4)] == [[], [], [key], []]
        assert await seen(strays(2)) == []
        assert await seen(strays(1)) == [key]

    play(scene)


def test_a_credential_that_changed_meanwhile_is_not_labelled(play: Play) -> None:
    """The label is put on what was seen, or not at all."""

    async def scene(stage: Stage) -> None:
        assert isinstance(stage, KubeStage)
        made = await stage.credential("db")
        await stage.touch_credential(made.key)
        with pytest.raises(Conflict):
            await give(stage.client, made.key, made.resource_version, 2)
        with pytest.raises(NotFound):
            await give(stage.client, Key(stage.namespace, "none"), made.resource_version, 2)

    play(scene)
