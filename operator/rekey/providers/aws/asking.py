"""One request to AWS, in a thread, and what came back: asked once, in time, with nothing of our surroundings.

1. What was never sent is Retryable; what may have arrived is NoAnswer. None begins in the last seconds that are ours.
2. Nothing is guessed from the environment: no profile, no metadata service, no proxy, no other endpoint.
3. An `endpointUrl` is looked up and judged before each request. The library looks it up once more: whoever leads it
   elsewhere in between must have a certificate for its name, or, with http://, be in a place that was named.
4. Errors are raised outside of the blocks that catch the library's: those quote answers, and would stay attached.
"""

from __future__ import annotations

import asyncio
import os
import re
import ssl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from boto3.session import Session
from botocore import exceptions as theirs
from botocore.config import Config
from botocore.loaders import create_loader
from botocore.parsers import ResponseParserError
from botocore.session import Session as Core
from yarl import URL

from rekey.core.material import Material
from rekey.core.reasons import Reason
from rekey.core.spec_aws import AwsServer
from rekey.errors import NoAnswer, Rejected, RekeyError, Retryable
from rekey.providers.http.allowed import Allowed
from rekey.providers.http.connection import Lookup, addresses_of, trusting

CONNECT: Final = 3.0
"""Seconds to connect, and how long before the end of what is ours no request begins any more."""
_READ: Final = 10.0
_THREADS: Final = ThreadPoolExecutor(8, thread_name_prefix="aws")
_LOADER: Final = create_loader()  # keeps what it has read of the library's descriptions of services
_UNTOLD: Final = {
    "profile": (None, None, None, None),
    **dict.fromkeys(("config_file", "credentials_file"), (None, None, os.devnull, None)),
}
"""In the library's terms: where these come from (a file of settings, variables), and what they are if from nowhere."""
_NEVER_SENT: Final = (theirs.ConnectionError, theirs.SSLError)
_CODE: Final = re.compile(r"[A-Za-z][A-Za-z.]{0,63}")


class Refused(Exception):
    """AWS answered with an error: its code, the status, and how long to wait if it said so."""

    def __init__(self, code: str, status: int, wait: float | None) -> None:
        super().__init__(code)
        self.code, self.status, self.wait = code, status, wait


@dataclass(frozen=True, slots=True)
class Keys:
    """What a request is signed with."""

    material: Material

    def given(self) -> dict[str, str]:
        """Return it as the library wants it.

        Raises:
            UnicodeDecodeError, KeyError: it is incomplete. What is empty would be no key, and somebody else's be taken.
        """
        told = {name: value.decode("ascii").strip() for name, value in self.material.reveal().items()}
        found = {name: told[name] for name in _NAMES if told.get(name)}
        if not found.keys() >= _NEEDED:
            raise KeyError
        return found


_NAMES: Final = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
_NEEDED: Final = frozenset(_NAMES[:2])


