"""What the API server must refuse about Secrets and consumers; see `refusals` for how to read it."""

from typing import Final

from tests.kube import refusals, refusals_of_keys
from tests.kube.manifests import GONE
from tests.kube.refusals import Refusal

R = Refusal

_LABEL: Final = "target/template/metadata/labels"
_NOTE: Final = "target/template/metadata/annotations"
_DATA: Final = "target/template/data"
_FOREIGN: Final = "must not use keys of Kubernetes, of Rekey or of tools"

TARGET: Final = {
    "a Secret's name in upper case": R("target", "target/secretName", "Orders", "should match"),
    "a Secret's name with a slash": R("target", "target/secretName", "../a", "should match"),
    "a Secret's name of 241 characters": R("target", "target/secretName", "a" * 241, "may not be more than 240"),
    "a service account's token": R("target", "target/type", "kubernetes.io/service-account-token", "Unsupported value"),
    "a bootstrap token": R("target", "target/type", "bootstrap.kubernetes.io/token", "Unsupported value"),
    "a TLS Secret of a token": R(
        "target", "target/type", "kubernetes.io/tls", "needs the keys `tls.crt` and `tls.key`"
    ),
    "a TLS Secret whose keys are replaced away": R(
        *("tls", "target/template", {"mergePolicy": "Replace", "data": {"tls.crt": "${tls.crt}"}}),
        *("needs the keys `tls.crt` and `tls.key`", "target.type"),
    ),
    "an SSH Secret of a token": R(
        "target", "target/type", "kubernetes.io/ssh-auth", "needs the key `ssh-privatekey`: generate a sshKey"
    ),
    "an unknown type": R("target", "target/type", "example.com/tls", "Unsupported value"),
    "basic-auth without a password": R("token", "target/type", "kubernetes.io/basic-auth", "needs the key `password`"),
    "basic-auth whose password is replaced away": R(
        "basic-auth", "target/template/mergePolicy", "Replace", "needs the key `password`", at="target.type"
    ),
    "a Docker configuration without its key": R(
        "docker", _DATA, {"other": "x"}, "needs the key `.dockerconfigjson`", at="target.type"
    ),
    "an unknown adoption": R("target", "target/adopt", "Always", "Unsupported value"),
}

TEMPLATE: Final = {
    "a label of Argo CD": R("metadata", _LABEL, {"argocd.argoproj.io/instance": "a"}, _FOREIGN),
    "the instance label": R("metadata", _LABEL, {"app.kubernetes.io/instance": "a"}, _FOREIGN),
    "the managed-by label": R("metadata", _LABEL, {"app.kubernetes.io/managed-by": "a"}, _FOREIGN),
    "a label of Flux": R("metadata", _LABEL, {"kustomize.toolkit.fluxcd.io/name": "a"}, _FOREIGN),
    "a label of Rekey": R("metadata", _LABEL, {"rekey.dev/role": "bundle"}, _FOREIGN),
    "a label of a part of Rekey": R("metadata", _LABEL, {"version.rekey.dev/a": "1"}, _FOREIGN),
    "a label of Kubernetes": R("metadata", _LABEL, {"node.k8s.io/a": "a"}, _FOREIGN),
    "a label of kapp": R("metadata", _LABEL, {"kapp.k14s.io/app": "1"}, _FOREIGN),
    "an annotation of Helm": R("metadata", _NOTE, {"meta.helm.sh/release-name": "a"}, _FOREIGN),
    "an annotation of kubectl": R(
        "metadata", _NOTE, {"kubectl.kubernetes.io/last-applied-configuration": "{}"}, _FOREIGN
    ),
    "a service account's annotation": R("metadata", _NOTE, {"kubernetes.io/service-account.name": "a"}, _FOREIGN),
    "an annotation of Argo CD": R("metadata", _NOTE, {"argocd.argoproj.io/sync-options": "a"}, _FOREIGN),
    "a label key with a space": R("metadata", _LABEL, {"my team": "a"}, "must have valid keys"),
    "a label key with two slashes": R("metadata", _LABEL, {"a/b/c": "a"}, "must have valid keys"),
    "a label key of 64 characters": R("metadata", _LABEL, {"a" * 64: "a"}, "must have valid keys"),
    "an annotation key that ends in a dot": R("metadata", _NOTE, {"a.": "a"}, "must have valid keys"),
    "a label value with a space": R("metadata", f"{_LABEL}/team", "a b", "should match"),
    "a label value too long": R("metadata", f"{_LABEL}/team", "a" * 64, "may not be more than 63"),
    "an annotation too long": R("metadata", f"{_NOTE}/a", "a" * 1025, "may not be more than 1024"),
    "an unknown merge policy": R("replace", "target/template/mergePolicy", "Append", "Unsupported value"),
    "nothing to replace the keys by": R("replace", _DATA, {}, "must have at least one key"),
    "a key with a slash": R("token template", _DATA, {"a b": "x"}, "must have keys of at most 244"),
    "a key that climbs up": R("token template", _DATA, {"..data": "x"}, "must have keys of at most 244"),
    "a key that is a folder": R("token template", _DATA, {".": "x"}, "must have keys of at most 244"),
    "a key of 245 characters": R("token template", _DATA, {"a" * 245: "x"}, "must have keys of at most 244"),
    "a key named version": R("token template", _DATA, {"version": "x"}, "are reserved"),
    "a key named version, alone": R("replace", _DATA, {"version": "x"}, "are reserved"),
    "a key of what is never shown": R("certificate template", _DATA, {"issuer.key": "x"}, "are reserved"),
    "a key of the version before": R("token template", _DATA, {"previous.token": "x"}, "are reserved"),
    "the token's own key": R("token template", _DATA, {"token": "x"}, "must not have a key that is delivered"),
    "the password's own key": R("password template", _DATA, {"password": "x"}, "must not have a key that is delivered"),
    "the HMAC key's own key": R("hmac template", _DATA, {"key": "x"}, "must not have a key that is delivered"),
    "merging what was replaced": R("replace", _DATA, {"token": "${token}", "version": "1"}, "are reserved"),
    "a misspelt placeholder": R("token template", _DATA, {"a": "${tokne}"}, "must hold no placeholder but"),
    "another kind's placeholder": R("token template", _DATA, {"a": "${password}"}, "must hold no placeholder but"),
    "a placeholder that is not closed": R("token template", _DATA, {"a": "${token"}, "must hold no placeholder but"),
    "a placeholder in a placeholder": R(
        "token template", _DATA, {"a": "${to${token}ken}"}, "must hold no placeholder but"
    ),
    "a placeholder behind two dollars": R("token template", _DATA, {"a": "$${x}"}, "must hold no placeholder but"),
    "a template expression": R("token template", _DATA, {"a": "${token:-x}"}, "must hold no placeholder but"),
    "the token in a password's template": R(
        "password template", _DATA, {"a": "${token}"}, "must hold no placeholder but"
    ),
    "the HMAC key by its kind": R("hmac template", _DATA, {"a": "${hmacKey}"}, "must hold no placeholder but"),
    "raw bytes in a text": R(
        "hmac template",
        "generate/hmacKey/encoding",
        "Raw",
        "must not hold the key itself",
        at="target.template.data",
    ),
    "a value too long": R("token template", f"{_DATA}/a", "a" * 8193, "may not be more than 8192"),
    "too many keys": R("token template", _DATA, {f"k{n}": "x" for n in range(17)}, "must have at most 16"),
}

