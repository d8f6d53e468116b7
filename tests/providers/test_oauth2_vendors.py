"""The providers in examples/oauth2, each against a server that answers as that vendor documents it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from rekey.core.reasons import Reason
from rekey.core.spec_limits import Limits
from rekey.core.spec_oauth2 import Oauth2Server, Oauth2Token
from rekey.errors import ConsentRefused, NoAnswer, Rejected, Retryable
from tests.providers.authorizing import ACCESS, GRANT, NEXT, NOW, SECRET, Desk, intent, play
from tests.providers.serving import Says

FOLDER = Path(__file__).parent.parent.parent / "examples" / "oauth2"
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
CLIENT = {"client_id": "rekey:1", "client_secret": SECRET}
ASKED = {"grant_type": "refresh_token", "refresh_token": GRANT}
V1 = {"errorField": "/status", "reauthorizeErrors": ["BAD_REFRESH_TOKEN", "BAD_CLIENT_ID", "BAD_CLIENT_SECRET"]}


@dataclass(frozen=True)
class Quirk:
    """What a vendor answers, and what must come of it: a token until then, and what is shown next; or an error."""

    vendor: str
    answers: tuple[Says, ...]
    ends: timedelta | None = None
    then: str = GRANT
    kind: bytes = b"Bearer"
    error: type[Exception] | None = None
    reason: str = ""
    more: dict[str, Any] = field(default_factory=dict)


def token(vendor: str, ends: timedelta, body: dict[str, Any], *more: Says, **fields: Any) -> Quirk:
    """Return an answer with a token."""
    return Quirk(vendor, (Says(200, {"access_token": ACCESS, **body}), *more), ends, **fields)


def stale(vendor: str, status: int, body: Any, **more: Any) -> Quirk:
    """Return an answer by which a person must authorize anew."""
    return Quirk(vendor, (Says(status, body),), error=ConsentRefused, reason=Reason.NEEDS_REAUTH, more=more)


def unknown(vendor: str, status: int, body: Any) -> Quirk:
    """Return an answer by which our client is not accepted, whatever a person consents to."""
    return replace(stale(vendor, status, body), error=Rejected)


SALESFORCE = {
    "instance_url": "https://example.my.salesforce.com",
    "id": "https://login.salesforce.com/id/00Dx0000000BV7z/005x00000012Q9P",
    "token_type": "Bearer",
    "issued_at": "1795262400000",
    "signature": "SSSbLO/gBhmmyNUvN18ODBDFYHzakxOMgqYtu+hDPsc=",
}
MICROSOFT = {"token_type": "Bearer", "scope": "User.Read", "ext_expires_in": 5100, "refresh_token": NEXT}
SLACK = {"ok": True, "app_id": "A1", "token_type": "bot", "team": {"id": "T1"}}
GITHUB = {"refresh_token": NEXT, "refresh_token_expires_in": 15811200, "scope": "", "token_type": "bearer"}
QUIRKS: dict[str, Quirk] = {
    "HubSpot gives half an hour, and the same refresh token again": token(
        "hubspot", 30 * MINUTE, {"token_type": "bearer", "expires_in": 1800, "refresh_token": GRANT}, kind=b"bearer"
    ),
    "HubSpot's app was uninstalled": stale(
        "hubspot", 400, {"error": "invalid_grant", "status": "BAD_REFRESH_TOKEN", "message": "invalid"}
    ),
    "HubSpot's app was uninstalled, as the older endpoint says it": stale(
        "hubspot", 400, {"status": "BAD_REFRESH_TOKEN", "message": "missing or invalid refresh token"}, **V1
    ),
    "Salesforce does not say when, and introspection does": token(
        "salesforce", 2 * HOUR, SALESFORCE, Says(200, {"active": True, "exp": int((NOW + 2 * HOUR).timestamp())})
    ),
    "Salesforce does not say when, and introspection is away: as declared": token(
        "salesforce", 15 * MINUTE, SALESFORCE, Says(503)
    ),
    "Salesforce does not say when, and there is no introspection: as declared": token(
        "salesforce", 15 * MINUTE, SALESFORCE, more={"introspectionUrl": None}
    ),
    "Salesforce's sixth grant ended this one": stale(
        "salesforce", 400, {"error": "invalid_grant", "error_description": "expired access/refresh token"}
    ),
    "Salesforce's user was deactivated": stale("salesforce", 400, {"error": "inactive_user"}),
    "Salesforce counts log-ins": Quirk(
        "salesforce", (Says(400, {"error": "rate_limit_exceeded"}),), error=Retryable
    ),
    "Google gives an hour, and no refresh token again": token(
        "google", timedelta(seconds=3599), {"expires_in": 3599, "scope": "openid", "token_type": "Bearer"}
    ),
    "Google's consent was in testing for 7 days, or its 101st token ended this one": stale(
        "google", 400, {"error": "invalid_grant", "error_description": "Token has been expired or revoked."}
    ),
    "Google's administrator wants a person": stale(
        "google", 400, {"error": "invalid_grant", "error_subtype": "invalid_rapt"}
    ),
    "Google's client is unknown": unknown("google", 401, {"error": "invalid_client"}),
    "Microsoft gives 85 minutes, and another refresh token": token(
        "microsoft", 85 * MINUTE, {"expires_in": 5100, **MICROSOFT}, then=NEXT
    ),
    "Microsoft's older endpoint says it in a string": token(
        "microsoft", 60 * MINUTE, {"expires_in": "3600", "expires_on": "1795266000", **MICROSOFT}, then=NEXT
    ),
    "Microsoft's refresh token was not used for 90 days": stale(
        "microsoft", 400, {"error": "invalid_grant", "error_codes": [700082], "suberror": "bad_token"}
    ),
    "Microsoft wants a person to log in": stale(
        "microsoft", 400, {"error": "interaction_required", "error_codes": [50076]}
    ),
    "Zoom gives an hour, and another refresh token": token(
        "zoom", timedelta(seconds=3599), {"expires_in": 3599, "token_type": "bearer", "refresh_token": NEXT},
        then=NEXT, kind=b"bearer",
    ),
    "Zoom's token of fifteen years is renewed within a day": token(
        "zoom", 24 * HOUR, {"expires_in": 473_040_000, "refresh_token": NEXT}, then=NEXT
    ),
    "Zoom's refresh token was used by somebody else": stale(
        "zoom", 400, {"reason": "Invalid Token!", "error": "invalid_grant"}
    ),
    "Slack gives 12 hours, and another refresh token": token(
        "slack", 12 * HOUR, {"expires_in": 43_200, "refresh_token": NEXT, **SLACK}, then=NEXT, kind=b"bot"
    ),
    "Slack's bot token has no end: as declared": token("slack", HOUR, SLACK, kind=b"bot"),
    "Slack's refresh token was used already, which comes with the status 200": stale(
        "slack", 200, {"ok": False, "error": "invalid_refresh_token"}
    ),
    "Slack's workspace was deleted": stale("slack", 200, {"ok": False, "error": "account_inactive"}),
    "Slack is broken, which comes with the status 200": Quirk(
        "slack", (Says(200, {"ok": False, "error": "internal_error"}),), error=NoAnswer
    ),
    "Slack is asked too often": Quirk(
        "slack", (Says(429, {"ok": False, "error": "ratelimited"}, {"Retry-After": "30"}),), error=Retryable
    ),
    "GitHub gives 8 hours in a string, and another refresh token": token(
        "github-app", 8 * HOUR, {"expires_in": "28800", **GITHUB}, then=NEXT, kind=b"bearer"
    ),
    "GitHub's refresh token is used up, which comes with the status 200": stale(
        "github-app", 200, {"error": "bad_refresh_token", "error_uri": "https://docs.github.com"}
    ),
    "GitHub does not know the client, which comes with the status 200": unknown(
        "github-app", 200, {"error": "incorrect_client_credentials"}
    ),
}  # fmt: skip


def declared(vendor: str) -> Oauth2Server:
    """Return the server of that example."""
    (manifest,) = yaml.safe_load_all((FOLDER / f"{vendor}.yaml").read_text())
    assert (manifest["apiVersion"], manifest["kind"]) == ("rekey.dev/v1alpha1", "CredentialProvider")
    assert manifest["metadata"] == {"name": vendor}
    return _server(manifest["spec"])


def _server(spec: dict[str, Any]) -> Oauth2Server:
    assert set(spec) <= {"oauth2", "limits"}
    Limits.model_validate(spec.get("limits", {}))
    return Oauth2Server.model_validate(spec["oauth2"])


def fields(quirk: Quirk) -> dict[str, Any]:
    """Return the fields of the example, with the endpoints that the operator asks on this host."""
    told = declared(quirk.vendor).model_dump(mode="json", by_alias=True, exclude_unset=True)
    here = {name: "{url}/" + name for name in told if name.endswith("Url") and name != "authorizationUrl"}
    return told | here | quirk.more


@pytest.mark.parametrize("case", QUIRKS)
def test_a_vendor(case: str) -> None:
    """What is declared in the example is all it takes."""
    quirk = QUIRKS[case]

    async def scene(desk: Desk) -> None:
        desk.says(*quirk.answers)
        if quirk.error is None:
            granted = await desk.backend().issue(intent(GRANT), None)
            assert quirk.ends is not None
            assert granted.expires == NOW + quirk.ends
            kept = granted.material.reveal()
            assert (kept["issuer.refresh_token"], kept["token_type"]) == (quirk.then.encode(), quirk.kind)
            return
        with pytest.raises(quirk.error) as caught:
            await desk.backend().issue(intent(GRANT), None)
        assert type(caught.value) is quirk.error
        assert getattr(caught.value, "reason", "") == quirk.reason

    desk = play(scene, fields=fields(quirk))
    in_body = fields(quirk).get("authorizationMethod") == "Body"
    assert desk.sent(0) == ASKED | (CLIENT if in_body else {})
    assert desk.logins()[0] == ("" if in_body else f"rekey:1:{SECRET}")
    assert len(desk.server.asked_for) == len(quirk.answers)


def test_every_example_is_played() -> None:
    """A provider without a row is one that nobody tried; the one that is whole is what it says."""
    names = {path.stem for path in FOLDER.glob("*.yaml")}
    assert {quirk.vendor for quirk in QUIRKS.values()} | {"token"} == names
    provider, credential = yaml.safe_load_all((FOLDER / "token.yaml").read_text())
    assert _server(provider["spec"]).introspection_url is not None
    wanted = credential["spec"]["provider"]
    assert wanted["ref"]["name"] == provider["metadata"]["name"]
    assert Oauth2Token.model_validate(wanted["oauth2"]).grant_secret_name is not None
