"""What Rekey remembers of those whom it asked about a version that nobody had yet."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from rekey.core.record import Record, Time


class Finding(StrEnum):
    """What one use of a new version showed."""

    ACCEPTED = "Accepted"
    REFUSED = "Refused"
    UNREACHABLE = "Unreachable"
    FORBIDDEN = "Forbidden"


class Probe(Record):
    """What came of using a version before anybody else did (`spec.validation.http`)."""

    by: str = Field(max_length=64, description="Digest of the `spec.validation.http` that this speaks of.")
    time: Time = Field(description="When it was tried last.")
    finding: Finding = Field(description="What the last try showed.")
    refused: int = Field(default=0, ge=0, le=1_000_000, description="How often it was refused.")
    unreachable: int = Field(
        default=0, ge=0, le=1_000_000, description="How many tries in a row showed nothing about it."
    )
    message: str = Field(default="", max_length=512, description="The last try in words.")


class Refusal(Record):
    """Why a backend will not make a version until a person acts."""

    reason: str = Field(max_length=64, description="One word of the closed list in docs/events.md.")
    message: str = Field(max_length=512, description="What is wrong, and what to do.")
    by: str = Field(
        max_length=64, description="Digest of the provider and of the Secrets by which we log in, as they were."
    )
