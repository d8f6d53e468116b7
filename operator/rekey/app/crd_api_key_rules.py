"""The CEL rules about services that have their keys made over HTTP: what is declared can be asked, and tells no key."""

from typing import Final

from rekey.app.crd_rule import Rule, between
from rekey.app.crd_validation_rules import TAKEN
from rekey.core.spec_key_requests import MAY_BE_EMPTY

_AT: Final = "spec.apiKey"
_URL: Final = "must not be `Query`: URLs stand in logs, of the service and of all on the way; use a header or the body"


def _showing(at: str, sent: str) -> tuple[Rule, ...]:
    """Return the rules about how a key is shown; `sent`: that none of the requests in which it is has no body."""
    return (
        Rule(at, "self.authorizationMethod != 'Query'", _URL, field=".authorizationMethod"),
        Rule(
            at,
            f"self.authorizationMethod != 'Body' || ({sent})",
            "must not be `Body` with a request by GET, which has none",
            field=".authorizationMethod",
        ),
        *(
            Rule(
                at,
                f"has(self.{field}) == (self.authorizationMethod == '{method}')",
                f"must be set with `authorizationMethod: {method}`, and only with it",
                field=f".{field}",
            )
            for field, method in (("headerName", "Header"), ("keyField", "Body"))
        ),
        Rule(
            at,
            "!has(self.username) || self.authorizationMethod == 'Basic'",
            "must be set only with `authorizationMethod: Basic`",
            field=".username",
        ),
        Rule(
            f"{at}.headerName",
            f"!(self.lowerAscii() in {list(TAKEN)})",
            "must not be a header by which a request is framed or addressed",
        ),
    )


API_KEY_RULES: Final = (
    *_showing(
        _AT,
        "self.create.method != 'GET' && self.revoke.method != 'GET' && (!has(self.list) || self.list.method != 'GET')",
    ),
    *_showing(f"{_AT}.prove", "self.method != 'GET'"),
    Rule(
        f"{_AT}.headers",
        f"self.all(one, !(one.name.lowerAscii() in {[*TAKEN, 'authorization']}))",
        "must not have a header by which a request is framed, addressed or authorized",
    ),
    Rule(
        f"{_AT}.create",
        "self.idField != self.valueField",
        "must not be `valueField`: an id is shown to everybody",
        field=".idField",
    ),
    Rule(
        _AT,
        "!has(self.list) || self.create.path.contains('{mark}')"
        " || (has(self.create.fields) && self.create.fields.exists(one, one.value.contains('{mark}')))",
        "must have a value with `{mark}`, by which `list` finds the key again",
        field=".create.fields",
    ),
    Rule(
        f"{_AT}.create",
        "!has(self.fields) || self.fields.all(one, !one.value.contains('{mark}')"
        f" || !one.value.matches('[{{]({MAY_BE_EMPTY})[}}]'))",
        "must not have `{mark}` beside what may have nothing to say: it is left out with that, and the key never found",
        field=".fields",
    ),
    Rule(
        f"{_AT}.list",
        "!has(self.nextField) || has(self.pageParameter)",
        "must be set with `nextField`: in it the cursor is sent",
        field=".pageParameter",
    ),
    Rule(
        f"{_AT}.revoke",
        "has(self.idField) != self.path.contains('{id}')",
        "must hold `{id}`, unless `idField` says where it stands in the body",
        field=".path",
    ),
    between(f"{_AT}.keyLifetime", "1m", "87600h"),
    between(f"{_AT}.longestLifetime", "1m", "87600h"),
)
