"""The command `rekey plan`: find the credential, in a file or in the cluster, and show its plan."""

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from rekey.app.backends import declared
from rekey.app.plan import Plan, PlanLine, of_credential, of_manifest
from rekey.core import faults, retire, staging
from rekey.core.effects import What
from rekey.core.facts import Credential, Facts, InUse, Key, Problem, Staging, Usage
from rekey.core.spec import RotatedCredentialSpec
from rekey.engine import sight
from rekey.engine.aggregating import Aggregates
from rekey.engine.parts import Members
from rekey.errors import RekeyError
from rekey.kube.api import CREDENTIALS
from rekey.kube.config import Access
from rekey.kube.connect import connected
from rekey.kube.credentials import Parser
from rekey.kube.rights import is_served
from rekey.kube.secrets import KubeSecrets
from rekey.ports.cluster import Clock, Credentials
from rekey.providers.http.allowed import Allowed
from rekey.providers.http.getting import Getter
from rekey.providers.http.prober import HttpProber
from rekey.providers.http.prometheus import PrometheusMeter
from rekey.providers.keyring.ring import Keyring

_PIPED = 400
"""Columns where nobody says how many there are: no line is broken."""


class Output(StrEnum):
    """How a plan is shown."""

    TABLE = "table"
    JSON = "json"


def unasked(facts: Facts) -> Facts:
    """Return the facts without what is known of use: the operator asks, who may, and is where it can be asked."""
    said = Usage(InUse.UNKNOWN, "a plan does not ask; the condition RevocationBlocked tells what the operator saw")
    return replace(facts, usage={version.number: said for version in retire.asked_about(facts)})


class NoSuchCredential(RekeyError):
    """Tell the person who asked that there is nothing to plan, and why."""


def is_file(what: str) -> bool:
    """Return whether a file is meant and not the name of a credential."""
    return what == "-" or "/" in what or what.endswith((".yaml", ".yml", ".json"))


def from_file(path: str, namespace: str | None, now: datetime) -> list[Plan]:
    """Return the plan of every RotatedCredential in a file of manifests (`-`: standard input).

    Raises:
        NoSuchCredential: the file cannot be read, or has none.
    """
    return of_documents(path, documents(path), namespace, now)


def of_documents(path: str, manifests: list[dict[str, Any]], namespace: str | None, now: datetime) -> list[Plan]:
    """Return the plan of each.

    Raises:
        NoSuchCredential: there is none.
    """
    plans = [_of_document(document, namespace, now) for document in manifests]
    if not plans:
        raise NoSuchCredential(f"{path} holds no {CREDENTIALS.kind} of {CREDENTIALS.api_version}")
    return plans


def documents(path: str) -> list[dict[str, Any]]:
    """Return the RotatedCredentials of a file of manifests.

    Raises:
        NoSuchCredential: the file cannot be read.
    """
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
        return list(_ours(document for document in yaml.safe_load_all(text) if isinstance(document, dict)))
    except (OSError, UnicodeDecodeError) as error:
        raise NoSuchCredential(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    except yaml.YAMLError as error:
        raise NoSuchCredential(f"{path} is not YAML: {' '.join(str(error).split())}") from error


async def from_cluster(name: str, namespace: str | None, access: Access, clock: Clock) -> list[Plan]:
    """Return the plan of a credential that exists; only reads are made.

    Raises:
        NoSuchCredential: it does not exist.
    """
    key = Key(namespace or access.namespace, name)
    async with connected(
        access,
        clock,
        Parser(),
        instance="plan",
        observe=lambda _verb, _resource, _code: None,
        dropped=lambda _: None,
        prober=HttpProber(Getter(Allowed())),
        meter=PrometheusMeter(Getter(Allowed())),
        backends=partial(declared, home=access.namespace, clock=clock, allowed=Allowed()),
        keys=lambda client: Keyring(KubeSecrets(client), clock, access.namespace),
    ) as (client, ports):
        credential = await ports.credentials.read(key)
        if credential is None and not await is_served(client):
            raise NoSuchCredential("the CRDs of rekey.dev are not installed, or not all: run `kubectl apply -f crds/`")
        if credential is None:
            raise NoSuchCredential(f"there is no RotatedCredential {key.name} in namespace {key.namespace}")

        shared = Aggregates(ports, Members(lambda _key, _secret: True, ports.credentials.read))

        async def look(facts: Facts, at: frozenset[What]) -> Facts:
            facts = await sight.look(ports, shared, facts, at - {What.USAGE})
            return unasked(facts) if What.USAGE in at else facts

        return [await of_credential(credential, clock.now(), look, await _first(credential, ports.credentials))]


async def _first(credential: Credential, credentials: Credentials) -> Staging | None:
    """Return the credential that this one waits for, after reading whom that one waits for, and so on."""
    found: dict[str, Credential | None] = {}
    name = credential.spec.health.after
    while name is not None and name not in found:
        found[name] = await credentials.read(Key(credential.key.namespace, name))
        name = following.spec.health.after if (following := found[name]) is not None else None
    return staging.seen(credential, found.get)


def show(plans: list[Plan], output: Output) -> None:
    """Print the plans."""
    if output is Output.JSON:
        sys.stdout.write(json.dumps([as_json(plan) for plan in plans], indent=2) + "\n")
        return
    console = Console() if sys.stdout.isatty() else Console(width=_PIPED)
    for plan in plans:
        console.print(plan.name, style="bold", markup=False, soft_wrap=True)
        if plan.lines:
            console.print(_table(plan))
        for problem in plan.problems:
            console.print(f"cannot be carried out: {problem}", style="red", markup=False, soft_wrap=True)


def as_json(plan: Plan) -> dict[str, Any]:
    """Return the plan as JSON has it."""
    return {
        "credential": plan.name,
        "problems": [{"path": problem.path, "message": problem.message} for problem in plan.problems],
        "plan": [
            {"at": _instant(line.at), "bound": line.bound or None, "what": line.what, "why": line.why}
            for line in plan.lines
        ],
    }


def _ours(documents: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for document in documents:
        if document.get("kind") == "List":
            yield from _ours(document.get("items") or [])
        elif (document.get("apiVersion"), document.get("kind")) == (CREDENTIALS.api_version, CREDENTIALS.kind):
            yield document


def _of_document(document: dict[str, Any], namespace: str | None, now: datetime) -> Plan:
    metadata = document.get("metadata") or {}
    name = f"{namespace or metadata.get('namespace') or 'default'}/{metadata.get('name', '?')}"
    try:
        spec = RotatedCredentialSpec.model_validate(document.get("spec"))
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        return Plan(name, tuple(Problem(faults.path("spec", f), faults.message(f)) for f in found), ())
    return of_manifest(name, spec, now)


def _table(plan: Plan) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in ("WHEN", "WHAT", "WHY"):
        table.add_column(column, no_wrap=column == "WHEN")
    for line in plan.lines:
        table.add_row(_when(line), line.what, line.why)
    return table


def _when(line: PlanLine) -> str:
    if line.bound == "now":
        return "now"
    return f"{_instant(line.at) or '-'}{f' ({line.bound})' if line.bound else ''}"


def _instant(at: datetime | None) -> str | None:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ") if at is not None else None
