"""Everything that Rekey makes by itself: which module makes which kind, and where.

1. RSA keys take seconds of a processor: they are made one after the other in a thread, so that nothing else waits.
2. What makes key pairs is imported when the first is asked for: its libraries take 10 MiB.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from rekey.core.material import Issued
from rekey.core.reasons import Reason
from rekey.core.spec import Algorithm, Generate, SshKeyType
from rekey.errors import Rejected
from rekey.ports.issuer import Order
from rekey.providers.generated import values
from rekey.providers.generated.values import SCANNER_PATTERN, verify_checksum

_RSA: Final = (Algorithm.RS256, Algorithm.PS256)


class Generated:
    """Makes values here and now; there is no backend that would have to hear of them."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="keys")

    def builds_on(self, generate: Generate) -> bool:
        """Tell whether a new value of that kind goes by the one before: certificates keep their authority."""
        return generate.certificate is not None

    async def issue(self, order: Order) -> Issued:
        """Return a new value of the kind that is ordered.

        Raises:
            Rejected: the rules leave too few possible values.
        """
        if not _takes_long(order.generate):
            return _make(order)
        return await asyncio.get_running_loop().run_in_executor(self._thread, _make, order)


def _make(order: Order) -> Issued:
    generate = order.generate
    if generate.password is not None:
        return values.password(generate.password)
    if generate.token is not None:
        return values.token(generate.token)
    if generate.hmac_key is not None:
        return values.hmac_key(generate.hmac_key)
    return _make_pair(order)


def _make_pair(order: Order) -> Issued:
    from rekey.providers.generated import certificates, signing, ssh  # noqa: PLC0415  see 2. above

    generate = order.generate
    if generate.signing_key is not None:
        return signing.signing_key(generate.signing_key)
    if generate.ssh_key is not None:
        return ssh.ssh_key(generate.ssh_key)
    if generate.certificate is None:
        raise Rejected(Reason.INVALID_SPEC, "spec.generate: no kind is set")
    if order.lifetime is None:
        raise Rejected(Reason.INVALID_SPEC, "spec.rotation.lifetime: a certificate needs it")
    return certificates.certificate(generate.certificate, order.now, order.lifetime, order.before)


def _takes_long(generate: Generate) -> bool:
    signing_key, ssh_key, certificate = generate.signing_key, generate.ssh_key, generate.certificate
    algorithms = [part.algorithm for part in (signing_key, certificate) if part is not None]
    return any(one in _RSA for one in algorithms) or (ssh_key is not None and ssh_key.type is SshKeyType.RSA)


__all__ = ["SCANNER_PATTERN", "Generated", "verify_checksum"]
