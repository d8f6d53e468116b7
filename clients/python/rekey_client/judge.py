"""Whether what was presented is accepted: pure, of tables and a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Final

from rekey_client import opaque
from rekey_client.entries import ById, Entry, Table, hashed
from rekey_client.outcome import Outcome, Reason
from rekey_client.presented import Presented

LEEWAY: Final = 30
"""Seconds by which the clocks of who signs and who verifies may differ, either way."""
_DOTS: Final = 2


@dataclass(frozen=True, slots=True)
class Judge:
    """Knows for whom it judges: a token that is meant for others is refused."""

    audience: str | None

    def judge(self, live: Table, gone: Table, shown: Presented, needed: Sequence[str], now: float) -> Outcome:
        """Return what comes of what a request presents."""
        if shown.user is None and (live.keys or gone.keys) and shown.value.count(".") == _DOTS:
            return self._signed(live.keys, gone.keys, shown.value, needed, now)
        return self._opaque(live, gone, shown, needed, now)

    def _opaque(self, live: Table, gone: Table, shown: Presented, needed: Sequence[str], now: float) -> Outcome:
        value, digest = shown.value, sha256(shown.value.encode()).digest()
        for table in (live, gone):
            matches = opaque.match(table.tokens, table.passwords, value, digest)
            for entry in matches:
                if shown.user is None or shown.user == entry.identity.client:
                    if table is gone:
                        return _past(entry, now)
                    return self._allowed(entry, entry.accepted, needed, now)
            if matches:
                return Outcome(Reason.INVALID, None, matches[0].hashed_id)
        return _strange(live, value)

    def _signed(self, live: ById, gone: ById, token: str, needed: Sequence[str], now: float) -> Outcome:
        from rekey_client import signed  # noqa: PLC0415  # needs joserfc, which who has no JWTs need not install

        try:
            header = signed.read_header(token)
            for keys in (live, gone):
                for entry in keys.get(header.kid, ()):
                    claims = signed.verify(token, header, entry)
                    if claims is not None:
                        return _past(entry, now) if keys is gone else self._claimed(entry, claims, needed, now)
        except signed.Malformed:
            return Outcome(Reason.MALFORMED)
        return Outcome(Reason.INVALID if header.kid in live else Reason.UNKNOWN, None, hashed(header.kid))

    def _claimed(self, entry: Entry, claims: Mapping[str, Any], needed: Sequence[str], now: float) -> Outcome:
        """Judge what a right signature says; a key that is restricted itself gives no more than it has."""
        from rekey_client import signed  # noqa: PLC0415  # as above

        scopes, subject = signed.scopes(claims), claims.get("sub")
        identity = replace(
            entry.identity,
            scopes=scopes if entry.identity.scopes is None else scopes & entry.identity.scopes,
            subject=subject if isinstance(subject, str) else None,
            claims=MappingProxyType(claims),
        )
        reason = signed.judge_times(claims, now, LEEWAY)
        if reason is Reason.ACCEPTED and not self._is_for_us(signed.audiences(claims)):
            reason = Reason.WRONG_AUDIENCE
        outcome = Outcome(reason, identity, entry.hashed_id)
        return self._allowed(entry, outcome, needed, now) if outcome.accepted else outcome

    def _is_for_us(self, audiences: frozenset[str] | None) -> bool:
        """A claim `aud` must name us, and where we have a name the claim must be there (RFC 7519 §4.1.3)."""
        return self.audience is None if audiences is None else self.audience in audiences

    def _allowed(self, entry: Entry, accepted: Outcome, needed: Sequence[str], now: float) -> Outcome:
        """Return what is accepted so far, unless the entry's limits or what the request needs are against it."""
        if entry.expires is not None and now >= entry.expires + LEEWAY:
            return replace(accepted, reason=Reason.EXPIRED)
        if entry.audience is not None and self.audience not in entry.audience:
            return replace(accepted, reason=Reason.WRONG_AUDIENCE)
        if needed and accepted.identity and not accepted.identity.allows(*needed):
            return replace(accepted, reason=Reason.INSUFFICIENT_SCOPE, scopes=tuple(needed))
        return accepted


def _past(entry: Entry, now: float) -> Outcome:
    """Judge a version that is gone, shown by who holds it."""
    over = entry.expires is not None and now >= entry.expires + LEEWAY
    return Outcome(Reason.EXPIRED if over else Reason.REVOKED, entry.identity, entry.hashed_id)


def _strange(live: Table, value: str) -> Outcome:
    """Judge what matches nothing; only a whole token has an id that may be shown, all else could be half a password."""
    if opaque.is_cut(value):
        return Outcome(Reason.MALFORMED)
    identifier = opaque.token_id(value) if opaque.is_token(value) else ""
    reason = Reason.INVALID if identifier in live.tokens else Reason.UNKNOWN
    return Outcome(reason, None, hashed(identifier) if identifier else "-")
