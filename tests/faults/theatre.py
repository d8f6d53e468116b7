"""Batches of credentials, each with an operator of its own behind the proxy: set up, lived through, judged."""

import asyncio
import contextlib
import os
import secrets
import signal
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from rekey.kube import config
from tests.cluster.handle import Cluster
from tests.e2e.manifests import Manifest
from tests.e2e.process import Operator
from tests.e2e.stage import is_ready, started
from tests.faults import judge, launcher
from tests.faults.admin import Admin, Refused, administering, path_of
from tests.faults.calls import CREDENTIALS, Point
from tests.faults.lives import LIVES, NAME, Life
from tests.faults.plan import Plan
from tests.faults.proxy import Case, Proxy, proxying

# One operator is crashed fourteen times, and on a machine that others keep busy each start may take half a minute.
PATIENCE = 600.0
STILL = 10
AT_ONCE = 16
FOREVER = "87600h"
SETTINGS = {
    # There is one of each; whoever is started after a crash would wait for the end of its predecessor's Lease.
    "REKEY_LEADER_ELECTION": "false",
    "REKEY_MAX_ROLLOUTS": "1000",
    "REKEY_DRIFT_INTERVAL": FOREVER,
    "REKEY_RESYNC_INTERVAL": "10s",
    launcher.AT_ONCE: "yes",
    launcher.ANSWER: "4",
    launcher.SILENCE: "70",
}
OPERATORS: dict[str, dict[str, str]] = {
    "plain": {"REKEY_WORKERS": "16"},
    # What was refused is tried again when the credential's turn to be compared comes.
    "curious": {"REKEY_DRIFT_INTERVAL": "4s"},
    # The comparison of lists would find what a deaf watch missed.
    "impatient": {"REKEY_RESYNC_INTERVAL": FOREVER, launcher.SILENCE: "6"},
    # With one worker a crash at one credential's call seldom cuts off what another one is to be crashed at.
    "mortal": {"REKEY_WORKERS": "1"},
}
PROGRAM = ("-m", "tests.faults.launcher")
ROLE = "rekey-e2e"


@dataclass
class Run:
    """One credential's life, and what is wrong with it."""

    case: Case
    life: Life
    plan: Plan | None = None
    changed: int = 0
    wrong: tuple[str, ...] = ()
    end: dict[str, Any] | None = None


