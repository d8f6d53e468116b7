"""Specs that the API server accepts, and the one way in which the tests make others from them."""

from copy import deepcopy
from typing import Any, Final

import yaml

GONE: Final = object()
"""The value of a field that is taken away."""

_CONSUMER: Final = {"kind": "Deployment", "name": "checkout"}
_TOKEN: Final = {"generate": {"token": {}}, "rotation": {"interval": "720h"}}


def _templated(kind: str, key: str, **template: Any) -> dict[str, Any]:
    data = {"app.env": f"VALUE=${{{key}}}\nBEFORE=${{previous.{key}}}\nNUMBER=${{version}}\nPRICE=5$ $5 $$ {{}}\n"}
    return {
        "generate": {kind: {}},
        "rotation": {"interval": "720h"},
        "target": {"template": {"data": data, **template}},
    }


def _made(kind: str, **rules: Any) -> dict[str, Any]:
    return {"generate": {kind: rules}, "rotation": {"interval": "720h", "lifetime": "1440h"}}


TWINS: Final[dict[str, dict[str, Any]]] = {
    "token": _TOKEN,
    "password": {"generate": {"password": {}}, "rotation": {"interval": "720h"}},
    "hmacKey": {"generate": {"hmacKey": {}}, "rotation": {"interval": "720h"}},
    "signingKey": _made("signingKey"),
    "sshKey": _made("sshKey", comment="deploy"),
    "certificate": _made("certificate", commonName="shop", dnsNames=["shop.test", "*.shop.test"]),
    "rsa signing key": _made("signingKey", algorithm="RS256", bits=2048),
    "rsa ssh key": _made("sshKey", type="rsa", bits=3072),
    "rsa certificate": _made("certificate", algorithm="RS256", bits=2048, commonName="shop", ipAddresses=["10.0.0.1"]),
    "client certificate": _made("certificate", commonName="shop", usages=["ClientAuth"], caLifetime="1440h"),
    "lifetime": {
        "generate": {"token": {}},
        "rotation": {"interval": "720h", "lifetime": "723h"},
        "overlap": {"duration": "2h59m59s"},
    },
    "tls": {**_made("certificate", commonName="a", dnsNames=["a"]), "target": {"type": "kubernetes.io/tls"}},
    "ssh-auth": {**_made("sshKey"), "target": {"type": "kubernetes.io/ssh-auth"}},
    "weak password": {
        "generate": {"password": {"length": 22, "classes": ["Upper", "Lower", "Digit"]}},
        "rotation": {"interval": "720h"},
    },
    "digits": {
        "generate": {"password": {"length": 39, "classes": ["Digit"]}},
        "rotation": {"interval": "720h"},
    },
    "schedule": {
        "generate": {"token": {}},
        "rotation": {"schedule": "0 3 * * MON-FRI", "timeZone": "America/Argentina/Buenos_Aires"},
    },
    "windows": {
        "generate": {"token": {}},
        "rotation": {
            "interval": "720h",
            "urgentBefore": "48h",
            "windows": [{"schedule": "0 2 * * *", "duration": "2h", "timeZone": "Europe/Berlin"}],
        },
    },
    "overlap": {
        "generate": {"token": {}},
        "rotation": {"interval": "100h"},
        "overlap": {"duration": "2h", "propagation": "90s", "deadline": "3h", "atDeadline": "Revoke"},
    },
    "zero overlap": {
        "generate": {"token": {}},
        "rotation": {"interval": "10h"},
        "overlap": {"duration": "0s"},
    },
    "named consumers": {**_TOKEN, "consumers": [_CONSUMER, {"kind": "StatefulSet", "name": "checkout"}]},
    "role": {
        "provider": {"ref": {"name": "db"}, "postgresql": {"role": "orders", "connectionLimit": 5}},
        "rotation": {"interval": "720h", "lifetime": "1440h"},
        "target": {
            "type": "kubernetes.io/basic-auth",
            "template": {"data": {"url": "postgresql://${username}:${password}@db/shop?was=${previous.username}"}},
        },
    },
    "role of the cluster's": {
        "provider": {"ref": {"kind": "ClusterCredentialProvider", "name": "db"}, "postgresql": {"role": "orders"}},
        "rotation": {"interval": "720h"},
        "overlap": {"propagation": "1m"},
    },
    "pushed": {
        "provider": {"ref": {"name": "vault"}, "vaultKV": {"mount": "kv/shop", "path": "orders/db"}},
        "rotation": {"interval": "720h"},
        "target": {"type": "kubernetes.io/basic-auth"},
    },
    "secret id": {
        "provider": {"ref": {"name": "vault"}, "vaultAppRole": {"role": "orders"}},
        "rotation": {"interval": "24h", "lifetime": "48h"},
    },
    "issued": {
        "provider": {
            "ref": {"name": "vault"},
            "vaultPKI": {"role": "orders", "commonName": "orders.example.com", "dnsNames": ["*.orders.example.com"]},
        },
        "rotation": {"interval": "24h", "lifetime": "48h"},
        "target": {"type": "kubernetes.io/tls"},
    },
    "leased": {
        "provider": {"ref": {"name": "vault"}, "vaultDatabase": {"role": "orders"}},
        "rotation": {"interval": "24h", "lifetime": "48h"},
        "target": {"type": "kubernetes.io/basic-auth"},
    },
    "bare token": {"provider": {"ref": {"name": "crm"}, "oauth2": {}}},
    "renewed token": {
        "provider": {
            "ref": {"name": "crm"},
            "oauth2": {"scopes": ["contacts.read", "offline"], "audience": "https://crm", "grantSecretName": "consent"},
        },
        "consumers": [{"kind": "Deployment", "name": "sync", "refresh": "None"}],
        "notify": [
            {"ref": {"name": "hook"}, "events": ["authentication_error", "reactivated"]},
            {"ref": {"kind": "ClusterCredentialProvider", "name": "hook"}},
        ],
        "target": {"template": {"data": {"header": "Authorization: ${token_type} ${access_token}"}}},
    },
    "access key": {
        "provider": {"ref": {"name": "aws"}, "awsAccessKey": {"userName": "orders.app@shop"}},
        "rotation": {"interval": "720h"},
        "target": {"template": {"data": {"AWS_ACCESS_KEY_ID": "${aws_access_key_id}"}}},
    },
    "account's token": {
        "provider": {
            "ref": {"name": "here"},
            "serviceAccountToken": {"serviceAccountName": "sync", "audiences": ["https://v"], "expiration": "10m"},
        },
        "target": {"template": {"data": {"header": "Authorization: Bearer ${token}"}}},
    },
    "key of a service": {
        "provider": {"ref": {"name": "crm"}, "apiKey": {"scopes": ["orders:read"], "audience": "https://crm"}},
        "rotation": {"interval": "720h", "lifetime": "1440h"},
        "target": {"template": {"data": {"login": "${id}:${api_key}"}}},
    },
    "probe": {
        **_TOKEN,
        "validation": {
            "http": {
                "url": "https://till.orders.svc:8443/who/am-i?verbose=1",
                "header": {"name": "X-Api-Key", "prefix": "Token "},
                "expectStatus": [200, 404],
                "caSecretName": "our-ca",
            },
            "timeout": "30s",
            "failureThreshold": 5,
        },
    },
    "basic probe": {
        "generate": {"password": {}},
        "rotation": {"interval": "720h"},
        "validation": {"http": {"url": "http://[2001:db8::1]:8080", "basic": {"username": "till"}}},
    },
    "key probe": {
        "generate": {"hmacKey": {}},
        "rotation": {"interval": "720h"},
        "validation": {"http": {"url": "https://a.b.svc/", "bearer": {}}},
    },
    "job": {**_TOKEN, "consumers": [{"kind": "CronJob", "name": "report", "refresh": "None"}]},
    "selected consumers": {
        **_TOKEN,
        "consumers": [
            {
                "kind": "Deployment",
                "selector": {"matchExpressions": [{"key": "a.example/tier", "operator": "In", "values": ["web"]}]},
            },
            {"kind": "Deployment", "selector": {"matchLabels": {"app": "web"}}},
        ],
    },
    "target": {**_TOKEN, "target": {"secretName": "orders.key", "type": "Opaque", "adopt": "Unowned"}},
    "token template": _templated("token", "token"),
    "password template": _templated("password", "password"),
    "hmac template": _templated("hmacKey", "key"),
    "signing template": _templated("signingKey", "private.pem"),
    "ssh template": _templated("sshKey", "ssh-privatekey"),
    "certificate template": {
        **_templated("certificate", "tls.crt"),
        **_made("certificate", commonName="shop", dnsNames=["shop.test"]),
    },
    "metadata": _templated(
        "token",
        "token",
        metadata={
            "labels": {"app.kubernetes.io/name": "orders", "example.com/team": "a"},
            "annotations": {"note": "ö"},
        },
    ),
    "replace": _templated("token", "token", mergePolicy="Replace"),
    "basic-auth": {
        "generate": {"password": {}},
        "rotation": {"interval": "720h"},
        "target": {
            "type": "kubernetes.io/basic-auth",
            "template": {"mergePolicy": "Merge", "data": {"username": "orders"}},
        },
    },
    "docker": {
        "generate": {"password": {}},
        "rotation": {"interval": "720h"},
        "target": {
            "type": "kubernetes.io/dockerconfigjson",
            "template": {"data": {".dockerconfigjson": '{"auths": {"r": {"password": "${password}"}}}'}},
        },
    },
    "verifier": {
        **_TOKEN,
        "overlap": {"duration": "2h", "propagation": "90s"},
        "verifier": {
            "secretName": "orders-verifier",
            "format": "SHA256",
            "client": "Orders, Team Ö",
            "scopes": ["orders:read", "a/b"],
            "audience": ["https://api.example.com"],
            "tokenLifetime": "1h",
            "cacheTime": "1h1m30s",
        },
        "consumers": [{"kind": "Deployment", "name": "gate", "role": "Verifier", "refresh": "None"}, _CONSUMER],
    },
    "restarted verifiers": {
        "generate": {"hmacKey": {}},
        "rotation": {"interval": "720h"},
        "verifier": {"secretName": "orders-keys", "format": "HMAC"},
        "consumers": [{"kind": "Deployment", "name": "gate", "role": "Verifier"}],
    },
    "shared verifiers": {
        "generate": {"token": {}},
        "rotation": {"interval": "720h"},
        "overlap": {"duration": "1h", "propagation": "30s"},
        "verifier": {"secretName": "all-verifier", "format": "SHA256", "aggregate": True},
    },
    "verifiers unknown": {
        **_TOKEN,
        "overlap": {"propagation": "1s"},
        "verifier": {"secretName": "orders-v2-verifier", "format": "SHA256"},
    },
    "usage": {
        **_TOKEN,
        "usage": {
            "quiet": "2h",
            "prometheus": {
                "url": "https://prometheus.monitoring.svc:9090/prefix/",
                "query": 'sum(rate(uses{of="${namespace}/${name}", v="${version}"}[${quiet}]))\n  or\tvector(0)',
                "caSecretName": "our-ca",
                "tokenSecretName": "prometheus-token",
            },
        },
    },
    "patient usage": {
        "generate": {"token": {}},
        "rotation": {"interval": "720h1s"},
        "overlap": {"deadline": "721h"},
        "usage": {"quiet": "720h", "prometheus": {"url": "http://prometheus.orders.svc:9090"}},
    },
    "told usage": {
        "provider": {"ref": {"name": "aws"}, "awsAccessKey": {"userName": "orders"}},
        "rotation": {"interval": "720h"},
        "usage": {"quiet": "6h", "backend": {}},
    },
    "waiting": {**_TOKEN, "validation": {"consumers": "Required", "settle": "24h", "after": "staging"}},
    "settling": {
        "generate": {"token": {}},
        "rotation": {"interval": "3h"},
        "overlap": {"duration": "59m", "propagation": "1m"},
        "validation": {"settle": "1h59m59s"},
    },
    "everything": {
        "suspend": True,
        "hold": {"until": "2026-12-01T00:00:00+01:00", "reason": "audit"},
        "generate": {
            "token": {"prefix": "ord_", "bytes": 64, "owner": "Team Ö", "metadata": {"cost.centre": "a b"}},
        },
        "rotation": {
            "interval": "720h",
            "jitterPercent": 0,
            "windowPolicy": "Prefer",
            "trigger": "2026-11-21-a",
        },
        "consumers": [_CONSUMER],
        "rollout": {"maxConcurrent": 4, "progressDeadline": "5m", "onFailure": "Hold"},
        "revocationPolicy": "Manual",
        "deletionPolicy": "Revoke",
        "revisionHistoryLimit": 0,
    },
}


def manifest(spec: dict[str, Any], name: str = "orders", namespace: str = "default") -> dict[str, Any]:
    """Return the resource with that spec."""
    return {
        "apiVersion": "rekey.dev/v1alpha1",
        "kind": "RotatedCredential",
        "metadata": {"name": name, "namespace": namespace},
        "spec": deepcopy(spec),
    }


def changed(spec: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """Return a copy of the spec that differs at one path, such as `consumers/0/name`, and nowhere else."""
    copy = deepcopy(spec)
    *above, last = path.split("/")
    node: Any = copy
    for step in above:
        node = node[int(step)] if isinstance(node, list) else node.setdefault(step, {})
    key: Any = int(last) if isinstance(node, list) else last
    if value is GONE:
        del node[key]
    elif isinstance(node, list) and key == len(node):
        node.append(value)
    else:
        node[key] = value
    return copy


def documents(text: str) -> list[dict[str, Any]]:
    """Return the resources of a YAML file."""
    return [document for document in yaml.safe_load_all(text) if document]
