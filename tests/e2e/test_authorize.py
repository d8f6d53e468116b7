"""`rekey authorize` against a real OAuth2 server and a real cluster: the consent is stored, and taken up by itself."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.app.program import ROOT, rekey
from tests.e2e.stage import Stage
from tests.e2e.test_oauth2 import SETTINGS, granted, secret, shown, token
from tests.providers.browsing import visit
from tests.providers.test_oauth2_real import Django, django

pytestmark = [pytest.mark.kube, pytest.mark.xdist_group("oauth2")]
__all__ = ["django", "granted"]


def authorize(stage: Stage, *more: str, allow: bool = True) -> tuple[int, str, str]:
    """Run the command with a person at the browser; return its exit code and what it printed."""
    argv = [sys.executable, "-m", "rekey", "authorize", "person", "-n", stage.namespace, "--no-browser", *more]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("REKEY_")}
    where = {"KUBECONFIG": str(stage.cluster.kubeconfig), "PYTHONPATH": "operator"}
    env = {**clean, **where, "REKEY_PROBE_ALLOWED": SETTINGS["REKEY_PROBE_ALLOWED"]}
    program = subprocess.Popen(
        argv, env=env, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
    )
    with program:
        try:
            assert program.stderr is not None
            address = next((line.strip() for line in program.stderr if line.startswith("http")), None)
            if address is not None:
                visit(address, allow=allow)
            out, err = program.communicate(timeout=90)
        finally:
            program.kill()
    return program.returncode, out, err


def declare(stage: Stage, django: Django) -> None:
    """Say where people authorize, and have nothing granted."""
    stage.patch("cprov", "person", {"spec": {"oauth2": {"authorizationUrl": f"{django.url}/authorize"}}})
    stage.kubectl("delete", "secret", "consent")


def test_a_consent_is_got_withdrawn_and_renewed(granted: Stage, django: Django) -> None:
    """The first makes the Secret, the second replaces it; what stood still goes on by itself each time; no leak."""
    stage, seen = granted, []
    declare(stage, django)
    stage.apply(token("person", grantSecretName="consent"))
    stage.until_condition("person", "Stalled", "True", "ProviderNotReady")
    for number, done in ((1, "created"), (2, "replaced")):
        code, out, err = authorize(stage, "-o", "json")
        assert (code, err) == (0, "")
        assert json.loads(out) == {
            "credential": f"{stage.namespace}/person",
            "secret": "consent",
            "done": done,
            "missing": [],
        }
        stage.until(lambda number=number: stage.states("person").get(number) == "Active", f"token {number}")  # type: ignore[misc]
        assert django.ask("whoami", shown(stage, "person")) is not None
        seen.append(stage.held("consent")["refresh_token"].decode())
        assert seen[-1] not in out + err
        if number == 1:
            django.ask("test/withdraw")
            stage.trigger("person")
            stage.until_condition("person", "NeedsReauth", "True", "NeedsReauth")
    assert stage.condition("person", "NeedsReauth")[0] == "False"
    assert len(set(seen)) == 2


def test_a_person_who_says_no(granted: Stage, django: Django) -> None:
    """Nothing is written, and it says who refused."""
    stage = granted
    declare(stage, django)
    stage.apply(token("person", grantSecretName="consent"))
    code, out, err = authorize(stage, allow=False)
    assert (code, out) == (1, "")
    assert "access_denied" in err
    assert stage.data("consent") is None


def frozen(stage: Stage, django: Django) -> None:
    """Have a Secret there that cannot be changed."""
    declare(stage, django)
    stage.apply({**secret("consent"), "immutable": True})


Case = tuple[Callable[[Stage, Django], Any], str]
CASES: dict[str, Case] = {
    "no such credential": (lambda _stage, _django: None, "there is no RotatedCredential person"),
    "a token in the client's own name": (
        lambda stage, _: stage.apply(token("person")),
        "grantSecretName is not set",
    ),
    "a provider that says not where": (
        lambda stage, _: stage.apply(token("person", grantSecretName="consent")),
        "CredentialProvider person needs spec.oauth2.authorizationUrl",
    ),
    "a Secret that cannot be changed": (
        frozen,
        "Secret consent of namespace .* is immutable: delete it",
    ),
    "a client without its Secret": (
        lambda stage, _: stage.kubectl("delete", "secret", "client-person"),
        "there is no Secret client-person",
    ),
}


def test_what_cannot_be_authorized(granted: Stage, django: Django) -> None:
    """Before any browser is opened it says, in one line, what is missing and where."""
    stage = granted
    for name, (change, says) in CASES.items():
        change(stage, django)
        done = rekey("authorize", "person", "-n", stage.namespace, "--no-browser", kubeconfig=stage.cluster.kubeconfig)
        assert done.returncode == 1, name
        assert done.stderr.count("\n") == 1, done.stderr
        assert re.search(says, done.stderr), (name, done.stderr)


def test_a_person_without_rights(granted: Stage, django: Django, tmp_path: Path) -> None:
    """The rights that are missing are named, those that can be known at that point all at once."""
    stage = granted
    declare(stage, django)
    stage.apply(token("person", grantSecretName="consent"))
    stage.kubectl("create", "serviceaccount", "guest")
    stage.kubectl("create", "role", "guest", "--verb=get", "--resource=rotatedcredentials,credentialproviders")
    stage.kubectl("create", "rolebinding", "guest", "--role=guest", f"--serviceaccount={stage.namespace}:guest")
    config = yaml.safe_load(stage.operator.kubeconfig.read_text())
    config["users"][0]["user"]["token"] = stage.kubectl("create", "token", "guest").strip()
    (tmp_path / "guest").write_text(yaml.safe_dump(config))
    done = rekey("authorize", "person", "-n", stage.namespace, "--no-browser", kubeconfig=tmp_path / "guest")
    assert done.returncode == 1
    assert f"you lack rights: in namespace {stage.namespace}: secrets 'client-person' (get)" in done.stderr
