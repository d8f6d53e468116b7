"""The port `Announcer` with a memory: how a credential ended stands in the log too.

A namespace that is being deleted takes no Events any more, and those that it has go with it.
"""

import logging
from typing import Final

from rekey.core.facts import Credential
from rekey.core.reasons import Notice
from rekey.ports.cluster import Announcer, News

_ENDS: Final = {Notice.RELEASED: logging.INFO, Notice.DESTROYED: logging.INFO, Notice.ORPHANED: logging.WARNING}
log = logging.getLogger(__name__)


class Recorded:
    """It announces what the inner one does, and logs the ends."""

    def __init__(self, inner: Announcer) -> None:
        self._inner = inner

    def announce(self, credential: Credential, news: News) -> None:
        """Send the Event in the background, and log it if it is an end. Never raises."""
        if news.notice in _ENDS:
            extra = {"credential": str(credential.key), "reason": str(news.notice), "message_text": news.note}
            log.log(_ENDS[news.notice], "the credential was deleted", extra=extra)
        self._inner.announce(credential, news)
