"""Key pairs that sign JSON Web Tokens; a key's id is its thumbprint (RFC 7638), so nobody has to agree on one."""

from joserfc import jwk

from rekey.core.material import Issued, Material
from rekey.core.spec import SigningKey
from rekey.core.spec_keys import JWK_TYPES
from rekey.providers.generated import keys


def signing_key(rules: SigningKey) -> Issued:
    """Return a new key pair."""
    key = keys.pair(rules.algorithm, rules.bits)
    public = keys.public_pem(key)
    kid = jwk.import_key(public, JWK_TYPES[rules.algorithm]).thumbprint()
    values = {
        "private.pem": keys.private_pem(key),
        "public.pem": public,
        "kid": kid.encode(),
        "algorithm": rules.algorithm.encode(),
    }
    return Issued(Material(values), {"kid": kid})
