"""The adapter of API keys with a service that answers as it is told: what it is sent, and when its keys end."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import timedelta
from typing import Any

import pytest

from rekey.core.reasons import Reason
from rekey.errors import Rejected
from tests.providers.authorizing import NOW
from tests.providers.keying import ADMIN, MADE, MARK, OWNER, PROVED, VALUE, Desk, held, play
from tests.providers.serving import Says

HOUR = timedelta(hours=1)


def basic(text: str) -> str:
    """Return what HTTP Basic shows."""
    return "Basic " + b64encode(text.encode()).decode()


def by(method: str, **more: Any) -> dict[str, Any]:
    """Return how a key is shown."""
    return {"authorizationMethod": method, **more}


SHOWN: dict[str, tuple[dict[str, Any], str, str]] = {
    "as a bearer, which is what nobody declares": ({}, "authorization", f"Bearer {ADMIN}"),
    "as the password of Basic": (by("Basic", username="AC1"), "authorization", basic(f"AC1:{ADMIN}")),
    "as the name of Basic": (by("Basic"), "authorization", basic(f"{ADMIN}:")),
    "in a header": (by("Header", headerName="X-Api-Key"), "x-api-key", ADMIN),
    "in a header behind a word": (
        by("Header", headerName="Authorization", headerPrefix="Token "), "authorization", f"Token {ADMIN}",
    ),
    "in the body, and in no header": (by("Body", keyField="token"), "authorization", ""),
}  # fmt: skip


@pytest.mark.parametrize("case", SHOWN)
def test_our_key_is_shown(case: str) -> None:
    """In every request that is made in our name, and never in a URL."""
    fields, header, value = SHOWN[case]

    async def scene(desk: Desk) -> None:
        desk.server.header = header
        desk.says(Says(201, MADE), Says(200, {"ok": True}))
        await desk.backend().issue(desk.intent(), None)
        await desk.backend().revoke(held())

    desk = play(scene, fields=fields)
    assert desk.server.shown == [value.encode()] * 2
    assert desk.server.bodies == [b'{"token":"%s"}' % ADMIN.encode() if "Body" in fields.values() else b""] * 2
    assert desk.server.asked_for == ["POST /v1/keys HTTP/1.1", "DELETE /v1/keys/k-1 HTTP/1.1"]


def test_a_key_is_never_shown_in_a_url() -> None:
    """Not even to whoever gets past admission."""

    async def scene(desk: Desk) -> None:
        with pytest.raises(Rejected, match="a key is never sent in a URL"):
            await desk.backend().issue(desk.intent(), None)
        with pytest.raises(Rejected, match="a key is never sent in a URL"):
            await desk.backend().prove(held())

    assert play(scene, fields=by("Query") | {"prove": {**PROVED, **by("Query")}}).server.asked_for == []


PROOFS: dict[str, tuple[dict[str, Any], str, str]] = {
    "as a bearer": ({}, "authorization", f"Bearer {VALUE}"),
    "as the password of Basic": (by("Basic", username="{id}"), "authorization", basic(f"k-1:{VALUE}")),
    "as the name of Basic": (by("Basic"), "authorization", basic(f"{VALUE}:")),
    "in a header": (by("Header", headerName="X-Api-Key"), "x-api-key", VALUE),
}


@pytest.mark.parametrize("case", PROOFS)
def test_a_new_key_is_shown_to_prove_it(case: str) -> None:
    """As its users show it, and our own key is not shown with it."""
    fields, header, value = PROOFS[case]

    async def scene(desk: Desk) -> None:
        desk.server.header = header
        desk.says(Says(200, {"me": 1}))
        await desk.backend().prove(held())

    desk = play(scene, fields={"prove": {**PROVED, **fields}, **by("Header", headerName="X-Admin")})
    assert desk.server.shown == [value.encode()]
    assert desk.server.asked_for == ["GET /v1/whoami HTTP/1.1"]
    assert desk.server.bodies == [b""]


def one(name: str, value: str, kind: str = "Text") -> dict[str, Any]:
    """Return a field of a body."""
    return {"name": name, "value": value, "type": kind}


ASKS = {"scopes": ["orders:read", "a&b"], "audience": 'https://crm/?a="{id}"&b=c'}
ENDS = NOW + 48 * HOUR
BODIES: dict[str, tuple[list[dict[str, Any]], str, Any]] = {
    "what a version is": (
        [one("who", "{namespace}/{name} v{number} {owner}"), one("label", "a {mark}")],
        "JSON",
        {"who": f"orders/till v3 {OWNER}", "label": f"a {MARK}"},
    ),
    "objects in objects": (
        [one("/key/rights/a~1b", "x"), one("/key/rights/c", "{number}", "Number"), one("a/b", "y")],
        "JSON",
        {"key": {"rights": {"a/b": "x", "c": 3}}, "a/b": "y"},
    ),
    "types": (
        [one("a", "12", "Number"), one("b", "-1.5", "Number"), one("c", "true", "Boolean"), one("d", "x y", "List")],
        "JSON",
        {"a": 12, "b": -1.5, "c": True, "d": ["x", "y"]},
    ),
    "what is asked for is text, and is not looked at again": (
        [one("aud", "{audience}"), one("scopes", "{scopes}", "List")],
        "JSON",
        {"aud": ASKS["audience"], "scopes": ASKS["scopes"]},
    ),
    "what is asked for, in a form": (
        [one("aud", "{audience}"), one("scopes[]", "{scopes}", "List"), one("on", "true", "Boolean")],
        "Form",
        "aud=https%3A%2F%2Fcrm%2F%3Fa%3D%22%7Bid%7D%22%26b%3Dc&scopes%5B%5D=orders%3Aread&scopes%5B%5D=a%26b&on=true",
    ),
    "when it is to end": (
        [one("a", "{expires}"), one("b", "{expiresDate}"), one("c", "{expiresUnix}", "Number"), one("d", "{lifetime}")],
        "JSON",
        {"a": "2026-11-23T12:00:00Z", "b": "2026-11-23", "c": int(ENDS.timestamp()), "d": "172800"},
    ),
    "no body at all": ([], "JSON", None),
}


@pytest.mark.parametrize("case", BODIES)
def test_what_a_key_is_asked_for_with(case: str) -> None:
    """Each value is escaped as its place needs it."""
    fields, style, body = BODIES[case]

    async def scene(desk: Desk) -> None:
        desk.server.header = "content-type"
        desk.says(Says(201, MADE))
        await desk.backend().issue(desk.intent(ENDS), None)

    desk = play(scene, fields={"create": {"path": "/keys", "fields": fields, "bodyFormat": style}}, asks=ASKS)
    if style == "Form":
        assert (desk.body.decode(), desk.server.shown[0]) == (body, b"application/x-www-form-urlencoded")
    else:
        assert (json.loads(desk.body) if desk.body else None) == body
        assert desk.server.shown == [b"application/json" if fields else b""]


def test_a_field_that_has_nothing_to_say() -> None:
    """It is left out, also if only one of its placeholders has nothing."""
    names = ("{scopes}", "{audience}", "{expires}", "{expiresDate}", "{expiresUnix}", "{lifetime}", "for {audience}")
    fields = [one(f"f{number}", name) for number, name in enumerate(names)]

    async def scene(desk: Desk) -> None:
        desk.says(Says(201, MADE))
        await desk.backend().issue(desk.intent(), None)

    created = {"path": "/keys", "fields": [*fields, one("label", "x")]}
    assert json.loads(play(scene, fields={"create": created}).body) == {"label": "x"}


@pytest.mark.parametrize("name", ["scopes", "audience", "expires", "expiresDate", "expiresUnix", "lifetime"])
def test_a_mark_is_never_left_out(name: str) -> None:
    """Not even for whoever gets past admission: without it no list would find the key again."""

    async def scene(desk: Desk) -> None:
        with pytest.raises(Rejected, match=r"the field label of `create.fields` has `{mark}` beside") as caught:
            await desk.backend().issue(desk.intent(), None)
        assert caught.value.reason == Reason.PROVIDER_NOT_READY

    created = {"path": "/keys", "fields": [one("label", f"{{mark}} until {{{name}}}")]}
    assert play(scene, fields={"create": created}).server.asked_for == []


@pytest.mark.parametrize("value", ["{audience}", "1e999", "true"])
def test_a_number_that_is_none(value: str) -> None:
    """Who declared it is told, and nothing is sent."""

    async def scene(desk: Desk) -> None:
        with pytest.raises(Rejected, match=r"the field ttl of `create.fields` is not what its `type` says") as caught:
            await desk.backend().issue(desk.intent(), None)
        assert caught.value.reason == Reason.PROVIDER_NOT_READY

    created = {"path": "/keys", "fields": [one("ttl", value, "Number")]}
    assert play(scene, fields={"create": created}, asks=ASKS).server.asked_for == []


IDS: dict[str, tuple[Any, str]] = {
    "a number": (17, "17"),
    "a path": ("../users/1", "..%2Fusers%2F1"),
    "a query": ("1?all&2#x", "1%3Fall&2%23x"),
    "an escape": ("%2e%2e", "%252e%252e"),
    "a placeholder": ("{id}", "%7Bid%7D"),
}


@pytest.mark.parametrize("case", IDS)
def test_an_id_leads_nowhere_else(case: str) -> None:
    """It is one step of the path, whatever it is."""
    name, path = IDS[case]

    async def scene(desk: Desk) -> None:
        desk.says(Says(201, {"id": name, "key": VALUE}), Says(204, ""))
        granted = await desk.backend().issue(desk.intent(), None)
        assert granted.backend_id == str(name)
        await desk.backend().revoke(held(backend_id=granted.backend_id, kept_id=str(name)))

    assert play(scene).server.asked_for[1] == f"DELETE /v1/keys/{path} HTTP/1.1"


def test_an_id_that_is_not_the_one_in_the_secret() -> None:
    """It may be that of somebody else's key: where no list tells whose it is, nothing is revoked by it."""

    async def scene(desk: Desk) -> None:
        with pytest.raises(Rejected, match="version 3 is known by an id that is not the one in its Secret") as caught:
            await desk.backend().revoke(held(backend_id="k-2"))
        assert caught.value.reason == Reason.BACKEND_REFUSED

    assert play(scene).server.asked_for == []


