"""Key pairs that sign JSON Web Tokens; a key's id is its thumbprint (RFC 7638), so nobody has to agree on one."""

from typing import Final, Literal

from joserfc import jwk

from rekey.core.material import Issued, Material
from rekey.core.spec import Algorithm, SigningKey
from rekey.providers.generated import keys

_TYPES: Final[dict[Algorithm, Literal["RSA", "EC", "OKP"]]] = {
    Algorithm.RS256: "RSA",
    Algorithm.PS256: "RSA",
    Algorithm.ES256: "EC",
    Algorithm.ES384: "EC",
    Algorithm.EDDSA: "OKP",
}


def signing_key(rules: SigningKey) -> Issued:
    """Return a new key pair."""
    key = keys.pair(rules.algorithm, rules.bits)
    public = keys.public_pem(key)
    kid = jwk.import_key(public, _TYPES[rules.algorithm]).thumbprint()
    values = {
        "private.pem": keys.private_pem(key),
        "public.pem": public,
        "kid": kid.encode(),
        "algorithm": rules.algorithm.encode(),
    }
    return Issued(Material(values), {"kid": kid})
