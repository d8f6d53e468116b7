"""The CustomResourceDefinition of RotationRequest, assembled like that of RotatedCredential."""

from typing import Any, Final

import yaml

from rekey.app.crd import GROUP, HEADER, ruled, served, written_whole
from rekey.app.crd_rule import Rule
from rekey.app.crd_rules import between, selecting
from rekey.app.crd_schema import Schema, structural
from rekey.core.request import RequestStatus
from rekey.core.spec_request import RotationRequestSpec

KIND: Final = "RotationRequest"
PLURAL: Final = "rotationrequests"
FILE: Final = f"{GROUP}_{PLURAL}.yaml"

_COMPLETE: Final = '.status.conditions[?(@.type=="Complete")]'
_COLUMNS: Final = (
    ("Asks", "string", ".spec.reason", "What is asked for."),
    ("Credential", "string", ".spec.credentialRef.name", "Which credential it is about, if it is one."),
    ("Done", "integer", ".status.done", "Credentials whose result is in."),
    ("Of", "integer", ".status.total", "Credentials it is about."),
    ("Complete", "string", f"{_COMPLETE}.status", "Whether it succeeded everywhere."),
    ("Why", "string", f"{_COMPLETE}.reason", "How it stands, in one word."),
    ("Age", "date", ".metadata.creationTimestamp", "Since when the resource exists."),
)
_LIST_KEYS: Final = {"results": ("name",), "conditions": ("type",)}

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


def definition() -> dict[str, Any]:
    """Return the CustomResourceDefinition of RotationRequest."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": KIND.lower(),
                "shortNames": ["rreq"],
                "categories": ["rekey"],
            },
            "versions": [served(_COLUMNS, schema())],
        },
    }


def render() -> str:
    """Return the CustomResourceDefinition as the YAML that stands in `crds/`."""
    return HEADER + yaml.safe_dump(definition(), sort_keys=False, width=110, allow_unicode=True)


def schema() -> Schema:
    """Return the schema of the whole resource, rules included."""
    root: Schema = {
        "description": "Asks once for something to be done to credentials: rotate, go back, revoke.",
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"description": "Version of this API.", "type": "string", "maxLength": 128},
            "kind": {"description": f"{KIND}.", "type": "string", "maxLength": 63},
            "metadata": {"type": "object"},
            "spec": structural(RotationRequestSpec) | {"description": "What is asked for; it cannot be changed."},
            "status": written_whole(RequestStatus, _LIST_KEYS),
        },
    }
    return ruled(root, RULES)
