"""What an answer of a service that makes API keys means: a key, a page of a list, done, or what went wrong.

1. A key counts if an id stands beside it: what cannot be revoked is not handed out. When it ends is as declared, if the
   answer says nothing that makes sense.
2. Services say what went wrong by a status, a code, or both, and some with the status 200: whoever declares one says
   which codes mean what, and a status counts as one.
3. What is ours is known by a mark, which no text of anybody else holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from rekey.core.answers import MAX_BODY, Answer, Then, Trouble, contents, document, follows, life, secret, told, waits
from rekey.core.pointing import at
from rekey.core.spec_api_key import ApiKeyServer
from rekey.core.spec_key_requests import ListRequest

MOST_PAGES: Final = 50
_ID: Final = re.compile(r"[!-~]{1,256}")
_GONE: Final = frozenset({404, 410})
_FULL: Final = (
    "it allows no more keys: delete one that nobody needs there, or have its limit raised; Rekey needs room for one "
    "more than are in use"
)


@dataclass(frozen=True, slots=True)
class Key:
    """A key that was made; `ends`: None if the service said nothing that makes sense."""

    value: str = field(repr=False)
    id: str
    ends: datetime | None


@dataclass(frozen=True, slots=True)
class Listed:
    """A key of a credential of ours that is there."""

    id: str
    number: int


@dataclass(frozen=True, slots=True)
class Page:
    """A part of the list; `count`: how many items it has, ours and others'; `cursor`: where the next begins."""

    ours: tuple[Listed, ...]
    count: int
    cursor: str | None


def mark(owner: str, number: int) -> str:
    """Return what a version is found by: short, and of letters, digits and dashes alone."""
    return f"rekey-{owner}-{number}"


def key(answer: Answer, server: ApiKeyServer) -> Key | Trouble:
    """Return what was answered to the request for a key."""
    asked, found = server.create, document(answer)
    value, name = secret(at(found, asked.value_field)), made_id(answer, server)
    if not is_done(answer, server) or value is None:
        return trouble(answer, server, f"no key stands at {asked.value_field} (`create.valueField`)")
    if name is None:
        return trouble(answer, server, f"no id of the key stands at {asked.id_field} (`create.idField`)")
    length = life(at(found, asked.expiry_field), asked.expiry_unit, answer) if asked.expiry_field is not None else None
    return Key(value, name, answer.sent + length if length is not None else None)


def made_id(answer: Answer, server: ApiKeyServer) -> str | None:
    """Return the id of what was made, whatever else is odd; never the key itself: ids stand in URLs."""
    found, asked = document(answer), server.create
    name = _id(at(found, asked.id_field)) if answer.is_success else None
    return None if name == at(found, asked.value_field) else name


def may_have_made(found: Trouble, answer: Answer, server: ApiKeyServer) -> bool:
    """Say whether a key may be there: a status of success says so, unless it comes with a code and without a key.

    Who declares `successField` wrongly would have a key made, and nobody know it, at each try.
    """
    if not answer.is_success or is_done(answer, server):
        return answer.is_success
    return not found.code or secret(at(document(answer), server.create.value_field)) is not None


def ends(told_end: datetime | None, wanted: datetime | None, server: ApiKeyServer, sent: datetime) -> datetime | None:
    """Return when a key is taken to end: by the first of what is told and wanted, or as declared; None: never."""
    known = [moment for moment in (told_end, wanted) if moment is not None]
    declared = [sent + server.key_lifetime] if server.key_lifetime is not None and not known else []
    cap = [sent + server.longest_lifetime] if server.longest_lifetime is not None else []
    return min((*known, *declared, *cap), default=None)


