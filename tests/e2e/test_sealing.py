"""Refresh tokens are sealed: nobody reads one in any Secret, whatever becomes of the key ring and the operator."""

import json
from typing import Any

import pytest

from tests.e2e import leaks
from tests.e2e.stage import Stage
from tests.e2e.test_oauth2 import django, granted, shown, token
from tests.e2e.test_secrecy import everywhere
from tests.providers.test_oauth2_real import Django

pytestmark = [pytest.mark.kube, pytest.mark.xdist_group("oauth2")]
__all__ = ["django", "granted"]

HOME = "default"


class Ring:
    """The key ring of a stage, beside its Lease."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.name = f"rekey-{stage.namespace}-keyring"

    def read(self) -> dict[str, Any]:
        """Return the Secret."""
        found: dict[str, Any] = self.stage.reader.get(f"/api/v1/namespaces/{HOME}/secrets/{self.name}")
        assert found is not None, "there is no key ring"
        return found

    def says(self) -> dict[str, Any]:
        """Return what is said of it for everybody to read."""
        said: dict[str, Any] = json.loads(self.read()["metadata"]["annotations"]["rekey.dev/keyring"])
        return said

    def annotate(self, *notes: str) -> None:
        """Write to it as a person does."""
        self.stage.cluster.kubectl("-n", HOME, "annotate", "secret", self.name, *notes, "--overwrite")

    def events(self) -> list[dict[str, Any]]:
        """Return what was said of it."""
        found = self.stage.reader.get(f"/apis/events.k8s.io/v1/namespaces/{HOME}/events")["items"]
        return [one for one in found if one["regarding"].get("name") == self.name]


def sealed(stage: Stage, name: str) -> list[str]:
    """Return the parts of what is sealed of a version: format, key, wrap, vector, ciphertext."""
    found = stage.get("secrets", name)
    assert found is not None
    return str(found["metadata"]["annotations"]["rekey.dev/sealed"]).split(".")


def renewed(stage: Stage, number: int) -> None:
    """Have the token renewed."""
    stage.trigger("person", f"number-{number}")
    stage.until(lambda: stage.states("person").get(number) == "Active", f"version {number}")


def test_no_refresh_token_can_be_read(granted: Stage, django: Django) -> None:
    """Across renewals, a rotation of the ring and a kill of the operator: wraps change, ciphertexts stay."""
    stage, ring = granted, Ring(granted)
    stage.apply(token("person", grantSecretName="consent"))
    stage.until(lambda: stage.states("person").get(1) == "Active", "a token")
    renewed(stage, 2)
    before = sealed(stage, "person-v2")
    assert before[:2] == ["rk1", ring.says()["keys"][0]["id"]]

    ring.annotate("rekey.dev/rotate=first", "rekey.dev/rotate-by=ann")
    stage.until(lambda: sealed(stage, "person-v2") != before, "another wrap")
    after, said = sealed(stage, "person-v2"), ring.says()
    assert [key["state"] for key in said["keys"]] == ["DecryptOnly", "Enabled"]
    assert after[1] == said["keys"][1]["id"]
    assert after[2] != before[2]
    assert after[3:] == before[3:]
    assert (said["history"][-1]["did"], said["history"][-1]["by"]) == ("Rotated", "ann")
    stage.until(lambda: "KeyRingRotated" in {one["reason"] for one in ring.events()}, "an Event about the ring")

    counted = stage.operator.metrics()
    for operation in ("wrap", "unwrap", "rewrap"):
        assert f'rekey_key_encryption_calls_total{{operation="{operation}",result="ok"}}' in counted

    stage.operator.kill()
    stage.operator.start()
    renewed(stage, 3)
    assert sealed(stage, "person-v3")[1] == after[1]
    assert django.ask("whoami", shown(stage, "person")) is not None

    tokens = [one.encode() for one in (django.ask("test/refreshed") or {})["tokens"]]
    assert len(tokens) >= 4
    secrets = {f"secrets/{one['metadata']['name']}": json.dumps(one) for one in stage.all("secrets")}
    rings = {"the ring": json.dumps(ring.read()), "its Events": json.dumps(ring.events())}
    assert leaks.find({**everywhere(stage), **secrets, **rings}, tokens) == ["secrets/consent"]
    keys = list(ring.read()["data"].values())
    assert leaks.find(everywhere(stage), [key.encode() for key in keys]) == []


def test_without_the_key_nothing_is_asked(granted: Stage, django: Django) -> None:
    """The ring is gone: it is said which, the server is left alone, and the consent, written anew, mends it."""
    stage, ring = granted, Ring(granted)
    stage.apply(token("person", grantSecretName="consent"))
    stage.until(lambda: stage.states("person").get(1) == "Active", "a token")
    number = len((django.ask("test/refreshed") or {})["tokens"])
    kept = ring.read()
    stage.cluster.kubectl("-n", HOME, "delete", "secret", ring.name)
    stage.trigger("person", "again")
    text = stage.until_condition("person", "Stalled", "True", "StateUnreadable")
    assert ring.name in text
    assert len((django.ask("test/refreshed") or {})["tokens"]) == number
    assert stage.states("person")[1] == "Active"

    for field in ("resourceVersion", "uid", "creationTimestamp", "managedFields"):
        del kept["metadata"][field]
    stage.cluster.kubectl("-n", HOME, "create", "-f", "-", stdin=json.dumps(kept))
    stage.change("person", rotation={"trigger": "once more"})
    # Both triggers are answered, one after the other: the second version may be followed at once.
    stage.until(lambda: stage.status("person")["currentVersion"] >= 2, "a token, with the ring from a backup")
