"""How a request is sent: at most twice, never in the clear, and not at all while the service refuses this version.

1. A refusal (401) looks whether the bundle has another version, and sends the request once more with that.
2. Five refusals in a row open the circuit for 30 s: requests fail here. Then one request tries, the others wait on.
3. Another version in the bundle closes it at once: who slept past a revocation recovers by itself.
4. Everything else is the caller's, 429 too.
"""

from math import inf
from threading import Lock
from typing import Final

from rekey_client.addresses import refuse_insecure
from rekey_client.credentials import Credential, Header
from rekey_client.errors import CircuitOpen

REFUSED: Final = 401
_FAILURES: Final = 5
_OPEN: Final = 30.0


class Attempts:
    """The rules above for one credential at one service. Threads may share it."""

    def __init__(self, credential: Credential, *, retry: bool = True) -> None:
        self._credential, self._retry = credential, retry
        self._lock = Lock()
        self._version, self._failures, self._until = "", 0, -inf

    def first(self, url: str) -> Header:
        """Return what to send.

        Raises:
            Insecure: the address would show it to others.
            CircuitOpen: it was refused too often.
            NoCredential: there is nothing to send.
        """
        refuse_insecure(url)
        header = self._credential.header()
        now = self._credential.clock.steady()
        with self._lock:
            if header.version != self._version:
                self._version, self._failures = header.version, 0
            if self._failures >= _FAILURES:
                if now < self._until:
                    raise CircuitOpen(self._until - now)
                self._until = now + _OPEN  # this one tries; the next may if nobody hears of this one again
        return header

    def second(self, sent: Header) -> Header | None:
        """Return what to send instead after a refusal; None: the refusal stands."""
        return self._credential.other_than(sent.version) if self._retry else None

    def done(self, sent: Header, status: int) -> None:
        """Hear how it ended."""
        with self._lock:
            if sent.version != self._version:
                return  # of a version that is not used any more
            if status != REFUSED:
                self._failures = 0
                return
            self._failures += 1
            if self._failures >= _FAILURES:
                self._until = self._credential.clock.steady() + _OPEN
