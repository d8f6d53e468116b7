"""What the chart renders to, without a cluster: it is valid, strict, and in step with the code."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from rekey.app.settings import Settings, read
from rekey.kube import rights
from rekey.kube.rights import Right
from tests.chart import readme
from tests.chart.helm import CHART, ROOT, Helm, HelmFailed, Manifest, of_kind

KEEP = {"helm.sh/resource-policy": "keep"}
OF_THE_CHART = {"namespaces", "http_port", "log_format", "shutdown_grace"}
"""Settings that have values of their own, or must fit the Deployment."""
ANCHOR = "rekey-watches-leases"
OF_THE_LEADER = {"leader_election", "identity", "lease_name", "lease_namespace", "fence", "shards"}

VALUES: dict[str, dict[str, Any]] = {
    "as it comes": {},
    "for two namespaces": {"namespaces": ["shop", "bank"]},
    "in four shards": {"shards": 4},
    "with tokens of ServiceAccounts": {"rbac": {"serviceAccountTokens": {"shop": ["sync"], "bank": ["a", "b.c"]}}},
    "with nothing that can be left out": {
        "crds": {"install": False},
        "rbac": {"create": False},
        "serviceAccount": {"create": False, "name": "mine"},
        "policies": {"fence": False, "narrow": False},
        "podDisruptionBudget": {"enabled": False},
        "replicas": 1,
    },
    "with everything said": {
        "image": {"registry": "registry.example:5000", "digest": "sha256:" + "a" * 64, "pullPolicy": "Always"},
        "imagePullSecrets": [{"name": "login"}],
        "fullnameOverride": "keys",
        "serviceAccount": {"annotations": {"a": "b"}},
        "settings": {
            "workers": 4,
            "driftInterval": "2h",
            "probeAllowed": "*.svc, http://10.0.0.0/8, fd00::/8",
            "webhooks": "on-call=authentication_error+expiring, audit.example",
            "logLevel": "debug",
        },
        "podAnnotations": {"a": "b"},
        "podLabels": {"a": "b"},
        "priorityClassName": "system-cluster-critical",
        "nodeSelector": {"a": "b"},
        "tolerations": [{"operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "topologySpreadConstraints": [
            {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {}}
        ],
        "global": {"anything": 1},
    },
}


@pytest.mark.parametrize("name", VALUES)
def test_lint(helm: Helm, name: str) -> None:
    """Helm has nothing to warn of, whatever the values are."""
    helm.run("lint", "--strict", str(CHART), values=VALUES[name])


def _paths(schema: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if schema.get("additionalProperties") is False:
        yield path
    for name, part in schema.get("properties", {}).items():
        yield from _paths(part, (*path, name))


def _at(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    for name in reversed(path):
        value = {name: value}
    return dict(value)


SCHEMA = json.loads((CHART / "values.schema.json").read_text())


@pytest.mark.parametrize("path", list(_paths(SCHEMA)), ids=lambda path: ".".join(path) or "at the top")
def test_an_unknown_value_is_refused(helm: Helm, path: tuple[str, ...]) -> None:
    """A typing mistake is found at once, and named."""
    with pytest.raises(HelmFailed, match="additional properties 'tpyo' not allowed"):
        helm.template(_at((*path, "tpyo"), value=1))


@pytest.mark.parametrize(
    ("values", "says"),
    {
        "no replica": ({"replicas": 0}, "/replicas"),
        "a digest that is none": ({"image": {"digest": "latest"}}, "/image/digest"),
        "a duration without a unit": ({"settings": {"driftInterval": "5"}}, "/settings/driftInterval"),
        "shards of a list": ({"namespaces": ["shop"], "shards": 2}, "leave `namespaces` empty"),
        "a list of hosts": ({"settings": {"probeAllowed": ["a.example.com"]}}, "/settings/probeAllowed"),
        "an event that is none": ({"settings": {"webhooks": "on-call=expired"}}, "/settings/webhooks"),
        "no worker": ({"settings": {"workers": 0}}, "/settings/workers"),
        "tokens of no account": ({"rbac": {"serviceAccountTokens": {"shop": []}}}, "serviceAccountTokens/shop"),
        "a namespace that is no name": ({"namespaces": ["Shop"]}, "/namespaces/0"),
        "no account of its own, and none named": ({"serviceAccount": {"create": False}}, "serviceAccount.name: name"),
    }.values(),
)
def test_a_value_that_cannot_be_is_refused(helm: Helm, values: dict[str, Any], says: str) -> None:
    """The message names the value."""
    with pytest.raises(HelmFailed, match=says):
        helm.template(values)


def test_every_value_has_a_schema_and_a_line_in_the_readme() -> None:
    """Defaults, schema and table say the same."""
    top = yaml.safe_load((CHART / "values.yaml").read_text())
    assert set(top) | {"global"} == set(SCHEMA["properties"])
    assert readme.README.read_text() == readme.written(), "run `python -m tests.chart.readme`"


def test_every_setting_can_be_set() -> None:
    """`settings` of the chart are those of the operator, but for those that the chart itself decides."""
    known = {_snake(name) for name in SCHEMA["properties"]["settings"]["properties"]}
    assert known == set(Settings.model_fields) - OF_THE_CHART - OF_THE_LEADER


def _snake(name: str) -> str:
    return re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", name)


@pytest.mark.parametrize("name", VALUES)
def test_the_operator_takes_its_environment(helm: Helm, name: str) -> None:
    """Every variable that the Deployment sets is one that the operator knows and accepts."""
    settings = read({}, _environment(helm.objects(VALUES[name])))
    assert settings.namespaces == tuple(VALUES[name].get("namespaces", ()))
    assert settings.workers == VALUES[name].get("settings", {}).get("workers", 32)


def _environment(objects: list[Manifest]) -> dict[str, str]:
    (deployment,) = of_kind(objects, "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return {one["name"]: one["value"] for one in container["env"] if "value" in one}


def test_the_crds_are_those_of_the_models(helm: Helm) -> None:
    """What Helm renders is what the code defines, but for the marks of the chart; it outlives the release."""
    rendered = of_kind(helm.objects(), "CustomResourceDefinition")
    for found in rendered:
        assert found["metadata"].pop("annotations") == KEEP
        assert found["metadata"].pop("labels")["app.kubernetes.io/managed-by"] == "Helm"
    assert rendered == [yaml.safe_load(path.read_text()) for path in sorted((ROOT / "crds").glob("*.yaml"))]
    assert of_kind(helm.objects({"crds": {"install": False}}), "CustomResourceDefinition") == []


def granted(objects: list[Manifest]) -> set[tuple[Right, tuple[str, ...]]]:
    """Return every right of the rendered roles, with the names of objects that it is limited to."""
    return {
        (Right(group, resource, verb, role["metadata"].get("namespace", "")), tuple(rule.get("resourceNames", ())))
        for role in objects
        if role["kind"] in {"ClusterRole", "Role"}
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def _own(leases: tuple[str, ...] = ("rekey",)) -> set[tuple[Right, tuple[str, ...]]]:
    """Return what the operator may do beside its work: lead, and see its fence."""
    admission, bindings = (
        "admissionregistration.k8s.io",
        ("rekey-fence-lease", *(f"rekey-fence-{lease}" for lease in leases)),
    )
    return {
        (Right("coordination.k8s.io", "leases", "create", "rekey-system"), ()),
        (Right("coordination.k8s.io", "leases", "get", "rekey-system"), leases),
        (Right("coordination.k8s.io", "leases", "update", "rekey-system"), leases),
        (Right(admission, "validatingadmissionpolicies", "get"), ("rekey-fence", "rekey-fence-lease")),
        (Right(admission, "validatingadmissionpolicybindings", "get"), bindings),
    }


def test_the_rights_in_all_namespaces(helm: Helm) -> None:
    """The chart grants what the operator says it needs, and nothing besides."""
    assert granted(helm.objects()) == {(right, ()) for right in rights.needed(())} | _own()


def test_the_rights_in_shards(helm: Helm) -> None:
    """A Lease each, and the right to see which namespace belongs to which shard."""
    leases = tuple(f"rekey-{number}" for number in range(3))
    work = {(right, ()) for right in (*rights.needed(()), *rights.for_shards())}
    assert granted(helm.objects({"shards": 3})) == work | _own(leases)


def test_the_rights_in_some_namespaces(helm: Helm) -> None:
    """Only its own kinds it may see and finish everywhere, which outlives a namespace's roles; a policy narrows it."""
    objects = helm.objects({"namespaces": ["shop", "bank"]})
    everywhere = {(right, ()) for right in rights.needed(()) if right.group == "rekey.dev"}
    listed = {(right, ()) for right in rights.needed(("shop", "bank")) if right.group != "rekey.dev"}
    seen = {(Right("", "namespaces", "get"), ("shop", "bank"))}
    home = "rekey-system"
    new = {(Right("", "secrets", "create", home), ()), (Right("events.k8s.io", "events", "create", home), ())}
    ring = {(Right("", "secrets", verb, home), ("rekey-keyring",)) for verb in ("get", "patch")} | new
    assert granted(objects) == everywhere | listed | seen | ring | _own()
    assert of_kind(objects, "ValidatingAdmissionPolicy", "rekey-namespaces")


