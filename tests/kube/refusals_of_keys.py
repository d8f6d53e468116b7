"""What the API server must refuse about key pairs, certificates and lifetimes; see `refusals` for how to read it."""

from typing import Final

from rekey.core.spec_generate import KEYS
from tests.kube.manifests import GONE
from tests.kube.refusals import Refusal

R = Refusal
_SIGN: Final = "generate/signingKey"
_SSH: Final = "generate/sshKey"
_CERT: Final = "generate/certificate"
_DATA: Final = "target/template/data"

KEYS_REFUSED: Final = {
    "an unknown algorithm": R("signingKey", f"{_SIGN}/algorithm", "HS256", "Unsupported value"),
    "no algorithm at all": R("signingKey", f"{_SIGN}/algorithm", "none", "Unsupported value"),
    "an RSA key of 1024 bits": R("rsa signing key", f"{_SIGN}/bits", 1024, "greater than or equal to 2048"),
    "an RSA key of 2047 bits": R("rsa signing key", f"{_SIGN}/bits", 2047, "greater than or equal to 2048"),
    "an RSA key of 4097 bits": R("rsa signing key", f"{_SIGN}/bits", 4097, "less than or equal to 4096"),
    "bits of a curve": R("signingKey", f"{_SIGN}/bits", 2048, "must be set only with `RS256` and `PS256`"),
    "an SSH key by DSA": R("sshKey", f"{_SSH}/type", "dsa", "Unsupported value"),
    "an SSH key by ECDSA": R("sshKey", f"{_SSH}/type", "ecdsa", "Unsupported value"),
    "an SSH key of 2048 bits": R("rsa ssh key", f"{_SSH}/bits", 2048, "greater than or equal to 3072"),
    "an SSH key of 8192 bits": R("rsa ssh key", f"{_SSH}/bits", 8192, "less than or equal to 4096"),
    "bits of an ed25519 key": R("sshKey", f"{_SSH}/bits", 3072, "must be set only with `rsa`"),
    "a comment of two lines": R("sshKey", f"{_SSH}/comment", "a\nssh-rsa b", "should match"),
    "a comment too long": R("sshKey", f"{_SSH}/comment", "a" * 129, "may not be more than 128"),
}

CERTIFICATES: Final = {
    "a certificate without a name": R("certificate", f"{_CERT}/commonName", GONE, "Required"),
    "a certificate with an empty name": R("certificate", f"{_CERT}/commonName", "", "at least 1 chars"),
    "a name that leaves no room for its authority's": R(
        "certificate", f"{_CERT}/commonName", "a" * 62, "may not be more than 61"
    ),
    "a server without a DNS name or an address": R(
        "certificate", f"{_CERT}/dnsNames", GONE, "must have a name, or `ipAddresses`"
    ),
    "a client that becomes a server": R(
        *("client certificate", f"{_CERT}/usages", ["ClientAuth", "ServerAuth"]),
        *("must have a name, or `ipAddresses`", "generate.certificate.dnsNames"),
    ),
    "a DNS name in upper case": R(
        *("certificate", f"{_CERT}/dnsNames", ["Shop.test"], "should match", "generate.certificate.dnsNames[0]")
    ),
    "a star in the middle": R(
        *("certificate", f"{_CERT}/dnsNames", ["a.*.test"], "should match", "generate.certificate.dnsNames[0]")
    ),
    "a URL for a name": R(
        *("certificate", f"{_CERT}/dnsNames", ["http://a"], "should match", "generate.certificate.dnsNames[0]")
    ),
    "a name twice": R("certificate", f"{_CERT}/dnsNames", ["a", "a"], "Duplicate", "generate.certificate.dnsNames[1]"),
    "33 names": R("certificate", f"{_CERT}/dnsNames", [f"a{n}" for n in range(33)], "must have at most 32"),
    "an address of five parts": R(
        *("rsa certificate", f"{_CERT}/ipAddresses", ["1.2.3.4.5"]),
        *("must be an IP address", "generate.certificate.ipAddresses[0]"),
    ),
    "a part of an address above 255": R(
        *("rsa certificate", f"{_CERT}/ipAddresses", ["::1", "1.2.3.256"]),
        *("must be an IP address", "generate.certificate.ipAddresses[1]"),
    ),
    "an address with a prefix": R(
        *("rsa certificate", f"{_CERT}/ipAddresses", ["10.0.0.0/8"]),
        *("must be an IP address", "generate.certificate.ipAddresses[0]"),
    ),
    "a usage that signs code": R(
        *("certificate", f"{_CERT}/usages", ["CodeSigning"], "Unsupported value", "generate.certificate.usages[0]")
    ),
    "no usage": R("certificate", f"{_CERT}/usages", [], "at least 1 items"),
    "a certificate by SHA-1": R("certificate", f"{_CERT}/algorithm", "RS1", "Unsupported value"),
    "a certificate by PS256": R("certificate", f"{_CERT}/algorithm", "PS256", "Unsupported value"),
    "a certificate of 1024 bits": R("rsa certificate", f"{_CERT}/bits", 1024, "greater than or equal to 2048"),
    "bits of a certificate on a curve": R("certificate", f"{_CERT}/bits", 2048, "must be set only with `RS256`"),
    "a certificate without a lifetime": R("certificate", "rotation/lifetime", GONE, "must be set for a certificate"),
    "an authority that ends before its certificate": R(
        "certificate", f"{_CERT}/caLifetime", "1439h", "must not be less than `rotation.lifetime`"
    ),
    "an authority for 26 years": R("certificate", f"{_CERT}/caLifetime", "227760h", "must be from 1s to 219000h"),
    "an authority for a year": R("certificate", f"{_CERT}/caLifetime", "1y", "should match"),
}

LIFETIME: Final = {
    "a lifetime in days": R("lifetime", "rotation/lifetime", "30d", "should match"),
    "a lifetime of nothing": R("schedule", "rotation/lifetime", "0s", "must be from 1s to 175200h"),
    "a lifetime above twenty years": R("schedule", "rotation/lifetime", "175201h", "must be from 1s to 175200h"),
    "a lifetime as long as interval and overlap": R(
        "lifetime", "rotation/lifetime", "722h59m59s", "must be greater than `interval` and `overlap.duration`"
    ),
    "an overlap that fits the lifetime no more": R(
        *("lifetime", "overlap/duration", "3h"),
        *("must be greater than `interval` and `overlap.duration`", "rotation.lifetime"),
    ),
}

_TWINS: Final = {"signingKey": "signing template", "sshKey": "ssh template", "certificate": "certificate template"}
TEMPLATES: Final = {
    **{
        f"the own key {key} of {kind}": R(twin, _DATA, {key: "x"}, "must not have a key that is delivered")
        for kind, twin in _TWINS.items()
        for key in KEYS[kind]
    },
    **{
        f"a placeholder that {kind} does not fill": R(twin, _DATA, {"a": "${token}"}, "must hold no placeholder but")
        for kind, twin in _TWINS.items()
    },
    "the authority's private key": R(
        "certificate template", _DATA, {"a": "${issuer.key}"}, "must hold no placeholder but"
    ),
    "a key in which a dot is another sign": R(
        "certificate template", _DATA, {"a": "${tls-crt}"}, "must hold no placeholder but"
    ),
}

REFUSED: Final = {**KEYS_REFUSED, **CERTIFICATES, **LIFETIME, **TEMPLATES}
