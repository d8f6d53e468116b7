"""The serving certificate from a mounted directory (`tls.crt`, `tls.key`), read anew when its files change.

1. A new pair takes the place of the old one only when it is whole and fits together: a half-written one never does.
2. Connections that are open keep theirs; each new one gets the pair of that moment.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509

from rekey.errors import RekeyError
from rekey.ports.cluster import Clock

_EVERY: Final = 2.0
_REMINDER: Final = timedelta(hours=1)
log = logging.getLogger(__name__)


class BadCertificate(RekeyError):
    """Tell a person which file cannot be used, and why."""


class Certificate:
    """One pair of files; `context` is what a server takes, whatever becomes of them."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._chain, self._key = folder / "tls.crt", folder / "tls.key"
        self._clock = clock
        self._seen: tuple[bytes, bytes] | None = None
        self._said: str | None = None
        self._reminded: datetime | None = None
        self._current, self.expires = self._load()
        self.context = _server()
        self.context.sni_callback = self._choose
        self._warn_of_end()

    def _choose(self, handshake: ssl.SSLSocket | ssl.SSLObject, _name: str | None, _: ssl.SSLContext) -> None:
        handshake.context = self._current

    def refresh(self) -> None:
        """Take the files as they are now, if they changed and can be used."""
        try:
            if self._read() != self._seen:
                self._current, self.expires = self._load()
                self._said = self._reminded = None
                log.info("the serving certificate was read anew", extra={"until": self.expires.isoformat()})
        except BadCertificate as error:
            if str(error) != self._said:
                self._said = str(error)
                log.warning("the new serving certificate cannot be used; the old one is kept", extra={"error": error})
        self._warn_of_end()

    async def follow(self) -> None:
        """Look at the files without end."""
        while True:
            await asyncio.sleep(_EVERY)
            self.refresh()

    def _load(self) -> tuple[ssl.SSLContext, datetime]:
        pair = self._read()
        context = _server()
        try:
            context.load_cert_chain(self._chain, self._key, password=self._locked)
            expires = x509.load_pem_x509_certificate(pair[0]).not_valid_after_utc
        except (OSError, ValueError) as error:  # an SSLError is an OSError
            why = getattr(error, "reason", None) or type(error).__name__
            raise BadCertificate(f"{self._chain} and {self._key} are not a certificate and its key: {why}") from None
        if self._read() != pair:
            raise BadCertificate(f"{self._chain} and {self._key} are being written")
        self._seen = pair
        return context, expires

    def _locked(self) -> str:
        raise BadCertificate(f"{self._key} is encrypted: it must be there without a password")

    def _read(self) -> tuple[bytes, bytes]:
        try:
            return self._chain.read_bytes(), self._key.read_bytes()
        except OSError as error:
            raise BadCertificate(f"{error.filename} cannot be read: {error.strerror}") from None

    def _warn_of_end(self) -> None:
        now = self._clock.now()
        if now >= self.expires and (self._reminded is None or now - self._reminded >= _REMINDER):
            self._reminded = now
            log.error(
                "the serving certificate has expired: put a new one into the mounted Secret",
                extra={"until": self.expires.isoformat()},
            )


def _server() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
