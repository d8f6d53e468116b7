"""Has the API server judge the manifests of a plan too, where one can be asked: it alone knows every rule."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rekey.app.plan import Plan
from rekey.core.facts import Problem
from rekey.errors import RekeyError
from rekey.kube.client import Client
from rekey.kube.config import load
from rekey.kube.dry_run import refused

PATIENCE = 10.0


async def judged(
    plans: list[Plan],
    manifests: list[dict[str, Any]],
    environ: Mapping[str, str],
    kubeconfig: str | None,
    context: str | None,
) -> tuple[list[Plan], str]:
    """Return the plans with what the API server would refuse, and why it did not judge (empty if it did)."""
    found = list(plans)
    try:
        async with Client(load(environ, kubeconfig=kubeconfig, context=context), timeout=PATIENCE) as client:
            for number, (plan, manifest) in enumerate(zip(plans, manifests, strict=True)):
                found[number] = _with(plan, await refused(client, manifest, plan.name.partition("/")[0]))
    except RekeyError as error:
        return found, str(error)
    return found, ""


def _with(plan: Plan, refusals: tuple[tuple[str, str], ...]) -> Plan:
    known = {problem.path for problem in plan.problems}
    more = tuple(Problem(path, text) for path, text in refusals if path not in known)
    return replace(plan, problems=plan.problems + more, lines=()) if more else plan
