"""No issued value stands anywhere but in its Secrets: every form of every one is searched for everywhere."""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_ssh_private_key,
)

from tests.e2e import leaks
from tests.e2e.conftest import Opening
from tests.e2e.history import History, recording
from tests.e2e.manifests import BAD_VERSION, consumer, credential, workload
from tests.e2e.reader import FOLDERS
from tests.e2e.stage import Stage
from tests.providers.making import make

TOKEN = b"ord_0123456789abcdefghijkl.ThisHalfIsTheSecretOne+/=&%/0123456789"
SHOP = {"commonName": "shop", "dnsNames": ["shop.test"]}
SETTINGS = {"REKEY_LOG_LEVEL": "debug", "REKEY_DRIFT_INTERVAL": "2s"}
KEYS = ("token", "password", "key", "private.pem", "ssh-privatekey", "tls.key", "issuer.key")
"""Everything that is secret in a version; beside it stand ids, certificates and public keys."""

EVERYTHING = {**FOLDERS, "configmaps": "api/v1", "controllerrevisions": "apis/apps/v1"}

PLANTED: dict[str, Callable[[bytes], bytes]] = {
    "raw": lambda value: b'{"message": "got ' + value + b'"}',
    "its secret half": lambda value: value.partition(b".")[2],
    "base64": b64encode,
    "base64 in the middle of something": lambda value: b64encode(b"user:" + value + b"@host"),
    "base64 one further": lambda value: b64encode(b"user1:" + value),
    "base64 two further": lambda value: b64encode(b"user12:" + value + b"!"),
    "hex": lambda value: value.hex().encode(),
    "HEX": lambda value: value.hex().upper().encode(),
    "a URL": lambda value: f"https://host/?t={quote(value, safe='')}".encode(),
    "an annotation in JSON": lambda value: json.dumps({"last": b64encode(value).decode()}).encode(),
}


@pytest.mark.parametrize("form", PLANTED)
def test_a_planted_leak_is_found(form: str) -> None:
    """The search finds the value in this form, and only where it is."""
    places = {"here": b"before " + PLANTED[form](TOKEN) + b" after", "there": b"nothing of the kind"}
    assert leaks.find(places, [TOKEN]) == ["here"]


def private_keys() -> dict[str, bytes]:
    """Return a private key of every kind, as it stands in a Secret."""
    rsa: dict[str, Any] = {"algorithm": "RS256", "bits": 2048}
    made = {
        "a curve": make("signingKey").material.reveal()["private.pem"],
        "RSA": make("signingKey", **rsa).material.reveal()["private.pem"],
        "Ed25519": make("signingKey", algorithm="EdDSA").material.reveal()["private.pem"],
        "SSH": make("sshKey").material.reveal()["ssh-privatekey"],
    }
    shop = make("certificate", commonName="shop", dnsNames=["shop.test"]).material.reveal()
    return {**made, "a certificate": shop["tls.key"], "an authority": shop["issuer.key"]}


PRIVATE = private_keys()
LEAKED: dict[str, Callable[[bytes], str]] = {
    "its file": lambda pem: pem.decode(),
    "its file in JSON": lambda pem: json.dumps({"key": pem.decode()}),
    "its file without the frame": lambda pem: "".join(pem.decode().splitlines()[1:-1]),
    "its file in base64": lambda pem: b64encode(pem).decode(),
    "its number in hex": lambda pem: max(leaks._numbers(pem), key=len).hex(),
}


@pytest.mark.parametrize("kind", PRIVATE)
@pytest.mark.parametrize("form", LEAKED)
def test_a_planted_private_key_is_found(kind: str, form: str) -> None:
    """Wherever a part of it stands that is secret; its public half is no leak."""
    here = f"before {LEAKED[form](PRIVATE[kind])} after"
    places: dict[str, str | bytes] = {"here": here, "there": public_half(PRIVATE[kind])}
    assert leaks.find(places, [PRIVATE[kind]]) == ["here"]


def public_half(pem: bytes) -> bytes:
    """Return the public key in PEM."""
    load = load_ssh_private_key if b"OPENSSH" in pem else load_pem_private_key
    key: Any = load(pem, None)
    shown: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return shown


@pytest.fixture
def talkative(opening: Opening) -> Iterator[Stage]:
    """Give a stage whose operator logs all it ever logs and repairs drift at once."""
    with opening(settings=SETTINGS) as stage:
        yield stage


