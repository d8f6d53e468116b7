"""Certificates, each issued by an authority that this credential has for itself and keeps from version to version.

1. The authority stays as long as it outlives the certificate it is to issue; then the next one is made. Whoever trusts
   the authorities of all accepted versions never meets one that he does not know.
2. The authority's private key stands under `ISSUER_KEY` in the version's own Secret, and is never shown.
3. A certificate begins a little in the past, for those whose clocks are behind; it ends to the second.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from rekey.core.bundle import ISSUER
from rekey.core.material import Issued, Material
from rekey.core.record import floor
from rekey.core.spec import Certificate, Usage
from rekey.providers.generated import keys
from rekey.providers.generated.keys import PrivateKey

ISSUER_KEY: Final = f"{ISSUER}key"
SKEW: Final = timedelta(minutes=5)
_USAGES: Final = {
    Usage.SERVER_AUTH: ExtendedKeyUsageOID.SERVER_AUTH,
    Usage.CLIENT_AUTH: ExtendedKeyUsageOID.CLIENT_AUTH,
}
_P256_BITS: Final = 256


@dataclass(frozen=True, slots=True, repr=False)
class Authority:
    """A certificate authority with its private key; its text would show that key's place in memory, no more."""

    certificate: x509.Certificate
    key: PrivateKey


def certificate(rules: Certificate, now: datetime, lifetime: timedelta, before: Material | None) -> Issued:
    """Return a new certificate; `before` is the version whose authority issues it, if that lives long enough."""
    until = floor(now + lifetime)
    key = keys.pair(rules.algorithm, rules.bits)
    kept = _kept(before, key, until) if before is not None else None
    authority = kept or _made(rules, now)
    leaf = _leaf(rules, key, authority, now, until)
    root, own = (one.public_bytes(Encoding.PEM) for one in (authority.certificate, leaf))
    values = {
        "tls.key": keys.private_pem(key),
        "tls.crt": own + root,
        "ca.crt": root,
        ISSUER_KEY: keys.private_pem(authority.key),
    }
    facts = {
        "serial": f"{leaf.serial_number:x}",
        "fingerprint": leaf.fingerprint(SHA256()).hex(),
        "authority": authority.certificate.fingerprint(SHA256()).hex(),
    }
    return Issued(Material(values), facts)


def _kept(before: Material, like: PrivateKey, until: datetime) -> Authority | None:
    """Return the authority of a version if it is there, of the strength that is asked for now, and lives until then.

    It is not there where a version was made again from what the bundle shows, or was taken over from somebody else.
    """
    values = before.reveal()  # the authority's key is made use of nowhere else
    if not {ISSUER_KEY, "ca.crt"} <= values.keys():
        return None
    key = load_pem_private_key(values[ISSUER_KEY], None)
    known = x509.load_pem_x509_certificate(values["ca.crt"])
    if not isinstance(key, PrivateKey) or _strength(key) != _strength(like) or key.public_key() != known.public_key():
        return None
    return Authority(known, key) if known.not_valid_after_utc >= until else None


def _strength(key: PrivateKey) -> tuple[str, int]:
    return type(key).__name__, getattr(key, "key_size", 0)


def _made(rules: Certificate, now: datetime) -> Authority:
    key = keys.pair(rules.algorithm, rules.bits)
    own_id = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    # Two authorities of one name would be mistaken for each other by those who look for the name only.
    names = {NameOID.COMMON_NAME: f"{rules.common_name} CA", NameOID.SERIAL_NUMBER: own_id.digest.hex()[:16]}
    subject = x509.Name([x509.NameAttribute(kind, text) for kind, text in names.items()])
    draft = _draft(subject, subject, key, now, floor(now + rules.ca_lifetime))
    draft = draft.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    draft = draft.add_extension(_key_usage(issues=True), critical=True)
    return Authority(draft.sign(key, _hash(key)), key)


def _leaf(rules: Certificate, key: PrivateKey, by: Authority, now: datetime, until: datetime) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, rules.common_name)])
    encipherment = isinstance(key, RSAPrivateKey)
    known_as = by.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    draft = _draft(subject, by.certificate.subject, key, now, until)
    draft = draft.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    draft = draft.add_extension(_key_usage(encipherment=encipherment), critical=True)
    draft = draft.add_extension(x509.ExtendedKeyUsage([_USAGES[one] for one in rules.usages]), critical=False)
    draft = draft.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(known_as), critical=False
    )
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in rules.dns_names]
    names += [x509.IPAddress(ip_address(text)) for text in rules.ip_addresses]
    if names:
        draft = draft.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return draft.sign(by.key, _hash(by.key))


def _draft(
    subject: x509.Name, issuer: x509.Name, key: PrivateKey, now: datetime, until: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(floor(now - SKEW))
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _key_usage(*, issues: bool = False, encipherment: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not issues, content_commitment=False, key_encipherment=encipherment,
        data_encipherment=False, key_agreement=False, key_cert_sign=issues, crl_sign=False,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _hash(key: PrivateKey) -> SHA256 | SHA384 | None:
    """Return what a signature of that key is made over (FIPS 186-5); Ed25519 has its own."""
    if isinstance(key, EllipticCurvePrivateKey):
        return SHA256() if key.key_size == _P256_BITS else SHA384()
    return SHA256() if isinstance(key, RSAPrivateKey) else None
