"""AWS as tests have it: moto's server over HTTP in this process, which checks signatures and rights, and its users."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import boto3
import moto.settings
import pytest
from botocore.config import Config
from moto.server import ThreadedMotoServer

from rekey.core.material import Material
from rekey.core.spec_aws import AwsServer
from rekey.core.spec_provide import Provide
from rekey.providers.aws.asking import Account, Keys
from rekey.providers.aws.backend import AwsAccessKeys
from rekey.providers.http.allowed import Allowed
from tests.cluster.waiting import until

RIGHTS = (
    *("iam:ListAccessKeys", "iam:CreateAccessKey", "iam:UpdateAccessKey", "iam:DeleteAccessKey"),
    *("iam:ListUserTags", "iam:TagUser", "iam:UntagUser", "iam:GetAccessKeyLastUsed"),
)
"""What docs/aws.md says that our login needs."""


@dataclass
class Aws:
    """The server; `admin` may do everything, `login` what ours needs."""

    url: str
    admin: Any
    login: Material

    def user(self) -> str:
        """Make a user."""
        name = f"orders.{secrets.token_hex(4)}@shop"
        self.admin.create_user(UserName=name)
        return name

    def keys(self, user: str) -> dict[str, str]:
        """Return the keys of a user and how each is."""
        found = self.admin.list_access_keys(UserName=user)["AccessKeyMetadata"]
        return {one["AccessKeyId"]: one["Status"] for one in found}

    def tags(self, user: str) -> dict[str, str]:
        """Return the tags of a user."""
        return {one["Key"]: one["Value"] for one in self.admin.list_user_tags(UserName=user)["Tags"]}

    def key(self, user: str) -> str:
        """Make a key by hand."""
        made: str = self.admin.create_access_key(UserName=user)["AccessKey"]["AccessKeyId"]
        return made

    def lets_in(self, material: Material | None) -> bool:
        """Say whether AWS knows who shows this."""
        assert material is not None
        pair = {name: value.decode() for name, value in material.reveal().items()}
        client = boto3.client("sts", region_name="us-east-1", endpoint_url=self.url, config=PATIENT, **pair)
        try:
            client.get_caller_identity()
        except client.exceptions.ClientError:
            return False
        finally:
            client.close()
        return True

    def adapter(self, user: str, login: Material | None = None, url: str = "", **more: Any) -> AwsAccessKeys:
        """Return the adapter for a user; `now` is its clock."""
        now, authority = more.pop("now", lambda: datetime.now(UTC)), more.pop("authority", None)
        declared = {"secretName": "login", "endpointUrl": url or self.url, **more}
        server = AwsServer.model_validate(declared)
        account = Account(
            server,
            authority,
            Allowed(["http://127.0.0.0/8", "::1/128"]),
            "orders",
            lambda: datetime.now(UTC),
            lambda: 20.0,
        )
        return AwsAccessKeys(account, Keys(login or self.login), user, now)


PATIENT = Config(retries={"total_max_attempts": 1}, proxies={}, read_timeout=60)


def pair(made: dict[str, Any]) -> Material:
    """Return a key as a Secret has it."""
    found = {"aws_access_key_id": made["AccessKeyId"], "aws_secret_access_key": made["SecretAccessKey"]}
    return Material({name: value.encode() for name, value in found.items()})


def wanted(user: str) -> Provide:
    """Return what a credential asks for."""
    return Provide.model_validate({"ref": {"name": "aws"}, "awsAccessKey": {"userName": user}})


@pytest.fixture(scope="session")
def aws() -> Aws:
    """Give the server: one in each process, as what it holds is the process's; it ends with that."""
    return _started()


@lru_cache
def _started() -> Aws:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    return _prepared(f"http://{host}:{port}")


def _prepared(url: str) -> Aws:
    """Make two users, and from then on have nobody do what he may not."""
    here = {"region_name": "us-east-1", "endpoint_url": url, "config": PATIENT}
    anybody = boto3.client("iam", aws_access_key_id="any", aws_secret_access_key="any", **here)
    until(lambda: anybody.list_users() is not None, "moto", seconds=60)
    pairs = {}
    for name, rights in (("admin", ["*"]), ("rekey", list(RIGHTS))):
        anybody.create_user(UserName=name)
        pairs[name] = pair(anybody.create_access_key(UserName=name)["AccessKey"])
        policy = {"Statement": [{"Effect": "Allow", "Action": rights, "Resource": "*"}], "Version": "2012-10-17"}
        anybody.put_user_policy(UserName=name, PolicyName="all", PolicyDocument=json.dumps(policy))
    anybody.close()
    # From here on moto checks signatures and rights; by a request it can be told so, but not for ever.
    moto.settings.INITIAL_NO_AUTH_ACTION_COUNT = 0
    secret = {name: value.decode() for name, value in pairs["admin"].reveal().items()}
    return Aws(url, boto3.client("iam", **here, **secret), pairs["rekey"])
