"""The OAuth2 adapter against a scripted server: what it sends, what it keeps, and what it makes of the answers."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from rekey.core.bundle import shown
from rekey.core.material import Material
from rekey.core.rate import Rate
from rekey.core.reasons import Reason
from rekey.errors import NoAnswer, NotAccepted, NotYet, Rejected, Retryable
from rekey.ports.backend import Traits
from tests.providers.authorizing import ACCESS, GRANT, NEXT, NOW, OUR_OWN, SECRET, TOKEN, Desk, held, intent, play
from tests.providers.serving import Says

HOUR = timedelta(hours=1)
INTROSPECTS = {"introspectionUrl": "{url}/introspect"}
REVOKES = {"revocationUrl": "{url}/revoke"}
ROTATED = {**TOKEN, "refresh_token": NEXT}


def test_a_token_in_our_own_name() -> None:
    """Client credentials: what is asked for, who asks, what is stored, and until when it is good."""

    async def scene(desk: Desk) -> None:
        desk.says(Says(200, TOKEN))
        backend = desk.backend(scopes=["a", "b"], audience="https://api.example.com")
        granted = await backend.issue(intent(), None)
        assert granted.material.reveal() == {"access_token": ACCESS.encode(), "token_type": b"Bearer"}
        assert (granted.expires, granted.missing, granted.backend_id) == (NOW + HOUR, (), None)

    desk = play(scene)
    assert desk.server.asked_for == ["POST /token HTTP/1.1"]
    assert desk.logins() == [f"rekey:1:{SECRET}"]
    assert desk.sent() == {"grant_type": "client_credentials", "scope": "a b", "audience": "https://api.example.com"}


def test_a_client_in_the_body() -> None:
    """As a form."""

    async def scene(desk: Desk) -> None:
        desk.says(Says(200, TOKEN))
        await desk.backend(**OUR_OWN).issue(intent(), None)

    desk = play(scene, fields={"authorizationMethod": "Body"})
    assert desk.server.shown == [b""]
    assert desk.sent() == {"grant_type": "client_credentials", "client_id": "rekey:1", "client_secret": SECRET}


def test_a_client_in_a_body_of_json() -> None:
    """Only the token endpoint wants JSON: the other two are forms by their own standards."""

    async def scene(desk: Desk) -> None:
        desk.says(Says(200, TOKEN), Says(200))
        await desk.backend().issue(intent(GRANT), None)
        await desk.backend().revoke(held())

    desk = play(scene, fields={"authorizationMethod": "Body", "bodyFormat": "JSON", **REVOKES})
    client = {"client_id": "rekey:1", "client_secret": SECRET}
    sent = {"grant_type": "refresh_token", "refresh_token": GRANT, **client}
    assert json.loads(desk.server.bodies[0]) == sent
    assert desk.sent() == {"token": ACCESS, "token_type_hint": "access_token", **client}


def chain(*answers: dict[str, Any], grants: tuple[str, ...]) -> Desk:
    """Renew a token once for each answer, each with what was kept of the one before."""

    async def scene(desk: Desk) -> None:
        desk.says(*(Says(200, body) for body in answers))
        before = None
        for grant, _ in zip(grants, answers, strict=False):
            before = (await desk.backend().issue(intent(grant, before), None)).material
            assert set(shown(before).keys()) == {"access_token", "token_type"}

    return play(scene)


@pytest.mark.parametrize(
    ("answers", "grants", "used"),
    [
        pytest.param([TOKEN] * 3, (GRANT,) * 3, [GRANT] * 3, id="a server that keeps it: the same one each time"),
        pytest.param(
            [{**TOKEN, "refresh_token": f"rt-{n}"} for n in (1, 2, 3)],
            (GRANT,) * 3,
            [GRANT, "rt-1", "rt-2"],
            id="a server that rotates it: the newest, not the Secret's",
        ),
        pytest.param(
            [{**TOKEN, "refresh_token": "rt-1"}, TOKEN, TOKEN],
            (GRANT,) * 3,
            [GRANT, "rt-1", "rt-1"],
            id="a server that rotates it once: the one before is carried over",
        ),
        pytest.param(
            [{**TOKEN, "refresh_token": f"rt-{n}"} for n in (1, 2, 3)],
            (GRANT, "anew", "anew"),
            [GRANT, "anew", "rt-2"],
            id="a person who authorized anew: the new one begins a chain",
        ),
        pytest.param(
            [{**TOKEN, "refresh_token": f"rt-{n}"} for n in (1, 2)],
            (GRANT, f" {GRANT}\n"),
            [GRANT, "rt-1"],
            id="a person who only added a line's end: the chain goes on",
        ),
    ],
)
def test_the_refresh_token_that_is_shown(
    answers: list[dict[str, Any]], grants: tuple[str, ...], used: list[str]
) -> None:
    """What is kept in the last version counts, unless a person has put another one into the Secret since."""
    desk = chain(*answers, grants=grants)
    assert [desk.sent(number).get("refresh_token") for number in range(len(used))] == used


def test_a_chain_whose_secret_was_deleted() -> None:
    """It goes on with what is kept: nobody need keep the first one."""

    async def scene(desk: Desk) -> None:
        desk.says(Says(200, ROTATED), Says(200, TOKEN))
        first = await desk.backend().issue(intent(GRANT), None)
        await desk.backend().issue(intent(None, first.material), None)

    assert play(scene).sent()["refresh_token"] == NEXT


def test_by_what_a_chain_is_known() -> None:
    """It tells nothing of the token, and of two credentials not even whether they share one."""

    async def scene(desk: Desk) -> None:
        desk.says(Says(200, TOKEN), Says(200, TOKEN))
        one, two = [(await desk.backend().issue(intent(GRANT), None)).material.reveal() for _ in range(2)]
        assert len(one["issuer.grant"]) == 32
        assert one["issuer.grant"] != two["issuer.grant"]
        assert one["issuer.refresh_token"] == two["issuer.refresh_token"]

    play(scene)


def test_a_grant_that_nobody_gave() -> None:
    """A person must act, who is told where; nothing is sent."""

    async def scene(desk: Desk) -> None:
        for grant in (None, Material({}), Material({"refresh_token": b" \n"})):
            with pytest.raises(Rejected, match="Secret consent has no `refresh_token`") as caught:
                await desk.backend().issue(replace(intent(), grant=grant), None)
            assert caught.value.reason == Reason.NEEDS_REAUTH

    assert play(scene).server.asked_for == []


@pytest.mark.parametrize("key", ["client_id", "client_secret"])
def test_a_client_that_is_incomplete(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An administrator is told which key is missing; nothing is sent."""
    values = {"client_id": b"a", "client_secret": b"b", key: b"\n"}
    monkeypatch.setattr("tests.providers.authorizing.CLIENT", Material(values))

    async def scene(desk: Desk) -> None:
        with pytest.raises(Rejected, match=f"Secret client has no {key}") as caught:
            await desk.backend(**OUR_OWN).issue(intent(), None)
        assert caught.value.reason == Reason.PROVIDER_NOT_READY

    assert play(scene).server.asked_for == []


