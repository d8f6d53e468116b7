"""JWTs that an application signs itself, with the private key of a bundle.

1. One is made ten minutes before the last one expires (half its lifetime, if that is less), up to a tenth of that
   earlier, so that many processes do not do so at once; and at once when the bundle has another version.
2. One thread makes it; the others use the last one while it is good.
"""

import os
from dataclasses import dataclass
from math import inf
from secrets import randbelow, token_hex
from threading import Lock
from typing import Any, Final

from joserfc import jwk, jwt
from joserfc.errors import JoseError

from rekey_client.bundle import Bundle, Held, Mode
from rekey_client.clock import SYSTEM, Clock
from rekey_client.credentials import Header, OfBundle
from rekey_client.errors import NoCredential
from rekey_client.keys import REGISTRY
from rekey_client.secret import Secret

_BEFORE: Final = 600.0
_FILES: Final = ("private.pem", "kid", "algorithm")
_KINDS: Final = {"R": "RSA", "P": "RSA", "E": "EC"}


@dataclass(frozen=True, slots=True)
class Claims:
    """What a signed token says. `lifetime` is at most the `tokenLifetime` that `spec.verifier` declares."""

    audience: str | None = None
    scopes: tuple[str, ...] = ()
    subject: str | None = None
    issuer: str | None = None
    lifetime: int = 900

    def at(self, now: float) -> dict[str, Any]:
        """Return the claims of a token that is signed now."""
        found = {"aud": self.audience, "sub": self.subject, "iss": self.issuer, "scope": " ".join(self.scopes) or None}
        times = {"iat": int(now), "exp": int(now) + self.lifetime, "jti": token_hex(16)}
        return {name: value for name, value in found.items() if value is not None} | times


@dataclass(frozen=True, slots=True)
class _Made:
    header: Header
    renew: float
    expires: float


class Signed(OfBundle):
    """`Bearer` and a JWT. With `mode="manual"` only `reload()` makes another."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        claims: Claims,
        *,
        mode: Mode = "auto",
        every: float = 0.5,
        clock: Clock = SYSTEM,
    ) -> None:
        super().__init__(Bundle(path, *_FILES, mode=mode, every=every, clock=clock))
        self._claims = claims
        self._lock = Lock()
        self._made = _Made(Header(Secret(""), ""), -inf, -inf)

    def reload(self) -> None:
        """Read the bundle and make another token now."""
        super().reload()
        held = self._bundle.current()
        with self._lock:
            self._made = self._sign(held, self.clock.wall())

    def _header(self, held: Held) -> Header:
        now, made = self.clock.wall(), self._made
        same = made.header.version == held.version
        if same and (now < made.renew or self.mode == "manual"):
            return made.header
        still_good = same and now < made.expires
        if self._lock.acquire(blocking=not still_good):
            try:
                if self._made is made:  # else somebody was faster
                    self._made = self._sign(held, now)
            finally:
                self._lock.release()
        return self._made.header

    def _sign(self, held: Held, now: float) -> _Made:
        algorithm = held.files["algorithm"].reveal()
        claims = self._claims.at(now)
        try:
            kind = "OKP" if algorithm == "EdDSA" else _KINDS[algorithm[:1]]
            key = jwk.import_key(held.files["private.pem"].reveal(), kind)  # type: ignore[call-overload]  # a kind by name
            header = {"alg": algorithm, "kid": held.files["kid"].reveal()}
            token = jwt.encode(header, claims, key, registry=REGISTRY)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            # `from None`: the error's own text may quote the key
            raise NoCredential(f"cannot sign with version {held.version}: {type(error).__name__}") from None
        before = min(_BEFORE, self._claims.lifetime / 2) * (1 + randbelow(100) / 1000)
        return _Made(Header(Secret("Bearer " + token), held.version), claims["exp"] - before, claims["exp"])
