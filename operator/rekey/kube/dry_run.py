"""What the API server would say to a manifest: it judges, by every rule of the CRD, and stores nothing."""

from __future__ import annotations

from collections.abc import Mapping
from http.client import BAD_REQUEST, CONFLICT, MULTIPLE_CHOICES, OK
from typing import Any, Final

import aiohttp
import orjson

from rekey.errors import NoAnswer, Retryable
from rekey.kube.api import CREATE, CREDENTIALS, MERGE, Path, Verb
from rekey.kube.client import Client
from rekey.kube.refusals import refusal, said, silence

_INVALID: Final = 422
_SAFE: Final = {"dryRun": "All", "fieldValidation": "Strict", "fieldManager": "rekey-plan"}


async def refused(client: Client, manifest: Mapping[str, Any], namespace: str) -> tuple[tuple[str, str], ...]:
    """Return what the API server would refuse, field by field; of one that exists, as a change of its spec.

    Raises:
        RekeyError: it did not judge, and why.
    """
    metadata = manifest.get("metadata") or {}
    body = {**manifest, "metadata": {**metadata, "namespace": namespace}}
    code, answer = await _asked(client, CREATE, CREDENTIALS.all(namespace), body)
    if code == CONFLICT:
        code, answer = await _asked(
            client, MERGE, CREDENTIALS.one(namespace, str(metadata["name"])), {"spec": manifest.get("spec")}
        )
    if code == _INVALID:
        causes = (answer.get("details") or {}).get("causes") or [{"message": answer.get("message")}]
        return tuple((str(cause.get("field") or "spec"), str(cause.get("message"))) for cause in causes)
    return () if OK <= code < MULTIPLE_CHOICES else (("spec", str(answer.get("message"))),)


async def _asked(client: Client, verb: Verb, path: Path, body: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    # Past the client's own way, which shows nothing of an answer: this one is for who wrote the manifest.
    url = f"{client.access.server}{path.url}"
    headers = {"Content-Type": verb.content_type}
    async with client.open_session() as session:
        try:
            async with session.request(
                verb.method, url, params=_SAFE, data=orjson.dumps(body), headers=headers, allow_redirects=False
            ) as answer:
                payload = await answer.read()
        except (aiohttp.ClientError, OSError) as error:
            raise NoAnswer(f"{said(verb, path)}: no answer ({silence(error)})") from error
    if answer.status not in {BAD_REQUEST, CONFLICT, _INVALID} and not OK <= answer.status < MULTIPLE_CHOICES:
        raise refusal(verb, path, answer.status, answer.headers, payload)
    try:
        return answer.status, orjson.loads(payload)
    except orjson.JSONDecodeError:
        pass
    raise Retryable(f"{said(verb, path)}: the answer is not JSON")
