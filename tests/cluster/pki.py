"""Keys and certificates of one cluster, thrown away with it."""

import datetime as dt
import ipaddress
from collections.abc import Iterable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_DAYS = 365


def write_all(directory: Path, addresses: Iterable[str]) -> None:
    """Write ca, server and service-account keys; the server answers under `addresses`."""
    now = dt.datetime.now(dt.UTC)
    ca_key, ca_name = _key(directory / "ca.key"), _name("rekey-test-ca")
    ca = (
        _builder(now, ca_name, ca_name, ca_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    _write(directory / "ca.crt", ca)
    server_key = _key(directory / "server.key")
    names = [x509.DNSName("localhost"), x509.DNSName("kubernetes.default.svc")]
    numbers = [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
    server = (
        _builder(now, _name("kube-apiserver"), ca_name, server_key)
        .add_extension(x509.SubjectAlternativeName([*names, *numbers]), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    _write(directory / "server.crt", server)
    _key(directory / "service-accounts.key")


def write_client(directory: Path, name: str, common_name: str, organization: str) -> None:
    """Write a self-signed client certificate: its one server takes it as its own authority."""
    key = _key(directory / f"{name}.key")
    subject = _name(common_name, organization)
    certificate = (
        _builder(dt.datetime.now(dt.UTC), subject, subject, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    _write(directory / f"{name}.crt", certificate)


def _builder(
    now: dt.datetime, subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # An hour back, for a clock that jumps.
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=_DAYS))
    )


def _name(common_name: str, organization: str | None = None) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if organization:
        parts.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    return x509.Name(parts)


def _key(path: Path) -> ec.EllipticCurvePrivateKey:
    key = ec.generate_private_key(ec.SECP256R1())
    path.touch(0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )
    return key


def _write(path: Path, certificate: x509.Certificate) -> None:
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
