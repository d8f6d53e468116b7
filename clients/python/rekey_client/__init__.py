"""Both sides of a credential that Rekey rotates: check what requests present, and send what is current.

For requests that come in: `Verifier` with `rekey_client.asgi` or `rekey_client.wsgi`. For those that go out: `Token` or
`Password` (or `rekey_client.signing.Signed`) with `rekey_client.httpx_auth` or `rekey_client.requests_auth`.
"""

from rekey_client.anomalies import Anomaly, Kind, Rate
from rekey_client.answers import Answer, answer
from rekey_client.clock import Clock
from rekey_client.credentials import Password, Token
from rekey_client.directories import Directories
from rekey_client.errors import CircuitOpen, Insecure, NoCredential, RekeyClientError, Unreadable
from rekey_client.outcome import Identity, Outcome, Reason
from rekey_client.ratelimit import RateLimit
from rekey_client.redaction import Redact
from rekey_client.secret import Secret
from rekey_client.verifier import Health, Verifier

__version__ = "0.1.0"
__all__ = [
    "Anomaly",
    "Answer",
    "CircuitOpen",
    "Clock",
    "Directories",
    "Health",
    "Identity",
    "Insecure",
    "Kind",
    "NoCredential",
    "Outcome",
    "Password",
    "Rate",
    "RateLimit",
    "Reason",
    "Redact",
    "RekeyClientError",
    "Secret",
    "Token",
    "Unreadable",
    "Verifier",
    "answer",
]
