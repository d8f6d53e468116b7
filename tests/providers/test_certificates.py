"""Certificates: the chain holds in other people's eyes, the authority stays as long as it may, and is then renewed."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from ipaddress import ip_address
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from rekey.app.crd_key_rules import ADDRESS
from rekey.core.material import Issued, Material
from rekey.core.spec_generate import KEYS
from tests.providers.making import DAY, NOW, files, make, tool, values

SHOP: dict[str, Any] = {"commonName": "shop", "dnsNames": ["shop.test", "*.shop.test"], "ipAddresses": ["127.0.0.1"]}
SECOND = timedelta(seconds=1)


def certify(before: Issued | None = None, now: datetime = NOW, life: timedelta = DAY, **rules: Any) -> Issued:
    """Make a certificate for the shop, with changes."""
    return make("certificate", before, now, life, **{**SHOP, **rules})


def leaf(issued: Issued) -> x509.Certificate:
    """Return the certificate."""
    return x509.load_pem_x509_certificates(issued.material.reveal()["tls.crt"])[0]


def root(issued: Issued) -> x509.Certificate:
    """Return the certificate of its authority."""
    return x509.load_pem_x509_certificate(issued.material.reveal()["ca.crt"])


ALGORITHMS: dict[str, dict[str, Any]] = {
    "ES256": {},
    "ES384": {"algorithm": "ES384"},
    "EdDSA": {"algorithm": "EdDSA"},
    "RS256": {"algorithm": "RS256", "bits": 2048},
}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_openssl_accepts_the_chain(algorithm: str, tmp_path: Path) -> None:
    """By its strictest reading, for the name and the address, for both usages; for another name it does not."""
    made = certify(usages=["ServerAuth", "ClientAuth"], **ALGORITHMS[algorithm])
    folder = files(tmp_path / "tls", made.material)
    moment = str(int((NOW + DAY).timestamp()) - 1)
    strict = ("verify", "-x509_strict", "-check_ss_sig", "-attime", moment, "-CAfile", folder / "ca.crt")
    for wish in (
        ("-purpose", "sslserver", "-verify_hostname", "www.shop.test"),
        ("-purpose", "sslserver", "-verify_ip", "127.0.0.1"),
        ("-purpose", "sslclient"),
    ):
        assert tool("openssl", *strict, *wish, folder / "tls.crt").endswith(": OK\n")
    with pytest.raises(AssertionError, match="hostname mismatch"):
        tool("openssl", *strict, "-verify_hostname", "bank.test", folder / "tls.crt")


def test_the_certificate_says_what_was_asked_for() -> None:
    """Names, addresses and usages; a start in the past and an end to the second; it may issue nothing itself."""
    made = certify(ipAddresses=["10.1.2.3", "2001:db8::1"], usages=["ClientAuth"])
    own = leaf(made)
    assert own.subject.rfc4514_string() == "CN=shop"
    names = own.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["shop.test", "*.shop.test"]
    assert names.get_values_for_type(x509.IPAddress) == [ip_address("10.1.2.3"), ip_address("2001:db8::1")]
    usages = own.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usages) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert own.not_valid_before_utc == NOW.replace(microsecond=0) - timedelta(minutes=5)
    assert own.not_valid_after_utc == NOW.replace(microsecond=0) + DAY
    assert own.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    assert made.public["serial"] == f"{own.serial_number:x}"


def test_the_authority_issues_nothing_but_certificates() -> None:
    """Path length 0, keyCertSign alone, both critical; each side names the other's key."""
    made = certify()
    ca, own = root(made), leaf(made)
    limits = ca.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (limits.critical, limits.value.ca, limits.value.path_length) == (True, True, 0)
    usage = ca.extensions.get_extension_for_class(x509.KeyUsage)
    assert (usage.critical, usage.value.key_cert_sign, usage.value.digital_signature) == (True, True, False)
    named = own.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    assert named == ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    own.verify_directly_issued_by(ca)
    ca.verify_directly_issued_by(ca)


def test_the_keys_are_those_of_the_documentation() -> None:
    """What is not in it is for the next version only; the chain holds the certificate and then its authority."""
    made = certify()
    assert set(made.material.keys()) == {*KEYS["certificate"], "issuer.key"}
    texts = values(made)
    assert texts["tls.crt"].endswith(texts["ca.crt"])
    assert texts["tls.crt"].count("BEGIN CERTIFICATE") == 2
    key: Any = load_pem_private_key(texts["tls.key"].encode(), None)
    assert key.public_key() == leaf(made).public_key() != root(made).public_key()


