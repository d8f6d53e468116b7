"""Sealed values at the API server: found by the ledgers, and replaced in an annotation of an immutable Secret."""

import pytest

from rekey.core.envelope import Place
from rekey.core.facts import Credential, Key
from rekey.core.material import Material
from rekey.core.status import State, Status, Version
from rekey.errors import Conflict, NotFound
from rekey.kube.api import CREATE, CREDENTIALS, MERGE, SECRETS
from rekey.kube.sealed import KubeRecords
from rekey.ports.sealed import ANNOTATION, PURPOSE, Record
from rekey.ports.secrets import NewSecret, Owner, SecretView
from tests.kube.stage import SPEC, KubeStage
from tests.sim.stage import Play, Stage

pytestmark = pytest.mark.kube

TOKEN = {"provider": {"ref": {"name": "idp"}, "oauth2": {"grantSecretName": "consent"}}}
VALUE = Material({"access_token": b"what consumers see"})


class Led:
    """Who leads everywhere, or nowhere."""

    seconds = 10.0

    def remaining(self, namespace: str) -> float:
        del namespace
        return self.seconds


class Shelves:
    """A credential with a version in each state, and one that has no backend."""

    def __init__(self, stage: KubeStage) -> None:
        self.stage, self.lead = stage, Led()
        self.records = KubeRecords(stage.client, (stage.namespace,), self.lead)
        self.uid = ""
        self.saved: Credential

    async def fill(self) -> None:
        """Make them."""
        stage = self.stage
        for name, spec in (("person", TOKEN), ("plain", SPEC)):
            body = {"apiVersion": "rekey.dev/v1alpha1", "kind": CREDENTIALS.kind, "metadata": {"name": name}}
            await stage.client.request(CREATE, CREDENTIALS.all(stage.namespace), body=body | {"spec": spec})
        for name in ("plain", "person"):
            found = await stage.ports.credentials.read(Key(stage.namespace, name))
            assert found is not None
            versions = tuple(
                Version(number=number, state=state, secret_name=f"{name}-v{number}")
                for number, state in enumerate((State.REVOKED, State.RETIRING, State.ACTIVE, State.RESERVED), 1)
            )
            self.saved = await stage.ports.credentials.save(found, Status(versions=versions))
            self.uid = self.saved.uid

    async def know(self, number: int, view: SecretView) -> None:
        """Write down the uid of the Secret that holds a version."""
        status = self.saved.status
        versions = (
            version.model_copy(update={"handle": view.uid}) if version.number == number else version
            for version in status.versions
        )
        known = status.model_copy(update={"versions": tuple(versions)})
        self.saved = await self.stage.ports.credentials.save(self.saved, known)

    async def disown(self, view: SecretView) -> None:
        """Take our ownership off a Secret, as somebody may do."""
        path = SECRETS.one(self.stage.namespace, view.name)
        await self.stage.client.request(MERGE, path, body={"metadata": {"ownerReferences": None}})

    async def seal(self, number: int, text: str, owner: str | None = None) -> SecretView:
        """Store a sealed value beside a version."""
        new = NewSecret(
            f"person-v{number}",
            VALUE,
            Owner("person", owner or self.uid),
            immutable=True,
            annotations={ANNOTATION: text},
        )
        return await self.stage.ports.secrets.create(self.stage.namespace, new)

    async def found(self, *, ours: bool = False) -> list[int]:
        """Return the numbers of the versions at which something may be sealed."""
        return [place.version async for place in self.records.places(ours=ours)]

    async def read(self, number: int) -> Record | None:
        """Return what is sealed of one."""
        return await self.records.read(Place(self.uid, number, PURPOSE))


def test_places_are_those_of_the_ledgers(play: Play) -> None:
    """Every version of a credential with a backend that may have a Secret, also one that is only written down."""

    async def scene(stage: Stage) -> None:
        assert isinstance(stage, KubeStage)
        shelves = Shelves(stage)
        await shelves.fill()
        assert await shelves.found() == await shelves.found(ours=True) == [2, 3, 4]
        shelves.lead.seconds = 0.0
        assert (await shelves.found(), await shelves.found(ours=True)) == ([2, 3, 4], [])

    play(scene)


def test_a_value_is_replaced_as_it_was_read(play: Play) -> None:
    """The annotation of an immutable Secret changes and nothing else; who comes second, or does not lead, is told."""

    async def scene(stage: Stage) -> None:
        assert isinstance(stage, KubeStage)
        shelves = Shelves(stage)
        await shelves.fill()
        await shelves.found()
        before = await shelves.seal(3, "one")
        record = await shelves.read(3)
        assert record is not None
        assert (record.text, await shelves.read(4)) == ("one", None)
        await shelves.records.store(record, "two")
        after = await stage.ports.secrets.read(stage.namespace, "person-v3")
        assert after is not None
        assert after.annotations == {ANNOTATION: "two"}
        assert (after.uid, after.material, after.immutable, after.owner) == (before.uid, VALUE, True, shelves.uid)
        with pytest.raises(Conflict):
            await shelves.records.store(record, "three")
        record = await shelves.read(3)
        assert record is not None
        shelves.lead.seconds = 0.0
        with pytest.raises(Conflict, match="who leads there does it"):
            await shelves.records.store(record, "three")
        shelves.lead.seconds = 10.0
        await stage.ports.secrets.delete(stage.namespace, "person-v3", before.uid)
        with pytest.raises(NotFound):
            await shelves.records.store(record, "three")

    play(scene)


def test_a_secret_that_somebody_took_our_ownership_off_is_found(play: Play) -> None:
    """Its uid in the ledger proves it, whatever its state: what the next renewal would open needs its key."""

    async def scene(stage: Stage) -> None:
        assert isinstance(stage, KubeStage)
        shelves = Shelves(stage)
        await shelves.fill()
        for number in (2, 3, 4):
            view = await shelves.seal(number, f"value {number}")
            await shelves.disown(view)
            if number != 4:
                await shelves.know(number, view)
        await shelves.found()
        records = [await shelves.read(number) for number in (2, 3, 4)]
        assert [record and record.text for record in records] == ["value 2", "value 3", None]
        assert records[1] is not None
        await shelves.records.store(records[1], "wrapped anew")
        again = await shelves.read(3)
        assert again is not None
        assert again.text == "wrapped anew"

    play(scene)


def test_what_is_not_ours_is_not_read(play: Play) -> None:
    """A Secret of that name that another credential owns holds nothing for us; nor does one without the line."""

    async def scene(stage: Stage) -> None:
        assert isinstance(stage, KubeStage)
        shelves = Shelves(stage)
        await shelves.fill()
        await shelves.found()
        await shelves.seal(2, "theirs", owner="another")
        await shelves.seal(4, "")
        assert [await shelves.read(number) for number in (2, 4)] == [None, None]

    play(scene)
