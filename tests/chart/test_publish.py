"""What the chart renders for `rekey publish`: nothing unless it is wanted, and then no right too many."""

from typing import Any

import pytest

from rekey.app.publish.settings import PublishSettings, read
from rekey.kube.rights import Right
from tests.chart.helm import CHART, Helm, HelmFailed, Manifest, of_kind
from tests.chart.test_render import SCHEMA, _snake, granted

NAME = "rekey-publish"
TLS = {"enabled": True, "tlsSecret": "keys"}
PLAIN = {"enabled": True, "insecureHttp": True}
OF_THE_CHART = {"namespaces", "host", "port", "http_port", "tls_directory", "insecure_http", "drain", "log_format"}

VALUES: dict[str, dict[str, Any]] = {
    "with a certificate": {"publish": TLS},
    "without": {"publish": PLAIN},
    "for two namespaces": {"publish": TLS, "namespaces": ["shop", "bank"]},
    "with everything said": {
        "publish": TLS
        | {"replicas": 1, "serviceAccountName": "mine", "settings": {"maxAge": "1m", "logLevel": "debug"}},
        "imagePullSecrets": [{"name": "login"}],
        "priorityClassName": "system-cluster-critical",
        "nodeSelector": {"a": "b"},
        "tolerations": [{"operator": "Exists"}],
    },
}


@pytest.mark.parametrize("name", VALUES)
def test_lint(helm: Helm, name: str) -> None:
    """Helm has nothing to warn of."""
    helm.run("lint", "--strict", str(CHART), values=VALUES[name])


def test_nothing_unless_it_is_wanted(helm: Helm) -> None:
    """As it comes the chart has nothing of it."""
    assert NAME not in helm.template()


@pytest.mark.parametrize(
    ("publish", "says"),
    {
        "no certificate, and no word about it": ({"enabled": True}, "publish.tlsSecret: name a Secret"),
        "both": (TLS | PLAIN, "exclude each other"),
        "no replica": (TLS | {"replicas": 0}, "/publish/replicas"),
        "a duration without a unit": (TLS | {"settings": {"maxAge": "60"}}, "/publish/settings/maxAge"),
    }.values(),
)
def test_a_value_that_cannot_be_is_refused(helm: Helm, publish: dict[str, Any], says: str) -> None:
    """The message names the value."""
    with pytest.raises(HelmFailed, match=says):
        helm.template({"publish": publish})


def test_every_setting_can_be_set() -> None:
    """`publish.settings` are those of the program, but for those that the chart itself decides."""
    known = {_snake(name) for name in SCHEMA["properties"]["publish"]["properties"]["settings"]["properties"]}
    assert known == set(PublishSettings.model_fields) - OF_THE_CHART


def _deployment(objects: list[Manifest]) -> Manifest:
    (found,) = of_kind(objects, "Deployment", NAME)
    return found


@pytest.mark.parametrize("name", VALUES)
def test_the_program_takes_its_environment(helm: Helm, name: str) -> None:
    """Every variable is one that it knows and accepts; the certificate is mounted where it looks for it."""
    pod = _deployment(helm.objects(VALUES[name]))["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    settings = read({}, {one["name"]: one["value"] for one in container["env"]})
    assert settings.namespaces == tuple(VALUES[name].get("namespaces", ()))
    mounts = [one["mountPath"] for one in container.get("volumeMounts", ())]
    assert mounts == ([settings.tls_directory] if settings.tls_directory else [])
    assert settings.insecure_http == (not mounts)
    assert [one["secret"]["secretName"] for one in pod.get("volumes", ())] == ["keys"] * len(mounts)


@pytest.mark.parametrize("name", VALUES)
def test_the_pods_are_restricted(helm: Helm, name: str) -> None:
    """They run as nobody, may write nowhere, and may be missing one at a time."""
    objects = helm.objects(VALUES[name])
    deployment = _deployment(objects)
    pod = deployment["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["containers"][0]["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert len(of_kind(objects, "PodDisruptionBudget", NAME)) == (deployment["spec"]["replicas"] > 1)


@pytest.mark.parametrize("namespaces", [(), ("shop", "bank")], ids=["everywhere", "in two namespaces"])
def test_the_rights(helm: Helm, namespaces: tuple[str, ...]) -> None:
    """It may see credentials, where it publishes them, and nothing else: no Secret, and no write."""
    objects = helm.objects({"publish": TLS, "namespaces": list(namespaces)})
    roles = [one for one in objects if one["kind"] in {"Role", "ClusterRole"} and one["metadata"]["name"] == NAME]
    assert granted(roles) == {
        (Right("rekey.dev", "rotatedcredentials", verb, where), ())
        for verb in ("get", "list", "watch")
        for where in namespaces or ("",)
    }
    kind = "RoleBinding" if namespaces else "ClusterRoleBinding"
    account = {"kind": "ServiceAccount", "name": NAME, "namespace": "rekey-system"}
    assert [one["subjects"] for one in of_kind(objects, kind, NAME)] == [[account]] * max(1, len(namespaces))
    assert _deployment(objects)["spec"]["template"]["spec"]["serviceAccountName"] == NAME


def test_its_pods_are_not_the_operators(helm: Helm) -> None:
    """No selector of one takes the pods of the other."""
    objects = helm.objects({"publish": TLS})
    labels = {
        one["metadata"]["name"]: one["spec"]["template"]["metadata"]["labels"] for one in of_kind(objects, "Deployment")
    }
    for one in (*of_kind(objects, "Deployment"), *of_kind(objects, "PodDisruptionBudget")):
        wanted = one["spec"]["selector"]["matchLabels"].items()
        assert [name for name, has in labels.items() if wanted <= has.items()] == [one["metadata"]["name"]]
    (service,) = of_kind(objects, "Service")
    assert service["spec"]["selector"].items() <= labels[NAME].items()
