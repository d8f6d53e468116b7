"""What the port `Requests` promises, as a suite: the real API server and the simulated world must both pass it."""

import pytest

from rekey.core.answer import AnswerState
from rekey.core.facts import Key
from rekey.core.request import RequestStatus, Result
from rekey.errors import Conflict, NotFound
from tests.sim.stage import Play, Stage

SAID = RequestStatus(
    observed_generation=1,
    total=1,
    results=(Result(name="db", uid="uid-db", state=AnswerState.RUNNING, to_version=2, message="on its way"),),
)


class RequestsConformance:
    """The port `Requests`."""

    def test_read(self, play: Play) -> None:
        """A request is read as it was made; one that is not there reads as None."""

        async def scene(stage: Stage) -> None:
            made = await stage.request("now")
            assert await stage.requests.read(made.key) == made
            assert (made.spec.reason, made.status, made.deleting) == ("Manual", RequestStatus(), False)
            assert await stage.requests.read(Key(stage.namespace, "other")) is None

        play(scene)

    def test_saved(self, play: Play) -> None:
        """The status is replaced as a whole; what is returned is what is stored."""

        async def scene(stage: Stage) -> None:
            made = await stage.request("now")
            first = await stage.requests.save(made, SAID)
            assert (first.status, first.uid) == (SAID, made.uid)
            second = await stage.requests.save(first, RequestStatus(observed_generation=1))
            assert second.status.results == ()
            assert await stage.requests.read(made.key) == second

        play(scene)

    def test_saved_from_an_old_look(self, play: Play) -> None:
        """Whoever looked before somebody wrote changes nothing."""

        async def scene(stage: Stage) -> None:
            made = await stage.request("now")
            fresh = await stage.requests.save(made, SAID)
            with pytest.raises(Conflict):
                await stage.requests.save(made, RequestStatus())
            with pytest.raises(Conflict):
                await stage.requests.delete(made)
            assert await stage.requests.read(made.key) == fresh

        play(scene)

    def test_deleted(self, play: Play) -> None:
        """A deleted request is gone; to delete it again is no error, to save it is one."""

        async def scene(stage: Stage) -> None:
            made = await stage.request("now")
            await stage.requests.delete(made)
            assert await stage.requests.read(made.key) is None
            await stage.requests.delete(made)
            with pytest.raises(NotFound):
                await stage.requests.save(made, SAID)

        play(scene)
