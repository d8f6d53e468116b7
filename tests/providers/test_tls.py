"""TLS through the change of an authority: two ends talk at every step, if the new one is trusted before it is used."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rekey.core.material import Issued
from tests.providers.making import files, make

HOUR = timedelta(hours=1)
SHOP = {"commonName": "shop", "dnsNames": ["shop.test"], "usages": ["ServerAuth", "ClientAuth"]}
ALGORITHMS = {"ES256": {}, "ES384": {}, "EdDSA": {}, "RS256": {"bits": 2048}}


def end(folder: Path, issued: Issued, trusted: list[Issued], *, server: bool = False) -> ssl.SSLContext:
    """Return an end of a connection that shows one version and trusts the authorities of some."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    own = files(folder, issued.material)
    context.load_cert_chain(own / "tls.crt", own / "tls.key")
    context.load_verify_locations(cadata="".join(one.material.reveal()["ca.crt"].decode() for one in trusted))
    return context


def talk(client: ssl.SSLContext, server: ssl.SSLContext) -> str:
    """Return what arrives at the server through a handshake in which both show who they are.

    Raises:
        ssl.SSLError: one of them does not trust the other.
    """
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    asks = client.wrap_bio(back, there, server_hostname="shop.test")
    answers = server.wrap_bio(there, back, server_side=True)
    for _ in range(4):
        for one in (asks, answers):
            try:
                one.do_handshake()
            except ssl.SSLWantReadError:
                continue
    asks.write(b"an order")
    return answers.read().decode()


@pytest.fixture(params=ALGORITHMS)
def versions(request: pytest.FixtureRequest) -> list[Issued]:
    """Give three versions: the first two of one authority, the third of the next."""
    rules = {**SHOP, "algorithm": request.param, "caLifetime": "3h", **ALGORITHMS[request.param]}
    now = datetime.now(UTC) - HOUR
    first = make("certificate", None, now, 2 * HOUR, **rules)
    second = make("certificate", first, now + 59 * timedelta(minutes=1), 2 * HOUR, **rules)
    third = make("certificate", second, now + HOUR, 2.5 * HOUR, **rules)
    assert first.public["authority"] == second.public["authority"] != third.public["authority"]
    return [first, second, third]


def test_both_ends_talk_through_rotations(versions: list[Issued], tmp_path: Path) -> None:
    """Whichever versions the two hold, they talk as long as each trusts the authorities of all that are accepted."""
    for number, ours in enumerate(versions):
        for other, theirs in enumerate(versions):
            client = end(tmp_path / f"c{number}", ours, versions)
            server = end(tmp_path / f"s{other}", theirs, versions, server=True)
            assert talk(client, server) == "an order"


def test_who_was_not_told_of_the_new_authority_refuses_it(versions: list[Issued], tmp_path: Path) -> None:
    """Without the new root a client refuses the new certificate: it has to be trusted before it is used."""
    late = end(tmp_path / "late", versions[1], versions[:2])
    server = end(tmp_path / "server", versions[2], versions, server=True)
    with pytest.raises(ssl.SSLCertVerificationError):
        talk(late, server)


def test_the_old_authority_is_refused_when_it_is_trusted_no_more(versions: list[Issued], tmp_path: Path) -> None:
    """When its last version is revoked its root goes, and what it issued is refused."""
    server = end(tmp_path / "server", versions[2], versions[2:], server=True)
    left_behind = end(tmp_path / "old", versions[1], versions)
    with pytest.raises(ssl.SSLError, match=r"unable to get (local )?issuer certificate|self-signed certificate"):
        talk(left_behind, server)
    assert talk(end(tmp_path / "new", versions[2], versions[2:]), server) == "an order"
