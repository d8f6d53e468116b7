"""Whether an old version is still used: what is asked about it, and what an answer means.

Nothing that is not known for certain counts as unused, and no figure or word of an answer is passed on: a sentence that
stays the same while the world does costs no write.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from typing import Final

from rekey.core import duration
from rekey.core.facts import Facts, InUse, Usage
from rekey.core.spec_usage import UsageGate
from rekey.core.status import Version

PATIENCE: Final = 10.0
"""Seconds in which an answer must come."""

_COUNT: Final = (
    'rekey_client_validations_total{credential="${namespace}/${name}",version="${version}",reason="accepted"}'
)
KIT: Final = (
    # A count that grew; one that began (`increase` knows no first sample); NaN where no verifier is seen at all.
    f"sum(increase({_COUNT}[${{quiet}}])) > 0"
    f" or sum(max_over_time({_COUNT}[${{quiet}}]) unless {_COUNT} offset ${{quiet}}) > 0"
    " or absent(rekey_client_degraded) * NaN"
)
"""What is asked unless the spec says otherwise: the counts of verifiers of rekey-client."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What came back: the samples, or None and what went wrong; `partial`: the server says that some may be missing."""

    samples: tuple[float, ...] | None = None
    trouble: str = ""
    partial: bool = False


def expression(gate: UsageGate, facts: Facts, version: Version) -> str:
    """Return what is asked about the version."""
    key = facts.credential.key
    text = _own(gate) or KIT
    for name, value in (
        ("namespace", key.namespace),
        ("name", key.name),
        ("version", str(version.number)),
        ("quiet", _quiet(gate)),
    ):
        text = text.replace(f"${{{name}}}", value)
    return text


def judge(gate: UsageGate, reading: Reading) -> Usage:
    """Return what the answer says of the version."""
    samples = reading.samples
    if samples is None:
        return Usage(InUse.UNKNOWN, reading.trouble)
    if any(sample > 0 for sample in samples):
        return _used(gate)
    if not all(map(isfinite, samples)):
        kit = _own(gate) is None
        return Usage(
            InUse.UNKNOWN, "it collects from no verifier of rekey-client" if kit else "the answer is no number"
        )
    if reading.partial:
        return Usage(InUse.UNKNOWN, "the answer has warnings: a part of what was counted may be missing")
    return Usage(InUse.NO)


def since(gate: UsageGate, version: Version, last: datetime | None, now: datetime) -> Usage:
    """Return what it says of the version when its backend knows it was last used (None: of no use).

    A use may become known hours later: of a version younger than `quiet` that none is known of says nothing yet.
    """
    began = now - gate.quiet
    if last is not None:
        return _used(gate) if last >= began else Usage(InUse.NO)
    made = version.issued_time or version.retire_time
    if made is None or made > began:
        return Usage(InUse.UNKNOWN, f"its backend knows of no use, and it was made in the last {_quiet(gate)}")
    return Usage(InUse.NO)


def _used(gate: UsageGate) -> Usage:
    return Usage(InUse.YES, f"somebody used it in the last {_quiet(gate)}")


def _quiet(gate: UsageGate) -> str:
    return duration.show(gate.quiet)


def _own(gate: UsageGate) -> str | None:
    return gate.prometheus.query if gate.prometheus is not None else None
