"""What every part of a status has in common: frozen, camelCase outside, times in whole seconds of UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

_NONE = timedelta()


def floor(moment: datetime) -> datetime:
    """Return the whole second at or before `moment`, in UTC: for lower bounds."""
    if not moment.microsecond and moment.utcoffset() == _NONE:
        return moment
    return moment.astimezone(UTC).replace(microsecond=0)


def ceil(moment: datetime) -> datetime:
    """Return the whole second at or after `moment`, in UTC: for upper bounds."""
    whole = floor(moment)
    return whole if whole == moment else whole + timedelta(seconds=1)


Time = Annotated[datetime, AfterValidator(floor)]


class Record(BaseModel):
    """The common form of every part of the status: frozen, camelCase outside, unknown fields dropped."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True, extra="ignore")

    def to_json(self) -> dict[str, Any]:
        """Return it as the API server takes it: camelCase, absent fields left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)
