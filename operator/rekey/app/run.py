"""The life of the operator: start in order, work until told to stop, stop in order.

1. SIGTERM or SIGINT: nothing new is begun, the work in hand ends (within the grace), Events that wait are sent, and
   the Lease is given back, so that another replica goes on at once.
   A second signal ends the process at once; that is safe at any moment, as a crash is.
2. The probes answer from the first moment: a process that waits for its CRD is alive and not ready.
"""

import asyncio
import gc
import logging
import os
import signal
from collections.abc import Coroutine, Iterable
from typing import Any, Final

import rekey
from rekey.app import electing
from rekey.app.settings import Settings
from rekey.app.wiring import Operator, wired
from rekey.errors import RekeyError
from rekey.kube.config import Access

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_ENDED_AT_ONCE: Final = 130
REQUESTS_AT_ONCE: Final = 4
log = logging.getLogger(__name__)


class CannotStart(RekeyError):
    """Tell the person who started us what to change."""


def run(settings: Settings, access: Access) -> None:
    """Run the operator until it is told to stop.

    Raises:
        CannotStart: it cannot work with these settings on this machine.
    """
    # What was imported lives for ever; not looking at it again saves a fifth of the time at the start.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)
    asyncio.run(_run(settings, access))


async def _run(settings: Settings, access: Access) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_log_only)
    stop = asyncio.Event()
    for number in _SIGNALS:
        loop.add_signal_handler(number, _told, number, stop)
    log.info(
        "starting",
        extra={"release": rekey.__version__, "server": access.server, "namespaces": list(settings.namespaces) or "all"},
    )
    async with wired(settings, access) as operator:
        await _serve(operator, settings)
        try:
            if await _unless(stop, operator.preflight.pass_all(operator.client, electing.rights(settings, access))):
                await _work(operator, settings, stop)
        finally:
            operator.heartbeat.stop()
            await operator.server.stop()
    log.info("stopped")


async def _serve(operator: Operator, settings: Settings) -> None:
    try:
        await operator.server.start(settings.http_port)
    except OSError as error:
        raise CannotStart(
            f"port {settings.http_port} cannot be used ({error.strerror}): set --http-port or REKEY_HTTP_PORT"
        ) from error
    log.info("answering probes", extra={"port": operator.server.port})


async def _work(operator: Operator, settings: Settings, stop: asyncio.Event) -> None:
    # The API server has answered by now, so that this is its time; the machine's may be ahead by an hour.
    operator.engine.begin()
    operator.workers.start(settings.workers)
    operator.asking.start(REQUESTS_AT_ONCE)
    background = [asyncio.create_task(work()) for work in operator.background]
    await operator.lead.start(operator.entry)
    operator.shell.start()
    log.info("working", extra={"workers": settings.workers})
    try:
        await _unless(stop, _for_ever(operator, background))
    finally:
        for task in background:
            task.cancel()
        operator.drift.stop()
        # Together: one after the other, the second would go on taking up work while the first ends.
        grace = settings.shutdown_grace
        _, interrupted = await asyncio.gather(operator.asking.stop(grace), operator.workers.stop(grace))
        if interrupted:
            log.warning("work was interrupted; it is taken up at the next start", extra={"count": interrupted})
        await operator.shell.stop()


async def _for_ever(operator: Operator, background: Iterable[asyncio.Task[None]]) -> None:
    """Wait without end, but for an error that ends what goes on in the background: it must not end unnoticed."""
    await asyncio.gather(_known(operator), *background)


async def _known(operator: Operator) -> None:
    await operator.intake.synced.wait()
    log.info("all credentials are known", extra={"count": len(operator.cache)})


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    """Do the work unless told to stop; return whether it was done."""
    working, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if working.done():
        working.result()
        return True
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    return False


def _told(number: signal.Signals, stop: asyncio.Event) -> None:
    if stop.is_set():
        os._exit(_ENDED_AT_ONCE)
    log.info("stopping; a second signal ends at once", extra={"signal": number.name})
    stop.set()


def _log_only(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what nobody caught; asyncio's own report would quote what it was about."""
    log.error("unexpected error in the background", exc_info=context.get("exception"))
