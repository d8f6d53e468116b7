"""The services in examples/api-keys, each against a server that answers as that vendor documents it."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from rekey.core.reasons import Reason
from rekey.core.spec_api_key import ApiKeyServer
from rekey.core.spec_provide import Provide
from rekey.errors import NotAccepted, Rejected
from tests.providers.authorizing import NOW
from tests.providers.keying import ADMIN, MARK, OWNER, VALUE, Desk, play
from tests.providers.serving import Says
from tests.sim.conformance_of_backends import held

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
FOLDER = EXAMPLES / "api-keys"
ASKS = {"scopes": ["mail.send", "read_api"]}
ENDS = NOW + timedelta(days=60, hours=5)


@dataclass(frozen=True)
class Vendor:
    """What a vendor answers: to a list without our key, to the request for one, to a list with it, and to a proof."""

    created: Says
    listed: tuple[Any, ...]
    """The pages of a list in which our key is, and one of somebody else's."""
    nothing: tuple[Any, ...]
    body: Any
    """What it is asked with."""
    id: str
    ends: datetime | None
    admin: str
    shown: str
    """How our own key and the new one are shown."""
    paths: dict[str, str]
    header: str = "authorization"
    refused: dict[str, tuple[Says, str, str]] = field(default_factory=dict)
    """What else it answers to the request for a key: the reason, and words."""


def basic(text: str) -> str:
    """Return what HTTP Basic shows."""
    return "Basic " + b64encode(text.encode()).decode()


ACCOUNT = "AC00000000000000000000000000000000"
LABEL = f"orders/till {MARK}"
STALE, LIMITED = Reason.NEEDS_REAUTH, Reason.BACKEND_REFUSED
VENDORS: dict[str, Vendor] = {
    "sendgrid": Vendor(
        created=Says(201, {"api_key": VALUE, "api_key_id": "xyz-1", "name": MARK, "scopes": ["mail.send"]}),
        listed=({"result": [{"name": "theirs", "api_key_id": "q"}, {"name": MARK, "api_key_id": "xyz-1"}]},),
        nothing=({"result": []},),
        body={"name": MARK, "scopes": ["mail.send"]},  # whatever is asked for
        id="xyz-1",
        ends=ENDS,
        admin=f"Bearer {ADMIN}",
        shown=f"Bearer {VALUE}",
        paths={"create": "POST /api_keys", "prove": "GET /scopes", "revoke": "DELETE /api_keys/xyz-1"},
        refused={
            "the key of an admin was deleted": (
                Says(401, {"errors": [{"field": None, "message": "authorization required"}]}), STALE, "Secret admin",
            ),
            "there are 100 keys": (
                Says(403, {"errors": [{"message": "maximum number of keys reached"}]}), LIMITED, "allows no more keys",
            ),
        },
    ),
    "gitlab": Vendor(
        created=Says(201, {"id": 58, "name": LABEL, "active": True, "expires_at": "2027-01-20", "token": VALUE}),
        listed=(
            [{"id": 57, "name": LABEL, "active": False}, {"id": 58, "name": LABEL, "active": True}],
            [{"id": 9, "name": "theirs", "active": True}],
            [],
        ),
        nothing=([],),
        body={"name": LABEL, "scopes": ASKS["scopes"], "expires_at": "2027-01-20", "access_level": 30},
        id="58",
        ends=datetime(2027, 1, 20, tzinfo=UTC),
        admin=ADMIN,
        shown=VALUE,
        header="private-token",
        paths={
            "create": "POST /groups/42/access_tokens",
            "prove": "GET /personal_access_tokens/self",
            "revoke": "DELETE /groups/42/access_tokens/58",
        },
        refused={
            "the person was blocked": (Says(401, {"message": "401 Unauthorized"}), STALE, "Secret admin"),
            "the person does not own the group": (Says(403, {"message": "403 Forbidden"}), LIMITED, "answered 403"),
            "a scope that there is not": (Says(400, {"message": "Scopes can only contain"}), LIMITED, "answered 400"),
        },
    ),
    "twilio": Vendor(
        created=Says(201, {"sid": "SK1", "friendly_name": MARK, "secret": VALUE}),
        listed=({"keys": [{"sid": "SK1", "friendly_name": MARK}, {"sid": "SK0", "friendly_name": "theirs"}]},),
        nothing=({"keys": [], "next_page_uri": None},),
        body={"FriendlyName": [MARK]},
        id="SK1",
        ends=ENDS,
        admin=basic(f"{ACCOUNT}:{ADMIN}"),
        shown=basic(f"SK1:{VALUE}"),
        paths={
            "create": "POST /Keys.json",
            "prove": "GET /Messages.json?PageSize=1",
            "revoke": "DELETE /Keys/SK1.json",
        },
        refused={
            "another auth token was promoted": (
                Says(401, {"code": 20003, "message": "Authenticate", "status": 401}), STALE, "answered 401 (20003)",
            ),
        },
    ),
}  # fmt: skip


