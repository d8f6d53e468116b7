"""What the API server must refuse of services that make API keys: each case changes one field of an accepted one."""

from typing import Any, Final

from tests.kube.manifests import GONE
from tests.kube.refusals import Refusal

R = Refusal
_FIELDS: Final = [
    {"name": "/key/label", "value": "{namespace}/{name} {mark}"},
    {"name": "/key/scopes", "value": "{scopes}", "type": "List"},
    {"name": "/key/expires", "value": "{expires}"},
]
PROVIDERS: Final[dict[str, dict[str, Any]]] = {
    "keys": {
        "apiKey": {
            "baseUrl": "https://crm.example.com/api",
            "secretName": "admin",
            "caSecretName": "crm-ca",
            "certificateSecretName": "client-tls",
            "proxyUrl": "http://proxy.egress.svc:3128",
            "headers": [{"name": "Api-Version", "value": "2026-11-21"}],
            "create": {"path": "/orgs/{namespace}/keys", "fields": _FIELDS, "expiryField": "/ends"},
            "list": {"path": "/keys?owner={owner}", "nextField": "/next", "pageParameter": "cursor"},
            "revoke": {"path": "/keys/{id}"},
            "prove": {"path": "/whoami", "authorizationMethod": "Basic", "username": "{id}"},
            "successField": "/ok",
            "limitErrors": ["too_many", "422"],
            "keyLifetime": "720h",
            "longestLifetime": "2160h",
        },
    },
    "keys by post": {
        "apiKey": {
            "baseUrl": "https://crm.example.com",
            "secretName": "admin",
            "authorizationMethod": "Body",
            "keyField": "token",
            "create": {"path": "/create"},
            "revoke": {"method": "POST", "path": "/revoke", "idField": "key_id"},
            "prove": {"path": "/test", "authorizationMethod": "Header", "headerName": "X-Api-Key"},
        },
    },
    "keys by header": {
        "apiKey": {
            "baseUrl": "https://crm.example.com",
            "secretName": "admin",
            "authorizationMethod": "Header",
            "headerName": "Authorization",
            "headerPrefix": "Token ",
            "create": {"path": "/keys"},
            "revoke": {"path": "/keys/{id}"},
        },
    },
}
_KEY: Final = "must be set with `authorizationMethod"
_PATH: Final = "should match"
_FRAME: Final = "by which a request is framed"
REFUSED: Final[dict[str, Refusal]] = {
    "a key in the URL": R("keys", "apiKey/authorizationMethod", "Query", "URLs stand in logs"),
    "a new key in the URL": R("keys by post", "apiKey/prove/authorizationMethod", "Query", "URLs stand in logs",
                              also=("spec.apiKey.prove.headerName",)),
    "a key in no way": R("keys", "apiKey/authorizationMethod", "Cookie", "Unsupported value"),
    "a body that GET has not": R("keys by post", "apiKey/revoke/method", "GET", "which has none",
                                 at="apiKey.authorizationMethod"),
    "a body that a proof has not": R("keys by post", "apiKey/prove/authorizationMethod", "Body", "which has none",
                                     also=("spec.apiKey.prove.headerName", "spec.apiKey.prove.keyField")),
    "a header of no name": R("keys", "apiKey/authorizationMethod", "Header", _KEY, at="apiKey.headerName"),
    "a header for nothing": R("keys", "apiKey/headerName", "X-Api-Key", _KEY),
    "a header of no name to prove by": R("keys by post", "apiKey/prove/headerName", GONE, _KEY),
    "a field of no name": R("keys by post", "apiKey/keyField", GONE, _KEY),
    "a field for nothing": R("keys", "apiKey/keyField", "token", _KEY),
    "a field for nothing to prove by": R("keys", "apiKey/prove/keyField", "token", _KEY),
    "a name for nothing": R("keys", "apiKey/username", "us", "must be set only with `authorizationMethod: Basic`"),
    "a name for nothing to prove by": R("keys by post", "apiKey/prove/username", "us", "must be set only with"),
    "a name of two parts": R("keys", "apiKey/prove/username", "a:b", _PATH),
    "a name with another placeholder": R("keys", "apiKey/prove/username", "{name}", _PATH),
    "a header that addresses": R("keys by post", "apiKey/prove/headerName", "Host", _FRAME),
    "a header of ours that frames": R("keys by header", "apiKey/headerName", "Transfer-Encoding", _FRAME),
    "more headers that authorize": R(
        "keys", "apiKey/headers/0/name", "Authorization", "framed, addressed or authorized", at="apiKey.headers"
    ),
    "more headers of two lines": R("keys", "apiKey/headers/0/value", "a\r\nb: c", _PATH),
    "an id that is the key": R("keys", "apiKey/create/idField", "/key", "an id is shown to everybody"),
    "no mark to find a key by": R("keys", "apiKey/create/fields/0/value", "{name}", "must have a value with `{mark}`",
                                  at="apiKey.create.fields"),
    **{
        f"a mark that is left out without {name}": R(
            "keys", "apiKey/create/fields/0/value", f"{{mark}} {{{name}}}", "must not have `{mark}` beside",
            at="apiKey.create.fields",
        )
        for name in ("scopes", "audience", "expires", "expiresDate", "expiresUnix", "lifetime")
    },
    "a cursor for nothing": R("keys", "apiKey/list/pageParameter", GONE, "must be set with `nextField`"),
    "a revocation of nothing": R("keys", "apiKey/revoke/path", "/keys", "must hold `{id}`"),
    "a revocation by two ids": R("keys", "apiKey/revoke/idField", "id", "must hold `{id}`", at="apiKey.revoke.path"),
    "a placeholder that nobody fills": R("keys", "apiKey/revoke/path", "/keys/{key}", _PATH),
    "a template": R("keys", "apiKey/create/path", "/{{ name }}", _PATH),
    "a placeholder of another request": R("keys", "apiKey/list/path", "/keys/{id}", _PATH),
    "a value with a placeholder that nobody fills": R("keys", "apiKey/create/fields/2/value", "{key}", _PATH),
    "a path that is another host": R("keys", "apiKey/create/path", "@evil.example.com/", _PATH),
    "a path with a fragment": R("keys", "apiKey/prove/path", "/a#b", _PATH),
    "a URL with a user": R("keys", "apiKey/baseUrl", "https://a:b@crm.example.com", _PATH),
    "a URL with a query": R("keys", "apiKey/baseUrl", "https://crm.example.com/?key=a", _PATH),
    "a pointer that is none": R("keys", "apiKey/create/valueField", "key", _PATH),
    "a method that is none": R("keys", "apiKey/create/method", "TRACE", "Unsupported value"),
    "no way to revoke": R("keys", "apiKey/revoke", GONE, "Required"),
    "no way to make one": R("keys", "apiKey/create", GONE, "Required"),
    "no log-in": R("keys", "apiKey/secretName", GONE, "Required"),
    "keys of a second": R("keys", "apiKey/keyLifetime", "1s", "must be from 1m to 87600h"),
    "keys of a century": R("keys", "apiKey/longestLifetime", "876000h", "must be from 1m to 87600h"),
}  # fmt: skip
