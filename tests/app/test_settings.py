"""Settings: flags win over variables, variables over defaults, and mistakes are named."""

import inspect
import re
from collections.abc import Callable

import pytest

from rekey.app import cli, state_docs
from rekey.app.settings import PREFIX, Settings, read
from rekey.app.variables import BadSettings, table

GOOD: dict[str, tuple[dict[str, object], dict[str, str], dict[str, object]]] = {
    "nothing is given: the defaults": ({}, {}, {"workers": 32, "namespaces": (), "http_port": 8080}),
    "a variable": ({}, {"REKEY_WORKERS": "4"}, {"workers": 4}),
    "a flag wins": ({"workers": 7}, {"REKEY_WORKERS": "4"}, {"workers": 7}),
    "a flag that is not given does not": ({"workers": None, "namespaces": []}, {"REKEY_WORKERS": "4"}, {"workers": 4}),
    "what may be asked, separated by commas": (
        {},
        {"REKEY_PROBE_ALLOWED": "*.svc, http://10.0.0.0/8"},
        {"probe_allowed": ("*.svc", "http://10.0.0.0/8")},
    ),
    "who is told of every credential, and of what": (
        {},
        {"REKEY_WEBHOOKS": "on-call=authentication_error + expiring,, audit.example"},
        {
            "webhooks": (
                {
                    "ref": {"kind": "ClusterCredentialProvider", "name": "on-call"},
                    "events": ("authentication_error", "expiring"),
                },
                {"ref": {"kind": "ClusterCredentialProvider", "name": "audit.example"}, "events": ()},
            )
        },
    ),
    "names in a variable are separated by commas, each once": (
        {},
        {"REKEY_NAMESPACES": "a, b,,a"},
        {"namespaces": ("a", "b")},
    ),
    "names of a repeated flag": ({"namespaces": ["a", "b"]}, {"REKEY_NAMESPACES": "c"}, {"namespaces": ("a", "b")}),
    "what a manifest takes from the pod says who and where we are": (
        {},
        {"POD_NAME": "rekey-7d9f-x", "POD_NAMESPACE": "rekey-system"},
        {"identity": "rekey-7d9f-x", "lease_namespace": "rekey-system"},
    ),
    "our own variables win over the pod's": ({}, {"POD_NAME": "a", "REKEY_IDENTITY": "b"}, {"identity": "b"}),
    "no election, by a flag": ({"leader_election": "false"}, {}, {"leader_election": False}),
    "variables of others": ({}, {"KUBECONFIG": "x", "REKEYED": "y"}, {"workers": 32}),
    "what Kubernetes says of a Service called rekey": (
        {},
        {
            "REKEY_SERVICE_HOST": "10.0.0.1",
            "REKEY_SERVICE_PORT_METRICS": "8080",
            "REKEY_PORT": "tcp://10.0.0.1:80",
            "REKEY_PORT_80_TCP_ADDR": "10.0.0.1",
            "REKEY_METRICS_PORT_80_TCP_PROTO": "tcp",
        },
        {"http_port": 8080},
    ),
    "a Service called rekey-http does not set the port": (
        {},
        {"REKEY_HTTP_PORT": "tcp://10.0.0.1:80"},
        {"http_port": 8080},
    ),
    "what is set for `rekey publish`": ({}, {"REKEY_PUBLISH_PORT": "9090"}, {"http_port": 8080}),
    "the port itself": ({}, {"REKEY_HTTP_PORT": "9090"}, {"http_port": 9090}),
}
BAD: dict[str, tuple[dict[str, object], dict[str, str], str]] = {
    "an unknown variable": ({}, {"REKEY_WORKER": "4"}, "REKEY_WORKER: there is no such setting"),
    "no number": ({}, {"REKEY_WORKERS": "many"}, "REKEY_WORKERS: "),
    "too many workers by flag": ({"workers": 5000}, {}, "--workers: "),
    "no namespace": ({}, {"REKEY_NAMESPACES": "a,B"}, "'B' is not the name of a namespace"),
    "a URL as what may be asked": ({}, {"REKEY_PROBE_ALLOWED": "a.example.com,https://b"}, "'https://b' is neither"),
    "an event that is none": (
        {},
        {"REKEY_WEBHOOKS": "on-call=expiring+expired"},
        "REKEY_WEBHOOKS: 'expired' in 'on-call=expiring+expired' is none of authentication_error, reactivated, ",
    ),
    "a webhook of no events": ({}, {"REKEY_WEBHOOKS": "on-call="}, "REKEY_WEBHOOKS: '' in 'on-call=' is none of"),
    "a webhook that is no name": (
        {},
        {"REKEY_WEBHOOKS": "https://a.example"},
        "'https://a.example' is not the name of a ClusterCredentialProvider",
    ),
    "a webhook twice": ({}, {"REKEY_WEBHOOKS": "a, a=expiring"}, "REKEY_WEBHOOKS: must name each webhook once"),
    "five webhooks": ({}, {"REKEY_WEBHOOKS": "a,b,c,d,e"}, "REKEY_WEBHOOKS: must name at most 4 webhooks"),
    "no duration": ({}, {"REKEY_SHUTDOWN_GRACE": "20"}, "is not a duration"),
    "a loop": ({}, {"REKEY_RESYNC_INTERVAL": "1ms"}, "must be at least 1s"),
    "a deadline that is longer than the duration: two might lead": (
        {},
        {"REKEY_LEASE_RENEW_DEADLINE": "20s"},
        "REKEY_LEASE_RETRY < REKEY_LEASE_RENEW_DEADLINE < REKEY_LEASE_DURATION must hold",
    ),
    "a retry that is no time": ({}, {"REKEY_LEASE_RETRY": "0s"}, "must hold"),
    "no name of a Lease": ({}, {"REKEY_LEASE_NAME": "Rekey!"}, "REKEY_LEASE_NAME: "),
    "shards of some namespaces": (
        {"namespaces": ["a"]},
        {"REKEY_SHARDS": "2"},
        "REKEY_SHARDS needs the election, and all",
    ),
    "shards without an election": ({"leader_election": "false", "shards": 2}, {}, "REKEY_SHARDS needs the election"),
    "more shards than rollouts": (
        {},
        {"REKEY_SHARDS": "4", "REKEY_MAX_ROLLOUTS": "3"},
        "REKEY_MAX_ROLLOUTS is divided",
    ),
    "no level": ({"log_level": "loud"}, {}, "--log-level: "),
}


