"""The port `Prober` over aiohttp: one GET with a value in a header, and nothing of the answer but its status.

Nothing of the answer's body is read, and no text of the other side, of a library or of the value is passed on.
"""

from __future__ import annotations

import asyncio
from typing import Final

import aiohttp
from yarl import URL

from rekey.core.probing import Reply
from rekey.errors import NotLeading
from rekey.ports.lead import Lead
from rekey.ports.prober import Question
from rekey.providers.http.allowed import Allowed
from rekey.providers.http.connection import Lookup, addresses_of, said, session, trusting

_ACCEPT: Final = {"Accept": "*/*"}


class HttpProber:
    """Asks services over HTTP; `lead` says for how long we may (None: there is only one of us)."""

    def __init__(self, allowed: Allowed, lead: Lead | None = None, lookup: Lookup = addresses_of) -> None:
        self._allowed = allowed
        self._lead = lead
        self._lookup = lookup

    async def ask(self, question: Question) -> Reply:
        """Send the request once; see the port."""
        seconds = self._left(question)
        try:
            async with asyncio.timeout(seconds):
                return await self._ask(question)
        except TimeoutError:
            return Reply(trouble=f"no answer within {seconds:.1f} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Reply(trouble=said(error))

    def _left(self, question: Question) -> float:
        """Return for how many seconds the request may go on."""
        left = self._lead.remaining(question.namespace) if self._lead is not None else question.seconds
        if left <= 0:
            raise NotLeading(f"a probe in namespace {question.namespace}: another process acts there now")
        return min(left, question.seconds)

    async def _ask(self, question: Question) -> Reply:
        url = URL(question.url)
        host, port = url.raw_host or "", url.port or 0
        if url.scheme not in {"http", "https"} or url.raw_user or url.raw_password or not host:
            return Reply(trouble="the URL must be https://host/path", forbidden=True)
        addresses = await self._lookup(host, port)
        if why := self._allowed.refusal(question.namespace, url.scheme, host, port, addresses):
            return Reply(trouble=why, forbidden=True)
        trust = trusting(question.authority)
        self._left(question)
        return await _get(url, question, session(addresses, trust))


async def _get(url: URL, question: Question, client: aiohttp.ClientSession) -> Reply:
    headers = _ACCEPT | {name: value.decode("ascii") for name, value in question.header.reveal().items()}
    async with client, client.get(url, headers=headers, allow_redirects=False) as answer:
        return Reply(answer.status)
