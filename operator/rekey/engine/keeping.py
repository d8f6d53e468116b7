"""What a version keeps for the next one: sealed beside it, in an annotation of its Secret, and opened for the next one.

1. Before a backend is asked what was kept is open, and a wrapped key is at hand for what the answer will have: whoever
   tells a refresh token once has it used up then, and nothing may be missing any more to store the next.
2. Where keys cannot be had nothing is asked, and nothing is ever stored in clear.
3. What cannot be opened any more is given up only for what a person wrote since: a new consent.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import TypeVar

from rekey.core import bundle, ledger, providing
from rekey.core.envelope import Place
from rekey.core.facts import Facts
from rekey.core.material import Material
from rekey.core.status import State
from rekey.engine import showing
from rekey.engine.sealing import Envelope, Sealing
from rekey.errors import KeysAway, Rejected, Retryable
from rekey.ports.cluster import Ports
from rekey.ports.sealed import ANNOTATION, PURPOSE
from rekey.ports.secrets import SecretView

T = TypeVar("T")


@asynccontextmanager
async def envelope(ports: Ports, facts: Facts) -> AsyncIterator[Envelope | None]:
    """Give what a new version can be sealed with, if it is to keep anything.

    Raises:
        KeysAway: there is no key now.
        Rejected: a person must act.
    """
    if facts.spec.provider is None or not facts.spec.provider.chained:
        yield None
        return
    with await _answer(Sealing(ports.keys).prepare()) as prepared:
        yield prepared


def demand_timely(ports: Ports, facts: Facts, number: int) -> None:
    """See that what is announced can still be done: whoever keeps the keys, outside the cluster, may be slow."""
    if not providing.is_announced(facts, number, ports.clock.now()):
        raise KeysAway("to have the keys at hand took longer than an announcement holds")


def sealed(facts: Facts, number: int, material: Material, prepared: Envelope | None) -> dict[str, str]:
    """Return the annotation with what a version keeps."""
    kept = bundle.kept(material)
    if not kept.keys():
        return {}
    if prepared is None:
        raise TypeError("something is kept for the next version, and the credential is not chained")
    return {ANNOTATION: prepared.seal(kept, _place(facts, number))}


async def before(ports: Ports, facts: Facts, grant: SecretView | None) -> Material | None:
    """Return what the newest version that is still there keeps.

    Raises:
        KeysAway: there is no key now.
        Rejected: it cannot be opened, and the Secret with the consent is older than it: a person must act.
    """
    for version in reversed(facts.status.versions):
        view = await showing.stored(ports, facts, version) if version.state in _THERE else None
        if view is None:
            continue
        text = view.annotations.get(ANNOTATION)
        if text is None:
            return None
        try:
            return await _answer(Sealing(ports.keys).open(text, _place(facts, version.number)))
        except Rejected as refused:
            if grant is not None and grant.written is not None and grant.written > view.created:
                return None
            raise Rejected(refused.reason, f"what Secret {view.name} keeps for the next version: {refused}") from None
    return None


_THERE = ledger.LIVE - {State.RESERVED}


def _place(facts: Facts, number: int) -> Place:
    return Place(facts.credential.uid, number, PURPOSE)


async def _answer(asked: Awaitable[T]) -> T:
    """Return the answer of whoever keeps the keys; one that is away is told from an API server that is."""
    try:
        return await asked
    except Retryable as away:
        raise KeysAway(str(away), retry_after=away.retry_after) from away
