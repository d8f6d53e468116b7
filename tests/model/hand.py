"""Writes to a cluster as a person does, each noted as the test's own."""

import contextlib
import http.client
import json
from pathlib import Path
from typing import Any

from tests.e2e.history import Hands
from tests.e2e.reader import Connection, folder

MERGE = "application/merge-patch+json"
Body = dict[str, Any]


class Hand:
    """Creates, changes and deletes in one namespace; None is what the API server refused or does not have."""

    def __init__(self, socket: Path, namespace: str, hands: Hands) -> None:
        self._socket, self._namespace, self._hands = socket, namespace, hands
        self.refusals: list[str] = []

    def create(self, resource: str, body: Body) -> Body | None:
        """Create an object."""
        return self._send("POST", folder(resource, self._namespace), body, "application/json")

    def patch(self, resource: str, name: str, patch: Body) -> Body | None:
        """Merge a patch into an object."""
        return self._send("PATCH", f"{folder(resource, self._namespace)}/{name}", patch, MERGE)

    def delete(self, resource: str, name: str) -> Body | None:
        """Delete an object."""
        return self._send("DELETE", f"{folder(resource, self._namespace)}/{name}", {}, "application/json")

    def _send(self, verb: str, path: str, body: Body, kind: str) -> Body | None:
        connection = Connection(self._socket)
        with contextlib.closing(connection):
            connection.request(verb, path, json.dumps(body), {"content-type": kind})
            reply = connection.getresponse()
            found: Body = json.loads(reply.read() or b"{}")
            if reply.status >= http.client.BAD_REQUEST:
                assert reply.status < http.client.INTERNAL_SERVER_ERROR, found
                self.refusals.append(f"{verb} {path}: {found.get('message', '')[:200]}")
                return None
        # A deletion that is done answers with a Status that names the uid, one that waits with the object.
        if found.get("kind") == "Status":
            self._hands.deleted.add(found["details"]["uid"])
        else:
            self._hands.versions.add(int(found["metadata"]["resourceVersion"]))
            if verb == "DELETE":
                self._hands.deleted.add(found["metadata"]["uid"])
        return found
