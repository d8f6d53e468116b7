"""What goes into the Authorization header: the token or the password of a bundle."""

import os
from base64 import b64encode
from dataclasses import dataclass
from typing import Protocol

from rekey_client.bundle import Bundle, Held, Mode
from rekey_client.clock import SYSTEM, Clock
from rekey_client.secret import Secret


@dataclass(frozen=True, slots=True)
class Header:
    """The value of an Authorization header, and of which version it is."""

    value: Secret
    version: str


class Credential(Protocol):
    """Gives what to send."""

    @property
    def clock(self) -> Clock:
        """The clocks it goes by."""
        ...

    def header(self) -> Header:
        """Return what to send now.

        Raises:
            NoCredential: there is nothing.
        """
        ...

    def other_than(self, version: str) -> Header | None:
        """Return what to send instead of a version that was refused; None: nothing else is known."""
        ...

    def reload(self) -> None:
        """Read the bundle now and make anew what is made of it; with `mode="manual"` nothing else does."""
        ...


class OfBundle:
    """What all credentials that come from a bundle share."""

    def __init__(self, bundle: Bundle) -> None:
        self.clock, self.mode = bundle.clock, bundle.mode
        self._bundle = bundle

    def header(self) -> Header:
        """Return what to send now."""
        return self._header(self._bundle.current())

    def other_than(self, version: str) -> Header | None:
        """Return what to send instead of a version that was refused."""
        held = self._bundle.other_than(version)
        return self._header(held) if held else None

    def reload(self) -> None:
        """Read the bundle now."""
        self._bundle.reload()

    def _header(self, held: Held) -> Header:
        raise NotImplementedError


class Token(OfBundle):
    """`Bearer` and the token of a bundle."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        key: str = "token",
        *,
        mode: Mode = "auto",
        every: float = 0.5,
        clock: Clock = SYSTEM,
    ) -> None:
        super().__init__(Bundle(path, key, mode=mode, every=every, clock=clock))
        self._key = key

    def _header(self, held: Held) -> Header:
        return Header(Secret("Bearer " + held.files[self._key].reveal()), held.version)


class Password(OfBundle):
    """`Basic`, a user and the password of a bundle; the verifier expects its `client` as the user."""

    def __init__(
        self, path: str | os.PathLike[str], user: str, *, mode: Mode = "auto", every: float = 0.5, clock: Clock = SYSTEM
    ) -> None:
        super().__init__(Bundle(path, "password", mode=mode, every=every, clock=clock))
        self._user = user

    def _header(self, held: Held) -> Header:
        pair = f"{self._user}:{held.files['password'].reveal()}"
        return Header(Secret("Basic " + b64encode(pair.encode()).decode()), held.version)