class Account:
    """An AWS account: where it is, and for how long each request may go on (`seconds` raises NotLeading)."""

    def __init__(
        self,
        server: AwsServer,
        authority: Material | None,
        allowed: Allowed,
        namespace: str,
        seconds: Callable[[], float],
        lookup: Lookup = addresses_of,
    ) -> None:
        self.server = server
        self._authority = authority
        self._allowed = allowed
        self._namespace = namespace
        self._seconds = seconds
        self._lookup = lookup

    async def ask(self, keys: Keys, service: str, operation: str, **parameters: object) -> dict[str, Any]:
        """Return the answer.

        Raises:
            Refused: AWS answered with an error.
            Retryable, NoAnswer, Rejected: as a port of backends says.
            NotLeading: nothing was sent.
        """
        await self._judge()
        loop = asyncio.get_running_loop()
        ends = time.monotonic() + self._seconds()

        def send() -> dict[str, Any] | Exception:
            if ends - time.monotonic() < CONNECT:
                return Retryable(f"AWS: no time was left for {operation}")
            return self._send(keys, service, operation, parameters)

        found = await loop.run_in_executor(_THREADS, send)
        if isinstance(found, Exception):
            raise found
        return found

    async def _judge(self) -> None:
        if self.server.endpoint_url is None:
            return
        url = URL(self.server.endpoint_url)
        host, port, nowhere = url.raw_host or "", url.port or 0, False
        try:
            addresses = await self._lookup(host, port)
        except (OSError, UnicodeError):
            addresses, nowhere = (), True
        if nowhere:
            raise Retryable(f"{host}: its name leads nowhere")
        if why := self._allowed.refusal(self._namespace, url.scheme, host, port, addresses, declared=True):
            raise Rejected(Reason.PROVIDER_NOT_READY, why)

    def _send(
        self, keys: Keys, service: str, operation: str, parameters: dict[str, object]
    ) -> dict[str, Any] | Exception:
        where = f"AWS {service}, {operation}"
        if self._authority is not None and (unfit := _unfit(self._authority)):
            where = f"Secret {self.server.ca_secret_name} has no `ca.crt`"
            return Rejected(
                Reason.PROVIDER_NOT_READY, f"{where} that can be read ({unfit}): put PEM certificates there"
            )
        try:
            with self._trust() as authorities:
                client = self._client(keys, service, authorities)
                try:
                    found: dict[str, Any] = getattr(client, operation)(**parameters)
                finally:
                    client.close()
                return found
        except theirs.ClientError as error:
            return _refused(error.response)
        except _NEVER_SENT as error:
            return Retryable(f"{where}: no connection ({type(error).__name__})")
        except (KeyError, UnicodeDecodeError):
            return _incomplete(self.server.secret_name)
        except (theirs.BotoCoreError, ResponseParserError, OSError, ValueError) as error:
            return NoAnswer(f"{where}: no answer that can be read ({type(error).__name__})")

    def _client(self, keys: Keys, service: str, authorities: str) -> Any:  # noqa: ANN401  the library ships no types
        core = Core(session_vars=_UNTOLD)
        core.register_component("data_loader", _LOADER)
        config = Config(
            connect_timeout=CONNECT,
            read_timeout=_READ,
            retries={"mode": "standard", "total_max_attempts": 1},
            proxies={},
            ignore_configured_endpoint_urls=True,
        )
        given = {**keys.given(), "region_name": self.server.region, "botocore_session": core}
        return Session(**given).client(
            service, config=config, verify=authorities, endpoint_url=self.server.endpoint_url
        )

    @contextmanager
    def _trust(self) -> Iterator[str]:
        """Give the file of authorities that are trusted: the library reads them from one only."""
        if self._authority is None:
            paths = ssl.get_default_verify_paths()
            yield paths.cafile or str(Path(paths.capath or "/etc/ssl/certs") / "ca-certificates.crt")
            return
        handle = os.memfd_create("authorities")
        try:
            os.write(handle, self._authority.reveal().get("ca.crt", b""))
            yield f"/proc/self/fd/{handle}"
        finally:
            os.close(handle)


def _refused(response: dict[str, Any]) -> Refused:
    code, metadata = str(response.get("Error", {}).get("Code", "")), response.get("ResponseMetadata", {})
    try:
        wait = float(metadata.get("HTTPHeaders", {}).get("retry-after", ""))
    except ValueError:
        wait = None
    status = int(metadata.get("HTTPStatusCode", 0))
    return Refused(code if _CODE.fullmatch(code) else f"status {status}", status, wait)


def _unfit(authority: Material) -> str:
    try:
        trusting(authority)
    except (ssl.SSLError, UnicodeError, KeyError) as error:
        return type(error).__name__
    return ""


def _incomplete(secret: str) -> RekeyError:
    why = f"Secret {secret} must have an `aws_access_key_id` and an `aws_secret_access_key`, which are text"
    return Rejected(Reason.PROVIDER_NOT_READY, why)
