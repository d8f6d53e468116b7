"""A second world that goes on from the instant at which another one is, so that what both have lived is lived once."""

from __future__ import annotations

import copy

from tests.sim.world import Plug, World


def fork(world: World) -> World:
    """Return a world like this one, whose operator remembers the same; neither learns of what the other does.

    It must be between two passes of the operator. What never changes once it is made is shared.
    """
    frozen = [
        *world.secrets.values(), *world.credentials.values(), *world.requests.values(), *world.asked,
        *world.promises.compared.values(), *world.promises.searched, world.timing, world.engine.issuer,
    ]  # fmt: skip
    answers = (world.service, world.metrics, world.webhook, world.backend.trouble)
    held = [cell.cell_contents for answer in answers for cell in getattr(answer, "__closure__", None) or ()]
    assert not any(one is world for one in held), "a function is not copied: let an object hold the world"
    memo: dict[int, object] = {id(one): one for one in frozen}
    memo[id(world.plug)] = Plug(calls=list(world.plug.calls))
    return copy.deepcopy(world, memo)
