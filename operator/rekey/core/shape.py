"""What every part of the API's shape has in common: how it is parsed and what its scalars admit.

1. Parts are frozen and refuse fields they do not know: an operator older than its CRD says so
   instead of ignoring a wish.
2. Names are snake_case here and camelCase in a manifest; both are accepted.
3. Every text has a bound, because admission rules are priced by the longest text they may meet.
"""

from datetime import timedelta
from typing import Annotated, Any, Final

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel

from rekey.core import duration

SUBDOMAIN: Final = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
HOST: Final = r"([A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])"
LINE: Final = r"^[^\x00-\x1f\x7f]*$"
_CRON_FIELD: Final = r"[0-9A-Za-z*,/#-]+"
_INSTANT: Final = r"^2[0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][01][0-9]:[0-5][0-9])$"


class Part(BaseModel):
    """One object of the API."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


def named(part: Part, name: str) -> Any:  # noqa: ANN401  fields are of many types
    """Return the field of a part that a manifest calls by that name."""
    return next(getattr(part, field) for field, about in type(part).model_fields.items() if about.alias == name)


def _parsed(value: object) -> object:
    return duration.parse(value) if isinstance(value, str) else value


Duration = Annotated[
    timedelta,
    BeforeValidator(_parsed),
    PlainSerializer(duration.show, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": duration.PATTERN, "maxLength": duration.MAX_LENGTH}),
]
Instant = Annotated[
    AwareDatetime,
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": _INSTANT, "maxLength": 35}),
]
Cron = Annotated[str, Field(max_length=100, pattern=rf"^{_CRON_FIELD}( +{_CRON_FIELD}){{4}}$")]
TimeZone = Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}$")]
ObjectName = Annotated[str, Field(min_length=1, max_length=253, pattern=SUBDOMAIN)]

ATOMIC: Final[dict[str, Any]] = {"x-kubernetes-list-type": "atomic"}
SET: Final[dict[str, Any]] = {"x-kubernetes-list-type": "set"}
