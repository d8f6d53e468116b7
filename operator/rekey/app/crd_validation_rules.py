"""The CEL rules about the proof of a new version: how the value is sent, and that it can be."""

from typing import Final

from rekey.app.crd_rule import Rule, between, made, one_of

_WAYS: Final = ("header", "basic", "bearer")
# A request is framed by these, or addressed: they are not for values.
TAKEN: Final = (
    *("connection", "content-length", "expect", "host", "keep-alive", "proxy-authenticate", "proxy-authorization"),
    *("te", "trailer", "transfer-encoding", "upgrade"),
)

VALIDATION_RULES: Final = (
    between("spec.validation.timeout", "1s", "30s"),
    one_of(
        "spec.validation.http",
        _WAYS,
        "must have exactly one of `header`, `basic` and `bearer`: the value never stands in the URL",
    ),
    Rule(
        "spec.validation.http.expectStatus",
        "self.all(one, !(one in [401, 403]))",
        "must not have 401 or 403: by these a service refuses",
    ),
    Rule(
        "spec.validation.http.header.name",
        f"!(self.lowerAscii() in {list(TAKEN)})",
        "must not be a header by which a request is framed or addressed",
    ),
    Rule(
        "spec",
        f"!has(self.validation) || !has(self.validation.http) || {made('password')} || {made('token')}"
        f" || ({made('hmacKey')} && self.generate.hmacKey.encoding != 'Raw')",
        "must be set only for a `password`, a `token`, or an `hmacKey` that is text: nothing else fits into a header",
        field=".validation.http",
    ),
)
