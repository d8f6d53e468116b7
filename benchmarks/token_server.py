"""A token endpoint that gives everybody a token for an hour, and counts who asked."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

LIFE = 3_600
_ANSWERED = 0.05
"""Seconds that an answer takes: such a server looks a client up and signs."""


@dataclass
class TokenServer:
    """When it was asked, by `time.perf_counter`, and how many there were at once."""

    url: str = ""
    asked: list[float] = field(default_factory=list)
    most: int = 0
    _at_once: int = 0

    async def answer(self, _: web.Request) -> web.Response:
        """Give a token."""
        self.asked.append(time.perf_counter())
        self._at_once += 1
        self.most = max(self.most, self._at_once)
        try:
            await asyncio.sleep(_ANSWERED)
        finally:
            self._at_once -= 1
        token = {"access_token": secrets.token_urlsafe(32), "token_type": "Bearer", "expires_in": LIFE}
        return web.json_response(token)


@asynccontextmanager
async def token_server() -> AsyncIterator[TokenServer]:
    """Give one that listens on this host."""
    found = TokenServer()
    app = web.Application()
    app.router.add_post("/token", found.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        found.url = f"http://127.0.0.1:{runner.addresses[0][1]}/token"
        yield found
    finally:
        await runner.cleanup()
