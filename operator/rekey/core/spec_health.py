"""What a rotation waits for: healthy consumers before it and after it, and another credential that goes first."""

from datetime import timedelta
from enum import StrEnum

from pydantic import Field

from rekey.core.shape import Duration, ObjectName, Part


class ConsumerHealth(StrEnum):
    """Whether consumers must be healthy before a rotation begins."""

    REQUIRED = "Required"
    IGNORE = "Ignore"


class Health(Part):
    """When a rotation may begin, and when it counts as finished, by those who use the credential."""

    consumers: ConsumerHealth = Field(
        default=ConsumerHealth.IGNORE,
        description="`Required`: a rotation begins only when every consumer that is restarted is healthy by its own "
        "status; until then it is postponed, at most until the version is about to expire. A `Compromise` waits for "
        "nobody. `Ignore`: it begins when it is due.",
    )
    settle: Duration = Field(
        default=timedelta(0),
        description="How long all consumers must stay healthy after the last has moved, before the overlap begins: "
        "from 0s to 24h. One that does not is a rollout that failed, see `rollout.onFailure`.",
    )
    after: ObjectName | None = Field(
        default=None,
        description="Name of a RotatedCredential of this namespace that rotates first, as in staging: a rotation of "
        "this one begins only when that one has finished one since. A `Compromise` and a version that is about to "
        "expire do not wait.",
    )
