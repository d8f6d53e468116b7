"""aiohttp, imported lightly.

It reads the certificates of all authorities that the machine trusts, for hosts that nobody here talks to: 2 MiB and
70 ms. While it is imported there are none; who asks later finds them.
"""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def _without_authorities() -> Iterator[None]:
    load = ssl.SSLContext.load_default_certs
    ssl.SSLContext.load_default_certs = lambda *_: None  # type: ignore[method-assign]  # for a moment
    try:
        yield
    finally:
        ssl.SSLContext.load_default_certs = load  # type: ignore[method-assign]  # as it was


with _without_authorities():
    import aiohttp

__all__ = ["aiohttp"]
