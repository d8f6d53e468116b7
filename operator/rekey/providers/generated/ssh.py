"""SSH key pairs, as OpenSSH writes them."""

from base64 import b64encode

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    ssh_key_fingerprint,
)

from rekey.core.material import Issued, Material
from rekey.core.spec import SshKey, SshKeyType
from rekey.providers.generated import keys


def ssh_key(rules: SshKey) -> Issued:
    """Return a new key pair."""
    key = Ed25519PrivateKey.generate() if rules.type is SshKeyType.ED25519 else keys.rsa(rules.bits)
    public = key.public_key()
    line = public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH) + f" {rules.comment}".rstrip().encode()
    values = {
        "ssh-privatekey": key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()),
        "ssh-publickey": line,
    }
    digest = b64encode(ssh_key_fingerprint(public, SHA256())).rstrip(b"=").decode()
    return Issued(Material(values), {"fingerprint": f"SHA256:{digest}"})
