"""What is to be told of a credential, by `spec.notify` or for all of them, and what was: an outbox in the status."""

from __future__ import annotations

from pydantic import Field

from rekey.core.record import Record, Time
from rekey.core.spec_notify import NotifyEvent


class Notification(Record):
    """The last event of one kind for one webhook; until it was sent it stays, whatever happens meanwhile."""

    webhook: str = Field(max_length=300, description="Kind and name of the provider with the webhook.")
    event: NotifyEvent = Field(description="What happened.")
    number: int = Field(ge=1, description="Version that it is about.")
    time: Time = Field(description="When it was noticed.")
    reason: str = Field(default="", max_length=128, description="Why, in one word.")
    message: str = Field(default="", max_length=256, description="Why, in a sentence.")
    sent_time: Time | None = Field(default=None, description="When it was accepted there; absent: not yet.")
    tries: int | None = Field(default=None, ge=1, le=1_000_000, description="How often in a row that failed.")
    next_time: Time | None = Field(default=None, description="When it is tried again.")
    error: str | None = Field(default=None, max_length=256, description="How the last try failed.")
