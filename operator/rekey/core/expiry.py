"""When a version ends by itself, and what is said when that comes near and nothing has taken its place.

An expired version passes the same gate as any other before it is revoked: a pod that holds it may be helped yet.
"""

from __future__ import annotations

from datetime import datetime

from rekey.core import ledger, schedule, start
from rekey.core.facts import Facts
from rekey.core.material import Material
from rekey.core.reasons import Reason
from rekey.core.record import floor
from rekey.core.spec import RotatedCredentialSpec
from rekey.core.status import Cause, Version
from rekey.errors import Rejected

CERTIFICATE = "tls.crt"


def of(spec: RotatedCredentialSpec, name: str, material: Material, made: datetime) -> datetime | None:
    """Return when the version in that Secret ends: a certificate says so itself, whoever made it.

    Raises:
        Rejected: what should be a certificate is none.
    """
    if spec.generate is None or spec.generate.certificate is None:
        lifetime = spec.rotation.lifetime
        return None if lifetime is None else floor(made + lifetime)
    from cryptography import x509  # noqa: PLC0415  8 MiB that only certificates need

    try:
        # Public; it stands in the Secret beside its private key.
        return x509.load_pem_x509_certificate(material.reveal()[CERTIFICATE]).not_valid_after_utc
    except (KeyError, ValueError):
        text = f"Secret {name}: what stands under {CERTIFICATE} is no certificate"
        raise Rejected(Reason.INVALID_SPEC, text) from None


def verdict(facts: Facts) -> tuple[bool, Reason, str] | None:
    """Return whether the current version is about to expire, why, and a sentence; None if none of them ever does."""
    active = ledger.active(facts.status)
    if active is None or active.expiration_time is None:
        return None if facts.spec.rotation.lifetime is None else (False, Reason.NONE, "")
    when = f"{active.expiration_time:%F %T}Z"
    why = "and no newer one took its place: `Stalled`, `Rotating` and `spec.suspend` say what is in the way"
    if facts.now >= active.expiration_time:
        return True, Reason.EXPIRED, f"version {active.number} expired {when} {why}"
    if facts.now >= _warn_at(facts, active, active.expiration_time):
        return True, Reason.ABOUT_TO_EXPIRE, f"version {active.number} expires {when} {why}"
    return False, Reason.NONE, ""


def next_change(facts: Facts) -> datetime | None:
    """Return when the verdict will be another one if nothing else happens."""
    active = ledger.active(facts.status)
    if active is None or active.expiration_time is None:
        return None
    moments = (_warn_at(facts, active, active.expiration_time), active.expiration_time)
    return min((moment for moment in moments if moment > facts.now), default=None)


def _warn_at(facts: Facts, active: Version, expires: datetime) -> datetime:
    if facts.spec.renews:
        return expires - (expires - start.next_start(facts, active, Cause.RENEWAL).at) / 2
    if facts.problems:
        return expires - facts.spec.rotation.urgent_before
    last = ledger.rotated(facts.status, active, facts.now)
    return schedule.expiring_at(facts.spec, last, expires, f"{facts.credential.uid}:{active.number}")