class Theatre:
    """All that batches share."""

    def __init__(self, admin: Admin, proxy: Proxy, directory: Path, prefix: str) -> None:
        self.admin, self.proxy = admin, proxy
        self._directory, self._prefix = directory, prefix
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._number = 0
        self.unexpected: list[str] = []
        """What an operator logged as an error of its own; kopf calls a request an error that it tries again."""
        self._token = ""

    async def log_in(self) -> None:
        """Make the operators' account, with the rights of the tests' role everywhere."""
        account = {"name": self._prefix.rstrip("-"), "namespace": "default"}
        await self.admin.make("default", {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account})
        group = "rbac.authorization.k8s.io"
        binding = {
            "apiVersion": f"{group}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": account["name"]},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": ROLE},
            "subjects": [{"kind": "ServiceAccount", **account}],
        }
        await self.admin.ask("POST", f"/apis/{group}/v1/clusterrolebindings", binding)
        path = f"{path_of('serviceaccounts', 'default')}/{account['name']}/token"
        asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 14400}}
        self._token = (await self.admin.ask("POST", path, asked))["status"]["token"]

    async def leave(self) -> None:
        """Have all that was made here deleted, without waiting for it."""
        name, group = self._prefix.rstrip("-"), "rbac.authorization.k8s.io"
        await self.admin.ask("DELETE", f"/apis/{group}/v1/clusterrolebindings/{name}")
        await self.admin.ask("DELETE", f"{path_of('serviceaccounts', 'default')}/{name}")
        numbers = range(1, self._number + 1)
        await asyncio.gather(*(self._delete(f"{self._prefix}{number:04}") for number in numbers))

    async def _delete(self, namespace: str) -> None:
        async with self._gate:
            with contextlib.suppress(Refused):  # it was not made
                await self.admin.ask("DELETE", f"/api/v1/namespaces/{namespace}")

    async def reference(self, name: str, number: int) -> list[Run]:
        """Live a life without faults, several times."""
        runs = [self._run(LIVES[name]) for _ in range(number)]
        await self.play("plain", runs, {})
        return runs

    async def batch(self, operator: str, plans: Iterable[Plan], wanted: dict[str, dict[str, Any]]) -> list[Run]:
        """Live these cases."""
        runs = [self._run(LIVES[plan.life], plan) for plan in plans]
        await self.play(operator, runs, wanted)
        return runs

    def _run(self, life: Life, plan: Plan | None = None) -> Run:
        self._number += 1
        case = Case(f"{self._prefix}{self._number:04}", plan.point if plan else None, plan.fault if plan else None)
        self.proxy.cases[case.namespace] = case
        return Run(case, life, plan)

    async def play(self, operator: str, runs: list[Run], wanted: dict[str, dict[str, Any]]) -> None:
        """Run one operator for these lives, from their beginnings to their ends."""
        await asyncio.gather(*(self._begin(run) for run in runs))
        names = [run.case.namespace for run in runs]
        process = self._operator(operator, names, runs)
        process.launch()
        try:
            await asyncio.gather(*(self._live(run, wanted.get(run.plan.life) if run.plan else None) for run in runs))
        finally:
            await asyncio.to_thread(process.stop)
        for _ in range(100):
            if await self.admin.caught_up(set(names)):
                break
        else:
            raise TimeoutError(f"the record of {names} does not become complete")
        for run in runs:
            self._judge(run, wanted)
            self.admin.forget(run.case.namespace)
            del self.proxy.cases[run.case.namespace]
        self.unexpected += [line for line in process.faults() if "kopf." not in line and "/kopf/" not in line]

    def _operator(self, kind: str, namespaces: list[str], runs: list[Run]) -> Operator:
        here = self._directory / namespaces[0]
        here.mkdir()
        kubeconfig = here / "kubeconfig"
        kubeconfig.write_text(yaml.safe_dump(_kubeconfig(self.proxy.server, self._token)))
        child = here / "child"
        kill = _Killer(child)
        for run in runs:
            run.case.kill = kill
        settings = {**SETTINGS, **OPERATORS[kind], launcher.CHILD: str(child)}
        return Operator(kubeconfig, namespaces, here, settings, PROGRAM)

    async def _begin(self, run: Run) -> None:
        name = run.case.namespace
        async with self._gate:
            made = await self.admin.ask("POST", "/api/v1/namespaces", _named("Namespace", name))
            run.case.versions.append(made["metadata"]["resourceVersion"])
            # No pod can be made before it is there.
            await self.admin.make_sure(name, _named("ServiceAccount", "default"))
            for thing in run.life.others:
                await self.admin.make(name, thing)

    async def _live(self, run: Run, wanted: dict[str, Any] | None) -> None:
        """Live one life; what goes wrong is kept, so that all others go on."""
        try:
            await self._until(run, judge.first, "first version")
            for workload in run.life.workloads:
                await self.admin.make(run.case.namespace, workload)
            if run.life.workloads:
                await self._until(run, lambda there: _are_old(there, len(run.life.workloads)), "old pods")
            await self._change(run)
            await self._until(run, lambda there: judge.settled(there, run.life.ends), "last state")
            await self._until_ended(run, wanted)
        except (TimeoutError, Refused) as error:
            run.wrong = (str(error),)

    async def _change(self, run: Run) -> None:
        run.case.track.enter("changed")
        run.changed = len(run.case.points)
        path = f"{path_of(CREDENTIALS, run.case.namespace)}/{NAME}"
        if run.life.change is None:
            await self.admin.ask("DELETE", path)
        else:
            await self.admin.ask("PATCH", path, run.life.change)

    async def _until(self, run: Run, look: Any, what: str) -> None:
        there = self.admin.now[run.case.namespace]

        def told() -> str:
            status = there.get((CREDENTIALS, NAME), {}).get("status")
            return f"no {what} in {run.case.namespace} after {PATIENCE:g} s: {status}"

        await self.admin.until(lambda: look(there), told, PATIENCE)

    async def _until_ended(self, run: Run, wanted: dict[str, Any] | None) -> None:
        """Wait for the state that is wanted; a run that shows what to want must have come to rest."""
        if wanted is not None:
            await self._until_alike(run, wanted)
            return
        still, last = 0, None
        while still < STILL:
            found = self.end_of(run)
            still, last = (still + 1 if found == last else 0), found
            await asyncio.sleep(0.3)

    async def _until_alike(self, run: Run, wanted: dict[str, Any]) -> None:
        seen = -1

        def alike() -> bool:
            """Look only when something changed: it takes a while."""
            nonlocal seen
            before, seen = seen, self.admin.changes(run.case.namespace)
            return seen != before and self.end_of(run) == wanted

        def told() -> str:
            return f"it did not end so: {list(judge.differences(self.end_of(run), wanted))[:5]}"

        await self.admin.until(alike, told, PATIENCE)

    def end_of(self, run: Run) -> dict[str, Any]:
        """Return what is there now."""
        name = run.case.namespace
        return judge.end(self.admin.now[name], self.admin.history(name))

    def _judge(self, run: Run, wanted: dict[str, dict[str, Any]]) -> None:
        run.end = self.end_of(run)
        history = self.admin.history(run.case.namespace)
        secrets_left = {key.removeprefix("secrets/") for key in run.end if key.startswith("secrets/")}
        wrong = [*run.wrong, *judge.broken(run.life, history)]
        if secrets_left != set(run.life.kept):
            wrong.append(f"left: {sorted(secrets_left)}")
        if run.plan is not None and not run.wrong:
            wrong += list(judge.differences(run.end, wanted[run.plan.life]))[:5]
        run.wrong = tuple(wrong)


