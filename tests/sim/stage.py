"""A place where the ports can be tried: the simulated world, or a namespace of a real cluster.

The suites in `conformance.py` play scenes on a stage. What the ports themselves cannot do (make a workload,
be somebody else who writes in between) the stage does.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from rekey.core.facts import Credential, Key
from rekey.core.request import Request
from rekey.ports.cluster import Ports
from rekey.ports.requests import Requests

Scene = Callable[["Stage"], Coroutine[Any, Any, None]]
Play = Callable[[Scene], None]
"""What the fixture `play` gives: it opens a fresh stage, plays the scene on it, and closes it."""


class Stage(ABC):
    """A fresh namespace and the ports under test."""

    namespace: str
    ports: Ports
    requests: Requests

    @abstractmethod
    async def request(self, name: str) -> Request:
        """Make a RotationRequest about a credential `db` and return it as the API server holds it."""

    @abstractmethod
    async def credential(self, name: str) -> Credential:
        """Make a RotatedCredential and return it as the API server holds it."""

    @abstractmethod
    async def touch_credential(self, key: Key) -> None:
        """Write a label of it, as somebody else."""

    @abstractmethod
    async def delete_credential(self, key: Key) -> None:
        """Ask for its deletion, as somebody else; finalizers hold it up."""

    @abstractmethod
    async def deployment(self, name: str, labels: Mapping[str, str]) -> None:
        """Make a Deployment that wants no pods; return when its controller has seen it."""

    @abstractmethod
    async def touch_deployment(self, name: str) -> None:
        """Write a label of it, as somebody else."""

    @abstractmethod
    async def delete_deployment(self, name: str) -> None:
        """Delete it, as somebody else."""

    @abstractmethod
    async def pod(self, name: str, secret: str) -> None:
        """Make a pod that takes an environment variable from the Secret; it never starts."""

    @abstractmethod
    async def end_pod(self, name: str) -> None:
        """Let the pod come to its end."""
