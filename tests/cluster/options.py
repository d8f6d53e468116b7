"""How a control plane can differ from the usual one."""

from dataclasses import dataclass
from typing import NamedTuple


class Ports(NamedTuple):
    """Where the servers listen."""

    apiserver: int
    etcd: int
    etcd_peer: int
    controller_manager: int
    scheduler: int


@dataclass(frozen=True)
class User:
    """Somebody who logs in with a token that is made at start."""

    name: str
    groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class Options:
    """How a control plane differs from the usual one.

    `fsync` is for measurements: without it etcd is faster than any disk. Without `ports` free ones are taken.
    `audit` is an audit level, and `audit.log` in the state folder what comes of it. `users` get a token each,
    in `tokens.csv`. `listen` is the one address on which the API server listens. `etcd_args` are flags such as
    `--quota-backend-bytes`: etcd holds 2 GiB by itself.
    """

    fsync: bool = False
    ports: Ports | None = None
    apiserver_args: tuple[str, ...] = ()
    etcd_args: tuple[str, ...] = ()
    audit: str | None = None
    users: tuple[User, ...] = (User("nobody"),)
    with_kwok: bool = True
    listen: str = "127.0.0.1"
