"""The kind RotationRequest, for its CustomResourceDefinition."""

from typing import Final

from rekey.app.crd import Definition
from rekey.app.crd_rule import Rule, between
from rekey.app.crd_rules import selecting
from rekey.core.request import RequestStatus
from rekey.core.spec_request import RotationRequestSpec

_COMPLETE: Final = '.status.conditions[?(@.type=="Complete")]'

RULES: Final = (
    Rule("spec", "self == oldSelf", "is immutable: make another RotationRequest"),
    Rule(
        "spec",
        "has(self.credentialRef) != has(self.selector)",
        "must have exactly one of `credentialRef` and `selector`",
    ),
    Rule(
        "spec",
        "(self.reason == 'Compromise') == has(self.revoke)",
        "must be set with `Compromise`, and only there: it says when older versions go",
        field=".revoke",
    ),
    Rule(
        "spec",
        "self.reason != 'Revoke' || has(self.version)",
        "must be set with `Revoke`: the number of the version to revoke",
        field=".version",
    ),
    Rule(
        "spec",
        "!has(self.version) || self.reason in ['Revoke', 'Rollback']",
        "must be set only with `Revoke` and `Rollback`",
        field=".version",
    ),
    Rule(
        "spec",
        "!(has(self.version) && has(self.selector))",
        "must not be set together with `version`, which means something for one credential only",
        field=".selector",
    ),
    *selecting("spec.selector", "it would choose every credential of the namespace"),
    between("spec.ttlAfterFinished", "0s", "8760h"),
)

REQUEST: Final = Definition(
    kind="RotationRequest",
    short_name="rreq",
    about="Asks once for something to be done to credentials: rotate, go back, revoke.",
    spec=RotationRequestSpec,
    spec_about="What is asked for; it cannot be changed.",
    status=RequestStatus,
    lists={"results": ("name",), "conditions": ("type",)},
    rules=RULES,
    columns=(
        ("Asks", "string", ".spec.reason", "What is asked for."),
        ("Credential", "string", ".spec.credentialRef.name", "Which credential it is about, if it is one."),
        ("Done", "integer", ".status.done", "Credentials whose result is in."),
        ("Of", "integer", ".status.total", "Credentials it is about."),
        ("Complete", "string", f"{_COMPLETE}.status", "Whether it succeeded everywhere."),
        ("Why", "string", f"{_COMPLETE}.reason", "How it stands, in one word."),
        ("Age", "date", ".metadata.creationTimestamp", "Since when the resource exists."),
    ),
)
