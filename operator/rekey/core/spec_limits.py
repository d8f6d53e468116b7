"""`spec.limits` of a provider: how hard the backend may be used, by all credentials that live there together."""

from pydantic import Field

from rekey.core.shape import Part


class Limits(Part):
    """How hard the backend may be used."""

    concurrency: int = Field(default=4, ge=1, le=64, description="How many requests may be under way at once.")
    per_minute: int = Field(default=3_000, ge=1, le=60_000, description="How many requests may begin in a minute.")
