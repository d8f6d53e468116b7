"""What the API server must refuse about the proof of a new version: each case changes one field of an accepted spec."""

from typing import Any, Final

from tests.kube import refusals_of_verifiers
from tests.kube.manifests import GONE
from tests.kube.refusals import Refusal

R = Refusal
_HTTP: Final = "validation/http"
_URL: Final = f"{_HTTP}/url"
SIGNING: Final[dict[str, Any]] = {"url": "https://a.b.svc/", "bearer": {}}

URLS: Final = {
    "a user in the URL": "https://till:pass@a.b.svc/",
    "a user without a password": "https://till@a.b.svc/",
    "a template in the path": "https://a.b.svc/${token}",
    "a template in the query": "https://a.b.svc/?token=${token}",
    "a variable in the query": "https://a.b.svc/?token=$(TOKEN)",
    "braces in the query": "https://a.b.svc/?token={{token}}",
    "percent signs in the query": "https://a.b.svc/?token=%24%7Btoken%7D",
    "a fragment": "https://a.b.svc/#token",
    "another scheme": "ftp://a.b.svc/",
    "a file": "file:///etc/passwd",
    "no scheme": "a.b.svc/",
    "no host": "https:///path",
    "two lines": "https://a.b.svc/\nX: y",
    "a blank": "https://a.b.svc/a b",
    "a backslash": "https://a.b.svc\\@evil.example.com/",
    "a template for a host": "https://${host}/",
}

VALIDATION: Final = {
    **{f"a probe with {case}": R("probe", _URL, url, "should match") for case, url in URLS.items()},
    "a probe without a URL": R("probe", _URL, GONE, "Required"),
    "an endless URL": R("probe", _URL, "https://a.b.svc/" + "a" * 1009, "may not be more than 1024"),
    "a probe that shows nothing": R("probe", f"{_HTTP}/header", GONE, "must have exactly one of", at="validation.http"),
    "a probe in two ways": R("probe", f"{_HTTP}/bearer", {}, "must have exactly one of", at="validation.http"),
    "a header without a name": R("probe", f"{_HTTP}/header/name", GONE, "Required"),
    "a header of two words": R("probe", f"{_HTTP}/header/name", "X Key", "should match"),
    "a header that ends": R("probe", f"{_HTTP}/header/name", "X-Key: a\r\nX-Evil", "should match"),
    "the header of the host": R("probe", f"{_HTTP}/header/name", "Host", "must not be a header by which"),
    "a prefix of two lines": R("probe", f"{_HTTP}/header/prefix", "a\r\nb", "should match"),
    "a user name with a colon": R("basic probe", f"{_HTTP}/basic/username", "a:b", "should match"),
    "a user without a name": R("basic probe", f"{_HTTP}/basic/username", "", "at least 1 chars"),
    "an expected 401": R("probe", f"{_HTTP}/expectStatus", [200, 401], "must not have 401 or 403"),
    "an expected 500": R(
        "probe", f"{_HTTP}/expectStatus", [500], "less than or equal to 499", at="validation.http.expectStatus[0]"
    ),
    "no expected status": R("probe", f"{_HTTP}/expectStatus", [], "at least 1 items"),
    "an authority in upper case": R("probe", f"{_HTTP}/caSecretName", "A", "should match"),
    "a probe of no time": R("probe", "validation/timeout", "0s", "must be from 1s to 30s"),
    "a probe of a minute": R("probe", "validation/timeout", "1m", "must be from 1s to 30s"),
    "no refusal at all": R("probe", "validation/failureThreshold", 0, "greater than or equal to 1"),
    "11 refusals": R("probe", "validation/failureThreshold", 11, "less than or equal to 10"),
    "a key of bytes in a header": R(
        "key probe", "generate/hmacKey/encoding", "Raw", "must be set only for", at="validation.http"
    ),
    "a private key in a header": R(
        "signingKey", "validation", {"http": SIGNING}, "must be set only for", at="validation.http"
    ),
}

REFUSED: Final[dict[str, Refusal]] = {**refusals_of_verifiers.REFUSED, **VALIDATION}
