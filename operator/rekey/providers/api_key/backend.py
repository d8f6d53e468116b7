"""The port `Backend` over a service that makes API keys: made, listed, proved and revoked by declared requests.

1. A key is told once. One whose answer was lost is found by its mark and revoked, where keys are listed; where they are
   not it is left over, so an answer that was not understood is not asked for again before a person looked.
2. Where keys are listed, only what bears the mark of the version is revoked, whatever id somebody wrote down.
3. A key that was revoked is seen to be refused, where it can be proved: a wrong path answers 404, too.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Final, assert_never

from yarl import URL

from rekey.core import api_key
from rekey.core.answers import Answer, Then, Trouble
from rekey.core.api_key import MOST_PAGES, Listed
from rekey.core.material import Material
from rekey.core.rate import Rate, rate
from rekey.core.reasons import Reason
from rekey.errors import NoAnswer, NotAccepted, NotYet, Rejected, RekeyError, Retryable
from rekey.ports.backend import Claim, Granted, Held, Intent, Traits
from rekey.providers.api_key.asking import Account, Sent, is_among, is_known_as, path, wanted
from rekey.providers.http.roads import Roads

_MEND: Final = "see what the provider declares, and what is asked for"


class ApiKeyBackend:
    """One service, for credentials of a namespace; `hears` is told what answers say of its limits."""

    def __init__(self, account: Account, roads: Roads, namespace: str, hears: Callable[[Rate], None]) -> None:
        self._account = account
        self._server = account.server
        self._roads = roads
        self._namespace = namespace
        self._hears = hears

    @property
    def traits(self) -> Traits:
        """What it is like."""
        return Traits(makes_value=True, listable=self._server.list is not None, provable=self._server.prove is not None)

    def make(self, intent: Intent) -> Material:
        """Never asked: the service makes its keys itself."""
        raise TypeError(f"a service makes the key of {intent.claim.name} itself")

    async def issue(self, intent: Intent, material: Material | None) -> Granted:
        """Make a key; one of that version whose answer was lost is revoked first."""
        del material
        for one in await self._listed(intent.claim):
            await self._remove(one.id)
        asked = self._server.create
        answer = await self._send(self._account.ours(asked, *wanted(asked, intent)))
        found = api_key.key(answer, self._server)
        if isinstance(found, Trouble):
            raise await self._not_understood(found, answer)
        plain = {"api_key": found.value.encode(), "id": found.id.encode()}
        ends = api_key.ends(found.ends, intent.expires, self._server, answer.sent)
        return Granted(Material(plain), found.id, ends)

    async def prove(self, held: Held) -> None:
        """Show the key once."""
        asked, sent = self._server.prove, self._account.theirs(held.material)
        if asked is None:
            raise Rejected(Reason.PROVIDER_NOT_READY, "it has no `prove` by which a key could be proved")
        if sent is None:
            raise NotAccepted(f"nothing is left of the key of version {held.claim.number}")
        answer = await self._send(sent)
        if api_key.is_done(answer, self._server):
            return
        found = api_key.trouble(answer, self._server)
        if api_key.refuses(found, answer.status, self._server):
            raise NotAccepted(f"{self._host} {found.words} to the key of version {held.claim.number}")
        raise self._error(found)

    async def revoke(self, held: Held) -> None:
        """Revoke whatever there is of the version, and see that its key is refused."""
        if self._server.list is None and held.backend_id is None and held.material is not None:
            words = f"the id of version {held.claim.number} is not known, and keys are not listed: revoke its key there"
            raise Rejected(Reason.BACKEND_REFUSED, f"{words}, then delete its Secret")
        listed = [one.id for one in await self._listed(held.claim)]
        if is_among(held.material, listed):
            words = "`list.idField` leads to keys, and not to their ids: no key is put into a URL; mend the provider"
            raise Rejected(Reason.PROVIDER_NOT_READY, words)
        known = [held.backend_id] if self._server.list is None and held.backend_id is not None else listed
        if self._server.list is None and not all(is_known_as(held.material, name) for name in known):
            words = f"version {held.claim.number} is known by an id that is not the one in its Secret"
            raise Rejected(Reason.BACKEND_REFUSED, f"{words}: nothing is revoked; see `status.versions[].backendId`")
        for name in known:
            if await self._remove(name) and name in listed:
                words = f"{self._host} says that key {name} is gone, and lists it: see `revoke` and `list.liveField`"
                raise NotYet(words)
        if self._account.theirs(held.material) is None:
            return
        with suppress(NotAccepted):
            await self.prove(held)
            raise NotYet(f"the key of version {held.claim.number} was revoked, and is accepted still")

    async def find(self, owner: str) -> tuple[Claim, ...]:
        """Return the versions whose mark is in the list."""
        numbers = {one.number for one in await self._all(owner)}
        return tuple(Claim(owner, self._namespace, "", number) for number in sorted(numbers))

    async def _listed(self, claim: Claim) -> list[Listed]:
        """Return what is there of a version."""
        return [one for one in await self._all(claim.owner) if one.number == claim.number]

    async def _all(self, owner: str) -> list[Listed]:
        """Return what is there of a credential; nothing where keys cannot be listed."""
        asked = self._server.list
        if asked is None:
            return []
        found: list[Listed] = []
        begins, where = None, path(asked.path, {"owner": owner, "namespace": self._namespace})
        for number in range(1, MOST_PAGES + 1):
            begins = begins if asked.next_field is not None else str(number)
            query = [(asked.page_parameter, begins)] if asked.page_parameter is not None and begins is not None else []
            page = api_key.page(
                await self._send(self._account.ours(asked, where, query=query)), self._server, asked, owner
            )
            if isinstance(page, Trouble):
                raise self._error(page)
            found += page.ours
            begins = page.cursor
            if asked.page_parameter is None or (begins is None if asked.next_field is not None else page.count == 0):
                return found
        text = f"{self._host} lists keys on more than {MOST_PAGES} pages: have `list.path` ask for more on each"
        raise Rejected(Reason.BACKEND_REFUSED, text)

    async def _remove(self, name: str) -> bool:
        """Revoke the key with that id; say whether it was gone already."""
        asked = self._server.revoke
        fields = [(asked.id_field, name)] if asked.id_field is not None else []
        answer = await self._send(self._account.ours(asked, path(asked.path, {"id": name}), fields))
        if api_key.is_done(answer, self._server):
            return False
        found = api_key.trouble(answer, self._server)
        if not api_key.is_gone(found, answer.status, self._server):
            raise self._error(found)
        return True

    async def _not_understood(self, found: Trouble, answer: Answer) -> RekeyError:
        """Return what is raised where no key was got; one that was made all the same is not left there."""
        if not api_key.may_have_made(found, answer, self._server):
            return self._error(found)
        name = api_key.made_id(answer, self._server)
        if name is not None:
            with suppress(RekeyError):
                await self._remove(name)
                return self._error(found)
        if self._server.list is not None:
            return self._error(found)
        words = f"{self._host} {found.words}; a key may be there that nobody knows: delete it, and mend what the"
        return Rejected(Reason.NEEDS_REAUTH, f"{words} provider declares")

    async def _send(self, sent: Sent) -> Answer:
        request = (sent.headers, sent.body)
        answer = await self._roads.send(self._account.known, sent.url, request, self._roads.seconds(), sent.method)
        if told := rate(answer.headers, answer.sent):
            self._hears(told)
        return answer

    @property
    def _host(self) -> str | None:
        return URL(self._server.base_url).host

    def _error(self, found: Trouble) -> RekeyError:
        words = f"{self._host} {found.words}"
        match found.then:
            case Then.WAIT:
                return Retryable(words, retry_after=found.retry_after)
            case Then.LOST:
                return NoAnswer(words, retry_after=found.retry_after)
            case Then.REFUSED:
                return Rejected(Reason.BACKEND_REFUSED, f"{words}: {_MEND}")
            case Then.REAUTHORIZE:
                why = "our key is not accepted: it was revoked, has expired, or ended with its owner's password"
                mend = f"put another `api_key` into Secret {self._server.secret_name}"
                return Rejected(Reason.NEEDS_REAUTH, f"{words}: {why}; {mend}")
            case _:
                assert_never(found.then)
