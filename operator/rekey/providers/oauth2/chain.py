"""The chain of refresh tokens that begins with the one a person got: which is shown next, and what is kept for that.

1. The server may answer each use with another refresh token, and the old one is used up then: what is kept in the last
   version counts, not what the person once wrote into the Secret.
2. Unless the person wrote another one there since: that begins a new chain. To notice it, the first token of the chain
   is remembered by a keyed hash under a random salt, which stands beside it: it tells nothing of the token, not even
   whether two credentials share one. A digest of the Secret's version would not do, as a restored or relabelled Secret
   would then take the chain back to a token that is used up.
3. What is kept stands under `issuer.`, in clear here: whoever stores a version seals all that it has there, at once.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from typing import Final

from rekey.core.bundle import ISSUER
from rekey.core.material import Material

REFRESH: Final = "refresh_token"
_KEPT: Final = ISSUER + REFRESH
_BEGAN: Final = ISSUER + "grant"
_SALT: Final = 16


@dataclass(frozen=True, slots=True)
class Chain:
    """A refresh token to show next, and by what its chain is known."""

    refresh: str = field(repr=False)
    began: bytes = field(repr=False)

    def kept(self, refresh: str | None) -> dict[str, bytes]:
        """Return what is stored for the next version; no new refresh token: the one that was shown stays good."""
        return {_KEPT: (refresh or self.refresh).encode(), _BEGAN: self.began}


def taken_up(grant: Material | None, before: Material | None) -> Chain | None:
    """Return the chain to go on with, or the one that a person began anew; None if there is no refresh token."""
    first = (grant.reveal().get(REFRESH, b"") if grant is not None else b"").strip()
    kept = before.reveal() if before is not None else {}
    began = kept.get(_BEGAN, b"")
    if _KEPT in kept and (not first or hmac.compare_digest(began, _hash(first, began[:_SALT]))):
        return Chain(kept[_KEPT].decode(), began)
    if not first:
        return None
    return Chain(first.decode("utf-8", "replace"), _hash(first, secrets.token_bytes(_SALT)))


def _hash(token: bytes, salt: bytes) -> bytes:
    return salt + hmac.digest(salt, token, hashlib.sha256)[:_SALT]
