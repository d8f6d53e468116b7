"""The events of a watch on their way through the proxy, and what becomes of them when a fault meets one."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import aiohttp
from aiohttp import web

from tests.faults.matrix import Fault

HELD = 3.0
_GONE = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Expired", "code": 410}
_ERROR = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "InternalError", "code": 500}
_ENDS = {Fault.GONE: _GONE, Fault.STALE: _GONE, Fault.ERROR: _ERROR}

_NEWS = {"ADDED", "MODIFIED", "DELETED"}

Strikes = Callable[[dict[str, Any]], Fault | None]


async def untouched(request: web.BaseRequest, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    """Pass a stream on as it comes."""
    response = await _begun(request, answer)
    async for data in answer.content.iter_any():
        await response.write(data)
    return response


async def sifted(request: web.BaseRequest, answer: aiohttp.ClientResponse, strikes: Strikes) -> web.StreamResponse:
    """Pass the events on, one by one, until a fault meets one of them."""
    response = await _begun(request, answer)
    async for line in answer.content:
        event = json.loads(line)
        fault = strikes(event) if event["type"] in _NEWS else None
        match fault:
            case Fault.DROPPED:
                if request.transport is not None:
                    request.transport.abort()
                return response
            case Fault.SILENT:
                await asyncio.Event().wait()  # ended by the client that goes away
            case Fault.HELD:
                await asyncio.sleep(HELD)
            case Fault.GONE | Fault.STALE | Fault.ERROR:
                await response.write(json.dumps({"type": "ERROR", "object": _ENDS[fault]}).encode() + b"\n")
                return response
            case _:
                pass
        if not await _passed(response, line):
            break
    return response


async def _passed(response: web.StreamResponse, line: bytes) -> bool:
    """Pass a line on; tell whether there was somebody to take it."""
    try:
        await response.write(line)
    except ConnectionError:
        return False
    return True


async def _begun(request: web.BaseRequest, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, headers={"Content-Type": answer.headers["Content-Type"]})
    await response.prepare(request)
    return response