def test_more_headers() -> None:
    """They are in every request, and one may say what a body is."""
    fields = {"headers": [{"name": "content-type", "value": "application/vnd.api+json"}, {"name": "X-V", "value": "2"}]}

    async def scene(desk: Desk) -> None:
        for header in ("content-type", "x-v"):
            desk.server.header = header
            desk.says(Says(201, MADE))
            await desk.backend().issue(desk.intent(), None)

    created = {"create": {"path": "/keys", "fields": [one("a", "b")]}}
    assert play(scene, fields=fields | created).server.shown == [b"application/vnd.api+json", b"2"]


LIVES: dict[str, tuple[dict[str, Any], dict[str, Any], timedelta | None]] = {
    "nobody says": ({}, {}, None),
    "nobody says, as declared": ({}, {"keyLifetime": "2h"}, 2 * HOUR),
    "a date": ({"ends": "2026-11-21T13:00:00Z"}, {}, HOUR),
    "a day": ({"ends": "2026-11-22"}, {}, 12 * HOUR),
    "milliseconds": ({"ends": 7_200_000}, {"unit": "Milliseconds"}, 2 * HOUR),
    "seconds that are a string": ({"ends": "3600"}, {"unit": "Seconds"}, HOUR),
    "missing, as wanted": ({}, {"wanted": HOUR}, HOUR),
    "missing, as wanted before it is as declared": ({}, {"wanted": 3 * HOUR, "keyLifetime": "2h"}, 3 * HOUR),
    "null, as declared": ({"ends": None}, {"keyLifetime": "2h"}, 2 * HOUR),
    "words, as declared": ({"ends": "in a while"}, {"keyLifetime": "2h"}, 2 * HOUR),
    "over already, as declared": ({"ends": "2020-01-01T00:00:00Z"}, {"keyLifetime": "2h"}, 2 * HOUR),
    "milliseconds where seconds are declared, which is thousands of years": (
        {"ends": 7_200_000_000}, {"unit": "Seconds", "keyLifetime": "2h"}, 2 * HOUR,
    ),
    "later than wanted": ({"ends": "2026-11-23"}, {"wanted": HOUR}, HOUR),
    "earlier than wanted": ({"ends": "2026-11-21T13:00:00Z"}, {"wanted": 3 * HOUR}, HOUR),
    "later than the longest": ({"ends": "2036-11-23"}, {"longestLifetime": "24h"}, 24 * HOUR),
    "never, but for the longest": ({}, {"longestLifetime": "24h"}, 24 * HOUR),
}  # fmt: skip


