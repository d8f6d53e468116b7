"""What answers of OAuth2 endpoints mean: every shape of a token, and every way of not giving one."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rekey.core import oauth2
from rekey.core.answers import Answer, Then, Trouble
from rekey.core.oauth2 import Token
from rekey.core.spec_http import ExpiryUnit
from rekey.core.spec_oauth2 import Oauth2Server

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
EPOCH = int(NOW.timestamp())
HOUR = timedelta(hours=1)
CANARY = "canary-4f9d2c7ab1e0"


def server(**fields: Any) -> Oauth2Server:
    """Return a server, as declared."""
    return Oauth2Server.model_validate({"tokenUrl": "https://idp.example.com/token", "secretName": "client", **fields})


def answer(status: int = 200, body: Any = None, **headers: str) -> Answer:
    """Return an answer; a body that is no bytes is written as JSON."""
    shown = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, NOW, shown, body if isinstance(body, bytes | None) else json.dumps(body).encode())


def token(body: dict[str, Any], asked: tuple[str, ...] = (), **fields: Any) -> Token:
    """Return the token of an answer that has one."""
    found = oauth2.token(answer(200, {"access_token": "at-1", **body}), server(**fields), asked)
    assert isinstance(found, Token)
    return found


LIVES: dict[str, tuple[Any, dict[str, Any], timedelta | None]] = {
    "a number of seconds": (1800, {}, HOUR / 2),
    "a number with a fraction": (90.5, {}, timedelta(seconds=90.5)),
    "a number that is a string": ("28800", {}, 8 * HOUR),
    "milliseconds": (3_600_000, {"expiryUnit": "Milliseconds"}, HOUR),
    "milliseconds that are a string": ("3600000", {"expiryUnit": "Milliseconds"}, HOUR),
    "a date": ("2026-11-21T13:00:00Z", {"expiryUnit": "Date"}, HOUR),
    "a date of another zone": ("2026-11-21T15:00:00+02:00", {"expiryUnit": "Date"}, HOUR),
    "a date in seconds since 1970": (EPOCH + 3600, {"expiryUnit": "Date"}, HOUR),
    "a date in seconds since 1970 that is a string": (str(EPOCH + 3600), {"expiryUnit": "Date"}, HOUR),
    "fifteen years": (473_040_000, {}, timedelta(seconds=473_040_000)),
    "zero": (0, {}, None),
    "a negative number": (-1, {}, None),
    "a negative number that is a string": ("-1", {}, None),
    "null": (None, {}, None),
    "true": (True, {}, None),
    "an empty string": ("", {}, None),
    "words": ("one hour", {}, None),
    "no number": ("NaN", {}, None),
    "without end": ("Infinity", {}, None),
    "a power": ("1e3", {}, None),
    "a list": ([3600], {}, None),
    "more than a hundred years": (3_200_000_000, {}, None),
    "more than a calendar has": (10**18, {}, None),
    "a number of a thousand digits": ("9" * 1000, {}, None),
    "a date that is over": ("2026-11-21T11:59:59Z", {"expiryUnit": "Date"}, None),
    "a date without its zone": ("2026-11-21T13:00:00", {"expiryUnit": "Date"}, None),
    "a day, which is taken for its beginning": ("2026-11-22", {"expiryUnit": "Date"}, 12 * HOUR),
    "a date that no calendar has": ("2026-02-30T00:00:00Z", {"expiryUnit": "Date"}, None),
    "a date where seconds are declared": ("2026-11-21T13:00:00Z", {}, None),
    "seconds since 1970 that no calendar has": (10**17, {"expiryUnit": "Date"}, None),
}


@pytest.mark.parametrize("case", LIVES)
def test_how_long_a_token_is_good(case: str) -> None:
    """What makes no sense counts as not said; the token is taken all the same."""
    told, fields, life = LIVES[case]
    assert token({"expires_in": told}, **fields).life == life


def test_an_expiry_that_stands_elsewhere() -> None:
    """The pointer leads into objects and lists, with the two escapes of RFC 6901."""
    assert token({"data": {"a/b~": 60}}, expiryField="/data/a~1b~0").life == timedelta(seconds=60)
    assert token({"data": [60]}, expiryField="/data/0").life == timedelta(seconds=60)
    assert token({}).life is None


def test_a_date_is_compared_with_the_clock_of_who_tells_it() -> None:
    """A server whose clock is wrong tells dates by it, and its own present instant too."""
    body = {"access_token": "at-1", "ends": "2026-11-21T13:00:00Z"}
    declared = server(expiryField="/ends", expiryUnit="Date")
    found = oauth2.token(answer(200, body, date="Sat, 21 Nov 2026 12:50:00 GMT"), declared)
    assert isinstance(found, Token)
    assert found.life == timedelta(minutes=10)
    active = {"active": True, "exp": EPOCH + 3600}
    assert oauth2.told_life(answer(200, active, date="Sat, 21 Nov 2026 12:59:00 GMT")) == timedelta(minutes=1)


ENDS: dict[str, tuple[timedelta | None, dict[str, Any], timedelta]] = {
    "as the server says": (HOUR / 2, {}, HOUR / 2),
    "as declared, where it does not say": (None, {}, HOUR),
    "as declared otherwise": (None, {"tokenLifetime": "2h"}, 2 * HOUR),
    "by the longest lifetime, whatever the server says": (timedelta(days=5475), {}, 24 * HOUR),
    "by a longest lifetime of one's own": (9 * HOUR, {"longestLifetime": "8h"}, 8 * HOUR),
    "by the longest lifetime, which is below the declared": (None, {"longestLifetime": "10m"}, timedelta(minutes=10)),
}


@pytest.mark.parametrize("case", ENDS)
def test_a_token_ends(case: str) -> None:
    """It is counted from when it was asked for."""
    life, fields, ends = ENDS[case]
    assert oauth2.expires(life, server(**fields), NOW) == NOW + ends


SHAPES: dict[str, tuple[dict[str, Any], Token]] = {
    "the least": ({}, Token("at-1", "Bearer", None)),
    "a type in lower case": ({"token_type": "bearer"}, Token("at-1", "bearer", None)),
    "a type that no header could have": ({"token_type": "Bear\r\ner"}, Token("at-1", "Bearer", None)),
    "a type that is no text": ({"token_type": 7}, Token("at-1", "Bearer", None)),
    "another refresh token": ({"refresh_token": "rt-2"}, Token("at-1", "Bearer", None, "rt-2")),
    "a refresh token that is null": ({"refresh_token": None}, Token("at-1", "Bearer", None)),
    "a refresh token that is empty": ({"refresh_token": ""}, Token("at-1", "Bearer", None)),
    "all scopes, in another order": ({"scope": "b a"}, Token("at-1", "Bearer", None)),
    "more scopes, parted by commas": ({"scope": "a,b,c"}, Token("at-1", "Bearer", None)),
    "fewer scopes": ({"scope": "a"}, Token("at-1", "Bearer", None, missing=("b",))),
    "nothing of scopes": ({"scope": ""}, Token("at-1", "Bearer", None)),
    "an error beside the token": ({"error": "invalid_grant"}, Token("at-1", "Bearer", None)),
}


@pytest.mark.parametrize("case", SHAPES)
def test_an_answer_with_a_token(case: str) -> None:
    """It is never thrown away for what else is odd."""
    body, found = SHAPES[case]
    assert token(body, asked=("a", "b")) == found


def test_a_token_that_stands_elsewhere() -> None:
    """As declared; what stands at the usual place is not it."""
    found = oauth2.token(answer(200, {"token": "at-9", "access_token": "no"}), server(tokenField="/token"))
    assert isinstance(found, Token)
    assert found.access == "at-9"


GRANT = {"error": "invalid_grant", "error_description": CANARY}
HUBSPOT = {"errorField": "/status", "reauthorizeErrors": ["BAD_REFRESH_TOKEN"]}
TROUBLE: dict[str, tuple[Answer, dict[str, Any], Then, str, float | None]] = {
    "invalid_grant": (answer(400, GRANT), {}, Then.REAUTHORIZE, "answered 400 (invalid_grant)", None),
    "invalid_grant by a server that says 200": (answer(200, GRANT), {}, Then.REAUTHORIZE, "200 (invalid_grant)", None),
    "invalid_client": (answer(401, {"error": "invalid_client"}), {}, Then.REAUTHORIZE, "401 (invalid_client)", None),
    "unauthorized_client": (answer(400, {"error": "unauthorized_client"}), {}, Then.REAUTHORIZE, "400 (un", None),
    "401 without a word": (answer(401, b""), {}, Then.REAUTHORIZE, "answered 401", None),
    "401 with a page": (answer(401, b"<html>"), {}, Then.REAUTHORIZE, "answered 401", None),
    "an error that was declared": (
        answer(400, {"status": "BAD_REFRESH_TOKEN"}),
        HUBSPOT,
        Then.REAUTHORIZE,
        "400",
        None,
    ),
    "an error of which nobody declared anything": (answer(400, {"error": "odd"}), {}, Then.REFUSED, "400 (odd)", None),
    "invalid_scope": (answer(400, {"error": "invalid_scope"}), {}, Then.REFUSED, "400 (invalid_scope)", None),
    "a 400 with a body of its own": (answer(400, {"fault": {"code": 7}}), {}, Then.REFUSED, "answered 400", None),
    "a 400 that is no JSON": (answer(400, b"Bad " + CANARY.encode()), {}, Then.REFUSED, "answered 400", None),
    "a 400 that is a list": (answer(400, [GRANT]), {}, Then.REFUSED, "answered 400", None),
    "403": (answer(403, {"error": "access_denied"}), {}, Then.REFUSED, "403 (access_denied)", None),
    "404": (answer(404, b"not found"), {}, Then.REFUSED, "answered 404", None),
    "a redirect": (answer(302, b"", location="https://evil.example"), {}, Then.REFUSED, "answered 302", None),
    "an error that is a sentence": (answer(400, {"error": f"No {CANARY}"}), {}, Then.REFUSED, "answered 400", None),
    "an error that is too long": (answer(400, {"error": "a" * 65}), {}, Then.REFUSED, "answered 400", None),
    "408": (answer(408, b""), {}, Then.WAIT, "408", None),
    "425": (answer(425, b""), {}, Then.WAIT, "425", None),
    "503": (answer(503, b""), {}, Then.WAIT, "503", None),
    "503 that says when": (answer(503, b"", retry_after="120"), {}, Then.WAIT, "503", 120.0),
    "temporarily_unavailable": (answer(400, {"error": "temporarily_unavailable"}), {}, Then.WAIT, "400 (temp", None),
    "429": (answer(429, b""), {}, Then.WAIT, "429", None),
    "429 that says when": (answer(429, b"", retry_after="7"), {}, Then.WAIT, "429", 7.0),
    "429 that says the moment": (
        answer(429, b"", retry_after="Sat, 21 Nov 2026 12:01:00 GMT"),
        {},
        Then.WAIT,
        "429",
        60.0,
    ),
    "429 that tells when its limit begins anew": (answer(429, b"", x_ratelimit_reset="9"), {}, Then.WAIT, "429", 9.0),
    "400 that means 429": (
        answer(400, {"error": "rate_limit_exceeded"}, ratelimit_reset="5"),
        {},
        Then.WAIT,
        "400 (rate",
        5.0,
    ),
    "server_error": (answer(400, {"error": "server_error"}), {}, Then.LOST, "400 (server_error)", None),
    "200 that means 500": (answer(200, {"error": "internal_error"}), {}, Then.LOST, "200 (internal_error)", None),
    "500": (answer(500, b""), {}, Then.LOST, "500", None),
    "502": (answer(502, b"<html>"), {}, Then.LOST, "502", None),
    "504": (answer(504, b""), {}, Then.LOST, "504", None),
    "200 with a page": (answer(200, b"<html>Log in"), {}, Then.LOST, "200 with what is not a JSON object", None),
    "200 with a list": (answer(200, ["at-1"]), {}, Then.LOST, "200 with what is not a JSON object", None),
    "200 with nothing": (answer(200, b""), {}, Then.LOST, "200 with what is not a JSON object", None),
    "200 with a body that is too long": (answer(200, None), {}, Then.LOST, "200 with what is not a JSON object", None),
    "200 with brackets without end": (answer(200, b"[" * 65_536), {}, Then.LOST, "200 with what is not", None),
    "200 without a token": (answer(200, {"ok": True}), {}, Then.REFUSED, "no token stands at /access_token", None),
    "200 with an empty token": (answer(200, {"access_token": ""}), {}, Then.REFUSED, "no token stands at", None),
    "200 with a token of two lines": (answer(200, {"access_token": "a\nb"}), {}, Then.REFUSED, "no token", None),
    "a token with a status of failure": (answer(400, {"access_token": "at"}), {}, Then.REFUSED, "answered 400", None),
}


@pytest.mark.parametrize("case", TROUBLE)
def test_an_answer_without_a_token(case: str) -> None:
    """What follows, in words that repeat nothing of it but its status and the code of its error."""
    given_, fields, then, words, wait = TROUBLE[case]
    found = oauth2.token(given_, server(**fields))
    assert isinstance(found, Trouble)
    assert (found.then, found.retry_after) == (then, wait)
    assert words in found.words
    assert CANARY not in f"{found} {found!r} {given_!r}"


def test_nothing_of_an_answer_is_shown_by_accident() -> None:
    """Neither a body, nor a token, nor the code of an error stands in what an object says of itself."""
    secret = Token(CANARY, "Bearer", None, CANARY)
    assert CANARY not in repr(secret) + repr(answer(200, {"a": CANARY}, x=CANARY)) + repr(
        Trouble(Then.LOST, "", CANARY)
    )


INTROSPECTED: dict[str, tuple[Answer, bool | None, timedelta | None]] = {
    "active, and until when": (answer(200, {"active": True, "exp": EPOCH + 60}), True, timedelta(seconds=60)),
    "active": (answer(200, {"active": True}), True, None),
    "not active": (answer(200, {"active": False, "exp": EPOCH + 60}), False, None),
    "nothing": (answer(200, {}), None, None),
    "what is no yes": (answer(200, {"active": "true", "exp": EPOCH + 60}), None, None),
    "a refusal": (answer(401, {"active": True}), None, None),
}


@pytest.mark.parametrize("case", INTROSPECTED)
def test_what_introspection_says(case: str) -> None:
    """Only `true` is active, and only what is active has a life."""
    given_, active, life = INTROSPECTED[case]
    assert (oauth2.is_active(given_), oauth2.told_life(given_)) == (active, life)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
)
BODIES = st.binary(max_size=99) | st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(("access_token", "expires_in", "token_type", "refresh_token", "scope", "error"), JSON),
).map(lambda body: json.dumps(body).encode())


@given(status=st.integers(100, 599), body=BODIES, unit=st.sampled_from(list(ExpiryUnit)))
def test_any_answer_is_understood(status: int, body: bytes, unit: ExpiryUnit) -> None:
    """Whatever a server says: a token that can be used and an end within the bounds, or trouble in words."""
    declared = server(expiryUnit=unit, longestLifetime="8h")
    found = oauth2.token(Answer(status, NOW, {}, body), declared, ("a",))
    if isinstance(found, Trouble):
        assert found.words
        return
    assert 200 <= status < 300
    assert found.access.isascii()
    assert found.access.isprintable()
    assert NOW < oauth2.expires(found.life, declared, NOW) <= NOW + 8 * HOUR
