"""When a new version is made and how long the one before it stays accepted."""

from datetime import timedelta
from enum import StrEnum

from pydantic import Field

from rekey.core.shape import ATOMIC, LINE, Cron, Duration, Instant, Part, TimeZone


class WindowPolicy(StrEnum):
    """How strictly windows are kept."""

    REQUIRE = "Require"
    PREFER = "Prefer"


class AtDeadline(StrEnum):
    """What happens when an old version is still held at the deadline."""

    HOLD = "Hold"
    REVOKE = "Revoke"


class Hold(Part):
    """A time before which nothing is revoked."""

    until: Instant = Field(
        description="No version is revoked before this time (RFC 3339 with a zone). A time in the past holds nothing."
    )
    reason: str = Field(
        min_length=1, max_length=256, pattern=LINE, description="Why; it is shown in conditions and Events."
    )


class Window(Part):
    """A recurring span of time in which rotations and restarts may begin."""

    schedule: Cron = Field(description="When the window opens, as five cron fields: minute hour day month weekday.")
    duration: Duration = Field(description="How long it stays open, such as `2h`: from 1s to 168h.")
    time_zone: TimeZone | None = Field(
        default=None, description="IANA name of the time zone that `schedule` is read in. Absent: UTC."
    )


class Rotation(Part):
    """When a new version is made."""

    interval: Duration | None = Field(
        default=None,
        description="Make a new version this long after the last one, less the jitter: from 1s to 87600h. "
        "Exactly one of `interval` and `schedule` must be set.",
    )
    schedule: Cron | None = Field(
        default=None,
        description="Make a new version at these times, as five cron fields: minute hour day month weekday. "
        "However many were missed while the operator was down, one rotation makes up for them.",
    )
    time_zone: TimeZone | None = Field(
        default=None, description="IANA name of the time zone that `schedule` is read in. Absent: UTC."
    )
    lifetime: Duration | None = Field(
        default=None,
        description="A version ends by itself this long after it was made: from 1s to 175200h. It is written down as "
        "`status.versions[].expirationTime`, and a new version is made in time, windows or not. Must be longer than "
        "`interval` and `overlap.duration` together; certificates need it. A change counts from the next version on.",
    )
    jitter_percent: int = Field(
        default=10,
        ge=0,
        le=50,
        description="Rotate earlier than `interval` by a share of it, chosen once for each version from 0 to "
        "this many per cent, so that many credentials do not rotate at once. After downtime overdue "
        "rotations are spread likewise.",
    )
    windows: tuple[Window, ...] = Field(
        default=(),
        max_length=8,
        json_schema_extra=ATOMIC,
        description="When rotations and restarts may begin. None: at any time. A window never delays a revocation.",
    )
    window_policy: WindowPolicy = Field(
        default=WindowPolicy.REQUIRE,
        description="`Require`: begin in a window only, but for `urgentBefore`. `Prefer`: begin in a window "
        "if one opens in time, else when due.",
    )
    urgent_before: Duration = Field(
        default=timedelta(hours=24),
        description="Windows are ignored this long before the current version is older than `interval`, or expires. "
        "Must be shorter than `interval` when there are windows.",
    )
    trigger: str | None = Field(
        default=None,
        min_length=1,
        max_length=64,
        pattern=LINE,
        description="Any new text here rotates once, windows permitting. It is compared with "
        "`status.observedTrigger` and stays; the first text that is seen does nothing.",
    )


class Overlap(Part):
    """How long the version before the current one stays accepted."""

    duration: Duration = Field(
        default=timedelta(hours=1),
        description="The old version is accepted at least this long after the last consumer moved to the new "
        "one. `0s` is allowed only without consumers. With `propagation` it must be shorter than "
        "`rotation.interval`.",
    )
    propagation: Duration = Field(
        default=timedelta(0),
        description="How long those who verify may take to learn of a new version: with `spec.verifier` it passes "
        "between telling them and the first use, otherwise before consumers are restarted.",
    )
    deadline: Duration = Field(
        default=timedelta(hours=72),
        description="When the old version is still held this long after the new one became current, "
        "`atDeadline` says what happens. Must be longer than `duration` and `propagation` together; at most "
        "8760h.",
    )
    at_deadline: AtDeadline = Field(
        default=AtDeadline.HOLD,
        description="`Hold`: keep the old version and say in `RevocationBlocked` who holds it. `Revoke`: "
        "revoke it although somebody may be locked out.",
    )