CONSUMERS: Final = {
    "a consumer without a kind": R("named consumers", "consumers/0/kind", GONE, "Required"),
    "a bare pod": R("named consumers", "consumers/0/kind", "Pod", "Unsupported value"),
    "neither name nor selector": R(
        "named consumers", "consumers/0/name", GONE, "must have exactly one of", at="consumers[0]"
    ),
    "name and selector": R(
        "named consumers",
        "consumers/0/selector",
        {"matchLabels": {"a": "b"}},
        "must have exactly one of",
        at="consumers[0]",
    ),
    "a name in upper case": R("named consumers", "consumers/0/name", "A", "should match"),
    "an unknown role": R("named consumers", "consumers/0/role", "Prover", "Unsupported value"),
    "a refresh by signal": R("named consumers", "consumers/0/refresh", "Signal", "Unsupported value"),
    "a CronJob to restart": R("job", "consumers/0/refresh", "Restart", "must be `None`"),
    "a Job where a Deployment stood": R(
        "named consumers", "consumers/0/kind", "Job", "must be `None`", at="consumers[0].refresh"
    ),
    "the same workload twice": R(
        "named consumers", "consumers/1/kind", "Deployment", "must name each workload once", at="consumers"
    ),
    "a selector for everything": R("selected consumers", "consumers/1/selector", {}, "must not be empty"),
    "a selector with an empty map": R(
        "selected consumers",
        "consumers/1/selector/matchLabels",
        {},
        "must not be empty",
        at="consumers[1].selector",
    ),
    "In without values": R(
        "selected consumers", "consumers/0/selector/matchExpressions/0/values", GONE, "must be set with `In`"
    ),
    "Exists with values": R(
        "selected consumers",
        "consumers/0/selector/matchExpressions/0/operator",
        "Exists",
        "must be set with `In`",
        at="consumers[0].selector.matchExpressions[0].values",
    ),
    "an unknown operator": R(
        "selected consumers", "consumers/0/selector/matchExpressions/0/operator", "Gt", "Unsupported value"
    ),
    "a label key that is none": R(
        "selected consumers", "consumers/0/selector/matchExpressions/0/key", "a b", "should match"
    ),
    "a label to match whose key is none": R(
        "selected consumers",
        "consumers/1/selector/matchLabels",
        {"a b": "c"},
        "must have valid keys of labels",
    ),
    "33 consumers": R(
        "named consumers",
        "consumers",
        [{"kind": "Deployment", "name": f"a{n}"} for n in range(33)],
        "must have at most 32",
    ),
    "no rollout at a time": R("token", "rollout/maxConcurrent", 0, "greater than or equal to 1"),
    "too many rollouts at a time": R("token", "rollout/maxConcurrent", 33, "less than or equal to 32"),
    "a rollout without any time": R("token", "rollout/progressDeadline", "0s", "must be from 1s to 24h"),
    "a rollout that may take days": R("token", "rollout/progressDeadline", "25h", "must be from 1s to 24h"),
    "an unknown answer to failure": R("token", "rollout/onFailure", "Ignore", "Unsupported value"),
}

REFUSED: Final[dict[str, Refusal]] = {**refusals.REFUSED, **refusals_of_keys.REFUSED, **TARGET, **TEMPLATE, **CONSUMERS}

# Refused when an accepted resource is updated.
IMMUTABLE: Final = {
    "another kind of value": R("token", "generate", {"password": {}}, "cannot change its kind"),
    "a certificate that becomes an SSH key": R("certificate", "generate", {"sshKey": {}}, "cannot change its kind"),
    "another Secret": R("target", "target/secretName", "other", "is immutable"),
    "no more a Secret's name": R("target", "target/secretName", GONE, "is immutable"),
    "a Secret's name where the default was": R("token", "target/secretName", "other", "is immutable"),
    "another type of Secret": R("password", "target/type", "kubernetes.io/basic-auth", "is immutable"),
}
