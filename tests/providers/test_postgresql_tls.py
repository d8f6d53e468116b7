"""The way to PostgreSQL by TLS: whom it trusts, and what it shows who wants to know it by a certificate."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from rekey.core.material import Material
from rekey.core.reasons import Reason
from rekey.errors import Rejected
from rekey.providers.postgresql import Postgresql
from rekey.providers.postgresql.login import Place
from tests.providers.making import make
from tests.providers.postgres import GUARDED, Postgres, authority, client
from tests.providers.test_postgresql_conformance import HERE

pytestmark = pytest.mark.xdist_group("postgres")


def finds(postgres: Postgres, trusts: Material | None, shows: Material | None, **more: Any) -> None:
    """Log in by TLS and look for nobody's roles."""
    server = postgres.server(**{"tls": "VerifyFull", "host": "localhost", **more})
    found = Postgresql(Place(server, trusts, HERE, shows), postgres.login, lambda: 10.0, lambda: postgres.login)
    assert asyncio.run(found.find("nobody")) == ()


TRUST: dict[str, tuple[Material | None, dict[str, Any], bool]] = {
    "its authority": (authority().material, {}, True),
    "its authority, for another name": (authority().material, {"host": "127.0.0.1"}, False),
    "another authority": (make("certificate", commonName="x", dnsNames=["x"]).material, {}, False),
    "the authorities of the image": (None, {}, False),
    "an empty ca.crt": (Material({"ca.crt": b""}), {}, False),
}


@pytest.mark.parametrize("case", TRUST)
def test_whom_it_trusts(postgres: Postgres, case: str) -> None:
    """With TLS only a server that the authority vouches for, under that name, is told anything."""
    trusts, more, known = TRUST[case]
    if known:
        finds(postgres, trusts, None, **more)
    else:
        with pytest.raises(Rejected, match="caSecretName"):
            finds(postgres, trusts, None, **more)


SHOWN: dict[str, tuple[Material | None, bool]] = {
    "a certificate that it knows": (client().material, True),
    "no certificate": (None, False),
    "a certificate of somebody else": (make("certificate", commonName="x", usages=["ClientAuth"]).material, False),
}


@pytest.mark.parametrize("case", SHOWN)
def test_who_must_show_a_certificate(postgres: Postgres, case: str) -> None:
    """Beside the password: a server that wants one is shown ours, and a person is told what to mend."""
    shows, known = SHOWN[case]
    if known:
        finds(postgres, authority().material, shows, database=GUARDED)
        return
    with pytest.raises(Rejected, match="certificateSecretName") as caught:
        finds(postgres, authority().material, shows, database=GUARDED)
    assert caught.value.reason == Reason.BACKEND_REFUSED


def locked() -> Material:
    """Return a certificate whose key wants a password."""
    values = client().material.reveal()
    key = load_pem_private_key(values["tls.key"], None)
    shut = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"canary"))
    return Material({**values, "tls.key": shut})


UNREADABLE: dict[str, Material] = {
    "the key of somebody else": Material(
        {**client().material.reveal(), "tls.key": authority().material.reveal()["tls.key"]}
    ),
    "text": Material({"tls.crt": b"no", "tls.key": b"no"}),
    "a key behind a password": locked(),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_a_certificate_that_cannot_be_read(postgres: Postgres, case: str) -> None:
    """Nobody is connected to, and nobody asked for a password: the library would, and wait."""
    with pytest.raises(Rejected, match=r"Secret client-tls has no `tls\.crt` and `tls\.key` that belong") as caught:
        finds(postgres, authority().material, UNREADABLE[case], certificateSecretName="client-tls")
    assert caught.value.reason == Reason.PROVIDER_NOT_READY
