"""What the API server must refuse about the use of old versions: each case changes one field of an accepted spec."""

from typing import Final

from tests.kube import refusals_of_validation
from tests.kube.manifests import GONE
from tests.kube.refusals import Refusal

R = Refusal
_SERVER: Final = "usage/prometheus"
_URL: Final = f"{_SERVER}/url"
_QUERY: Final = f"{_SERVER}/query"
_ONE: Final = "must have exactly one of `prometheus`, `backend`"
_LATE: Final = "must be at least 6h with `backend`"
_BOTH: Final = 'a{v="${version}"}[${quiet}]'

URLS: Final = {
    "a user": "https://till:pass@a.b.svc/",
    "a query": "https://a.b.svc/?token=a",
    "a fragment": "https://a.b.svc/#token",
    "another scheme": "ftp://a.b.svc/",
    "no scheme": "a.b.svc:9090",
    "no host": "https:///path",
    "a template": "https://a.b.svc/${version}",
    "percent signs": "https://a.b.svc/%2e%2e",
    "two lines": "https://a.b.svc/\nX: y",
    "a blank": "https://a.b.svc/a b",
}

QUERIES: Final = {
    "another placeholder": _BOTH + " or b{t='${token}'}",
    "a variable of a shell": _BOTH + " or $VERSION",
    "an open brace": _BOTH + " or ${version",
    "a dollar at its end": _BOTH + "$",
    "a placeholder with blanks": _BOTH + " or ${ version }",
    "an escape": _BOTH + "\x1b",
}

USAGE: Final = {
    **{f"metrics at a URL with {case}": R("usage", _URL, url, "should match") for case, url in URLS.items()},
    "metrics at no URL": R("usage", _URL, GONE, "Required"),
    "metrics at an endless URL": R("usage", _URL, "https://a.b.svc/" + "a" * 497, "may not be more than 512"),
    "a gate that asks nobody": R("usage", _SERVER, GONE, _ONE, at="usage"),
    "a gate that asks Prometheus and the backend": R(
        "told usage", _SERVER, {"url": "https://a.b.svc"}, _ONE, at="usage"
    ),
    "a backend that is asked, of what Rekey makes": R(
        "usage", "usage", {"quiet": "24h", "backend": {}}, "`provider.awsAccessKey`", at="usage.backend"
    ),
    "a backend that is asked and never tells": R(
        "role", "usage", {"quiet": "24h", "backend": {}}, "`provider.awsAccessKey`", at="usage.backend"
    ),
    "quiet of less than a backend takes to tell": R("told usage", "usage/quiet", "5h59m59s", _LATE),
    "quiet by default, where a backend takes longer to tell": R("told usage", "usage/quiet", GONE, _LATE),
    **{f"a question with {case}": R("usage", _QUERY, text, "should match") for case, text in QUERIES.items()},
    "a question of no words": R("usage", _QUERY, "", "at least 1 chars"),
    "an endless question": R("usage", _QUERY, _BOTH + "a" * 2022, "may not be more than 2048"),
    "a question about any version": R("usage", _QUERY, "a[${quiet}]", "must name `${version}` and `${quiet}`"),
    "a question about any time": R("usage", _QUERY, 'a{v="${version}"}', "must name `${version}` and `${quiet}`"),
    "metrics of an authority in upper case": R("usage", f"{_SERVER}/caSecretName", "A", "should match"),
    "a token's Secret without a name": R("usage", f"{_SERVER}/tokenSecretName", "", "at least 1 chars"),
    "quiet of less than a minute": R("usage", "usage/quiet", "59s", "must be from 1m to 720h"),
    "quiet of more than a month": R("patient usage", "usage/quiet", "720h1s", "must be from 1m to 720h"),
    "quiet without a unit": R("usage", "usage/quiet", "30", "should match"),
    "quiet as long as the deadline": R("usage", "usage/quiet", "72h", "must be less than `overlap.deadline`"),
    "a deadline as short as quiet": R(
        "usage", "overlap/deadline", "2h", "must be less than `overlap.deadline`", at="usage.quiet"
    ),
    "quiet as long as the interval": R(
        "patient usage", "rotation/interval", "720h", "must be less than `rotation.interval`", at="usage.quiet"
    ),
}

REFUSED: Final[dict[str, Refusal]] = {**refusals_of_validation.REFUSED, **USAGE}
