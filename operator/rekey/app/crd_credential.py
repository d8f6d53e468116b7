"""The kind RotatedCredential, for its CustomResourceDefinition."""

from typing import Final

from rekey.app.crd import Definition
from rekey.app.crd_rules import RULES
from rekey.core.spec import RotatedCredentialSpec
from rekey.core.status import Status

NAME_LENGTH: Final = 63  # it becomes the value of a label and the name part of an annotation's key
_READY: Final = '.status.conditions[?(@.type=="Ready")]'

CREDENTIAL: Final = Definition(
    kind="RotatedCredential",
    short_name="rcred",
    about="A credential that is made, rotated and revoked without locking anyone out.",
    spec=RotatedCredentialSpec,
    spec_about="What is wanted.",
    status=Status,
    lists={
        "versions": ("number",),
        "requests": ("uid",),
        "consumers": ("kind", "name"),
        "notifications": ("webhook", "event"),
        "conditions": ("type",),
    },
    rules=tuple(RULES),
    columns=(
        ("Ready", "string", f"{_READY}.status", "Whether a current version is delivered and nothing is wrong."),
        ("Version", "integer", ".status.currentVersion", "Number of the current version."),
        ("Next", "string", ".status.nextRotationTime", "When the next rotation may begin."),
        (
            "Overlap Until",
            "string",
            ".status.overlapEndTime",
            "Until when the previous version is accepted at least.",
        ),
        ("Reason", "string", f"{_READY}.reason", "Why `Ready` is what it is, in one word."),
        ("Age", "date", ".metadata.creationTimestamp", "Since when the resource exists."),
    ),
    name_length=NAME_LENGTH,
)