def test_the_rights_to_make_tokens(helm: Helm) -> None:
    """Only of the ServiceAccounts that are named, each in its namespace; and to prove tokens."""
    values = VALUES["with tokens of ServiceAccounts"]
    more = granted(helm.objects(values)) - granted(helm.objects())
    assert more == {
        (Right("authentication.k8s.io", "tokenreviews", "create"), ()),
        (Right("", "serviceaccounts/token", "create", "shop"), ("sync",)),
        (Right("", "serviceaccounts/token", "create", "bank"), ("a", "b.c")),
    }


def test_every_role_is_bound_to_our_account_only(helm: Helm) -> None:
    """Whoever else is in the cluster gets nothing by the chart."""
    objects = helm.objects({"namespaces": ["shop"], "rbac": {"serviceAccountTokens": {"bank": ["sync"]}}})
    bindings = of_kind(objects, "RoleBinding") + of_kind(objects, "ClusterRoleBinding")
    account = {"kind": "ServiceAccount", "name": "rekey", "namespace": "rekey-system"}
    assert [binding["subjects"] for binding in bindings] == [[account]] * len(bindings)
    bound = {(one["metadata"].get("namespace"), one["roleRef"]["name"]) for one in bindings}
    roles = of_kind(objects, "Role") + of_kind(objects, "ClusterRole")
    assert bound == {(one["metadata"].get("namespace"), one["metadata"]["name"]) for one in roles}


