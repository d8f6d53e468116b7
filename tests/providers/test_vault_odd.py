"""Answers of success that make no sense, to what asks for keys and for leases: nothing is taken from them."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest

from rekey.core.data_key import DataKey
from rekey.core.envelope import Wrapped
from rekey.core.material import Material
from rekey.core.spec_vault import VaultDatabaseRole, VaultServer
from rekey.errors import NoAnswer
from rekey.ports.backend import Held, Intent
from rekey.providers.vault.database import VaultLeases
from rekey.providers.vault.login import Login, Vault
from rekey.providers.vault.passes import Passes
from rekey.providers.vault.transit import TransitKeys
from tests.providers.authorizing import NOW
from tests.providers.keying import CLAIM
from tests.providers.serving import Says
from tests.providers.test_vault_conformance import asks
from tests.providers.test_vault_trouble import CANARY, GOOD, TOKEN, Desk, failed, play
from tests.providers.vault import nobody
from tests.sim.conformance_of_key_encryption import VALUE

T = TypeVar("T")
WRAPPED = Wrapped("v1", b"some bytes")
WANTED = asks("vaultDatabase", role="orders")
HELD = Held(CLAIM, WANTED, "accessor/lease", Material({"username": b"u", "password": b"p"}))


def vault(desk: Desk) -> Vault:
    """Return the server, and us."""
    secret = Material({"token": TOKEN.encode()})
    server = VaultServer.model_validate({"address": "http://x", "auth": {"token": {"secretName": "login"}}})
    return Vault(desk.road(), Login(server, secret, nobody), Passes().of(("",), server, secret), lambda _: None)


def keys(desk: Desk) -> TransitKeys:
    """Return a key there."""

    async def reach(call: Callable[[Vault], Awaitable[T]]) -> T:
        return await call(vault(desk))

    return TransitKeys(reach, "transit", "rekey")


def leases(desk: Desk) -> VaultLeases:
    """Return the adapter of a role there."""
    return VaultLeases(vault(desk), VaultDatabaseRole(role="orders"), "rekey-leases")


def data(**fields: Any) -> Says:
    """Return an answer that holds this."""
    return Says(200, {"data": fields})


def issue(desk: Desk) -> Awaitable[object]:
    """Have a lease made."""
    return leases(desk).issue(Intent(CLAIM, WANTED, NOW), None)


MADE = Says(200, {"auth": {"client_token": f"token-{CANARY}", "accessor": "a", "orphan": True}})
USER = {"username": "u", "password": CANARY}
ISSUED = Says(200, {"lease_id": "database/creds/orders/x", "data": USER})
LASTS = Says(200, {"lease_duration": 3600})
Ask = Callable[[Desk], Awaitable[object]]
ODD: dict[str, tuple[Ask, list[Says]]] = {
    "a wrap without a ciphertext": (lambda desk: keys(desk).encrypt("", DataKey(bytearray(VALUE))), [data()]),
    "a wrap of another form": (lambda desk: keys(desk).rewrap("", WRAPPED), [data(ciphertext=f"v1:{CANARY}")]),
    "a wrap that is cut off": (lambda desk: keys(desk).rewrap("", WRAPPED), [data(ciphertext="vault:v1:abcde")]),
    "a data key that is missing": (lambda desk: keys(desk).decrypt("", WRAPPED), [data()]),
    "a data key that is no text": (lambda desk: keys(desk).decrypt("", WRAPPED), [data(plaintext=7)]),
    "a data key that cannot be read": (lambda desk: keys(desk).decrypt("", WRAPPED), [data(plaintext=CANARY + "?")]),
    "a data key that is short": (
        lambda desk: keys(desk).decrypt("", WRAPPED),
        [data(plaintext=b64encode(CANARY.encode()).decode())],
    ),
    "versions in words": (lambda desk: keys(desk).versions(""), [data(keys={"one": 1})]),
    "versions in a list": (lambda desk: keys(desk).versions(""), [data(keys=[1, 2])]),
    "versions of no year": (lambda desk: keys(desk).versions(""), [data(keys={"1": "9" * 40})]),
    "versions of no time": (lambda desk: keys(desk).versions(""), [data(keys={"1": {}})]),
    "a token that is missing": (issue, [Says(200, {"auth": {"accessor": "a"}})]),
    "a token without its accessor": (issue, [Says(200, {"auth": {"client_token": CANARY}})]),
    "a user without a password": (issue, [MADE, Says(200, {"lease_id": "database/creds/orders/x", "data": {}})]),
    "a user without a lease": (issue, [MADE, Says(200, {"data": USER})]),
    "a lease of another role": (issue, [MADE, Says(200, {"lease_id": "database/creds/x/y", "data": USER})]),
    "a lease of no length": (issue, [MADE, ISSUED, Says(200, {}), LASTS]),
    "a token of no length": (issue, [MADE, ISSUED, LASTS, Says(200, {"auth": {}})]),
    "a lease of no end": (lambda desk: leases(desk).prove(HELD), [data()]),
    "a lease whose end is a word": (lambda desk: leases(desk).prove(HELD), [data(expire_time="soon")]),
}


@pytest.mark.parametrize("case", ODD)
def test_an_answer_that_makes_no_sense(case: str) -> None:
    """It is asked again later; nothing of it is repeated."""
    ask, says = ODD[case]

    async def scene(desk: Desk) -> None:
        desk.says(GOOD, *says)
        assert type(await failed(ask(desk))) is NoAnswer

    play(scene)
