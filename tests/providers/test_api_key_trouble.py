"""The adapter of API keys when things go wrong: servers that behave badly, places it must not go to, and secrecy."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address
from typing import Any

import pytest

from rekey.core.reasons import Reason
from rekey.errors import NoAnswer, NotLeading, Rejected, RekeyError, Retryable
from rekey.providers.api_key.backend import ApiKeyBackend
from rekey.providers.http.connection import Lookup, addresses_of
from tests.providers.keying import ADMIN, LISTED, MADE, MARK, OWNER, PROVED, VALUE, Desk, declared, held, play
from tests.providers.serving import Behaviour, Says
from tests.providers.test_http_allowed import NEVER
from tests.providers.test_oauth2_ssrf import ADDRESSES, EVERYTHING, TRICKS, leading
from tests.providers.test_oauth2_trouble import BEHAVIOURS
from tests.sim.conformance_of_backends import everything

PUBLIC = ip_address("93.184.215.14")
Call = Callable[[Desk, ApiKeyBackend], Awaitable[object]]
CALLS: dict[str, Call] = {
    "issue": lambda desk, backend: backend.issue(desk.intent(), None),
    "prove": lambda _, backend: backend.prove(held()),
    "revoke": lambda _, backend: backend.revoke(held()),
    "find": lambda _, backend: backend.find(OWNER),
}
WHOLE = {"list": LISTED, "prove": PROVED}
BAD = {case: behaviour for case, (behaviour, _) in BEHAVIOURS.items() if "without end" not in case}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("call", ["prove", "find"])
def test_a_server_that_behaves_badly(case: str, call: str) -> None:
    """It is not known what came of it, and whoever asked is free again within the bound."""

    async def scene(desk: Desk) -> None:
        desk.server.behaviour = BAD[case]
        with pytest.raises(NoAnswer):
            await CALLS[call](desk, desk.backend())

    desk = play(scene, fields=WHOLE, seconds=lambda: 0.3 if "never" in case else 10.0)
    assert len(desk.server.asked_for) == 1


def test_a_server_that_is_away() -> None:
    """Nothing was sent, so nothing was done."""

    async def scene(desk: Desk) -> None:
        with pytest.raises(Retryable) as caught:
            await CALLS["issue"](desk, desk.backend())
        assert type(caught.value) is Retryable

    play(scene, fields={"baseUrl": "http://till.orders.svc:1"})


def test_who_does_not_lead_any_more_makes_nothing() -> None:
    """Of what was lost it may have read; nothing follows that."""
    left = [10.0] * 3

    def seconds() -> float:
        if not left:
            raise NotLeading("another process acts there now")
        return left.pop()

    async def scene(desk: Desk) -> None:
        desk.says(Says(200, []), Says(201, MADE))
        with pytest.raises(NotLeading):
            await CALLS["issue"](desk, desk.backend())

    assert play(scene, fields=WHOLE, seconds=seconds).server.asked_for == ["GET /v1/keys HTTP/1.1"]


def refused(call: str, url: str, lookup: Lookup = addresses_of, allowed: Sequence[str] = ()) -> str:
    """Return why nothing is sent there; see that nothing was."""
    said: list[str] = []

    async def scene(desk: Desk) -> None:
        # As whoever gets past admission would declare it.
        server = declared(**WHOLE).model_copy(update={"base_url": url.replace("PORT", str(desk.server.port))})
        backend = desk.backend(lookup, allowed)
        backend._server = server
        backend._account = type(backend._account)(server, backend._account.login)
        with pytest.raises(Rejected) as caught:
            await CALLS[call](desk, backend)
        assert caught.value.reason == Reason.PROVIDER_NOT_READY
        said.append(str(caught.value))

    assert play(scene).server.asked_for == []
    return said[0]


@pytest.mark.parametrize("case", ADDRESSES)
def test_an_address_to_which_nothing_is_sent(case: str) -> None:
    """Under a name of the whole world that was declared, and even if one of its addresses is public."""
    shut = refused("issue", "https://crm.example.com", leading(PUBLIC, ip_address(ADDRESSES[case])))
    assert "REKEY_PROBE_ALLOWED" in shut


@pytest.mark.parametrize("case", NEVER)
def test_an_address_that_a_wide_entry_does_not_open(case: str) -> None:
    """A network allows what is private, but not this host, its link and metadata; a new key goes nowhere else."""
    lookup = leading(ip_address(NEVER[case]))
    assert "never asked" in refused("prove", "https://crm.example.com", lookup, EVERYTHING)


@pytest.mark.parametrize("case", TRICKS)
def test_a_trick(case: str) -> None:
    """Names are looked up for real here."""
    refused("issue", TRICKS[case])


OURS = {"id": "k-1", "name": MARK}
TELLTALES: dict[str, Says | Behaviour] = {
    "an error that describes": Says(400, {"error": "bad_request", "message": f"{VALUE} {ADMIN}"}),
    "an error that is our key": Says(400, {"error": ADMIN}),
    "an error that is a key": Says(200, {"error": VALUE}),
    "an error page": Says(500, f"{VALUE} {ADMIN}"),
    "a page of success": Says(200, f"{VALUE} {ADMIN}"),
    "a key where none is looked for": Says(200, {"id": "k-1", "token": VALUE}),
    "a key without an id": Says(200, {"key": VALUE}),
    "an id that is the key": Says(200, {"id": VALUE, "key": VALUE}),
    "a list that tells": Says(200, [OURS | {"key": VALUE}]),
    "a redirect that tells": Says(302, "", {"Location": f"https://evil.example/?{VALUE}"}),
    "a header that tells": Says(429, "", {"Retry-After": VALUE, "X-RateLimit-Limit": ADMIN}),
    "a key": Says(201, MADE),
    **{case: behaviour for case, (behaviour, _) in BEHAVIOURS.items()},
}


@pytest.mark.parametrize("listed", [True, False], ids=["listed", "not listed"])
@pytest.mark.parametrize("case", TELLTALES)
def test_no_key_is_told(case: str, listed: bool, caplog: pytest.LogCaptureFixture) -> None:  # noqa: FBT001  a row
    """Neither by an error and all that is attached to it, nor by a log, a URL, or what any object says of itself."""
    caplog.set_level(logging.DEBUG)
    said: list[str] = []
    behaviour = TELLTALES[case]

    async def scene(desk: Desk) -> None:
        said.extend(map(repr, (desk.backend(), desk.backend()._account, held())))
        for call in CALLS.values():
            if isinstance(behaviour, Says):
                desk.says(*[behaviour] * 3)
            else:
                desk.server.behaviour = behaviour
            try:
                said.append(repr(await call(desk, desk.backend())))
            except RekeyError as error:
                said.append(everything(error))
        said.extend(desk.server.asked_for)

    fields: dict[str, Any] = {"prove": PROVED, **({"list": LISTED} if listed else {})}
    play(scene, fields=fields, seconds=lambda: 0.3 if "never" in case else 10.0)
    assert len(said) >= 9
    told = caplog.text + "".join(said)
    for canary in (ADMIN, VALUE, "4f9d2c7ab1e0"):
        assert canary not in told
