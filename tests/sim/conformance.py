"""What the ports promise, as suites: the real API server and the simulated world must both pass them.

A subclass named `Test…` in a module that has a fixture `play` runs a suite there.
"""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from rekey.core.material import Material
from rekey.core.status import Cause, Rotation, Status, Step, Version
from rekey.core.status import State as VersionState
from rekey.errors import Conflict, NotFound, Taken
from rekey.ports.secrets import NewSecret, Owner, SecretChange, SecretView
from tests.sim.stage import Play, Stage

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
OTHER_UID = "0f1e2d3c-0000-4000-8000-000000000001"


async def owner(stage: Stage, name: str = "db") -> Owner:
    """Make a credential to own Secrets: those of an owner that never was are soon collected as garbage."""
    return Owner(name, (await stage.credential(name)).uid)


def new_secret(owner: Owner, **values: bytes) -> NewSecret:
    """Return a Secret to create, with a label and an annotation."""
    return NewSecret(
        name="db",
        material=Material(values or {"password": b"one"}),
        owner=owner,
        immutable=False,
        labels={"rekey.dev/role": "bundle"},
        annotations={"note": "first"},
    )


def change_of(view: SecretView) -> SecretChange:
    """Return an empty change of what was read, to be filled in by `replace`."""
    return SecretChange(uid=view.uid, resource_version=view.resource_version)


