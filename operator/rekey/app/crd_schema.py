"""Turn a pydantic model into a structural schema, the dialect of JSON schema that a CRD may use.

1. Every reference is written out, and nothing says `null`: what may be absent is simply not required.
2. A default is kept where it says something. Empty texts, lists and maps are the same as absent ones.
3. An object whose members have defaults gets these as its own, so that they hold where it is left out.
"""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel

Schema = dict[str, Any]

_INT32: Final = 2**31 - 1
# What is copied as it is; everything else is translated below or means nothing to the API server.
_COPIED: Final = (
    "description", "type", "format", "enum", "pattern", "minLength", "maxLength", "minimum", "maximum",
    "minItems", "maxItems", "maxProperties", "required",
    "x-kubernetes-list-type", "x-kubernetes-preserve-unknown-fields",
)  # fmt: skip


def structural(model: type[BaseModel]) -> Schema:
    """Return the structural schema of *model*, with its defaults."""
    # In this mode defaults are written as the API server must see them, durations as text.
    whole = model.model_json_schema(by_alias=True, mode="serialization")
    return _node(whole, whole.get("$defs", {}))


def without_defaults(schema: Schema) -> Schema:
    """Return the schema without any default: for a status, where only the operator says what is so."""
    bare = {name: value for name, value in schema.items() if name != "default"}
    if "properties" in bare:
        bare["properties"] = {name: without_defaults(child) for name, child in bare["properties"].items()}
    if "items" in bare:
        bare["items"] = without_defaults(bare["items"])
    return bare


def _node(source: Mapping[str, Any], definitions: Mapping[str, Any]) -> Schema:
    """Translate one node and all below it."""
    plain = _resolved(source, definitions)
    node: Schema = {name: plain[name] for name in _COPIED if name in plain}
    if node.get("type") == "integer":
        node["format"] = "int32" if plain.get("maximum", _INT32 + 1) <= _INT32 else "int64"
    if "items" in plain:
        node["items"] = _node(plain["items"], definitions)
        node.setdefault("x-kubernetes-list-type", "atomic")
    if "properties" in plain:
        node["properties"] = _members(plain, definitions)
    values = plain.get("additionalProperties")
    if isinstance(values, Mapping) and values:
        node["additionalProperties"] = _node(values, definitions)
    return node


def _members(plain: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Schema]:
    """Translate the members of an object and say what each is where it is left out."""
    members = {}
    for name, child in plain["properties"].items():
        members[name] = node = _node(child, definitions)
        inner = {key: below["default"] for key, below in node.get("properties", {}).items() if "default" in below}
        default = child.get("default", inner)
        left_alone = "anyOf" in child or name in plain.get("required", ())
        if default not in (None, "", [], {}) and not left_alone:
            node["default"] = default
    return members


def _resolved(source: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Return the node with its reference, if any, written out."""
    for branch in source.get("anyOf", ()):
        if branch.get("type") != "null":
            return {**_resolved(branch, definitions), **source}
    if "$ref" in source:
        return {**_resolved(definitions[source["$ref"].rpartition("/")[2]], definitions), **source}
    return dict(source)