def declared(path: Path) -> dict[str, Any]:
    """Return the service of an example, here."""
    manifest = next(iter(yaml.safe_load_all(path.read_text())))
    assert (manifest["apiVersion"], manifest["kind"]) == ("rekey.dev/v1alpha1", "CredentialProvider")
    assert set(manifest["spec"]) == {"apiKey"}
    fields: dict[str, Any] = manifest["spec"]["apiKey"]
    ApiKeyServer.model_validate(fields)
    return fields


def here(vendor: str) -> dict[str, Any]:
    """Return the same without its host and its Secret."""
    return {name: value for name, value in declared(FOLDER / f"{vendor}.yaml").items() if name != "baseUrl"} | {
        "secretName": "admin"
    }


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_key_from_its_making_to_its_end(vendor: str) -> None:
    """What is declared in the example is all it takes: it is asked for, found, proved, revoked, and refused."""
    row = VENDORS[vendor]

    async def scene(desk: Desk) -> None:
        desk.server.header = row.header
        backend, intent = desk.backend(), desk.intent(ENDS)
        desk.says(*(Says(200, page) for page in row.nothing), row.created, Says(200, {}))
        version = held(intent, await backend.issue(intent, None))
        await backend.prove(version)
        assert version.backend_id == row.id
        desk.says(*(Says(200, page) for page in row.listed))
        assert [claim.number for claim in await backend.find(OWNER)] == [3]
        desk.says(*(Says(200, page) for page in row.listed), Says(204, ""), Says(401, {}))
        await backend.revoke(version)
        desk.says(Says(401, {}))
        with pytest.raises(NotAccepted):
            await backend.prove(version)

    desk = play(scene, fields=here(vendor), asks=ASKS)
    asked = [line.removesuffix(" HTTP/1.1").replace("/v1", "", 1) for line in desk.server.asked_for]
    assert [line for line in asked if line in row.paths.values()] == [
        row.paths[name] for name in ("create", "prove", "revoke", "prove", "prove")
    ]
    shown = dict(zip(asked, desk.server.shown, strict=True))
    assert {shown[line].decode() for line in asked if line != row.paths["prove"]} == {row.admin}
    assert shown[row.paths["prove"]].decode() == row.shown
    sent = desk.server.bodies[asked.index(row.paths["create"])].decode()
    assert (parse_qs(sent) if "FriendlyName" in sent else json.loads(sent)) == row.body
    assert all(not urlsplit(line.split()[1]).query.count(VALUE) for line in asked)


@pytest.mark.parametrize("vendor", VENDORS)
def test_when_a_key_of_it_ends(vendor: str) -> None:
    """As it says, or as was wanted."""
    row = VENDORS[vendor]

    async def scene(desk: Desk) -> None:
        desk.says(*(Says(200, page) for page in row.nothing), row.created)
        assert (await desk.backend().issue(desk.intent(ENDS), None)).expires == row.ends

    play(scene, fields=here(vendor), asks=ASKS)


REFUSED = {f"{vendor}: {case}": (vendor, case) for vendor, row in VENDORS.items() for case in row.refused}


@pytest.mark.parametrize("case", REFUSED)
def test_what_else_it_answers(case: str) -> None:
    """The reason is the right one, and says what to do."""
    vendor, name = REFUSED[case]
    row = VENDORS[vendor]
    answer, reason, words = row.refused[name]

    async def scene(desk: Desk) -> None:
        desk.says(*(Says(200, page) for page in row.nothing), answer)
        with pytest.raises(Rejected) as caught:
            await desk.backend().issue(desk.intent(ENDS), None)
        assert caught.value.reason == reason
        assert words in str(caught.value)

    play(scene, fields=here(vendor), asks=ASKS)


def test_every_example_is_played() -> None:
    """A service without a row is one that nobody tried; the one that is whole is what it says."""
    assert {path.stem for path in FOLDER.glob("*.yaml")} == set(VENDORS)
    provider, credential = yaml.safe_load_all((EXAMPLES / "api-key.yaml").read_text())
    assert ApiKeyServer.model_validate(provider["spec"]["apiKey"]).list is not None
    wanted = Provide.model_validate(credential["spec"]["provider"])
    assert (wanted.ref.name, wanted.kind) == (provider["metadata"]["name"], "apiKey")
