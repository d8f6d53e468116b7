"""`spec.limits` of a provider: how hard the backend may be used, by all credentials that live there together.

A provider of a namespace is used by whoever acts there, alone. One for the cluster is used by every shard: each has a
part of the limits, and the parts add up to them, however many processes hold the shards.
"""

from __future__ import annotations

from pydantic import Field

from rekey.core import shards
from rekey.core.shape import Part


class Limits(Part):
    """How hard the backend may be used."""

    concurrency: int = Field(default=4, ge=1, le=64, description="How many requests may be under way at once.")
    per_minute: int = Field(default=3_000, ge=1, le=60_000, description="How many requests may begin in a minute.")

    def part(self, shard: int, number: int) -> Limits | None:
        """Return the part of one of so many shards; None: there is not one request for each."""
        if min(self.concurrency, self.per_minute) < number:
            return None
        return Limits(
            concurrency=shards.share(self.concurrency, shard, number),
            per_minute=shards.share(self.per_minute, shard, number),
        )