def page(answer: Answer, server: ApiKeyServer, asked: ListRequest, owner: str) -> Page | Trouble:
    """Return what was answered to the request for a list, with what is there of the credential with that uid."""
    found = contents(answer)
    items = at(found, asked.items_field) if asked.items_field is not None else found
    if not is_done(answer, server) or not isinstance(items, list):
        where = f"at {asked.items_field} (`list.itemsField`)" if asked.items_field else "there (`list.itemsField`)"
        return trouble(answer, server, f"no list stands {where}")
    cursor = at(found, asked.next_field) if asked.next_field is not None else None
    return Page(tuple(_ours(items, asked, owner)), len(items), _text(cursor) or None)


def is_done(answer: Answer, server: ApiKeyServer) -> bool:
    """Say whether the service did what it was asked for; where the answer has no body, the status says it."""
    if not answer.is_success:
        return False
    if server.success_field is None or answer.body == b"":
        return True
    return _text(at(contents(answer), server.success_field)) == server.success_value


def is_gone(found: Trouble, status: int, server: ApiKeyServer) -> bool:
    """Say whether an answer means that there is no such key."""
    return status in _GONE or _is(found.code, status, server.gone_errors)


def refuses(found: Trouble, status: int, server: ApiKeyServer) -> bool:
    """Say whether an answer to who shows a new key means that it is not accepted.

    404 does where the request is for the key itself; elsewhere it says that the path is wrong. What is to be asked
    later says nothing of the key, whatever its status.
    """
    if found.then is Then.WAIT:
        return False
    if status == 403 or found.then is Then.REAUTHORIZE or _is(found.code, status, server.gone_errors):  # noqa: PLR2004  HTTP's own
        return True
    return status in _GONE and server.prove is not None and "{id}" in server.prove.path


def trouble(answer: Answer, server: ApiKeyServer, otherwise: str = "") -> Trouble:
    """Return what an answer means that is none of what was asked for."""
    code, status = _text(at(document(answer), server.error_field)), answer.status
    wait, words = waits(answer, busy=_is(code, status, server.busy_errors)), _told(answer, code, server)
    if answer.is_success and contents(answer) is None:
        return Trouble(Then.LOST, f"{words} with what is not JSON of {MAX_BODY // 1024} KiB at most")
    if answer.is_success and otherwise and is_done(answer, server):
        words = f"{words}, but {otherwise}"
    if _is(code, status, server.limit_errors):
        return Trouble(Then.REFUSED, f"{words}: {_FULL}", code)
    return Trouble(_then(code, status, server), words, code, wait)


def _then(code: str, status: int, server: ApiKeyServer) -> Then:
    if _is(code, status, server.reauthorize_errors):
        return Then.REAUTHORIZE
    return Then.WAIT if _is(code, status, server.busy_errors) else follows(status)


def _told(answer: Answer, code: str, server: ApiKeyServer) -> str:
    """Return the status for people, with a code that was declared, or looks like one."""
    known = (server.reauthorize_errors, server.busy_errors, server.gone_errors, server.limit_errors)
    if code and any(code in codes for codes in known):
        return f"answered {answer.status} ({code})"
    return told(answer, code)


def _is(code: str, status: int, codes: Iterable[str]) -> bool:
    return not {code, str(status)}.isdisjoint(codes)


def _ours(items: list[object], asked: ListRequest, owner: str) -> Iterable[Listed]:
    known = re.compile(rf"(?<![A-Za-z0-9-]){re.escape(mark(owner, 0)[:-1])}([0-9]{{1,9}})(?![A-Za-z0-9-])")
    for item in items:
        found, name = known.search(_text(at(item, asked.mark_field))), _id(at(item, asked.id_field))
        lives = asked.live_field is None or _text(at(item, asked.live_field)) == asked.live_value
        if found is not None and name is not None and lives:
            yield Listed(name, int(found[1]))


def _id(found: object) -> str | None:
    """Return an id; none is a step of a path that leads elsewhere."""
    text = _text(found)
    return text if _ID.fullmatch(text) and text not in {".", ".."} else None


def _text(found: object) -> str:
    """Return a text, a number, or true or false as they stand in JSON; nothing for anything else."""
    if isinstance(found, bool):
        return str(found).lower()
    return str(found) if isinstance(found, str | int | float) else ""
