"""Who sees an old version used: what is asked before it is revoked; one of two is, as admission sees to."""

from datetime import timedelta
from typing import Final

from pydantic import Field

from rekey.core.shape import HOST, Duration, ObjectName, Part

# Without user, query and fragment: the path of the API is put behind it.
_BASE: Final = rf"^https?://{HOST}(:[0-9]{{1,5}})?(/[-A-Za-z0-9._~:@!,;=+/]*)?$"
# A dollar sign begins one of these and nothing else.
_QUERY: Final = r"^([^$\x00-\x08\x0b-\x1f\x7f]|\$\{(namespace|name|version|quiet)\})+$"


class Prometheus(Part):
    """A server with the HTTP API of Prometheus, which collects the metrics of those who verify."""

    url: str = Field(
        max_length=512,
        pattern=_BASE,
        description="Where `/api/v1/query` is found: `https://<host>[:port][/prefix]`, without user and query. "
        "Services of the credential's own namespace may be asked (`<service>.<namespace>.svc`, these also by "
        "`http://`), and what the operator's setting `REKEY_PROBE_ALLOWED` allows. Redirects are not followed.",
    )
    query: str | None = Field(
        default=None,
        min_length=1,
        max_length=2048,
        pattern=_QUERY,
        description="An expression whose answer is a vector: a sample above 0 means that the version was used. It must "
        "name `${version}` and, as the time it looks back, `${quiet}`, and may name `${namespace}` and `${name}` (the "
        "credential's); there is no other `$` in it. Absent: what verifiers of rekey-client count, see docs/usage.md.",
    )
    ca_secret_name: ObjectName | None = Field(
        default=None,
        description="Secret of this namespace whose `ca.crt` the server's certificate must be issued by. Absent: by an "
        "authority that the operator's image trusts.",
    )
    token_secret_name: ObjectName | None = Field(
        default=None,
        description="Secret of this namespace with a `token`, which is sent as bearer. It must have the key `url` too, "
        "the same as `url` here: the token is sent nowhere else.",
    )


class HoldingBackend(Part):
    """The backend that holds the versions."""


class UsageGate(Part):
    """An old version is not revoked while somebody is seen using it, or while nobody can tell."""

    quiet: Duration = Field(
        default=timedelta(minutes=30),
        description="For how long nobody must have used it, from 1m to 720h; with `backend` 6h at least. Should be "
        "several times as long as it takes until a use is known; must be shorter than `overlap.deadline` and "
        "`rotation.interval`.",
    )
    prometheus: Prometheus | None = Field(default=None, description="Ask Prometheus.")
    backend: HoldingBackend | None = Field(
        default=None,
        description="Ask the backend itself when the version was last used: `{}`. Only with `provider.awsAccessKey`. "
        "Exactly one of `prometheus` and `backend` must be set.",
    )
