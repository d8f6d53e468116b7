"""Paths are made of names, and of nothing that only looks like one."""

import pytest

from rekey.errors import Rejected
from rekey.kube.api import CREDENTIALS, SECRETS, WORKLOADS

NO_NAMES = {
    "nothing": "",
    "a way up": "..",
    "a way to another namespace": "../../kube-system/secrets/x",
    "a path": "a/b",
    "a quoted path": "a%2fb",
    "a query": "a?limit=1",
    "a fragment": "a#b",
    "two dots within": "a..b",
    "a leading dot": ".a",
    "a line end": "a\n",
    "an upper-case letter": "A",
    "too many letters": "a" * 254,
}


@pytest.mark.parametrize("name", NO_NAMES.values(), ids=NO_NAMES)
def test_no_names(name: str) -> None:
    """What is no name becomes part of no path, neither as an object nor as a namespace."""
    with pytest.raises(Rejected, match="is not the name of"):
        SECRETS.one("shop", name)
    with pytest.raises(Rejected, match="is not the name of a namespace"):
        SECRETS.one(name, "db")


def test_paths() -> None:
    """A path names group, version, namespace, resource, object and subresource."""
    assert SECRETS.one("shop", "db.v1").url == "/api/v1/namespaces/shop/secrets/db.v1"
    assert WORKLOADS["CronJob"].all("shop").url == "/apis/batch/v1/namespaces/shop/cronjobs"
    status = CREDENTIALS.one("shop", "db", "status")
    assert status.url == "/apis/rekey.dev/v1alpha1/namespaces/shop/rotatedcredentials/db/status"
    assert (status.resource, status.namespace) == ("rotatedcredentials/status", "shop")
