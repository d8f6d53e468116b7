"""Addresses to which a credential may go: https, or this machine."""

import ipaddress
from urllib.parse import urlsplit

from rekey_client.errors import Insecure


def refuse_insecure(url: str) -> None:
    """Do nothing for https and for http to a loopback address.

    Raises:
        Insecure: anything else.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        raise Insecure("the address cannot be read; it must be https://<host>/…") from None
    if parts.username is not None or parts.password is not None:
        raise Insecure(f"the address of {host} holds a user or password; put them into the bundle instead")
    if host and (parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))):
        return
    raise Insecure(
        f"{parts.scheme or 'no scheme'}:// to {host or 'no host'}: only https, or http to this machine itself"
    )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
