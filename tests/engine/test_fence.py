"""Whether we are fenced is told to every credential, and is a reason to write none."""

from datetime import timedelta

from rekey.core.facts import Fence
from rekey.core.reasons import Reason
from tests.engine.telling import settled, triggered, verdict

HOLDS = Fence(holds=True, reason=Reason.ENFORCED, message="")
OPEN = Fence(holds=False, reason=Reason.NO_POLICY, message="there is no policy f")


def test_a_fence_is_told_with_the_next_write() -> None:
    """A look at the credential writes nothing because of it; a rotation that writes anyway tells it."""
    world = settled()
    before = world.writes.total()
    for found in (HOLDS, OPEN):
        world.engine.fence = found
        world.reconcile("api", check=True)
        world.run(timedelta(hours=1))
        assert world.writes.total() == before
    triggered(world)
    assert verdict(world, "Fenced") == ("False", Reason.NO_POLICY)