class SecretsConformance:
    """The port `Secrets`."""

    def test_absent(self, play: Play) -> None:
        """A Secret that does not exist reads as None."""

        async def scene(stage: Stage) -> None:
            await stage.ports.secrets.create(stage.namespace, new_secret(await owner(stage)))
            assert await stage.ports.secrets.read(stage.namespace, "other") is None

        play(scene)

    def test_created(self, play: Play) -> None:
        """A created Secret is returned, and read, with all it was created with."""

        async def scene(stage: Stage) -> None:
            us = await owner(stage)
            view = await stage.ports.secrets.create(stage.namespace, new_secret(us, a=b"\x00\xff", b=b""))
            assert await stage.ports.secrets.read(stage.namespace, "db") == view
            assert view.material == Material({"a": b"\x00\xff", "b": b""})
            assert (view.name, view.owner, view.immutable, view.type) == ("db", us.uid, False, "Opaque")
            assert view.labels == {"rekey.dev/role": "bundle"}
            assert view.annotations == {"note": "first"}

        play(scene)

    def test_created_for_nobody(self, play: Play) -> None:
        """One that several credentials share has no owner."""

        async def scene(stage: Stage) -> None:
            new = replace(new_secret(await owner(stage)), owner=None)
            view = await stage.ports.secrets.create(stage.namespace, new)
            assert await stage.ports.secrets.read(stage.namespace, "db") == view
            assert view.owner is None

        play(scene)

    def test_taken(self, play: Play) -> None:
        """A second Secret of the same name is refused and the first one stays as it is."""

        async def scene(stage: Stage) -> None:
            us = await owner(stage)
            view = await stage.ports.secrets.create(stage.namespace, new_secret(us))
            with pytest.raises(Taken):
                await stage.ports.secrets.create(stage.namespace, new_secret(us, password=b"two"))
            assert await stage.ports.secrets.read(stage.namespace, "db") == view

        play(scene)

    def test_changed(self, play: Play) -> None:
        """A change writes and drops the keys, labels and annotations that it names, and no others."""

        async def scene(stage: Stage) -> None:
            us = await owner(stage)
            made = await stage.ports.secrets.create(stage.namespace, new_secret(us, a=b"1", b=b"2", c=b"3"))
            change = replace(
                change_of(made),
                material=Material({"b": b"22", "d": b"4"}),
                drop=frozenset({"c", "never-was"}),
                labels={"team": "shop"},
                annotations={"note": None},
            )
            view = await stage.ports.secrets.change(stage.namespace, "db", change)
            assert await stage.ports.secrets.read(stage.namespace, "db") == view
            assert view.material == Material({"a": b"1", "b": b"22", "d": b"4"})
            assert view.labels == {"rekey.dev/role": "bundle", "team": "shop"}
            assert view.annotations == {}
            assert (view.uid, view.owner) == (made.uid, us.uid)
            assert view.resource_version != made.resource_version

        play(scene)

    def test_copied(self, play: Play) -> None:
        """A value is copied inside the Secret as it was before; all else that the change says happens after that."""

        async def scene(stage: Stage) -> None:
            made = await stage.ports.secrets.create(
                stage.namespace, new_secret(await owner(stage), a=b"\x00\xff", c=b"3")
            )
            change = replace(
                change_of(made),
                copy={"previous.a": "a", "b": "c"},
                material=Material({"a": b"new"}),
                drop=frozenset({"c"}),
                labels={"rekey.dev/role": "other", "team": "shop"},
                annotations={"note": None},
            )
            view = await stage.ports.secrets.change(stage.namespace, "db", change)
            assert await stage.ports.secrets.read(stage.namespace, "db") == view
            assert view.material == Material({"a": b"new", "previous.a": b"\x00\xff", "b": b"3"})
            assert view.labels == {"rekey.dev/role": "other", "team": "shop"}
            assert view.annotations == {}

        play(scene)

    @pytest.mark.parametrize("there", ["1", "3"])
    def test_copied_as_expected(self, play: Play, there: str) -> None:
        """A value is copied only if what is expected beside it stands there; else nothing is changed."""

        async def scene(stage: Stage) -> None:
            made = await stage.ports.secrets.create(
                stage.namespace, new_secret(await owner(stage), a=b"x", version=there.encode())
            )
            wish = replace(change_of(made), copy={"b": "a"}, expect={"version": "1"})
            if there == "1":
                view = await stage.ports.secrets.change(stage.namespace, "db", wish)
                assert view.material == Material({"a": b"x", "b": b"x", "version": b"1"})
                return
            with pytest.raises(Conflict):
                await stage.ports.secrets.change(stage.namespace, "db", wish)
            assert await stage.ports.secrets.read(stage.namespace, "db") == made

        play(scene)

    def test_copied_and_dropped(self, play: Play) -> None:
        """A change that copies, and drops what is not there, was decided on another Secret and changes nothing."""

        async def scene(stage: Stage) -> None:
            made = await stage.ports.secrets.create(stage.namespace, new_secret(await owner(stage), a=b"1"))
            wish = replace(change_of(made), copy={"b": "a"}, drop=frozenset({"never-was"}))
            with pytest.raises(Conflict):
                await stage.ports.secrets.change(stage.namespace, "db", wish)
            assert await stage.ports.secrets.read(stage.namespace, "db") == made

        play(scene)

    @pytest.mark.parametrize("stale", ["resource version", "uid"])
    def test_stale_change(self, play: Play, stale: str) -> None:
        """A change that was decided on another state of the Secret, or on another Secret, changes nothing."""

        async def scene(stage: Stage) -> None:
            us, heir = await owner(stage), await owner(stage, "heir")
            first = await stage.ports.secrets.create(stage.namespace, new_secret(us))
            change = replace(change_of(first), labels={"team": "shop"})
            second = await stage.ports.secrets.change(stage.namespace, "db", change)
            old = first if stale == "resource version" else replace(second, uid=OTHER_UID)
            for wish in (
                replace(change_of(old), material=Material({"password": b"two"})),
                replace(change_of(old), owner=heir, release=us.uid),
                replace(change_of(old), copy={"old": "password"}),
            ):
                with pytest.raises(Conflict):
                    await stage.ports.secrets.change(stage.namespace, "db", wish)
            assert await stage.ports.secrets.read(stage.namespace, "db") == second

        play(scene)

    def test_change_of_nothing(self, play: Play) -> None:
        """A Secret that is gone cannot be changed."""

        async def scene(stage: Stage) -> None:
            view = await stage.ports.secrets.create(stage.namespace, new_secret(await owner(stage)))
            await stage.ports.secrets.delete(stage.namespace, "db", view.uid)
            with pytest.raises(NotFound):
                await stage.ports.secrets.change(stage.namespace, "db", change_of(view))

        play(scene)

    def test_ownership(self, play: Play) -> None:
        """An owner is taken away, put on and replaced."""

        async def scene(stage: Stage) -> None:
            us, heir = await owner(stage), await owner(stage, "heir")
            view = await stage.ports.secrets.create(stage.namespace, new_secret(us))
            for wish, uid in (
                (replace(change_of(view), release=us.uid), None),
                (replace(change_of(view), owner=us), us.uid),
                (replace(change_of(view), owner=heir, release=us.uid), heir.uid),
                (replace(change_of(view), release=us.uid), heir.uid),
            ):
                change = replace(wish, resource_version=view.resource_version)
                view = await stage.ports.secrets.change(stage.namespace, "db", change)
                assert view.owner == uid
            assert view.material == Material({"password": b"one"})

        play(scene)

    def test_deleted(self, play: Play) -> None:
        """A Secret is deleted by its uid; deleting what is gone, or what has another uid, does nothing."""

        async def scene(stage: Stage) -> None:
            view = await stage.ports.secrets.create(stage.namespace, new_secret(await owner(stage)))
            await stage.ports.secrets.delete(stage.namespace, "db", OTHER_UID)
            assert await stage.ports.secrets.read(stage.namespace, "db") == view
            await stage.ports.secrets.delete(stage.namespace, "db", view.uid)
            assert await stage.ports.secrets.read(stage.namespace, "db") is None
            await stage.ports.secrets.delete(stage.namespace, "db", view.uid)

        play(scene)


