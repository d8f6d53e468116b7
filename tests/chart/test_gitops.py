"""What Argo CD and Flux make of a credential: their own languages, run over what the API server really holds.

Argo CD's script is run by the Lua that Argo CD has; Flux's expressions by the CEL of the API server.
"""

import json
import re
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.chart.deployed import Deployed
from tests.chart.helm import ROOT, Manifest
from tests.cluster import build
from tests.cluster.errors import NoGo, NoNetwork
from tests.cluster.handle import Cluster
from tests.cluster.waiting import until
from tests.e2e.manifests import consumer, credential, pod, workload
from tests.e2e.process import PATIENCE
from tests.e2e.stage import Stage

ARGO = ROOT / "examples" / "gitops" / "argocd"
FLUX = ROOT / "examples" / "gitops" / "flux" / "kustomization.yaml"
HEALTH = "resource.customizations.health.rekey.dev_RotatedCredential"

WANTED = {
    "fresh": ("Progressing", "InProgress"),
    "active": ("Healthy", "Current"),
    "rolling": ("Healthy", "Current"),
    "overlapping": ("Healthy", "Current"),
    "blocked": ("Healthy", "Current"),
    "suspended": ("Healthy", "Current"),
    "never-made": ("Degraded", "Failed"),
    "spoilt": ("Degraded", "Failed"),
    "edited": ("Progressing", "InProgress"),
}


@pytest.fixture(scope="module")
def found(release: Deployed) -> dict[str, Manifest]:
    """Give credentials in every state that matters, as they were at some moment."""
    stage = release.fresh()
    stage.apply(credential("fresh"))
    seen = {"fresh": _now(stage, "fresh")}
    release.leader.start()
    stage.apply(credential("active"), credential("edited"))
    for name, bring in {
        "active": _active,
        "rolling": _on_its_way,
        "overlapping": _two_versions,
        "blocked": _blocked,
        "suspended": _suspended,
        "never-made": _never_made,
        "spoilt": _spoilt,
    }.items():
        bring(stage, name)
        seen[name] = _now(stage, name)
    stage.until_states("edited", {1: "Active"})
    release.leader.stop()
    stage.change("edited", rotation={"interval": "24h"})
    return {**seen, "edited": _now(stage, "edited")}


def _now(stage: Stage, name: str) -> Manifest:
    one = stage.get("rotatedcredentials", name)
    assert one is not None
    return one


def _active(stage: Stage, name: str) -> None:
    stage.until_states(name, {1: "Active"})


def _suspended(stage: Stage, name: str) -> None:
    stage.apply(credential(name, suspend=True))
    stage.until_states(name, {1: "Active"})
    stage.change(name, rotation={"trigger": "a"})
    stage.until(lambda: _observed(stage, name), "the change to be seen")


def _never_made(stage: Stage, name: str) -> None:
    theirs = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"token": "x"}}
    stage.apply(theirs, credential(name))
    stage.until_condition(name, "Stalled", "True", "NameTaken")


def _spoilt(stage: Stage, name: str) -> None:
    stage.apply(credential(name))
    stage.until_states(name, {1: "Active"})
    stage.change(name, rotation={"interval": None, "schedule": "0 3 * * *", "timeZone": "Nowhere/At_All"})
    stage.until_condition(name, "Stalled", "True", "InvalidSpec")


def _on_its_way(stage: Stage, name: str) -> None:
    notes = {"test.rekey.dev/behaviour": "slow", "test.rekey.dev/delay": "600s"}
    stage.apply(credential(name, consumers=[consumer("app")]), workload("app", name))
    stage.until_states(name, {1: "Active"})
    stage.until_old("app")
    stage.patch("deployment", "app", {"spec": {"template": {"metadata": {"annotations": notes}}}})
    stage.trigger(name)
    stage.until_condition(name, "Rotating", "True", "RollingOut")


def _two_versions(stage: Stage, name: str, duration: str = "1h") -> None:
    stage.apply(credential(name, overlap={"duration": duration}))
    stage.until_states(name, {1: "Active"})
    stage.trigger(name)
    stage.until(lambda: stage.states(name) == {1: "Retiring", 2: "Active"}, "the overlap")


def _blocked(stage: Stage, name: str) -> None:
    stage.apply(credential(name), pod("holder", name))
    stage.until_ready("holder")
    _two_versions(stage, name, duration="1s")
    stage.until_condition(name, "RevocationBlocked", "True", "HeldByPods")


def _observed(stage: Stage, name: str) -> bool:
    one = stage.get("rotatedcredentials", name)
    return one is not None and one["status"]["observedGeneration"] == one["metadata"]["generation"]


@pytest.fixture(scope="module")
def lua() -> str:
    """Give the interpreter that is in Argo CD."""
    try:
        return str(build.ensure(["glua"])["glua"])
    except (NoGo, NoNetwork) as refusal:
        pytest.skip(f"no Lua to run the health script with: {refusal}")


def test_the_config_map_holds_the_script() -> None:
    """What people apply is what is tried here."""
    manifest = yaml.safe_load((ARGO / "argocd-cm.yaml").read_text())
    assert manifest["data"][HEALTH] == (ARGO / "health.lua").read_text()


@pytest.mark.kube
@pytest.mark.xdist_group("chart")
@pytest.mark.parametrize("name", WANTED)
def test_argo_cd(lua: str, found: dict[str, Manifest], name: str) -> None:
    """A routine rotation is Healthy throughout, what needs a person is Degraded, what is awaited Progressing."""
    health, message = judge(lua, found[name])
    assert health == WANTED[name][0], message
    assert message


