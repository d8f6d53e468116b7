"""One use of a version to prove it: what is sent, what the answer says of it, and what the ledger keeps of that.

It is the reason to look into a Material here: the value is put into the form in which a service is shown it. No part
of it, and no word of an answer, comes into a ledger.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from typing import Final

from rekey.core import ledger
from rekey.core.facts import Facts
from rekey.core.material import Material
from rekey.core.spec_validation import HttpProbe
from rekey.core.status import Rotation, Version
from rekey.core.status_probe import Finding, Probe

MAX_REFUSED: Final = 5
"""How many versions are made in a row of which each is refused."""

_SAYS_NOTHING: Final = frozenset({408, 425, 429})
_REFUSALS: Final = range(400, 500)


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: a status code, or None and what went wrong; `forbidden`: nothing may be sent there."""

    status: int | None = None
    trouble: str = ""
    forbidden: bool = False


Verdict = tuple[Finding, str]
"""What one use showed, and that in words."""


def wanted(facts: Facts) -> bool:
    """Say whether a version is used once to prove it: at its backend, and as `spec.validation.http` says."""
    return facts.spec.provider is not None or http_of(facts) is not None


def digest(facts: Facts) -> str:
    """Return the digest of how it is proved, as the ledger keeps it."""
    parts = [ledger.digest(part) for part in (facts.spec.provider, http_of(facts)) if part is not None]
    return "-".join(parts)


def http_of(facts: Facts) -> HttpProbe | None:
    """Return how a service is asked, if one is."""
    return facts.spec.validation.http if facts.spec.validation is not None else None


def is_refused(rotation: Rotation | None) -> bool:
    """Say whether the last rotation ended because the service refused its version."""
    return rotation is not None and rotation.refused is not None


def header(http: HttpProbe, key: str, material: Material) -> Material | None:
    """Return the header to send what stands under that key, by its name; None if that cannot stand in one."""
    value = material.reveal().get(key, b"")
    if not value or not all(0x21 <= byte <= 0x7E for byte in value):  # noqa: PLR2004  visible ASCII
        return None
    if http.header is not None:
        return Material({http.header.name: http.header.prefix.encode() + value})
    if http.basic is not None:
        return Material({"Authorization": b"Basic " + b64encode(http.basic.username.encode() + b":" + value)})
    return Material({"Authorization": b"Bearer " + value})


def judge(http: HttpProbe, reply: Reply) -> Verdict:
    """Return what a reply says of the version, and that in words; only a definite 4xx refuses it."""
    status = reply.status
    if status is None:
        return Finding.FORBIDDEN if reply.forbidden else Finding.UNREACHABLE, reply.trouble
    if status in http.expect_status:
        return Finding.ACCEPTED, f"the service answered {status}"
    if status in _REFUSALS and status not in _SAYS_NOTHING:
        return Finding.REFUSED, f"the service answered {status}"
    return Finding.UNREACHABLE, f"the service answered {status}, which neither accepts nor refuses"


def of(version: Version, by: str) -> Probe | None:
    """Return what is known of the version; what was found by another request does not count."""
    return version.probe if version.probe is not None and version.probe.by == by else None


def is_accepted(version: Version, facts: Facts) -> bool:
    """Say whether the version was accepted, as it is asked about now."""
    probe = of(version, digest(facts))
    return probe is not None and probe.finding is Finding.ACCEPTED


def counted(version: Version, found: Probe) -> Version:
    """Return the version after one more try."""
    before = of(version, found.by)
    refused, unreachable = (before.refused, before.unreachable) if before is not None else (0, 0)
    counts = {
        "refused": refused + (found.finding is Finding.REFUSED),
        "unreachable": unreachable + 1 if found.finding in {Finding.UNREACHABLE, Finding.FORBIDDEN} else 0,
    }
    return version.model_copy(update={"probe": found.model_copy(update=counts), "refusal": None})
