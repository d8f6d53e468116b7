"""What is sent to IAM and STS, and what came back, by the library's descriptions; it sends nothing itself.

Nothing is taken from the environment: only the library's own descriptions are read, and only what it is given signs.
"""

from __future__ import annotations

from typing import Any, Final

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from botocore.endpoint_provider import EndpointProvider
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.parsers import ResponseParserError, create_parser
from botocore.serialize import create_serializer

from rekey.core.answers import Answer

_LOADER: Final = Loader(extra_search_paths=[Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)
_ASKED: Final[dict[str, dict[str, bool]]] = {"iam": {}, "sts": {"UseGlobalEndpoint": False}}
"""What must be said to know where a service is."""


class Service:
    """IAM or STS, as the library describes it; to read that takes a while."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._model = ServiceModel(_LOADER.load_service_model(name, "service-2"), name)
        rules = _LOADER.load_service_model(name, "endpoint-rule-set-1")
        self._endpoints = EndpointProvider(rules, _LOADER.load_data("partitions"))

    def place(self, region: str) -> tuple[str, str]:
        """Return AWS' own endpoint for a region, and for which region requests to it are signed."""
        found = self._endpoints.resolve_endpoint(Region=region, UseDualStack=False, UseFIPS=False, **_ASKED[self._name])
        schemes: list[dict[str, str]] = found.properties.get("authSchemes", [])
        return found.url, next((one["signingRegion"] for one in schemes if "signingRegion" in one), region)

    def request(
        self, operation: str, parameters: dict[str, object], keys: tuple[str, str, str | None], url: str, region: str
    ) -> tuple[dict[str, str], bytes]:
        """Return the headers and the body of a request that is signed."""
        model = self._model.operation_model(operation)
        written = create_serializer(self._model.resolved_protocol).serialize_to_request(parameters, model)
        request = AWSRequest(written["method"], url, dict(written["headers"]), written["body"])
        SigV4Auth(ReadOnlyCredentials(*keys), self._model.signing_name, region).add_auth(request)
        ready = request.prepare()
        return {name: text for name, text in ready.headers.items() if name != "Content-Length"}, request.body

    def read(self, operation: str, answer: Answer) -> dict[str, Any] | None:
        """Return what an answer says; None if it cannot be read."""
        model = self._model.operation_model(operation)
        told = {"status_code": answer.status, "headers": answer.headers, "body": answer.body}
        try:
            found: dict[str, Any] = create_parser(self._model.resolved_protocol).parse(told, model.output_shape)
        except (ResponseParserError, ValueError):  # no XML, or no date where one should be
            return None
        return found
