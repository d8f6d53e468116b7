"""What a backend is made of, and what was found of the provider that declares it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rekey.core.material import Material
from rekey.core.rate import Rate
from rekey.core.spec_backend import CredentialProviderSpec
from rekey.core.spec_provide import Provide
from rekey.errors import RekeyError
from rekey.ports.declarations import Declared
from rekey.providers.limits import Turnstile


@dataclass(frozen=True, slots=True)
class Parts:
    """What a backend is made of.

    `home`: where its Secrets are; `login`: what we log in with (empty: nothing is needed); `authority`: by whom the
    server is known (None: whom the image trusts); `certificate`: what we show in TLS (None: nothing); `seconds`: how
    long the next call may take; `hears`: is told what the backend says of its limits.
    """

    namespace: str
    home: str
    spec: CredentialProviderSpec
    wanted: Provide
    login: Material
    authority: Material | None
    certificate: Material | None
    seconds: Callable[[], float]
    hears: Callable[[Rate], None]


@dataclass(frozen=True, slots=True)
class Reached:
    """What was found of a provider: what it declares, what its Secrets hold, and whom its calls are told."""

    declared: Declared
    login: Material
    authority: Material | None
    certificate: Material | None
    means: str
    seconds: Callable[[], float]
    turnstile: Turnstile
    told: Callable[[RekeyError | None], None]

    def parts(self, namespace: str, wanted: Provide) -> Parts:
        """Return what a backend is made of for a credential of that namespace."""
        held, declared = (self.login, self.authority, self.certificate), self.declared
        return Parts(namespace, declared.home, declared.spec, wanted, *held, self.seconds, self.turnstile.hear)