def test_scopes_that_were_not_granted() -> None:
    """The token is taken, and it is said."""

    async def scene(desk: Desk) -> None:
        desk.says(Says(200, {**TOKEN, "scope": "a"}))
        granted = await desk.backend(scopes=["a", "b"]).issue(intent(), None)
        assert granted.missing == ("b",)

    play(scene)


EXPIRIES: dict[str, tuple[list[Says], timedelta, int]] = {
    "it says so itself": ([Says(200, TOKEN)], HOUR, 1),
    "introspection tells": (
        [Says(200, {"access_token": ACCESS}), Says(200, {"active": True, "exp": int(NOW.timestamp()) + 600})],
        HOUR / 6,
        2,
    ),
    "introspection tells nothing": ([Says(200, {"access_token": ACCESS}), Says(200, {"active": True})], HOUR, 2),
    "introspection is refused": ([Says(200, {"access_token": ACCESS}), Says(401)], HOUR, 2),
    "introspection is away": ([Says(200, {"access_token": ACCESS})], HOUR, 2),
}


@pytest.mark.parametrize("case", EXPIRIES)
def test_when_a_token_ends(case: str) -> None:
    """Introspection is asked only where the token endpoint does not say, and its failure loses no token."""
    answers, life, requests = EXPIRIES[case]

    async def scene(desk: Desk) -> None:
        desk.says(*answers)
        granted = await desk.backend().issue(intent(GRANT), None)
        assert granted.expires == NOW + life
        assert granted.material.reveal()["issuer.refresh_token"] == GRANT.encode()

    assert len(play(scene, fields=INTROSPECTS).server.asked_for) == requests