@pytest.mark.parametrize("name", GOOD)
def test_settings_are_read(name: str) -> None:
    """Flags, variables and defaults give these values."""
    flags, environ, wanted = GOOD[name]
    found = read(flags, environ).model_dump()
    assert {field: found[field] for field in wanted} == wanted


@pytest.mark.parametrize("name", BAD)
def test_mistakes_are_named(name: str) -> None:
    """Each mistake is one line that names the flag or the variable."""
    flags, environ, message = BAD[name]
    with pytest.raises(BadSettings) as caught:
        read(flags, environ)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_table_has_every_setting() -> None:
    """Every setting is documented with its variable, its default as one would write it, and a sentence."""
    rows = {variable: (default, text) for variable, default, text in table(Settings(), PREFIX)}
    assert rows.keys() == {f"REKEY_{name.upper()}" for name in Settings.model_fields}
    assert rows["REKEY_DRIFT_INTERVAL"][0] == "1h"
    assert all(text.endswith(".") for _, text in rows.values())


@pytest.mark.parametrize("command", [cli.run, cli.publish], ids=lambda command: command.__name__)
def test_the_page_names_every_flag_and_no_other(command: Callable[..., None]) -> None:
    """What the page of settings calls a flag of a command is one, and none is left out."""
    flags = {f"--{name.replace('_', '-')}" for name in inspect.signature(command).parameters}
    section = state_docs.settings().split(f"# Settings of `rekey {command.__name__}`")[1].partition("\n# ")[0]
    assert set(re.findall(r"`(--[a-z-]+)`", section)) == flags
