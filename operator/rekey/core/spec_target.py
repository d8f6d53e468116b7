"""Where a credential is delivered: the Secret, its type and what else is rendered into it."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from rekey.core.shape import SUBDOMAIN, Part


class SecretType(StrEnum):
    """Types of Secret that a generated value can serve."""

    OPAQUE = "Opaque"
    BASIC_AUTH = "kubernetes.io/basic-auth"
    DOCKER_CONFIG = "kubernetes.io/dockerconfigjson"
    TLS = "kubernetes.io/tls"
    SSH_AUTH = "kubernetes.io/ssh-auth"


class Adopt(StrEnum):
    """Whether a Secret that exists already is taken over."""

    NEVER = "Never"
    UNOWNED = "Unowned"


class MergePolicy(StrEnum):
    """Whether rendered data joins the plain keys or stands alone."""

    MERGE = "Merge"
    REPLACE = "Replace"


class TemplateMetadata(Part):
    """Labels and annotations for the Secret."""

    labels: dict[
        str, Annotated[str, Field(max_length=63, pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$")]
    ] = Field(
        default_factory=dict,
        max_length=16,
        description="Labels to put on the Secret. Keys of Kubernetes, of Rekey and of tools that prune or "
        "own what they find (Argo CD, Flux, Helm, kapp, Rancher) are refused; `app.kubernetes.io/name`, "
        "`component`, `part-of` and `version` are allowed.",
    )
    annotations: dict[str, Annotated[str, Field(max_length=1024)]] = Field(
        default_factory=dict,
        max_length=16,
        description="Annotations to put on the Secret. The same keys are refused as for labels.",
    )


class Template(Part):
    """What the Secret carries beside the plain keys."""

    metadata: TemplateMetadata = Field(
        default_factory=TemplateMetadata, description="Labels and annotations to put on the Secret."
    )
    merge_policy: MergePolicy = Field(
        default=MergePolicy.MERGE,
        description="`Merge`: `data` is added to the plain keys. `Replace`: `data` stands alone, and the "
        "plain keys are not delivered.",
    )
    data: dict[str, Annotated[str, Field(max_length=8192)]] = Field(
        default_factory=dict,
        max_length=16,
        description="Keys to render for each version. A value is a text in which `${<key>}` stands for the "
        "value under that plain key, `${previous.<key>}` for the version before it and `${version}` for the "
        "number; any other `${` is refused. While the version before is accepted, its rendering is "
        "delivered under `previous.<key>`.",
    )


class Target(Part):
    """The Secret that is read: the bundle."""

    secret_name: str | None = Field(
        default=None,
        min_length=1,
        max_length=240,
        pattern=SUBDOMAIN,
        description="Name of the Secret to deliver. Absent: the name of the RotatedCredential. It cannot be "
        "changed. Versions are stored beside it as `<secretName>-v<number>`.",
    )
    type: SecretType = Field(
        default=SecretType.OPAQUE,
        description="Type of the Secret; it cannot be changed. `kubernetes.io/basic-auth` needs the key "
        "`password`, `kubernetes.io/dockerconfigjson` needs `.dockerconfigjson`, `kubernetes.io/tls` needs `tls.crt` "
        "and `tls.key`, `kubernetes.io/ssh-auth` needs `ssh-privatekey`, from the plain keys or the template.",
    )
    adopt: Adopt = Field(
        default=Adopt.NEVER,
        description="What to do when the Secret exists already: `Never` leaves it and reports it, `Unowned` "
        "takes its value over as version 1 if no controller owns it.",
    )
    template: Template | None = Field(default=None, description="What to put into the Secret beside the plain keys.")
