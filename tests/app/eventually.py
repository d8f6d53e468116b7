"""Wait on an event loop until something is so, with a deadline: the one place in these tests that polls."""

import asyncio
from collections.abc import Callable


async def eventually(look: Callable[[], object], *, seconds: float = 10) -> None:
    """Return as soon as `look` gives something true; others run in between."""
    async with asyncio.timeout(seconds):
        while not look():  # noqa: ASYNC110  what is waited for is other code's state, which has no event
            await asyncio.sleep(0.001)
