"""Specs drawn from the schema of the CRD: any field, any value that its own part of the schema allows.

What an object may hold together is CEL's business: a refusal by the API server is an accepted outcome. Some fields are
drawn from a few values instead, where others would have a test wait for hours or say nothing.
"""

from typing import Any

from hypothesis import strategies as st

from rekey.app.crd_credential import CREDENTIAL

Schema = dict[str, Any]
Values = st.SearchStrategy[Any]
DEPLOYMENTS = ("web-0", "web-1")
NAMES = tuple(f"c{number}" for number in range(4))
ALWAYS, NEVER, NO_CRON = "* * * * *", "0 3 1 1 *", "61 * * * *"

CHOSEN: dict[str, list[Any]] = {
    # A day and more: the operator's clock is moved by an hour, and what is due then is not the schedule's word.
    "interval": ["24h", "72h", "720h"],
    "schedule": [NEVER],
    "windows.schedule": [ALWAYS, NO_CRON],
    "windows.duration": ["2m", "1h"],
    "timeZone": ["Europe/Berlin", "Mars/Olympus"],
    "urgentBefore": ["1h", "12h"],
    "jitterPercent": [0, 10],
    "duration": ["1s", "2s", "3s"],
    "propagation": ["0s", "1s"],
    "deadline": ["8s", "72h"],
    "progressDeadline": ["4s", "10m"],
    "until": ["2026-01-01T00:00:00Z", "2999-01-01T00:00:00Z"],
    "secretName": [*NAMES, "shared"],
    "name": [*DEPLOYMENTS, "nowhere"],
    "settle": ["0s", "2s"],
    "after": [*NAMES, "nowhere"],
    "tokenLifetime": ["0s", "1s"],
    "cacheTime": ["0s", "1s"],
    "format": ["SHA256", "HMAC", "JWKS"],
    "matchLabels": [{"app": name} for name in DEPLOYMENTS],
    "lifetime": ["720h", "1440h"],
    "caLifetime": ["1440h", "8760h"],
    "ipAddresses": [["10.0.0.1"], ["::1"]],
    "algorithm": ["ES256", "EdDSA"],
    # An address that nobody allowed: nothing is sent from a test.
    "validation": [{}, {"failureThreshold": 1}, {"http": {"url": "https://10.0.0.1/", "bearer": {}}}],
    # Likewise; at the deadline of a few seconds old versions go all the same, if the spec says so.
    "usage": [{"quiet": "1m", "prometheus": {"url": "https://10.0.0.1/"}}],
    "classes": [["Upper", "Lower", "Digit"], ["Lower", "Symbol"]],
}


def fields(path: str = "") -> list[str]:
    """Return the paths of all fields of the spec that hold no others, or lists: what a person edits."""
    node = _spec(path)
    # What verifiers read, what proves a version, who sees it used and where it lives: set as a whole, no part alone.
    if "properties" not in node or path in {"verifier", "validation", "usage", "provider"}:
        return [path]
    return [leaf for name in node["properties"] for leaf in fields(f"{path}.{name}" if path else name)]


def _spec(path: str) -> Schema:
    node: Schema = CREDENTIAL.schema()["properties"]["spec"]
    for name in path.split(".") if path else ():
        node = node["properties"][name]
    return node


def value(path: str) -> Values:
    """Return values for a field of the spec."""
    return _value(_spec(path), path)


def _value(node: Schema, path: str) -> Values:
    """Return values for a node of the schema."""
    names = path.split(".")
    chosen = CHOSEN.get(".".join(names[-2:])) or CHOSEN.get(names[-1])
    if chosen is not None:
        return st.sampled_from(chosen)
    if "enum" in node:
        return st.sampled_from(node["enum"])
    return _KINDS[node["type"]](node, path)


def _object(node: Schema, path: str) -> Values:
    if "additionalProperties" in node:
        keys = st.from_regex(r"[a-z]{1,8}(\.[a-z]{1,4})?", fullmatch=True)
        return st.dictionaries(keys, _value(node["additionalProperties"], f"{path}.of"), max_size=2)
    parts = {name: _value(child, f"{path}.{name}") for name, child in node.get("properties", {}).items()}
    needed = {name: parts.pop(name) for name in node.get("required", ())}
    return st.fixed_dictionaries(needed, optional=parts)


def _array(node: Schema, path: str) -> Values:
    most = min(node.get("maxItems", 2), 2)
    return st.lists(_value(node["items"], path), min_size=node.get("minItems", 0), max_size=most)


def _text(node: Schema, path: str) -> Values:
    longest = min(node.get("maxLength", 20), 20)
    if "pattern" in node:
        found = st.from_regex(node["pattern"].replace("$", r"\Z"), alphabet=st.characters(codec="ascii"))
        return found.filter(lambda text: node.get("minLength", 0) <= len(text) <= longest)
    return st.text(st.characters(codec="ascii", min_codepoint=32), min_size=node.get("minLength", 0), max_size=longest)


def _number(node: Schema, path: str) -> Values:
    return st.integers(node["minimum"], min(node["maximum"], node["minimum"] + 40))


_KINDS = {
    "object": _object,
    "array": _array,
    "string": _text,
    "integer": _number,
    "boolean": lambda *_: st.booleans(),
}


@st.composite
def edits(draw: st.DrawFn) -> dict[str, Any]:
    """Return a merge patch of the spec that sets one field, or takes one away."""
    path = draw(st.sampled_from(fields()))
    patch: Any = draw(st.one_of(st.none(), value(path), value(path)))
    for name in reversed(path.split(".")):
        patch = {name: patch}
    return {"spec": patch}
