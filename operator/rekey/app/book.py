"""The RotationRequests as last seen, found by the credentials that they name.

1. Without any request nothing is kept, and asking costs one look into an empty table.
2. Only a newer resourceVersion replaces what is there.
3. A credential is asked for something only once the request's own status names it: who is chosen is on record first.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from rekey.core.answer import OVER
from rekey.core.demand import Demand
from rekey.core.facts import Credential, Key
from rekey.core.request import Request, RequestStatus

_NOBODY: Final[tuple[Demand, ...]] = ()


class Book:
    """All requests of this process. It belongs to one thread."""

    def __init__(self) -> None:
        self._entries: dict[Key, Request] = {}
        self._about: dict[Key, dict[Key, None]] = {}
        self._choosing: dict[str, dict[Key, None]] = {}
        self.complete = False

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Key]:
        return iter(tuple(self._entries))

    def get(self, key: Key) -> Request | None:
        """Return the request as last seen."""
        return self._entries.get(key)

    def of(self, credential: Credential) -> tuple[Demand, ...] | None:
        """Return what is asked of this credential, the oldest first; None while that is not known yet."""
        if not self.complete:
            return None
        about = self._about.get(credential.key)
        if not about:
            return _NOBODY
        requests = [self._entries[key] for key in about]
        requests.sort(key=lambda request: (request.created, request.key.name))
        return tuple(demand for request in requests if (demand := request.demand(credential.uid)) is not None)

    def put(self, request: Request) -> tuple[Key, ...]:
        """Keep it unless something newer is kept already; return the credentials that something follows for.

        Those that it names now; and those that may forget it now, and so have room for another one.
        """
        old = self._entries.get(request.key)
        if old is not None and int(old.resource_version) >= int(request.resource_version):
            return ()
        if old is not None:
            self._leave(old)
        self._entries[request.key] = request
        named = _named(request)
        for credential in named:
            self._about.setdefault(credential, {})[request.key] = None
        if not named and not request.finished:
            self._choosing.setdefault(request.key.namespace, {})[request.key] = None
        known = {} if old is None or old.uid != request.uid else _open(old)
        now = _open(request)
        fresh = [key for key in now if key not in known]
        over = [key for key in known if key not in now and self._is_asked(key, request.key)]
        return (*fresh, *over)

    def remove(self, key: Key, version: int) -> tuple[Key, ...]:
        """Forget it unless it was made anew since; return the credentials that it was about."""
        request = self._entries.get(key)
        if request is None or int(request.resource_version) > version:
            return ()
        del self._entries[key]
        self._leave(request)
        return () if request.finished else _named(request)

    def rewind(self) -> None:
        """Forget what each request says, and hold it for older than any event or read: storage went back."""
        held = list(self._entries.values())
        for table in (self._entries, self._about, self._choosing):
            table.clear()
        for request in held:
            self.put(replace(request, resource_version="0", status=RequestStatus()))

    def concerned(self, credential: Key) -> tuple[Key, ...]:
        """Return the requests that are to be looked at when this credential is another one than before."""
        about, choosing = self._about.get(credential), self._choosing.get(credential.namespace)
        if not about and not choosing:
            return ()
        return (*(key for key in about or () if not self._entries[key].finished), *(choosing or ()))

    def _is_asked(self, credential: Key, besides: Key) -> bool:
        others = (self._entries[key] for key in self._about.get(credential, ()) if key != besides)
        return any(not request.finished for request in others)

    def _leave(self, request: Request) -> None:
        for credential in _named(request):
            about = self._about[credential]
            about.pop(request.key, None)
            if not about:
                del self._about[credential]
        choosing = self._choosing.get(request.key.namespace)
        if choosing is not None:
            choosing.pop(request.key, None)
            if not choosing:
                del self._choosing[request.key.namespace]


def _named(request: Request) -> tuple[Key, ...]:
    return tuple(Key(request.key.namespace, result.name) for result in request.status.results)


def _open(request: Request) -> dict[Key, None]:
    """Return the credentials whose result is not in."""
    results = (result for result in request.status.results if result.state not in OVER)
    return dict.fromkeys(Key(request.key.namespace, result.name) for result in results)