@pytest.mark.parametrize("name", VALUES)
def test_policies_fail_closed(helm: Helm, name: str) -> None:
    """Every policy refuses when it cannot judge, is bound to refuse, and concerns our account only."""
    objects = helm.objects(VALUES[name])
    policies = of_kind(objects, "ValidatingAdmissionPolicy")
    for policy in policies:
        if policy["metadata"]["name"] == ANCHOR:
            continue  # it is there to be bound, and matches nothing
        assert policy["spec"]["failurePolicy"] == "Fail"
        if policy["metadata"]["name"].endswith("-fence-lease"):
            continue  # nobody deletes the Lease, whoever it is
        (condition,) = policy["spec"]["matchConditions"]
        assert re.fullmatch(
            r"request.userInfo.username == 'system:serviceaccount:rekey-system:\w+'", condition["expression"]
        )
    bindings = of_kind(objects, "ValidatingAdmissionPolicyBinding")
    assert all(binding["spec"]["validationActions"] == ["Deny"] for binding in bindings)
    assert {one["spec"]["policyName"] for one in bindings} == {one["metadata"]["name"] for one in policies}


@pytest.mark.parametrize("shards", [1, 2, 5])
def test_every_namespace_is_fenced_by_one_lease(helm: Helm, shards: int) -> None:
    """Whatever its label says, or if it has none, a namespace meets exactly one binding: its shard's Lease."""
    bindings = [
        one
        for one in of_kind(helm.objects({"shards": shards}), "ValidatingAdmissionPolicyBinding")
        if one["spec"]["policyName"] == "rekey-fence"
    ]
    leases = ["rekey"] if shards == 1 else [f"rekey-{number}" for number in range(shards)]
    for label in (None, *map(str, range(7)), "nonsense"):
        number = int(label) if label is not None and label.isdigit() and int(label) < shards else 0
        met = [one["spec"]["paramRef"]["name"] for one in bindings if _selects(one, label)]
        assert met == [leases[number]], label
    for one in bindings:
        assert one["spec"]["paramRef"]["namespace"] == "rekey-system"


def _selects(binding: Manifest, label: str | None) -> bool:
    selector = binding["spec"].get("matchResources", {}).get("namespaceSelector", {})
    return all((label in one["values"]) == (one["operator"] == "In") for one in selector.get("matchExpressions", ()))


@pytest.mark.parametrize(
    ("image", "wanted"),
    {
        "as it comes": ({}, "rekey:0.1.0"),
        "with a tag": ({"tag": "next"}, "rekey:next"),
        "from a registry": ({"registry": "host:5000", "repository": "a/b"}, "host:5000/a/b:0.1.0"),
        "by digest": ({"tag": "next", "digest": "sha256:" + "0" * 64}, "rekey@sha256:" + "0" * 64),
    }.values(),
)
def test_image(helm: Helm, image: dict[str, str], wanted: str) -> None:
    """Registry, name, tag and digest make the image's name."""
    (deployment,) = of_kind(helm.objects({"image": image}), "Deployment")
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == wanted


def test_the_chart_has_the_version_of_the_program() -> None:
    """What the chart installs by default is the operator that it was made with."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    program = (Path(__file__).parents[2] / "operator" / "rekey" / "__init__.py").read_text()
    assert f'__version__ = "{chart["appVersion"]}"' in program
