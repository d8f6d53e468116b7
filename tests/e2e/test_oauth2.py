"""Tokens of a real OAuth2 server of another make: a real operator gets, renews and delivers them."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e import leaks
from tests.e2e.conftest import Opening
from tests.e2e.history import recording
from tests.e2e.manifests import Manifest, credential
from tests.e2e.stage import Stage
from tests.e2e.test_postgresql import touch
from tests.e2e.test_secrecy import everywhere, past
from tests.providers.django_server import SECRET
from tests.providers.test_oauth2_real import Django, django

pytestmark = [pytest.mark.kube, pytest.mark.xdist_group("oauth2")]
__all__ = ["django"]

SETTINGS = {"REKEY_PROBE_ALLOWED": "http://127.0.0.0/8", "REKEY_LOG_LEVEL": "debug"}


def secret(name: str, **values: str) -> Manifest:
    """Return a Secret of a person."""
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": values}


def token(name: str, **wanted: Any) -> Manifest:
    """Return a credential whose provider is of that name."""
    made = credential(name, provider={"ref": {"name": name}, "oauth2": wanted})
    del made["spec"]["generate"], made["spec"]["rotation"]
    return made


def declared(django: Django) -> list[Manifest]:
    """Return what declares the server for two of its clients."""
    where = {"tokenUrl": "token", "revocationUrl": "revoke", "introspectionUrl": "introspect"}
    urls = {field: f"{django.url}/{path}" for field, path in where.items()}
    head = {"apiVersion": "rekey.dev/v1alpha1", "kind": "CredentialProvider"}
    found = []
    for client in ("machine", "person"):
        spec = {"oauth2": {**urls, "secretName": f"client-{client}"}}
        found += [secret(f"client-{client}", client_id=client, client_secret=SECRET)]
        found += [{**head, "metadata": {"name": client}, "spec": spec}]
    return found


@pytest.fixture
def granted(opening: Opening, django: Django) -> Iterator[Stage]:
    """Give a stage with the server declared for two of its clients, and a person's consent for the second."""
    with opening(settings=SETTINGS) as stage:
        stage.apply(*declared(django), consent(django))
        yield stage


def consent(django: Django) -> Manifest:
    """Return the Secret that a person's consent leaves."""
    return secret("consent", refresh_token=django.consent().reveal()["refresh_token"].decode())


def shown(stage: Stage, name: str) -> str:
    """Return the token that a bundle shows; nothing else of a version but its type is there."""
    held = stage.held(name)
    plain = {key for key in held if not key.startswith("previous.")}
    assert plain == {"access_token", "token_type", "version"}
    return held["access_token"].decode()


def test_tokens_are_renewed(granted: Stage, django: Django) -> None:
    """By a client's own name and by consent: what is shown is accepted, also after a renewal; no part of it leaks."""
    stage, tokens = granted, []
    with recording(stage.reader, stage.namespace) as recorder:
        stage.apply(token("machine", scopes=["read"]), token("person", grantSecretName="consent"))
        for name in ("machine", "person"):
            stage.until(lambda name=name: stage.states(name).get(1) == "Active", f"a token of {name}")  # type: ignore[misc]
            tokens.append(shown(stage, name))
            stage.trigger(name)
            stage.until(lambda name=name: stage.states(name).get(2) == "Active", f"another token of {name}")  # type: ignore[misc]
            tokens.append(shown(stage, name))
            assert django.ask("whoami", tokens[-1]) is not None
            assert stage.condition(name, "Ready")[0] == "True"
        history = recorder.history()
    assert len(set(tokens)) == 4
    found = {where: text for where, text in {**everywhere(stage), **past(history)}.items() if "client" not in where}
    found = {where: text for where, text in found.items() if where != "secrets/consent"}
    assert leaks.find(found, [value.encode() for value in (*tokens, SECRET)]) == []


def test_a_consent_that_is_withdrawn_needs_a_person(granted: Stage, django: Django) -> None:
    """It says so, once, and the server is left alone; a new consent is taken up, and that is said by its end."""
    stage = granted
    stage.apply(token("person", grantSecretName="consent"))
    stage.until(lambda: stage.states("person").get(1) == "Active", "a token")
    django.ask("test/withdraw")
    stage.trigger("person")
    text = stage.until_condition("person", "NeedsReauth", "True", "NeedsReauth")
    assert "invalid_grant" in text
    assert "Secret consent" in text
    touch(stage, "person")
    assert stage.events("person").count("Stalled") == 1
    assert well(stage, "person") == "Answers", "the provider is as well as before"
    stage.apply(consent(django))
    touch(stage, "person")
    stage.until(lambda: stage.states("person").get(2) == "Active", "a token of the new consent")
    assert django.ask("whoami", shown(stage, "person")) is not None
    assert stage.condition("person", "NeedsReauth")[0] == "False"


def well(stage: Stage, provider: str) -> str:
    """Return in one word how a provider is."""
    found = (stage.get("credentialproviders", provider) or {}).get("status") or {}
    return next((one["reason"] for one in found.get("conditions", ()) if one["type"] == "Ready"), "")


def test_the_provider_says_how_it_is(granted: Stage) -> None:
    """What its own calls meet, and no call is made for that: a wrong secret, the right one, a Secret that is gone."""
    stage = granted
    stage.apply(secret("client-machine", client_id="machine", client_secret="another"), token("machine"))
    stage.until(lambda: well(stage, "machine") == "NeedsReauth", "the provider to say that we are not accepted")
    stage.apply(secret("client-machine", client_id="machine", client_secret=SECRET))
    touch(stage, "machine")
    stage.until(lambda: well(stage, "machine") == "Answers", "the provider to say that it answers")
    shown = stage.kubectl("get", "cprov", "machine", "--no-headers").split()
    assert {"True", "Answers"} <= set(shown)
    stage.kubectl("delete", "secret", "client-machine")
    stage.trigger("machine")
    stage.until(lambda: well(stage, "machine") == "ProviderNotReady", "the provider to say what is missing")
