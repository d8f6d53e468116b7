"""Who uses a credential, and how they are moved to a new version."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from rekey.core.shape import ATOMIC, Duration, ObjectName, Part


class ConsumerKind(StrEnum):
    """Kinds of workload that can be named as consumers."""

    DEPLOYMENT = "Deployment"
    STATEFUL_SET = "StatefulSet"
    DAEMON_SET = "DaemonSet"
    JOB = "Job"
    CRON_JOB = "CronJob"


class Role(StrEnum):
    """What a consumer does with the credential."""

    CLIENT = "Client"
    VERIFIER = "Verifier"


class Refresh(StrEnum):
    """How a consumer learns of a new version."""

    RESTART = "Restart"
    NONE = "None"


class OnFailure(StrEnum):
    """What happens when a consumer does not get ready with the new version."""

    ROLLBACK = "Rollback"
    HOLD = "Hold"


class Operator(StrEnum):
    """How a label is compared."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


LabelKey = Annotated[
    str,
    Field(
        min_length=1,
        max_length=317,
        pattern=r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$",
    ),
]
LabelValue = Annotated[str, Field(max_length=63, pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$")]


class LabelRequirement(Part):
    """One comparison of a label."""

    key: LabelKey = Field(description="Key of the label.")
    operator: Operator = Field(
        description="`In` and `NotIn` compare the label with `values`; `Exists` and `DoesNotExist` take none."
    )
    values: tuple[LabelValue, ...] = Field(
        default=(), max_length=16, json_schema_extra=ATOMIC, description="Texts to compare the label with."
    )


class LabelSelector(Part):
    """Workloads chosen by their labels."""

    match_labels: dict[str, LabelValue] = Field(
        default_factory=dict, max_length=16, description="Labels that must all have these values."
    )
    match_expressions: tuple[LabelRequirement, ...] = Field(
        default=(), max_length=16, json_schema_extra=ATOMIC, description="Comparisons that must all hold."
    )


class Consumer(Part):
    """One workload, or several chosen by label, that use or check the credential."""

    kind: ConsumerKind = Field(description="Kind of the workload, in the namespace of the RotatedCredential.")
    name: ObjectName | None = Field(
        default=None,
        description="Name of the workload. Exactly one of `name` and `selector` must be set. One that does "
        "not exist is reported and holds nothing up.",
    )
    selector: LabelSelector | None = Field(
        default=None,
        description="Labels of the workloads themselves, not of their pods. It must not be empty. Workloads "
        "that match later are consumers from then on.",
    )
    role: Role = Field(
        default=Role.CLIENT,
        description="`Client`: it presents the credential to others. `Verifier`: it reads the Secret that "
        "`spec.verifier` names; it is moved before a new version is used, and waited for.",
    )
    refresh: Refresh = Field(
        default=Refresh.RESTART,
        description="`Restart`: a rolling restart moves it to the new version. `None`: it reads the new "
        "version by itself, from a mounted volume; Jobs and CronJobs are never restarted and need this. A Verifier "
        "with `None` is given `overlap.propagation` for that.",
    )


class Rollout(Part):
    """How consumers are moved to a new version."""

    max_concurrent: int = Field(
        default=1,
        ge=1,
        le=32,
        description="How many consumers may be restarting at once. The first one goes alone, as the canary. "
        "Limits of the namespace and the cluster apply as well.",
    )
    progress_deadline: Duration = Field(
        default=timedelta(minutes=10),
        description="A consumer that is not ready with the new version this long after its restart has "
        "failed: from 1s to 24h.",
    )
    on_failure: OnFailure = Field(
        default=OnFailure.ROLLBACK,
        description="When a consumer has failed: `Rollback` makes the old version current again everywhere, "
        "`Hold` stops, keeps both versions accepted and waits for a person.",
    )
