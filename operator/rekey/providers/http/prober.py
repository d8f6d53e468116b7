"""The port `Prober` over HTTP: one GET with a value in a header, and nothing of the answer but its status."""

from __future__ import annotations

from rekey.core.probing import Reply
from rekey.ports.prober import Question
from rekey.providers.http.getting import Getter, Request


class HttpProber:
    """Asks services over HTTP."""

    def __init__(self, getter: Getter) -> None:
        self._getter = getter

    async def ask(self, question: Question) -> Reply:
        """Send the request once; see the port."""
        asked = Request(question.namespace, question.url, question.header, question.seconds, question.authority)
        answer = await self._getter.get(asked)
        return Reply(answer.status, answer.trouble, answer.forbidden)
