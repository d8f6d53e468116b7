"""The kinds CredentialProvider and ClusterCredentialProvider, for their CustomResourceDefinitions."""

from dataclasses import replace
from typing import Final

from pydantic.alias_generators import to_camel

from rekey.app.crd import Definition
from rekey.app.crd_api_key_rules import API_KEY_RULES
from rekey.app.crd_rule import Rule, between, one_of, same_of
from rekey.app.crd_rules import selecting
from rekey.core.provider_health import ProviderStatus
from rekey.core.spec_backend import ClusterCredentialProviderSpec, CredentialProviderSpec
from rekey.core.spec_provide import SERVERS
from rekey.core.spec_vault import VaultAuth

_READY: Final = '.status.conditions[?(@.type=="Ready")]'
_KINDS: Final = (*SERVERS, "webhook")
_LOOPBACK: Final = "['127.0.0.1', '::1']"
_OURS: Final = (
    "['response_type', 'client_id', 'client_secret', 'redirect_uri', 'state', 'scope', 'audience', 'code_challenge',"
    " 'code_challenge_method']"
)
_PLAIN_HERE: Final = r"^http://(127\\.0\\.0\\.1|\\[::1\\])(:[0-9]+)?/?$"

RULES: Final = (
    one_of("spec", _KINDS),
    same_of("spec", _KINDS, "cannot change its kind: credentials live there; declare another one"),
    Rule(
        "spec.postgresql",
        f"self.tls != 'None' || self.host in {_LOOPBACK}",
        "must not be `None` but for a loopback address: passwords and rights would be sent in the clear",
        field=".tls",
    ),
    Rule(
        "spec.oauth2",
        "self.authorizationMethod != 'Certificate' || has(self.certificateSecretName)",
        "must be set with `authorizationMethod: Certificate`",
        field=".certificateSecretName",
    ),
    Rule(
        "spec.oauth2",
        "!has(self.proxyUrl) || (self.tokenUrl.startsWith('https://') && "
        "(!has(self.revocationUrl) || self.revocationUrl.startsWith('https://')) && "
        "(!has(self.introspectionUrl) || self.introspectionUrl.startsWith('https://')))",
        "must be set only where all endpoints are https://: the proxy would read what is sent",
        field=".proxyUrl",
    ),
    *(
        Rule(
            at,
            f"!has(self.proxyUrl) || self.{url}.startsWith('https://')",
            f"must be set only where `{url}` is https://: the proxy would read what is sent",
            field=".proxyUrl",
        )
        for at, url in (("spec.apiKey", "baseUrl"), ("spec.vault", "address"), ("spec.webhook", "url"))
    ),
    Rule(
        "spec.oauth2.authorizationParameters",
        f"self.all(name, !(name in {_OURS}))",
        "must not name what Rekey itself sends, such as `state`",
    ),
    Rule(
        "spec.vault",
        f"self.address.startsWith('https://') || self.address.matches('{_PLAIN_HERE}')",
        "must begin with `https://` but for a loopback address: tokens and values would be sent in the clear",
        field=".address",
    ),
    one_of("spec.vault.auth", (to_camel(name) for name in VaultAuth.model_fields)),
    between("spec.oauth2.tokenLifetime", "1m", "8760h"),
    between("spec.oauth2.longestLifetime", "1m", "8760h"),
    Rule(
        "spec.postgresql",
        "self.tls != 'None' || !has(self.caSecretName)",
        "must be set only with `tls: VerifyFull`: nothing is verified without",
        field=".caSecretName",
    ),
    Rule(
        "spec.postgresql",
        "self.tls != 'None' || !has(self.certificateSecretName)",
        "must be set only with `tls: VerifyFull`: it would not be shown",
        field=".certificateSecretName",
    ),
    *API_KEY_RULES,
)

PROVIDER: Final = Definition(
    kind="CredentialProvider",
    short_name="cprov",
    about="Where credentials of this namespace live, and how Rekey logs in there. Whoever may create one has Rekey use "
    "Secrets of the namespace.",
    spec=CredentialProviderSpec,
    spec_about="Which backend.",
    status=ProviderStatus,
    lists={"conditions": ("type",)},
    rules=RULES,
    columns=(
        ("PostgreSQL", "string", ".spec.postgresql.host", "Where that is."),
        ("OAuth2", "string", ".spec.oauth2.tokenUrl", "Where its token endpoint is."),
        ("AWS", "string", ".spec.aws.region", "Region whose endpoints are asked."),
        ("API keys", "string", ".spec.apiKey.baseUrl", "Where the service that makes keys is."),
        ("Vault", "string", ".spec.vault.address", "Where that is."),
        ("Ready", "string", f"{_READY}.status", "Whether the backend answered when it was last used."),
        ("Reason", "string", f"{_READY}.reason", "How it is, in one word."),
        ("Age", "date", ".metadata.creationTimestamp", "Since when the resource exists."),
    ),
)

CLUSTER_PROVIDER: Final = replace(
    PROVIDER,
    kind="ClusterCredentialProvider",
    short_name="ccprov",
    about="Where credentials of the namespaces that it allows live, and how Rekey logs in there.",
    spec=ClusterCredentialProviderSpec,
    rules=(*RULES, *selecting("spec.allowedNamespaces.selector", "it would choose every namespace")),
    scope="Cluster",
)
