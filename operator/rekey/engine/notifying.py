"""Those whom `spec.notify` names are told: what the saved status says is to be sent, once each as far as we know."""

from __future__ import annotations

from rekey.core import notifying
from rekey.core.facts import Credential
from rekey.core.status import Status
from rekey.errors import Forbidden, Rejected, Retryable
from rekey.ports.cluster import Ports


async def tell(ports: Ports, credential: Credential) -> Status:
    """Send what is to be sent now; return the status that says how that went.

    Raises:
        NotLeading: it is not ours to send any more.
    """
    status, refused = credential.status, set[str]()
    for item in notifying.pending(status, ports.clock.now()):
        ref = next((one.ref for one in credential.spec.notify if notifying.name(one) == item.webhook), None)
        if ref is None or item.webhook in refused:
            continue
        try:
            await ports.backends.notify(credential.key.namespace, ref, notifying.message(credential, item))
        except (Forbidden, Rejected, Retryable) as error:
            refused.add(item.webhook)
            after = error.retry_after if isinstance(error, Retryable) else None
            status = notifying.failed(status, item, str(error), ports.clock.now(), after)
        else:
            status = notifying.sent(status, item, ports.clock.now())
    return status
