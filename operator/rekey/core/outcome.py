"""What an effect found out while it was done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rekey.core.status import BundleRef, VerifierRef, Version
from rekey.core.status_probe import Probe, Refusal


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an effect found out while it was done.

    `before` and `after` bracket it in time. `number`: of an issued version (names that strangers hold are skipped);
    `handle`: the uid of its Secret; `backend_id`: its backend's id of it; `refusal`: why that will not make it;
    `issued`: when it was made (before `before` when it was found after a crash); `expires`: when it ends by itself;
    `digest`: of the part of the spec it was made by; `bundle`: the bundle as written; `versions`: what an adoption, a
    repair or a try found; `replaced`: what a template said before a restart; `asked`: uids of the requests that an
    issued version was made for; `proof`: what verifiers need of it; `probe`: that nobody can be asked about it;
    `verifier`: their Secret as written.
    """

    before: datetime
    after: datetime
    number: int = 0
    handle: str | None = None
    backend_id: str | None = None
    refusal: Refusal | None = None
    issued: datetime | None = None
    expires: datetime | None = None
    digest: str | None = None
    secret_name: str = ""
    bundle: BundleRef | None = None
    versions: tuple[Version, ...] = ()
    replaced: str | None = None
    pinned: Mapping[str, Any] | None = None
    rotation_id: str = ""
    trigger: str = ""
    asked: frozenset[str] = frozenset()
    proof: str | None = None
    probe: Probe | None = None
    verifier: VerifierRef | None = None
    history: int = 3
