"""One request to AWS and what came back: asked once, in time, with nothing of our surroundings.

1. What was never sent is Retryable; what may have arrived is NoAnswer. None begins in the last seconds that are ours,
   and none is under way when they are over.
2. The library writes, signs and reads (`wire`); it neither connects nor looks for anything in the environment. Requests
   go the way of all others: the name is looked up once, judged, and only that address is connected to.
3. AWS' own endpoints are not judged, nobody having chosen them: in a private network they may lead anywhere.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from yarl import URL

from rekey.core.answers import Answer
from rekey.core.material import Material
from rekey.core.rate import asked_wait
from rekey.core.reasons import Reason
from rekey.core.spec_aws import AwsServer
from rekey.errors import NoAnswer, Rejected, RekeyError, Retryable
from rekey.providers.http.allowed import Allowed
from rekey.providers.http.connection import Lookup, addresses_of
from rekey.providers.http.roads import Endpoint, Roads

if TYPE_CHECKING:
    from rekey.providers.aws.wire import Service

_LEAST: Final = 3.0
"""How many seconds before the end of what is ours no request begins any more."""
_LONGEST: Final = 10.0
"""Seconds for one request, from looking its name up to the last byte of the answer."""
_FAILED: Final = 300
_CODE: Final = re.compile(r"[A-Za-z][A-Za-z.]{0,63}")
_VISIBLE: Final = re.compile(r"[!-~]+")
_SERVICES: Final[dict[str, Service]] = {}


class Refused(Exception):
    """AWS answered with an error: its code, the status, and how long to wait if it said so."""

    def __init__(self, code: str, status: int, wait: float | None) -> None:
        super().__init__(code)
        self.code, self.status, self.wait = code, status, wait


@dataclass(frozen=True, slots=True)
class Keys:
    """What a request is signed with."""

    material: Material

    def given(self) -> tuple[str, str, str | None]:
        """Return the id, the secret, and the token of a role if it is one's.

        Raises:
            UnicodeDecodeError, KeyError: it is incomplete.
        """
        told = {name: value.decode("ascii").strip() for name, value in self.material.reveal().items()}
        pair = told["aws_access_key_id"], told["aws_secret_access_key"]
        if not all(map(_VISIBLE.fullmatch, pair)):
            raise KeyError
        return *pair, told.get("aws_session_token") or None


@dataclass(frozen=True)
class Account:
    """An AWS account: where it is, and for how long each request may go on (`seconds` raises NotLeading)."""

    server: AwsServer
    authority: Material | None
    allowed: Allowed
    namespace: str
    now: Callable[[], datetime]
    seconds: Callable[[], float]
    lookup: Lookup = addresses_of

    async def ask(self, keys: Keys, service: str, operation: str, **parameters: object) -> dict[str, Any]:
        """Return the answer.

        Raises:
            Refused: AWS answered with an error.
            Retryable, NoAnswer, Rejected: as a port of backends says.
            NotLeading: nothing was sent.
        """
        pair = self._signing(keys)
        known = await _described(service)
        url, region = known.place(self.server.region)
        host = URL(url).raw_host or ""
        allowed = Allowed([host])
        if self.server.endpoint_url is not None:
            url, allowed = str(URL(self.server.endpoint_url)), self.allowed
        request = known.request(operation, parameters, pair, url, region)
        if self.seconds() < _LEAST:
            raise Retryable(f"AWS: no time was left for {operation}")
        roads = Roads(allowed, self.namespace, self.now, self.seconds, self.lookup)
        endpoint = Endpoint(URL(url).host or "", self.authority, self.server.ca_secret_name)
        answer = await roads.send(endpoint, url, request, _LONGEST)
        found = known.read(operation, answer) if answer.body is not None else None
        if found is None:
            raise NoAnswer(f"AWS {service}, {operation}: no answer that can be read (status {answer.status})")
        if answer.status >= _FAILED:
            raise _refused(found, answer)
        return found

    def _signing(self, keys: Keys) -> tuple[str, str, str | None]:
        try:
            return keys.given()
        except (KeyError, UnicodeDecodeError):
            why = _incomplete(self.server.secret_name)
        raise why


async def _described(name: str) -> Service:
    """Return a service; the first time the library is loaded, for which nobody else waits."""
    if name not in _SERVICES:
        _SERVICES[name] = await asyncio.to_thread(_read, name)
    return _SERVICES[name]


def _read(name: str) -> Service:
    from rekey.providers.aws.wire import Service  # noqa: PLC0415  megabytes that only these credentials need

    return Service(name)


def _refused(found: dict[str, Any], answer: Answer) -> Refused:
    code = str(found.get("Error", {}).get("Code", ""))
    wait = asked_wait(answer.headers, answer.sent, busy=True)
    return Refused(code if _CODE.fullmatch(code) else f"status {answer.status}", answer.status, wait)


def _incomplete(secret: str) -> RekeyError:
    why = f"Secret {secret} must have an `aws_access_key_id` and an `aws_secret_access_key`, which are text"
    return Rejected(Reason.PROVIDER_NOT_READY, why)
