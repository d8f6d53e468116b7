"""What the answers of a service that makes API keys mean to the adapter: each quirk and each class of errors a row."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from rekey.core.rate import Rate
from rekey.core.reasons import Reason
from rekey.errors import NoAnswer, NotAccepted, NotYet, Rejected, RekeyError, Retryable
from tests.providers.keying import CLAIM, LISTED, MADE, MARK, OWNER, PROVED, VALUE, Desk, held, play
from tests.providers.serving import Says


@dataclass(frozen=True)
class Row:
    """What a service answers to the request for a key, and what comes of it; `calls`: how many there were."""

    answer: Says
    error: type[RekeyError]
    reason: str = ""
    says: str = ""
    fields: dict[str, Any] = field(default_factory=dict)
    more: tuple[Says, ...] = ()
    calls: int = 1
    wait: float | None = None


def refused(answer: Says, says: str, **more: Any) -> Row:
    """Return an answer by which it is refused for good."""
    return Row(answer, Rejected, Reason.BACKEND_REFUSED, says, **more)


def stale(answer: Says, says: str, **more: Any) -> Row:
    """Return an answer by which our own key is not accepted."""
    return Row(answer, Rejected, Reason.NEEDS_REAUTH, says, **more)


OK = {"successField": "/ok"}
LIMIT = {"limitErrors": ["too_many_keys", "MAX_KEYS", "422", "Only two keys are allowed"]}
DIED = {"reauthorizeErrors": ["token_revoked", "E_AUTH", "1001", "403"]}
BUSY = {"busyErrors": ["try_later", "509"], "errorField": "/error/code"}
FULL = "it allows no more keys: delete one that nobody needs there"
PUT = "put another `api_key` into Secret admin"
NOBODY = "a key may be there that nobody knows: delete it, and mend what the provider declares"
CREATED: dict[str, Row] = {
    "a password was reset, and our key died with it": stale(Says(401, ""), "ended with its owner's password"),
    "our key is not accepted, as a code of ours says": stale(Says(400, {"error": "token_revoked"}), PUT, fields=DIED),
    "our key is not accepted, as a status says": stale(Says(403, {"error": "Ask an admin"}), PUT, fields=DIED),
    "our key is not accepted, as a number says": stale(Says(400, {"error": 1001}), "400 (1001): our key", fields=DIED),
    "our key is not accepted, with the status 200": stale(
        Says(200, {"ok": False, "error": "token_revoked"}), "answered 200 (token_revoked): our key", fields=OK | DIED
    ),
    "403 where nothing is declared": refused(Says(403, ""), "answered 403: see what the provider declares"),
    "two keys are all there may be": refused(
        Says(409, {"error": "too_many_keys"}), f"answered 409 (too_many_keys): {FULL}", fields=LIMIT
    ),
    "two keys are all there may be, as a status says": refused(Says(422, {}), FULL, fields=LIMIT),
    "two keys are all there may be, in words": refused(
        Says(400, {"error": "Only two keys are allowed"}), "400 (Only two keys are allowed): it", fields=LIMIT
    ),
    "two keys are all there may be, with the status 200": refused(
        Says(200, {"ok": False, "error": "MAX_KEYS"}), "(MAX_KEYS): it allows no more", fields=LIMIT | OK
    ),
    "an error with the status 200": refused(
        Says(200, {"ok": False, "error": "unknown_scope"}), "answered 200 (unknown_scope): see", fields=OK
    ),
    "an error with the status 200, and the id of another": refused(
        Says(200, {"ok": False, "error": "name_is_taken", "id": "k-9"}), "answered 200 (name_is_taken): see", fields=OK
    ),
    "an error with the status 200 and a key, which is revoked": refused(
        Says(200, {"ok": False, "error": "unknown_scope", **MADE}), "answered 200 (unknown_scope): see", fields=OK,
        more=(Says(204, ""),), calls=2,
    ),
    "no success with the status 200, and the key is revoked": refused(
        Says(200, MADE), "answered 200: see", fields=OK, more=(Says(204, ""),), calls=2
    ),
    "no success, as `successField` is wrong, and it cannot be revoked": stale(
        Says(201, MADE), NOBODY, fields=OK, more=(Says(200, {}),), calls=2
    ),
    "no success and no id": stale(Says(201, {"token": VALUE}), NOBODY, fields=OK),
    "no success and no JSON": stale(Says(201, "<html>"), NOBODY, fields=OK),
    "an error in words": refused(Says(400, {"error": f"No such scope as {VALUE}"}), "answered 400: see"),
    "a redirect": refused(Says(302, "", {"Location": "https://elsewhere.example.com/"}), "answered 302: see"),
    "busy": Row(Says(429, {}, {"Retry-After": "7"}), Retryable, says="answered 429", wait=7.0),
    "busy, until its window is over": Row(Says(429, {}, {"X-RateLimit-Reset": "9"}), Retryable, wait=9.0),
    "busy, as a code says": Row(
        Says(400, {"error": {"code": "try_later"}}, {"X-RateLimit-Reset": "9"}), Retryable, fields=BUSY, wait=9.0
    ),
    "busy, as a status says": Row(Says(509, {}), Retryable, says="answered 509", fields=BUSY),
    "down for a while": Row(Says(503, ""), Retryable, says="answered 503"),
    "broken": Row(Says(500, {"error": "internal"}), NoAnswer, says="answered 500 (internal)"),
    "no JSON, where keys are listed": Row(
        Says(201, "<html>"), NoAnswer, says="with what is not JSON",
        fields={"list": LISTED}, more=(Says(200, []),), calls=2,
    ),
    "no JSON, where they are not: it is not asked for again": stale(Says(201, "<html>"), NOBODY),
    "too much": stale(Says(201, {**MADE, "more": "x" * 70_000}), "not JSON of 64 KiB at most; a key may be there"),
    "no key, and it is revoked": refused(
        Says(201, {"id": "k-1", "token": VALUE}), "no key stands at /key (`create.valueField`)",
        more=(Says(204, ""),), calls=2,
    ),
    "no key, and it cannot be revoked": stale(
        Says(201, {"id": "k-1", "token": VALUE}), f"at /key (`create.valueField`); {NOBODY}",
        more=(Says(500, ""),), calls=2,
    ),
    "no key that can stand in a header": stale(Says(201, {"id": "", "key": "a\nb"}), "no key stands at /key"),
    "no id": stale(Says(201, {"key": VALUE}), f"no id of the key stands at /id (`create.idField`); {NOBODY}"),
    "an id that leads elsewhere": stale(Says(201, {"key": VALUE, "id": ".."}), "no id of the key stands at /id"),
    "an id that is a list": stale(Says(201, {"key": VALUE, "id": ["k-1"]}), "no id of the key stands at /id"),
    "an id that is the key": stale(Says(201, {"key": VALUE, "id": VALUE}), "no id of the key stands at /id"),
    "no id, where keys are listed": refused(
        Says(201, {"key": VALUE}), "no id of the key stands at /id",
        fields={"list": LISTED}, more=(Says(200, []),), calls=2,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CREATED)
def test_an_answer_without_a_key(case: str) -> None:
    """What follows is what is declared; nothing that an answer says in words of its own is repeated."""
    row = CREATED[case]
    listed = [Says(200, [])] if "list" in row.fields else []

    async def scene(desk: Desk) -> None:
        desk.says(*listed, row.answer, *row.more[len(listed) :])
        with pytest.raises(row.error) as caught:
            await desk.backend().issue(desk.intent(), None)
        assert type(caught.value) is row.error
        assert getattr(caught.value, "reason", "") == row.reason
        assert getattr(caught.value, "retry_after", None) == row.wait
        assert row.says in str(caught.value)
        assert VALUE not in str(caught.value)

    assert len(play(scene, fields=row.fields).server.asked_for) == row.calls


PROVED_BY: dict[str, tuple[Says, dict[str, Any], type[RekeyError] | None, str]] = {
    "it is accepted": (Says(200, {}), {}, None, ""),
    "it is accepted without a word": (Says(204, ""), OK, None, ""),
    "401": (Says(401, {}), {}, NotAccepted, "answered 401 to the key of version 3"),
    "403": (Says(403, {"error": "forbidden"}), {}, NotAccepted, "answered 403 (forbidden)"),
    "a code with the status 200": (Says(200, {"ok": False, "error": "token_revoked"}), OK | DIED, NotAccepted, "200"),
    "a code that says it is gone": (Says(400, {"error": "gone"}), {"goneErrors": ["gone"]}, NotAccepted, "400 (gone)"),
    "404 for the key itself": (Says(404, {}), {"prove": {"path": "/keys/{id}"}}, NotAccepted, "answered 404"),
    "404 for anything else": (Says(404, {}), {}, Rejected, "answered 404: see what the provider declares"),
    "a redirect to a page for people": (Says(302, "", {"Location": "/login"}), {}, Rejected, "answered 302"),
    "busy": (Says(429, {}), {}, Retryable, "answered 429"),
    "busy with 403, as a code says": (
        *(Says(403, {"error": "rate_limited"}), {"busyErrors": ["rate_limited"]}),
        *(Retryable, "answered 403 (rate_limited)"),
    ),
    "busy with 404 for the key itself, as a status says": (
        *(Says(404, {}), {"busyErrors": ["404"], "prove": {"path": "/keys/{id}"}}),
        *(Retryable, "answered 404"),
    ),
    "broken": (Says(502, ""), {}, NoAnswer, "answered 502"),
}


@pytest.mark.parametrize("case", PROVED_BY)
def test_a_proof(case: str) -> None:
    """Only what refuses the key itself does; everything else says nothing about it."""
    answer, fields, error, words = PROVED_BY[case]

    async def scene(desk: Desk) -> None:
        desk.says(answer)
        if error is None:
            await desk.backend().prove(held())
            return
        with pytest.raises(error) as caught:
            await desk.backend().prove(held())
        assert type(caught.value) is error
        assert words in str(caught.value)
        assert getattr(caught.value, "reason", Reason.BACKEND_REFUSED) == Reason.BACKEND_REFUSED

    play(scene, fields={"prove": PROVED, **fields})


def test_what_cannot_be_proved() -> None:
    """A version of which nothing is left is not accepted; a service without `prove` says who must act."""

    async def scene(desk: Desk) -> None:
        with pytest.raises(Rejected, match="no `prove`"):
            await desk.backend().prove(held())
        desk.fields = {"prove": PROVED}
        with pytest.raises(NotAccepted, match="nothing is left"):
            await desk.backend().prove(held(None))

    assert play(scene).server.asked_for == []


OURS = {"id": "k-1", "name": MARK}
GONE = Says(404, {})
REFUSES = Says(401, {})
REVOKED: dict[str, tuple[tuple[Says, ...], dict[str, Any], type[RekeyError] | None, str]] = {
    "it is revoked": ((Says(204, ""),), {}, None, ""),
    "it was gone": ((GONE,), {}, None, ""),
    "it was gone, as a code says": ((Says(400, {"error": "unknown"}),), {"goneErrors": ["unknown"]}, None, ""),
    "it was gone, with the status 200": (
        (Says(200, {"ok": False, "error": "unknown"}),), OK | {"goneErrors": ["unknown"]}, None, "",
    ),
    "it is revoked, and refused": ((Says(204, ""), REFUSES), {"prove": PROVED}, None, ""),
    "it was gone, and is accepted still": (
        (GONE, Says(200, {})), {"prove": PROVED}, NotYet, "version 3 was revoked, and is accepted still",
    ),
    "it was gone, and whether it is accepted is told later": (
        (GONE, Says(403, {"error": "rate_limited"})), {"prove": PROVED, "busyErrors": ["rate_limited"]},
        Retryable, "answered 403 (rate_limited)",
    ),
    "it was gone, and whether it is accepted is not said": ((GONE, Says(500, "")), {"prove": PROVED}, NoAnswer, "500"),
    "it is refused for no reason": ((Says(400, {}),), {}, Rejected, "answered 400"),
    "our key is not accepted": ((Says(401, {}),), {}, Rejected, PUT),
    "busy": ((Says(429, {}),), {}, Retryable, "answered 429"),
    "it is listed, and revoked": ((Says(200, [OURS]), Says(204, "")), {"list": LISTED}, None, ""),
    "it is not listed": ((Says(200, []),), {"list": LISTED}, None, ""),
    "it is listed twice, as an answer was lost": (
        (Says(200, [OURS, OURS | {"id": "k-2"}]), Says(204, ""), Says(204, "")), {"list": LISTED}, None, "",
    ),
    "it is listed, and gone": (
        (Says(200, [OURS]), GONE), {"list": LISTED}, NotYet, "key k-1 is gone, and lists it: see `revoke`",
    ),
    "it is listed, and its id is said to be the key itself": (
        (Says(200, [{"key": VALUE, "name": MARK}]),), {"list": {**LISTED, "idField": "/key"}},
        Rejected, "`list.idField` leads to keys, and not to their ids",
    ),
    "it is listed as revoked": (
        (Says(200, [OURS | {"revoked": True}]),),
        {"list": {**LISTED, "liveField": "/revoked", "liveValue": "false"}}, None, "",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REVOKED)
def test_a_revocation(case: str) -> None:
    """It is asked for by what is ours, and seen to be so where it can be."""
    answers, fields, error, words = REVOKED[case]

    async def scene(desk: Desk) -> None:
        desk.says(*answers)
        if error is None:
            await desk.backend().revoke(held())
            return
        with pytest.raises(error) as caught:
            await desk.backend().revoke(held())
        assert type(caught.value) is error
        assert words in str(caught.value)

    assert len(play(scene, fields=fields).server.asked_for) == len(answers)


def item(number: int) -> dict[str, Any]:
    """Return an item of a list, of a version of ours."""
    return {"id": f"k-{number}", "name": f"orders/till rekey-{OWNER}-{number}"}


PAGED = {**LISTED, "itemsField": "/data", "nextField": "/next", "pageParameter": "after"}
NUMBERED = {"path": "/keys?size=2&for={owner}", "pageParameter": "page"}
LISTS: dict[str, tuple[tuple[Any, ...], dict[str, Any], list[int], list[str]]] = {
    "one page": (([item(2), item(1)],), LISTED, [1, 2], ["/v1/keys"]),
    "nothing": (([],), LISTED, [], ["/v1/keys"]),
    "pages with a cursor": (
        ({"data": [item(1)], "next": "a&b=c"}, {"data": [item(2)], "next": ""}),
        PAGED,
        [1, 2],
        ["/v1/keys", "/v1/keys?after=a%26b%3Dc"],
    ),
    "pages by number, until one is empty": (
        ([item(1), {"id": "x", "name": "theirs"}], [item(2)], []),
        NUMBERED,
        [1, 2],
        [f"/v1/keys?size=2&for={OWNER}&page={number}" for number in (1, 2, 3)],
    ),
    "items that are odd": (
        (["x", None, [], {}, {"name": MARK}, {"id": 7}, {"id": None, "name": MARK}, {"id": 8, "name": 9}, item(4)],),
        LISTED,
        [4],
        ["/v1/keys"],
    ),
    "marks of others": (
        ([item(1) | {"name": name} for name in (f"rekey-{OWNER}-1a", f"rekey-{OWNER}9-1", f"1rekey-{OWNER}-1", MARK)],),
        LISTED,
        [3],
        ["/v1/keys"],
    ),
}


@pytest.mark.parametrize("case", LISTS)
def test_what_is_listed(case: str) -> None:
    """All pages of it, and what is ours alone."""
    pages, fields, numbers, paths = LISTS[case]

    async def scene(desk: Desk) -> None:
        desk.says(*(Says(200, page) for page in pages))
        found = await desk.backend().find(OWNER)
        assert [(claim.owner, claim.namespace, claim.number) for claim in found] == [
            (OWNER, CLAIM.namespace, number) for number in numbers
        ]

    desk = play(scene, fields={"list": fields})
    assert desk.server.asked_for == [f"GET {path} HTTP/1.1" for path in paths]


def test_a_revocation_of_a_key_whose_id_is_not_known() -> None:
    """It is not said to be done while its value is there; without its value nothing was ever given to anybody."""

    async def scene(desk: Desk) -> None:
        with pytest.raises(Rejected, match="version 3 is not known, and keys are not listed: revoke its key there"):
            await desk.backend().revoke(held(backend_id=None))
        await desk.backend().revoke(held(None, backend_id=None))

    assert play(scene).server.asked_for == []


UNLISTED: dict[str, tuple[Says, type[RekeyError], str]] = {
    "no list": (Says(200, {"keys": []}), Rejected, "no list stands there (`list.itemsField`)"),
    "no JSON": (Says(200, "<html>"), NoAnswer, "with what is not JSON of 64 KiB at most"),
    "too much": (Says(200, ["x" * 70_000]), NoAnswer, "with what is not JSON of 64 KiB at most"),
    "an error": (Says(500, ""), NoAnswer, "answered 500"),
    "our key is not accepted": (Says(401, ""), Rejected, PUT),
}


@pytest.mark.parametrize("case", UNLISTED)
def test_a_list_that_is_none(case: str) -> None:
    """It is never taken for an empty one: a key that is there would be forgotten; and nothing is made."""
    answer, error, words = UNLISTED[case]

    async def scene(desk: Desk) -> None:
        desk.says(answer)
        with pytest.raises(error, match=r".*") as caught:
            await desk.backend().issue(desk.intent(), None)
        assert words in str(caught.value)

    assert len(play(scene, fields={"list": LISTED}).server.asked_for) == 1


def test_a_list_without_an_end() -> None:
    """It is given up, and who declared it is told."""

    async def scene(desk: Desk) -> None:
        desk.says(*(Says(200, [item(1)]) for _ in range(60)))
        with pytest.raises(Rejected, match=r"more than 50 pages: have `list.path` ask for more on each"):
            await desk.backend().find(OWNER)

    assert len(play(scene, fields={"list": NUMBERED}).server.asked_for) == 50


def test_limits_are_heard() -> None:
    """Whatever is asked."""

    async def scene(desk: Desk) -> None:
        desk.says(Says(204, "", {"X-RateLimit-Remaining": "5"}))
        await desk.backend().revoke(held())

    assert play(scene).heard == [Rate(remaining=5)]


def test_a_limit_that_makes_no_sense_loses_no_key() -> None:
    """The key is taken all the same."""

    async def scene(desk: Desk) -> None:
        desk.says(Says(201, MADE, {"X-RateLimit-Reset": "500000000000"}))
        assert (await desk.backend().issue(desk.intent(), None)).backend_id == "k-1"

    assert play(scene).heard == []