class _Killer:
    """Ends the process that the file names; one that it ended already cannot be met again."""

    def __init__(self, child: Path) -> None:
        self._child = child
        self._last = ""

    def __call__(self) -> bool:
        pid = self._child.read_text()
        if pid == self._last:
            return False
        self._last = pid
        os.kill(int(pid), signal.SIGKILL)
        return True


def _named(kind: str, name: str) -> Manifest:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}}


def _kubeconfig(server: str, token: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "here", "cluster": {"server": server}}],
        "users": [{"name": "rekey", "user": {"token": token}}],
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "rekey"}}],
        "current-context": "here",
    }


def _are_old(there: dict[Any, Manifest], number: int) -> bool:
    """Tell whether so many pods are ready, and their starts, known in seconds, precede what comes next."""
    pods = [body for (resource, _), body in there.items() if resource == "pods"]
    starts = [start for pod in pods if is_ready(pod) and (start := started(pod))]
    return len(starts) == number and datetime.now(UTC) > max(starts) + timedelta(seconds=2)


@asynccontextmanager
async def opened(cluster: Cluster, directory: Path) -> AsyncIterator[Theatre]:
    """Give a theatre; its namespaces go in the end."""
    prefix = f"f-{secrets.token_hex(3)}-"
    access = config.load({}, kubeconfig=str(cluster.kubeconfig))
    async with administering(access, prefix) as admin, proxying(access) as proxy:
        theatre = Theatre(admin, proxy, directory, prefix)
        await theatre.log_in()
        try:
            yield theatre
        finally:
            await theatre.leave()


def points_of(run: Run) -> list[Point]:
    """Return the calls of a run that are its life's own."""
    return run.case.points[0 if run.life.whole else run.changed :]