def test_what_it_is_like() -> None:
    """Tokens are proved where introspection is declared; they are made there, and found by nobody."""

    async def scene(desk: Desk) -> None:
        assert desk.backend().traits == Traits(makes_value=True, listable=False, provable=False)
        desk.fields = INTROSPECTS
        assert desk.backend().traits.provable
        assert await desk.backend().find("uid-1") == ()
        with pytest.raises(TypeError):
            desk.backend().make(intent())

    assert play(scene).server.asked_for == []


PROOFS: dict[str, tuple[Says, type[Exception] | None]] = {
    "active": (Says(200, {"active": True}), None),
    "not active": (Says(200, {"active": False}), NotAccepted),
    "neither": (Says(200, {"status": "ok"}), Rejected),
    "away": (Says(503), Retryable),
    "broken": (Says(500), NoAnswer),
    "a page": (Says(200, "<html>"), NoAnswer),
    "our client is unknown": (Says(401), Rejected),
}


@pytest.mark.parametrize("case", PROOFS)
def test_a_token_is_proved(case: str) -> None:
    """By what introspection says, and nothing else counts as a no."""
    says, error = PROOFS[case]

    async def scene(desk: Desk) -> None:
        desk.says(says)
        if error is None:
            return await desk.backend().prove(held())
        with pytest.raises(error) as caught:
            await desk.backend().prove(held())
        return None if type(caught.value) is error else pytest.fail(repr(caught.value))

    assert play(scene, fields=INTROSPECTS).sent() == {"token": ACCESS, "token_type_hint": "access_token"}


def test_a_proof_that_nobody_can_give() -> None:
    """Of a token that is gone, or without an introspection endpoint."""

    async def scene(desk: Desk) -> None:
        with pytest.raises(NotAccepted):
            await desk.backend().prove(held(None))
        with pytest.raises(Rejected, match="introspectionUrl"):
            await desk.backend().prove(held())

    assert play(scene).server.asked_for == []


REVOCATIONS: dict[str, tuple[list[Says], dict[str, Any], type[Exception] | None]] = {
    "the server says so": ([Says(200)], {}, None),
    "the server does not know it": ([Says(400, {"error": "invalid_token"})], {}, None),
    "and is seen not to be active": ([Says(200), Says(200, {"active": False})], INTROSPECTS, None),
    "and is active still": ([Says(200), Says(200, {"active": True})], INTROSPECTS, NotYet),
    "the server is away": ([Says(503)], {}, Retryable),
    "the server hangs up": ([], {}, NoAnswer),
    "our client is unknown": ([Says(401, {"error": "invalid_client"})], {}, Rejected),
    "the server revokes no access tokens": ([Says(400, {"error": "unsupported_token_type"})], {}, Rejected),
}


@pytest.mark.parametrize("case", REVOCATIONS)
def test_a_token_is_revoked(case: str) -> None:
    """And, where introspection is declared, seen to be so."""
    says, fields, error = REVOCATIONS[case]

    async def scene(desk: Desk) -> None:
        desk.says(*says)
        if error is None:
            return await desk.backend().revoke(held())
        with pytest.raises(error):
            await desk.backend().revoke(held())
        return None

    desk = play(scene, fields=REVOKES | fields)
    assert desk.server.asked_for == ["POST /revoke HTTP/1.1", *["POST /introspect HTTP/1.1"] * (len(fields))]


def test_what_cannot_be_revoked_ends_by_itself() -> None:
    """Without a revocation endpoint, or without the token, nothing is asked."""

    async def scene(desk: Desk) -> None:
        await desk.backend().revoke(held())
        desk.fields = REVOKES
        await desk.backend().revoke(held(None))

    assert play(scene).server.asked_for == []


def test_what_the_server_says_of_its_limits_is_heard() -> None:
    """Of every answer, good or bad."""

    async def scene(desk: Desk) -> None:
        desk.says(Says(429, "", {"X-RateLimit-Limit": "9", "X-RateLimit-Remaining": "0", "Retry-After": "7"}))
        with pytest.raises(Retryable) as caught:
            await desk.backend(**OUR_OWN).issue(intent(), None)
        assert caught.value.retry_after == 7.0

    assert play(scene).heard == [Rate(9, 0)]