@pytest.mark.parametrize("case", LIVES)
def test_when_a_key_ends(case: str) -> None:
    """What makes no sense counts as not said; the key is taken all the same."""
    told, more, life = LIVES[case]
    wanted, unit = more.get("wanted"), more.get("unit", "Date")
    created = {"create": {"path": "/keys", "expiryField": "/ends", "expiryUnit": unit}}
    declared = {name: value for name, value in more.items() if name.endswith("Lifetime")}

    async def scene(desk: Desk) -> None:
        desk.says(Says(201, MADE | told))
        granted = await desk.backend().issue(desk.intent(NOW + wanted if wanted else None), None)
        assert granted.expires == (NOW + life if life is not None else None)
        assert dict(granted.material.reveal()) == {"api_key": VALUE.encode(), "id": b"k-1"}

    play(scene, fields=created | declared)


@pytest.mark.parametrize("admin", ["", "two words", "\u00e9"])
def test_an_admin_key_that_cannot_be_sent(admin: str) -> None:
    """Who wrote it is told where, and nothing is sent."""

    async def scene(desk: Desk) -> None:
        with pytest.raises(Rejected, match="Secret admin has no `api_key` of visible ASCII") as caught:
            await desk.backend().issue(desk.intent(), None)
        assert caught.value.reason == Reason.PROVIDER_NOT_READY

    assert play(scene, admin=admin).server.asked_for == []
