"""AWS in the specs: the account and who we are there, and the IAM user whose access keys are wanted."""

from __future__ import annotations

from typing import ClassVar, Final

from pydantic import Field

from rekey.core.shape import ObjectName, Part
from rekey.core.spec_http import CaSecretName

_URL: Final = r"^https?://[-A-Za-z0-9.:\[\]]+/?$"
SLOTS: Final = 2
"""How many access keys a user may have."""
_ROLE: Final = r"^arn:aws[-a-z]*:iam::[0-9]{12}:role/[-A-Za-z0-9+=,.@_/]+$"


class AwsServer(Part):
    """An AWS account, and by what we log in there."""

    LOGIN: ClassVar = ("aws_access_key_id", "aws_secret_access_key")

    region: str = Field(
        default="us-east-1",
        max_length=32,
        pattern=r"^[a-z]{2,4}(-[a-z]+)+-[0-9]+$",
        description="Region whose endpoints are asked; it also says in which partition the account is.",
    )
    secret_name: ObjectName = Field(
        description="Secret with `aws_access_key_id` and `aws_secret_access_key`; docs/aws.md says what these must be "
        "allowed to do."
    )
    role_arn: str | None = Field(
        default=None, max_length=600, pattern=_ROLE, description="Role to assume for all that is done. Absent: none."
    )
    endpoint_url: str | None = Field(
        default=None,
        max_length=512,
        pattern=_URL,
        description="Where IAM and STS are asked instead of AWS' own endpoints: `https://<host>[:port]`.",
    )
    ca_secret_name: CaSecretName = None


class AwsAccessKey(Part):
    """An access key of an IAM user for each version."""

    user_name: str = Field(
        min_length=1,
        max_length=64,
        pattern=r"^[-A-Za-z0-9+=,.@_]+$",
        description="IAM user, without its path; it must exist, and be this credential's alone.",
    )
