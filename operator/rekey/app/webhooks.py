"""The setting REKEY_WEBHOOKS: who is told of every credential, as in `on-call=authentication_error+expiring, audit`."""

import re
from typing import Annotated, Final

from pydantic import BeforeValidator

from rekey.core.shape import SUBDOMAIN
from rekey.core.spec_notify import MAX_NOTIFY, Notify, NotifyEvent
from rekey.core.spec_provide import ProviderKind, ProviderRef

_NAME: Final = re.compile(SUBDOMAIN)
_EVENTS: Final = ", ".join(NotifyEvent)


def _webhooks(value: object) -> object:
    if not isinstance(value, str):
        return value
    found = tuple(_webhook(part.strip()) for part in value.split(",") if part.strip())
    if len({one.ref.name for one in found}) < len(found):
        raise ValueError("must name each webhook once")
    if len(found) > MAX_NOTIFY:
        raise ValueError(f"must name at most {MAX_NOTIFY} webhooks")
    return found


def _webhook(entry: str) -> Notify:
    name, _, listed = (part.strip() for part in entry.partition("="))
    if len(name) > 253 or not _NAME.fullmatch(name):  # noqa: PLR2004  as of every object
        raise ValueError(f"{name!r} is not the name of a ClusterCredentialProvider")
    events = tuple(dict.fromkeys(event.strip() for event in listed.split("+"))) if "=" in entry else ()
    for event in events:
        if event not in set(NotifyEvent):
            raise ValueError(f"{event!r} in {entry!r} is none of {_EVENTS}, with `+` in between")
    ref = ProviderRef(kind=ProviderKind.CLUSTER, name=name)
    return Notify(ref=ref, events=tuple(NotifyEvent(event) for event in events))


Webhooks = Annotated[tuple[Notify, ...], BeforeValidator(_webhooks)]