def test_what_is_public_tells_nothing_of_the_keys() -> None:
    """Serial number and fingerprints alone stand beside the Secret."""
    made = certify()
    assert made.public.keys() == {"serial", "fingerprint", "authority"}
    assert all(re.fullmatch(r"[0-9a-f]{8,64}", text) for text in made.public.values())


def test_serial_numbers_and_keys_are_new_each_time() -> None:
    """Fifty certificates of one authority have fifty serial numbers and fifty keys."""
    chain = [certify()]
    for _ in range(50):
        chain.append(certify(chain[-1]))
    assert len({leaf(one).serial_number for one in chain}) == len(chain)
    assert len({values(one)["tls.key"] for one in chain}) == len(chain)
    assert len({one.public["authority"] for one in chain}) == 1


def _bare(made: Issued) -> Issued:
    """Return the version as it is made again from a bundle."""
    shown = {key: value for key, value in made.material.reveal().items() if not key.startswith("issuer.")}
    return Issued(Material(shown), made.public)


def _mixed(made: Issued) -> Issued:
    """Return the version with the key of another authority."""
    other = certify().material.reveal()["issuer.key"]
    return Issued(Material({**made.material.reveal(), "issuer.key": other}), made.public)


LAST = NOW + 364 * DAY
"""When the authority that was made at noon lives as long as a certificate that is made now."""

KEPT: dict[str, tuple[Callable[[Issued], Issued | None], datetime, dict[str, Any], bool]] = {
    "there is none before": (lambda _: None, NOW, {}, False),
    "nothing has changed": (lambda made: made, NOW + DAY, {}, True),
    "it ends with the certificate": (lambda made: made, LAST, {}, True),
    "it would end a second before the certificate": (lambda made: made, LAST + SECOND, {}, False),
    "another algorithm is asked for": (lambda made: made, NOW + DAY, {"algorithm": "ES384"}, False),
    "other names are asked for": (lambda made: made, NOW + DAY, {"dnsNames": ["bank.test"]}, True),
    "the version was made again from its bundle": (_bare, NOW + DAY, {}, False),
    "the key is not that of the authority": (_mixed, NOW + DAY, {}, False),
}


@pytest.mark.parametrize("situation", KEPT)
def test_the_authority_is_kept(situation: str) -> None:
    """It issues the next certificate if it is there, fits what is asked for, and outlives it; else a new one does."""
    change, now, rules, kept = KEPT[situation]
    first = certify()
    second = certify(change(first), now, **rules)
    assert (root(second) == root(first)) is kept
    assert root(second).not_valid_after_utc >= leaf(second).not_valid_after_utc
    leaf(second).verify_directly_issued_by(root(second))
    if not kept:
        assert root(second).subject != root(first).subject


@given(st.lists(st.integers(1, 900), min_size=2, max_size=12), st.integers(24, 2000))
def test_no_certificate_outlives_its_authority(pauses: list[int], ca_life: int) -> None:
    """Whenever rotations come, each chain holds, and an authority is renewed only when it would end too early."""
    now, chain = NOW, [certify(caLifetime=f"{ca_life}h")]
    for pause in pauses:
        now += timedelta(hours=pause)
        chain.append(certify(chain[-1], now, caLifetime=f"{ca_life}h"))
    for old, new in pairwise(chain):
        leaf(new).verify_directly_issued_by(root(new))
        assert leaf(new).not_valid_after_utc <= root(new).not_valid_after_utc
        long_enough = root(old).not_valid_after_utc >= leaf(new).not_valid_after_utc
        assert (root(new) == root(old)) is long_enough


@given(st.one_of(st.ip_addresses().map(str), st.from_regex(r"[0-9a-f:.]{1,20}", fullmatch=True), st.text(max_size=39)))
def test_admission_knows_an_address(text: str) -> None:
    """What the CRD's rule admits Python reads, and it admits all that Python writes."""
    try:
        written = str(ip_address(text)) == text
        known = True
    except ValueError:
        known = written = False
    admitted = re.fullmatch(ADDRESS, text, re.ASCII) is not None
    assert known or not admitted
    # Mixed notation (::ffff:1.2.3.4) and zones (fe80::1%eth0) are left out on purpose.
    assert admitted or not written or "." in text or "%" in text
