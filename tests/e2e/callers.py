"""Twenty clients that call a real service with what a bundle holds, checked by what a verifier's Secret says."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rekey_client import Directories, Token, Verifier
from rekey_client.credentials import Credential
from rekey_client.httpx_auth import RekeyAuth
from rekey_client.signing import Claims, Signed
from tests.e2e.manifests import Manifest, credential
from tests.kit.rotating import Crowd, Kind, serving

NUMBER = 20
EVERY = 0.05
PAUSE = 0.05
GENERATES: dict[Kind, tuple[dict[str, Any], str]] = {
    "tokens": ({"token": {"prefix": "rk_"}}, "SHA256"),
    "jwts": ({"signingKey": {"algorithm": "ES256"}}, "JWKS"),
}


def both_sides(kind: Kind, **spec: Any) -> Manifest:
    """Return a credential of that kind and name, whose verifiers read a Secret of their own."""
    generate, form = GENERATES[kind]
    verifier = {"secretName": told(kind), "format": form, "audience": ["api"]}
    return credential(kind, generate=generate, verifier=verifier, **spec)


def told(kind: Kind) -> str:
    """Return the name of the verifier's Secret."""
    return f"{kind}-verifier"


@dataclass
class Callers:
    """Who calls, and who checks them."""

    verifier: Verifier
    crowd: Crowd

    def counted(self) -> dict[str, int]:
        """Return how many requests the service had, by what it found."""
        return dict(self.verifier.counters.by_reason())

    def answers(self) -> set[int]:
        """Return every status that a client was answered with."""
        return set().union(*self.crowd.statuses)

    def sent(self) -> int:
        """Return how many requests were sent."""
        return sum(self.crowd.sent)


@contextmanager
def calling(kind: Kind, verifier: Path, bundle: Path) -> Iterator[Callers]:
    """Have them call, by these two folders; none tries twice."""
    checks = Verifier(Directories([verifier], every=EVERY), audience="api")
    shows: Credential = Token(bundle, every=EVERY) if kind == "tokens" else Signed(bundle, Claims("api"), every=EVERY)
    with serving(checks) as url:
        auth = RekeyAuth(shows, retry=False)
        crowd = Crowd(url, auth, [0] * NUMBER, [set() for _ in range(NUMBER)], pause=PAUSE)
        with crowd.working():
            yield Callers(checks, crowd)
