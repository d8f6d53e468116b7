"""Secrets of one namespace, by name; they are never listed or watched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from rekey.core.material import Material


@dataclass(frozen=True, slots=True)
class Owner:
    """The RotatedCredential that a Secret belongs to (written as a controller owner reference)."""

    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class SecretView:
    """A Secret as read. `owner` is the uid of the object that controls it (None: nobody does).

    `written`: when anybody last wrote it, by the API server's clock (the latest time in managedFields); None: unknown.
    """

    name: str
    uid: str
    resource_version: str
    created: datetime
    material: Material
    owner: str | None = None
    immutable: bool = False
    type: str = "Opaque"
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    written: datetime | None = None


@dataclass(frozen=True, slots=True)
class NewSecret:
    """A Secret to create; without an owner it is one that several credentials share."""

    name: str
    material: Material
    owner: Owner | None
    immutable: bool
    type: str = "Opaque"
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SecretChange:
    """A change of a Secret that applies only to that uid at that resourceVersion.

    `copy`: what stands under the second key is put under the first as well, before anything else is done; nobody reads
    it, so the caller must know that it is there (the API server copies nothing as an empty value). `expect`: beside a
    copy, what stands under these keys, or nothing is changed; these values are no secrets.

    `material` is written key by key over what is there, `drop` keys are removed; labels and annotations likewise (None
    removes one). `owner`: make it the controller; `release`: the uid of the owner whose reference is taken away.
    """

    uid: str
    resource_version: str
    copy: Mapping[str, str] = field(default_factory=dict)
    expect: Mapping[str, str] = field(default_factory=dict)
    material: Material = field(default_factory=lambda: Material({}))
    drop: frozenset[str] = frozenset()
    labels: Mapping[str, str | None] = field(default_factory=dict)
    annotations: Mapping[str, str | None] = field(default_factory=dict)
    owner: Owner | None = None
    release: str | None = None


class Secrets(Protocol):
    """Secrets by name. The namespace is a mandatory argument everywhere (promise S10)."""

    async def read(self, namespace: str, name: str) -> SecretView | None:
        """Return the Secret by an uncached read, None if there is none."""
        ...

    async def create(self, namespace: str, new: NewSecret) -> SecretView:
        """Create it and return it as the API server stored it.

        Raises:
            Taken: a Secret of that name exists; nothing was changed.
            NamespaceTerminating: nothing can be created there any more.
        """
        ...

    async def change(self, namespace: str, name: str, change: SecretChange) -> SecretView:
        """Apply the change and return the Secret as stored.

        Raises:
            Conflict: the uid or the resourceVersion is another one, or, of one that copies, something else stands there
                than is expected, or a key to drop is not there; nothing was changed.
            NotFound: there is none.
        """
        ...

    async def delete(self, namespace: str, name: str, uid: str) -> None:
        """Delete it if it still has that uid; if it is gone, or has another uid, there is nothing to do."""
        ...
