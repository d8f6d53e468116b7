"""An old version stays while somebody is seen using it: a real operator asks a server, which is away for a while."""

import json
from collections.abc import Iterator

import pytest

from tests.e2e import leaks
from tests.e2e.conftest import Opening
from tests.e2e.history import recording
from tests.e2e.manifests import Manifest, credential
from tests.e2e.services import Metrics, serving
from tests.e2e.stage import Stage
from tests.e2e.test_secrecy import everywhere, issued, past

pytestmark = pytest.mark.kube

SETTINGS = {"REKEY_PROBE_ALLOWED": "http://127.0.0.0/8", "REKEY_LOG_LEVEL": "debug"}
TOKEN = "canary-token-of-prometheus-1f93c0d2"
WORD = "canary_metric_of_nobody"
QUERY = f'sum(increase({WORD}{{of="${{namespace}}/${{name}}", version="${{version}}"}}[${{quiet}}])) > 0'


@pytest.fixture
def metrics() -> Iterator[Metrics]:
    """Give a server of metrics."""
    with serving(Metrics) as found:
        yield found


@pytest.fixture
def asking(opening: Opening) -> Iterator[Stage]:
    """Give a stage whose operator may ask this host."""
    with opening(settings=SETTINGS) as stage:
        yield stage


def gated(metrics: Metrics, name: str, **more: str) -> Manifest:
    """Return a credential whose old versions must not be in use."""
    return credential(name, usage={"quiet": "90s", "prometheus": {"url": metrics.url, **more}})


def test_a_version_in_use_is_not_revoked(asking: Stage, metrics: Metrics) -> None:
    """The condition says so, also while nobody can tell; it goes when it is quiet; neither question nor token leaks."""
    stage = asking
    keep = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "prom"}}
    # Not by `apply`, which writes what it applied into an annotation, values too.
    stage.kubectl("create", "-f", "-", stdin=json.dumps({**keep, "stringData": {"token": TOKEN, "url": metrics.url}}))
    with recording(stage.reader, stage.namespace) as recorder:
        stage.apply(gated(metrics, "till", query=QUERY, tokenSecretName="prom"), gated(metrics, "shop"))
        for name in ("till", "shop"):
            stage.until_states(name, {1: "Active"})
        assert metrics.asked == []
        metrics.used = {f'{stage.namespace}/till", version="1"'}
        for name in ("till", "shop"):
            stage.trigger(name)
        stage.until_states("shop", {1: "Revoked", 2: "Active"})
        _stays(stage, metrics)
        metrics.used = {f'{stage.namespace}/till", version="2"'}
        stage.until_states("till", {1: "Revoked", 2: "Active"})
        history = recorder.history()
    assert stage.condition("till", "RevocationBlocked")[:2] == ("False", "None")
    assert stage.events("till").count("RevocationBlocked") == 2
    assert stage.events("till").count("RevocationForced") == 0
    assert metrics.tokens == {"", f"Bearer {TOKEN}"}
    assert leaks.find({**everywhere(stage), **past(history)}, {*issued(history), TOKEN.encode()}) == []
    # The question stands in the spec, and nowhere else.
    said = {"log": stage.operator.text(), "metrics": stage.operator.metrics(), "status": str(stage.status("till"))}
    said |= {"events": json.dumps(stage.all("events"))}
    assert leaks.find(said, [WORD.encode()]) == []


def _stays(stage: Stage, metrics: Metrics) -> None:
    """See version 1 of `till` kept, while it is used and while nobody can tell."""
    text = stage.until_condition("till", "RevocationBlocked", "True", "InUse")
    assert text == "version 1 is still in use: somebody used it in the last 1m30s"
    assert f'sum(increase({WORD}{{of="{stage.namespace}/till", version="1"}}[1m30s])) > 0' in metrics.asked
    metrics.away = True
    text = stage.until_condition("till", "RevocationBlocked", "True", "UsageUnknown")
    assert text.startswith("version 1 may still be in use: Prometheus: the connection ended")
    assert stage.states("till") == {1: "Retiring", 2: "Active"}
    assert "previous.token" in stage.held("till")
    assert stage.data("till-v1") is not None
    metrics.away = False
    stage.until_condition("till", "RevocationBlocked", "True", "InUse")