@pytest.mark.kube
def test_no_value_leaves_its_secrets(talkative: Stage) -> None:
    """Through rotations, a rollback, repairs, a stranger's value, a restart and deletions nothing is given away."""
    stage = talkative
    with recording(stage.reader, stage.namespace) as recorder:
        _live(stage)
        history = recorder.history()
        values = issued(history)
        assert len(values) >= 20
        places = {**everywhere(stage), **past(history)}
        assert leaks.find(places, values) == []

        value = stage.held("tok")["token"]
        stage.kubectl("annotate", "rcred", "tok", f"note={b64encode(value).decode()}")
        stage.kubectl("create", "configmap", "notes", f"--from-literal=found={value.hex()}")
        found = leaks.find(everywhere(stage), values)
        assert {"rotatedcredentials/tok", "configmaps/notes"} <= set(found)
        assert all(place.startswith(("rotatedcredentials/tok", "configmaps/notes")) for place in found)


def _live(stage: Stage) -> None:
    """Do everything in the course of which something could be said."""
    template = {"data": {"url": "https://user:${token}@host/", "old": "${previous.token}"}}
    handmade = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "found"},
        "stringData": {"password": "typed-by-a-person-long-ago"},
    }
    # Not by `apply`, which writes what it applied into an annotation, values too.
    stage.kubectl("create", "-f", "-", stdin=json.dumps(handmade))
    stage.apply(
        workload("app", "tok"),
        workload("bad", "fails", notes={BAD_VERSION: "fails=2"}, replicas=1),
        credential("tok", consumers=[consumer("app")], target={"template": template}),
        credential("pass", generate={"password": {"length": 40}}),
        credential("hmac", generate={"hmacKey": {"bytes": 32, "encoding": "Raw"}}),
        credential("hex", generate={"hmacKey": {"bytes": 32, "encoding": "Hex"}}),
        credential("sign", generate={"signingKey": {}}),
        credential("rsa", generate={"signingKey": {"algorithm": "RS256", "bits": 2048}}),
        credential("ssh", generate={"sshKey": {}}),
        credential("tls", generate={"certificate": SHOP}, rotation={"lifetime": "1440h"}),
        credential("found", generate={"password": {}}, target={"adopt": "Unowned"}),
        credential("fails", consumers=[consumer("bad")], rollout={"progressDeadline": "2s"}),
    )
    names = ["tok", "pass", "hmac", "hex", "sign", "rsa", "ssh", "tls", "found", "fails"]
    for name in names:
        stage.until_states(name, {1: "Active"})
    stage.until_ready("app")
    stage.until_old("bad")
    patch = json.dumps({"spec": {"rotation": {"trigger": "a"}}})
    stage.kubectl("patch", "rcred", *names, "--type=merge", "-p", patch)
    stage.until(lambda: len(stage.states("tok")) == 2, "a rotation to be under way")
    stage.operator.kill()
    stage.operator.start()
    for name in names:
        stage.until_states(name, {1: "Active", 2: "Discarded"} if name == "fails" else {1: "Revoked", 2: "Active"})
    stage.kubectl("delete", "secret", "pass-v2", "hmac")
    stage.patch("secret", "hex", {"data": {"key": None}})
    stage.until(lambda: stage.data("pass-v2") and stage.data("hmac") and "key" in stage.held("hex"), "the repairs")
    stage.change("hex", deletionPolicy="Revoke")
    stage.kubectl("delete", "rcred", "hex", "found")


def issued(history: History) -> set[bytes]:
    """Return every value that ever stood in a Secret of ours under a secret key."""
    data = [change.body.get("data") or {} for change in history.changes if change.resource == "secrets"]
    return {b64decode(one[key]) for one in data for key in (*KEYS, "previous.token") if one.get(key)}


def past(history: History) -> dict[str, str]:
    """Return everything as it ever was, without what Secrets are for."""
    return {
        f"{one.resource}/{one.name}@{one.version}": json.dumps({**one.body, "data": None}) for one in history.changes
    }


def everywhere(stage: Stage) -> dict[str, str]:
    """Return what can be read of the namespace and of the operator, without the data of Secrets."""
    places = {"the log": stage.operator.text(), "the metrics": stage.operator.metrics()}
    for resource, folder in EVERYTHING.items():
        found = stage.reader.get(f"/{folder}/namespaces/{stage.namespace}/{resource}")
        for item in found["items"]:
            hidden = {"data": None} if resource == "secrets" else {}
            places[f"{resource}/{item['metadata']['name']}"] = json.dumps({**item, **hidden})
    return places