@pytest.mark.kube
@pytest.mark.xdist_group("chart")
def test_argo_cd_says_why(lua: str, found: dict[str, Manifest]) -> None:
    """The message is what a person needs to know."""
    assert judge(lua, found["active"])[1] == "version 1"
    assert "Secret never-made exists and is not ours" in judge(lua, found["never-made"])[1]
    assert "Nowhere/At_All" in judge(lua, found["spoilt"])[1]
    assert "HeldByPods" in judge(lua, found["blocked"])[1]
    leaving = found["active"] | {
        "metadata": found["active"]["metadata"] | {"deletionTimestamp": "2026-01-01T00:00:00Z"}
    }
    assert judge(lua, leaving) == ("Progressing", "being deleted")
    assert judge(lua, {"metadata": {"generation": 1}})[0] == "Progressing"


def judge(lua: str, one: Manifest) -> tuple[str, str]:
    """Return what the script says of an object, run as Argo CD runs it: with `obj` as the only variable."""
    script = (ARGO / "health.lua").read_text()
    ask = "local hs = health()\nprint(hs.status)\nprint(hs.message)"
    program = f"obj = {literal(one)}\nlocal function health()\n{script}\nend\n{ask}"
    done = subprocess.run([lua, "-e", program], capture_output=True, text=True, check=True, timeout=60)
    status, _, message = done.stdout.partition("\n")
    return status, message.strip()


def literal(value: Any) -> str:
    """Return a Lua literal."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"[{literal(key)}] = {literal(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list):
        return "{" + ", ".join(map(literal, value)) + "}"
    return "nil" if value is None else json.dumps(value)


SAMPLES = "samples.test.rekey.dev"


@pytest.fixture(scope="module")
def flux(own_cluster: Cluster) -> Iterator[Cluster]:
    """Give a cluster that takes samples of objects, and warns of each of Flux's expressions that is not true of one."""
    (check,) = yaml.safe_load(FLUX.read_text())["spec"]["healthCheckExprs"]
    assert (check.pop("apiVersion"), check.pop("kind")) == ("rekey.dev/v1alpha1", "RotatedCredential")
    assert set(check) == {"current", "inProgress", "failed"}
    own_cluster.apply(json.dumps(_definition()))
    policies = [one for name, expression in check.items() for one in _policy(name, expression)]
    own_cluster.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": policies}))
    nonsense = {"metadata": {"generation": 1}, "status": {"observedGeneration": 2}}
    until(lambda: verdicts(own_cluster, nonsense) == {"InProgress"}, "the policies", seconds=PATIENCE)
    yield own_cluster
    kinds = "validatingadmissionpolicy,validatingadmissionpolicybinding"
    own_cluster.kubectl("delete", kinds, *(f"flux-{name.lower()}" for name in check))
    own_cluster.kubectl("delete", "crd", SAMPLES, "--wait=false")


def _definition() -> Manifest:
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"sample": anything}}}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    names = {"kind": "Sample", "plural": "samples"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": SAMPLES},
        "spec": {"group": "test.rekey.dev", "scope": "Namespaced", "names": names, "versions": [version]},
    }


def _policy(name: str, expression: str) -> list[Manifest]:
    """Return a policy that evaluates the expression as Flux does: over the parts of the object, by their names."""
    bound = f"[object.sample.metadata].all(metadata, [object.sample.status].all(status, {expression}))"
    rule = {"apiGroups": ["test.rekey.dev"], "apiVersions": ["v1"], "resources": ["samples"], "operations": ["CREATE"]}
    meta = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": f"flux-{name.lower()}"}}
    validation = {"expression": bound, "message": f"<{name}>"}
    policy = {"matchConstraints": {"resourceRules": [rule]}, "validations": [validation]}
    binding = {"policyName": f"flux-{name.lower()}", "validationActions": ["Warn"]}
    return [
        {**meta, "kind": "ValidatingAdmissionPolicy", "spec": policy},
        {**meta, "kind": "ValidatingAdmissionPolicyBinding", "spec": binding},
    ]


def verdicts(cluster: Cluster, one: Manifest) -> set[str]:
    """Return what Flux would call the object: the names of the expressions that are true of it."""
    sample = {part: one[part] for part in ("metadata", "status")}
    body = {"apiVersion": "test.rekey.dev/v1", "kind": "Sample", "metadata": {"name": "tried"}, "sample": sample}
    url = f"{cluster.server}/apis/test.rekey.dev/v1/namespaces/shop/samples?dryRun=All"
    headers = {"Authorization": f"Bearer {cluster.token}", "Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers, method="POST")  # noqa: S310  our own address
    context = ssl.create_default_context(cafile=cluster.ca_file)
    try:
        with urllib.request.urlopen(request, timeout=30, context=context) as done:  # noqa: S310  our own address
            warnings = " ".join(done.headers.get_all("Warning", []))
    except urllib.error.HTTPError:  # the definition is too new
        return set()
    untrue = {name[:1].upper() + name[1:] for name in re.findall("<([a-zA-Z]+)>", warnings)}
    return {"Current", "InProgress", "Failed"} - untrue


@pytest.mark.kube
@pytest.mark.xdist_group("chart")
@pytest.mark.parametrize("name", WANTED)
def test_flux(flux: Cluster, found: dict[str, Manifest], name: str) -> None:
    """Exactly one of the three expressions is true: rotations are Current, what needs a person has Failed."""
    assert verdicts(flux, found[name]) == {WANTED[name][1]}