def status_of(step: Step, **rotation: object) -> Status:
    """Return a status with one version and a rotation under way."""
    return Status(
        observed_generation=1,
        versions=(Version(number=1, state=VersionState.ISSUED, secret_name="db-v1"),),
        rotation=Rotation.model_validate(
            {"id": "r-1", "number": 1, "cause": Cause.TRIGGER, "step": step, "startedTime": NOON, **rotation}
        ),
    )


FIRST = status_of(Step.ISSUING, nextAttemptTime=NOON, spec={"generate": {"password": {}}, "target": {}})
SECOND = status_of(Step.ROLLING_OUT, spec={"generate": {"token": {}}})


class CredentialsConformance:
    """The port `Credentials`."""

    def test_absent(self, play: Play) -> None:
        """A credential that does not exist reads as None."""

        async def scene(stage: Stage) -> None:
            there = await stage.credential("db")
            assert await stage.ports.credentials.read(replace(there.key, name="other")) is None

        play(scene)

    def test_fresh(self, play: Play) -> None:
        """A new credential has an empty status and nothing that holds it."""

        async def scene(stage: Stage) -> None:
            made = await stage.credential("db")
            assert await stage.ports.credentials.read(made.key) == made
            assert made.key.namespace == stage.namespace
            assert (made.status, made.finalizers, made.deleting) == (Status(), (), None)

        play(scene)

    def test_saved(self, play: Play) -> None:
        """A saved status replaces the one before as a whole, down to the keys of what was pinned."""

        async def scene(stage: Stage) -> None:
            made = await stage.credential("db")
            for status in (FIRST, SECOND, Status(observed_generation=1)):
                saved = await stage.ports.credentials.save(made, status)
                assert saved == replace(made, resource_version=saved.resource_version, status=status)
                assert await stage.ports.credentials.read(made.key) == saved
                assert saved.resource_version != made.resource_version
                made = saved

        play(scene)

    def test_stale_save(self, play: Play) -> None:
        """A status that was decided on an older read changes nothing, whoever wrote in between."""

        async def scene(stage: Stage) -> None:
            made = await stage.credential("db")
            saved = await stage.ports.credentials.save(made, FIRST)
            with pytest.raises(Conflict):
                await stage.ports.credentials.save(made, SECOND)
            assert await stage.ports.credentials.read(made.key) == saved
            await stage.touch_credential(made.key)
            with pytest.raises(Conflict):
                await stage.ports.credentials.save(saved, SECOND)

        play(scene)

    @pytest.mark.parametrize("again", [False, True], ids=["it is gone", "it was made again"])
    def test_save_of_the_dead(self, play: Play, again: bool) -> None:  # noqa: FBT001  a parameter
        """The status of a credential that was deleted is saved nowhere, not even on a new one of its name."""

        async def scene(stage: Stage) -> None:
            made = await stage.credential("db")
            await stage.delete_credential(made.key)
            if again:
                await stage.credential("db")
            with pytest.raises((Conflict, NotFound)):
                await stage.ports.credentials.save(made, FIRST)
            found = await stage.ports.credentials.read(made.key)
            assert (found.status if found else None) == (Status() if again else None)

        play(scene)

    def test_finalizer(self, play: Play) -> None:
        """Our finalizer is put on and taken off; while it is on, a deletion is only a wish."""

        async def scene(stage: Stage) -> None:
            credentials = stage.ports.credentials
            made = await stage.credential("db")
            held = await credentials.finalize(made, present=True)
            assert held is not None
            assert len(held.finalizers) == 1
            free = await credentials.finalize(held, present=False)
            assert free is not None
            assert free.finalizers == ()
            assert await credentials.finalize(free, present=True) is not None
            await stage.delete_credential(made.key)
            dying = await credentials.read(made.key)
            assert dying is not None
            assert dying.deleting is not None
            assert await credentials.finalize(dying, present=False) is None
            assert await credentials.read(made.key) is None

        play(scene)

    def test_stale_finalizer(self, play: Play) -> None:
        """A finalizer is not written on an older read, nor on what is gone."""

        async def scene(stage: Stage) -> None:
            made = await stage.credential("db")
            await stage.touch_credential(made.key)
            with pytest.raises(Conflict):
                await stage.ports.credentials.finalize(made, present=True)
            await stage.delete_credential(made.key)
            with pytest.raises(NotFound):
                await stage.ports.credentials.finalize(made, present=True)

        play(scene)
