"""Those who are told of a credential are: what the saved status says is to be sent, once each as far as we know."""

from __future__ import annotations

from collections.abc import Sequence

from rekey.core import notifying
from rekey.core.facts import Credential
from rekey.core.spec_notify import Notify
from rekey.core.status import Status
from rekey.errors import Forbidden, Rejected, Retryable
from rekey.ports.cluster import Ports


async def tell(ports: Ports, credential: Credential, audience: Sequence[Notify]) -> Status:
    """Send what is to be sent now; return the status that says how that went.

    Raises:
        NotLeading: it is not ours to send any more.
    """
    status, refused = credential.status, set[notifying.Key]()
    known = {one.webhook: one for one in notifying.listeners(credential.spec.notify, audience)}
    for item in notifying.pending(status, ports.clock.now()):
        one = known.get(item.webhook)
        if one is None or (item.webhook, item.event) in refused:
            continue
        said, along = notifying.message(credential, item), one.along(item.event)
        for_all = item.event in one.of_all
        try:
            await ports.backends.notify(credential.key.namespace, one.ref, said, for_all=for_all)
        except (Forbidden, Rejected, Retryable) as error:
            refused |= {(item.webhook, event) for event in along}
            after = error.retry_after if isinstance(error, Retryable) else None
            status = notifying.failed(status, item, str(error), ports.clock.now(), after, along)
        else:
            status = notifying.sent(status, item, ports.clock.now())
    return status
