"""Being logged in at a Vault server: by a token that is renewed, and got anew when it is refused.

1. Whoever is refused (403) with a token that was known before logs in anew and asks once more: nothing was done there.
   Refused again, it is what the token may do, not the token.
2. A log-in that is refused is a person's to mend, and not tried again here: whoever waited for it is refused alike, for
   Vault locks out who tries five times, however many calls it was for.
3. A token that a person made cannot be got anew: it is asked about itself instead.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Final

from hvac.api.auth_methods import AppRole, Kubernetes
from hvac.api.auth_methods import Token as Self

from rekey.core.material import Material
from rekey.core.rate import Rate, rate
from rekey.core.reasons import Reason
from rekey.core.spec_vault import VaultServer
from rekey.errors import NoAnswer, Rejected
from rekey.providers.vault import answers
from rekey.providers.vault.passes import Pass, Token
from rekey.providers.vault.road import Answer, Request, Road, Way

Call = Callable[[Way], Awaitable[Answer]]
_REFUSED: Final = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_LONGEST: Final = 10 * 365 * 86400


@dataclass(frozen=True)
class Login:
    """By what we log in; `identity` gives the token of the ServiceAccount that is named."""

    server: VaultServer
    secret: Material
    identity: Callable[[], Awaitable[str]]

    def text(self, key: str) -> str:
        """Return what stands in the Secret."""
        found = self.secret.reveal().get(key, b"").decode("utf-8", "replace").strip()
        if not found or not found.isascii() or not found.isprintable():
            where = f"Secret {self.server.secret_name} has no {key}"
            raise Rejected(Reason.PROVIDER_NOT_READY, f"{where} that is one line of text: write it there")
        return found


class Vault:
    """One server, and us logged in there; `hears` is told what answers say of its limits."""

    def __init__(self, road: Road, login: Login, known: Pass, hears: Callable[[Rate], None]) -> None:
        self._road = road
        self._login = login
        self._pass = known
        self._hears = hears
        self.now = road.now
        self.name = road.name

    async def ask(self, call: Call, what: str, *, may_fail: Callable[[Answer], bool] = answers.is_missing) -> Answer:
        """Have a call of hvac made, and return its answer, of success or one that `may_fail`.

        Raises:
            Retryable, NoAnswer, Rejected: as a port of backends says.
        """
        known, token = self._pass.token, await self._token()
        answer = await self._send(call, token.value)
        if answer.status == HTTPStatus.FORBIDDEN and token is known:
            token = await self._token(refused=token)
            answer = await self._send(call, token.value)
        if answer.status == HTTPStatus.FORBIDDEN:
            text = f"{self.name} does not let us {what}: no policy of our log-in there allows it; see docs/vault.md"
            raise Rejected(Reason.BACKEND_REFUSED, text)
        if not may_fail(answer) and (error := answers.problem(answer, self.name, what)):
            raise error
        return answer

    async def ask_as(self, token: str, call: Call, what: str) -> Answer:
        """Have a call made with a token that is not ours, and return its answer of success.

        Raises:
            Retryable, NoAnswer, Rejected: as a port of backends says.
        """
        answer = await self._send(call, token)
        if answer.status == HTTPStatus.FORBIDDEN:
            text = f"{self.name} does not let us {what}: its policies do not allow it; see docs/vault.md"
            raise Rejected(Reason.BACKEND_REFUSED, text)
        if error := answers.problem(answer, self.name, what):
            raise error
        return answer

    async def _send(self, call: Call, token: str | None) -> Answer:
        async def send(request: Request) -> Answer:
            return await self._road.send(request, token, self._road.seconds())

        answer = await call(Way(send))
        if told := rate(answer.headers, answer.sent):
            self._hears(told)
        return answer

    async def _token(self, refused: Token | None = None) -> Token:
        before = self._pass.refused
        async with self._pass.lock:
            known, no = self._pass.token, self._pass.refused
            if no is not None and no is not before:
                raise Rejected(no.reason, str(no))
            if known is None or known is refused:
                known = self._pass.token = await self._log_in()
            elif known.due is not None and self.now() >= known.due:
                known = self._pass.token = await self._renewed(known)
            return known

    async def _renewed(self, token: Token) -> Token:
        if token.renewable:
            answer = await self._send(lambda way: Self(way).renew_self(), token.value)
            if answers.is_success(answer):
                return _granted(answer, answers.document(answer).get("auth"), token.value)
        return await self._log_in()

    async def _log_in(self) -> Token:
        auth, login = self._login.server.auth, self._login
        if auth.token is not None:
            shown = login.text("token")
            answer = self._let_in(await self._send(lambda way: Self(way).lookup_self(), shown))
            return _granted(answer, answers.data(answer), shown)
        if auth.app_role is not None:
            mount, pair = auth.app_role.mount, {key: login.text(key) for key in login.server.LOGIN}
            call: Call = lambda way: AppRole(way).login(**pair, use_token=False, mount_point=mount)  # noqa: E731  typed
        elif auth.kubernetes is not None:
            mount, role, identity = auth.kubernetes.mount, auth.kubernetes.role, await login.identity()
            call = lambda way: Kubernetes(way).login(role, identity, use_token=False, mount_point=mount)  # noqa: E731  typed
        else:
            raise Rejected(Reason.PROVIDER_NOT_READY, "spec.vault.auth must have exactly one way to log in")
        answer = self._let_in(await self._send(call, None))
        return _granted(answer, answers.document(answer).get("auth"))

    def _let_in(self, answer: Answer) -> Answer:
        """Return the answer to a log-in, if it is one of success."""
        if answer.status in _REFUSED:
            secret = self._login.server.secret_name
            mend = f"see Secret {secret}" if secret is not None else "see `role`, and what it is bound to there"
            text = f"{self.name} does not accept our log-in ({answer.status}): {mend}"
            self._pass.refused = Rejected(Reason.NEEDS_REAUTH, text)
            raise self._pass.refused
        if error := answers.problem(answer, self.name, "a log-in"):
            raise error
        return answer


def _granted(answer: Answer, found: object, shown: str | None = None) -> Token:
    """Return the token that an answer tells of; `shown`: the one that it was asked with."""
    told = found if isinstance(found, dict) else {}
    value, life = told.get("client_token", shown) or shown, told.get("lease_duration", told.get("ttl"))
    if not isinstance(value, str) or not isinstance(life, int) or not (value.isascii() and value.isprintable()):
        raise NoAnswer("a log-in was answered without a token")
    due = answer.sent + timedelta(seconds=min(life, _LONGEST)) * 2 / 3 if life > 0 else None
    return Token(value, due, told.get("renewable") is True)
