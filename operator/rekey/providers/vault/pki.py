"""The port `Backend` over a role of Vault's PKI engine: a certificate and its key for each version, revoked by serial.

1. A certificate holds nothing of whose it is, so none is listed. One whose answer was lost is of no use to anybody: its
   key was in that answer alone. It ends by itself.
2. A certificate is proved by the engine's own record of it, its dates, and its key. Who verifies it elsewhere asks the
   engine's revocation list, or OCSP.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from hvac.api.secrets_engines import Pki

from rekey.core.material import Material
from rekey.core.reasons import Reason
from rekey.core.spec_vault import VaultCertificate
from rekey.errors import NoAnswer, NotAccepted, Rejected
from rekey.ports.backend import Claim, Granted, Held, Intent, Traits
from rekey.providers.vault import answers
from rekey.providers.vault.login import Vault

_CERTIFICATE: Final = "tls.crt"
_GIVEN: Final = {_CERTIFICATE: "certificate", "tls.key": "private_key", "ca.crt": "issuing_ca"}
_FORM: Final = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


class VaultPki:
    """One role."""

    def __init__(self, vault: Vault, asks: VaultCertificate) -> None:
        self._vault = vault
        self._asks = asks

    @property
    def traits(self) -> Traits:
        """What it is like."""
        return Traits(makes_value=True, listable=False)

    def make(self, intent: Intent) -> Material:
        """Never asked: Vault makes certificates itself."""
        raise TypeError(f"Vault makes the value of {intent.claim.name} itself")

    async def issue(self, intent: Intent, material: Material | None) -> Granted:
        """Have a certificate issued."""
        del material
        asks, more = self._asks, {"alt_names": ",".join(self._asks.dns_names), "private_key_format": "pkcs8"}
        if intent.seconds is not None:
            more["ttl"] = f"{intent.seconds}s"
        answer = await self._vault.ask(
            lambda way: Pki(way).generate_certificate(asks.role, asks.common_name, more, mount_point=asks.mount),
            f"issue certificates of role {asks.role}",
            may_fail=lambda _: False,
        )
        made = answers.data(answer)
        found = {key: made.get(name) for key, name in _GIVEN.items()}
        values = {key: text.strip() + "\n" for key, text in found.items() if isinstance(text, str)}
        serial, ends = made.get("serial_number"), made.get("expiration")
        if len(values) < len(_GIVEN) or not isinstance(serial, str) or not isinstance(ends, int):
            raise NoAnswer(f"{self._vault.name} answered without a certificate")
        if chain := [text for text in made.get("ca_chain") or () if text != made["issuing_ca"]]:
            values[_CERTIFICATE] += "".join(f"{text.strip()}\n" for text in chain)
        kept = Material({key: text.encode() for key, text in values.items()})
        return Granted(kept, serial, datetime.fromtimestamp(ends, UTC))

    async def prove(self, held: Held) -> None:
        """See that the engine knows the certificate, that it is not revoked, and that the key is its own."""
        about = f"the certificate of version {held.claim.number}"
        record = await self._record(held.backend_id) if held.backend_id else {}
        certificate = _shown(held.material, str(record.get("certificate", "")))
        if certificate is None:
            raise NotAccepted(f"{about} is not the one that the engine knows, or the key is not its own")
        if record.get("revocation_time"):
            raise NotAccepted(f"{about} is revoked")
        if self._vault.now() >= certificate.not_valid_after_utc:
            raise NotAccepted(f"{about} has expired")

    async def revoke(self, held: Held) -> None:
        """Revoke the certificate, if there is one; a role with `no_store` has none to revoke.

        Serials are public, and that of a version stood in a Secret, too, where others may write: the one that it names
        must be the one whose key the version has.
        """
        serial = held.backend_id
        if serial is None or not (record := await self._record(serial)):
            return
        if held.material is not None and _shown(held.material, str(record.get("certificate", ""))) is None:
            why = f"serial {serial}, by which version {held.claim.number} is known, is not that of its certificate"
            raise Rejected(Reason.BACKEND_REFUSED, f"{why}: nothing is revoked; see `status.versions[].backendId`")
        mount = self._asks.mount
        await self._vault.ask(lambda way: Pki(way).revoke_certificate(serial, mount_point=mount), "revoke certificates")

    async def find(self, owner: str) -> tuple[Claim, ...]:
        """Return nothing: certificates do not tell whose they are."""
        del owner
        return ()

    async def _record(self, serial: str) -> Mapping[str, Any]:
        """Return what the engine says of a certificate; nothing if it does not know it."""
        mount = self._asks.mount
        answer = await self._vault.ask(
            lambda way: Pki(way).read_certificate(serial, mount_point=mount), "read certificates"
        )
        return answers.data(answer)


def _shown(material: Material | None, recorded: str) -> x509.Certificate | None:
    """Return the certificate that a client shows, if it is the one that is on record, and the key is its own."""
    values = material.reveal() if material is not None else {}
    try:
        certificate = x509.load_pem_x509_certificate(values[_CERTIFICATE])
        key = load_pem_private_key(values["tls.key"], None)
        known = certificate == x509.load_pem_x509_certificate(recorded.encode())
    except (KeyError, ValueError, TypeError):
        return None
    fits = certificate.public_key().public_bytes(*_FORM) == key.public_key().public_bytes(*_FORM)
    return certificate if known and fits else None
