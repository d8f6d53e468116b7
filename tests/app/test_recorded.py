"""The end of a credential stands in the log too: a namespace on its way out takes no Events."""

import logging

import pytest

from rekey.app.recorded import Recorded
from rekey.core.facts import Credential
from rekey.core.reasons import Notice
from rekey.kube.credentials import Parser
from rekey.ports.cluster import News
from tests.app.credentials import manifest


class Silent:
    """An announcer that remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[News] = []

    def announce(self, credential: Credential, news: News) -> None:
        self.told.append(news)


@pytest.mark.parametrize("notice", Notice)
def test_ends_are_logged(notice: Notice, caplog: pytest.LogCaptureFixture) -> None:
    """An end is logged with its note, everything is announced, and nothing else is logged."""
    inner, news = Silent(), News("n", notice, "left: key, key-v1")
    with caplog.at_level(logging.INFO):
        Recorded(inner).announce(Parser().parse(manifest("key")), news)
    assert inner.told == [news]
    if notice in {Notice.RELEASED, Notice.DESTROYED, Notice.ORPHANED}:
        (record,) = caplog.records
        assert vars(record)["message_text"] == news.note
        assert vars(record)["credential"] == "shop/key"
    else:
        assert caplog.records == []
