"""What became of one RotationRequest at one credential: written by the credential, copied by the request."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from pydantic import Field

from rekey.core.record import Record, Time
from rekey.core.spec_request import RequestReason, RevokeWhen

MAX_ANSWERS: Final = 32


class AnswerState(StrEnum):
    """How far a request is at one credential."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    REFUSED = "Refused"
    FAILED = "Failed"


OVER: Final = frozenset({AnswerState.SUCCEEDED, AnswerState.REFUSED, AnswerState.FAILED})


class Answer(Record):
    """One request in the ledger of one credential: what was begun for it, and how that ended."""

    uid: str = Field(max_length=64, description="Uid of the RotationRequest.")
    name: str = Field(max_length=253, description="Name of the RotationRequest.")
    reason: RequestReason = Field(description="What it asked for.")
    requested_by: str | None = Field(default=None, max_length=200, description="Who asked, as the request says.")
    revoke: RevokeWhen | None = Field(default=None, description="When older versions go, for `Compromise`.")
    state: AnswerState = Field(description="How far it is.")
    from_version: int | None = Field(default=None, ge=1, description="Version that was current, or is revoked.")
    to_version: int | None = Field(default=None, ge=1, description="Version that was made, or is current again.")
    message: str = Field(default="", max_length=1024, description="A sentence for people.")
    finished_time: Time | None = Field(default=None, description="When it succeeded, failed or was refused.")
