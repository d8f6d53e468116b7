"""Whether a namespace is being deleted: asked when a right is missing, as roles go before what they were for."""

from __future__ import annotations

from typing import Final

from rekey.errors import Forbidden, NotFound
from rekey.kube.api import GET, Path
from rekey.kube.client import Client

_PLURAL: Final = "namespaces"


async def is_ending(client: Client, name: str) -> bool:
    """Return whether the namespace is being deleted, or is gone; False where we may not see it.

    Raises:
        Retryable: nobody can tell now.
    """
    try:
        found = await client.request(GET, Path(f"/api/v1/{_PLURAL}/{name}", _PLURAL))
    except NotFound:
        return True
    except Forbidden:
        return False
    return bool(found["metadata"].get("deletionTimestamp"))
