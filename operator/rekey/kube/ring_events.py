"""Events about the Secret of a key ring: few, sent at once, each once by its name."""

from __future__ import annotations

from rekey.core.keyring import Ring
from rekey.errors import RekeyError, Taken
from rekey.kube.api import CREATE, EVENTS, SECRETS
from rekey.kube.client import Client
from rekey.kube.events import event
from rekey.ports.cluster import Clock, News


class RingEvents:
    """Says what becomes of the ring in one Secret."""

    def __init__(self, client: Client, clock: Clock, instance: str, namespace: str, name: str) -> None:
        self._client = client
        self._clock = clock
        self._instance = instance[:128]
        self._namespace = namespace
        self._name = name
        self._said: set[str] = set()

    async def say(self, ring: Ring, news: News) -> None:
        """Send it, unless that was done; as every Event it is no evidence, and nobody waits for it to arrive."""
        if news.name in self._said:
            return
        about = {
            "apiVersion": SECRETS.api_version,
            "kind": SECRETS.kind,
            "namespace": self._namespace,
            "name": self._name,
            "uid": ring.revision[0],
        }
        body = event(about, news, self._clock.now(), self._instance)
        try:
            await self._client.request(CREATE, EVENTS.all(self._namespace), body=body)
        except Taken:
            pass  # another leader said it
        except RekeyError:
            return  # while it is news it is said again
        self._said.add(news.name)
