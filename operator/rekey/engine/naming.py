"""Names, labels and annotations of what Rekey puts into a cluster."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime

from rekey.core import gate
from rekey.core.facts import Credential, Facts
from rekey.core.spec import Format, Target, Verifier
from rekey.ports.backend import Granted
from rekey.ports.secrets import Owner, SecretView

DIGEST = "rekey.dev/generate-digest"
TRIGGER = "rekey.dev/trigger"
REQUESTS = "rekey.dev/requests"
PUBLIC = "rekey.dev/"
VERSION = "rekey.dev/version"
HOLDS = "rekey.dev/holds"
PART = "rekey.dev/part"
BACKEND_ID = "rekey.dev/backend-id"
EXPIRES = "rekey.dev/expires"
MANAGED = {"app.kubernetes.io/managed-by": "rekey"}


def version_name(facts: Facts, number: int) -> str:
    """Return the name of the Secret that holds one version."""
    return f"{gate.target_name(facts)}-v{number}"


def owner(credential: Credential) -> Owner:
    """Return the owner of every Secret of this credential."""
    return Owner(credential.key.name, credential.uid)


def labels(credential: Credential, role: str, number: int) -> dict[str, str]:
    """Return the labels by which people and admission policies know our Secrets."""
    return {
        **MANAGED,
        "rekey.dev/credential": credential.key.name,
        "rekey.dev/role": role,
        VERSION: str(number),
    }


def verifier_labels(credential: Credential, verifier: Verifier) -> dict[str, str]:
    """Return the labels of what verifiers read: no number, and a mark if it holds keys."""
    ours = {key: value for key, value in labels(credential, "verifier", 0).items() if key != VERSION}
    return ours | ({HOLDS: "keys"} if verifier.format is Format.HMAC else {})


def backend_notes(granted: Granted) -> dict[str, str]:
    """Return what is noted beside a version of what its backend said of it; nothing of that is secret."""
    expires = granted.expires.isoformat() if granted.expires is not None else None
    return {key: text for key, text in ((BACKEND_ID, granted.backend_id), (EXPIRES, expires)) if text is not None}


def noted(view: SecretView) -> Granted:
    """Return what a backend said of the version in that Secret."""
    return Granted(view.material, view.annotations.get(BACKEND_ID), _instant(view.annotations.get(EXPIRES, "")))


def _instant(text: str) -> datetime | None:
    """Return when it ends; None also where somebody wrote what is no instant: then the spec tells, or it is renewed."""
    with suppress(ValueError):
        return datetime.fromisoformat(text)
    return None


def part_labels(number: int) -> dict[str, str]:
    """Return the labels of one part of what many credentials tell verifiers: by them alone it is known as ours."""
    return {**MANAGED, "rekey.dev/role": "verifier", PART: str(number)}


def bundle_labels(credential: Credential, target: Target, number: int) -> dict[str, str]:
    """Return the labels of the bundle: those asked for, and ours."""
    asked: Mapping[str, str] = target.template.metadata.labels if target.template else {}
    return {**asked, **labels(credential, "bundle", number)}


def bundle_annotations(target: Target) -> dict[str, str]:
    """Return the annotations of the bundle that were asked for."""
    return dict(target.template.metadata.annotations) if target.template else {}
