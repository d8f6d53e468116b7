"""Where the API server is and how to log in: in a pod from its ServiceAccount, elsewhere from a kubeconfig.

1. In a pod nothing of the `kubernetes` package is imported: 11 MiB and 0.3 s for an address and three files.
2. A kubeconfig is loaded by that package, so every way to log in that it knows works here.
"""

from __future__ import annotations

import contextlib
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from rekey.errors import RekeyError
from rekey.kube.login import Login, Program, TokenFile

SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")


Untyped: TypeAlias = Any
"""A configuration of the `kubernetes` package, which ships no types."""


class NoAccessError(RekeyError):
    """Tell the person who started us: without an API server there is nothing to do."""


@dataclass(frozen=True, slots=True)
class Access:
    """One API server and who we are to it. `namespace` is the one we run in, or the kubeconfig's."""

    server: str
    tls: ssl.SSLContext | None
    login: Login | None
    namespace: str


def load(
    environ: Mapping[str, str],
    *,
    kubeconfig: str | None = None,
    context: str | None = None,
    service_account: Path = SERVICE_ACCOUNT,
) -> Access:
    """Find the API server: a kubeconfig that was named, else the pod's own, else ~/.kube/config.

    Raises:
        NoAccessError: there is none, or what was found cannot be used; one line says why.
    """
    named = kubeconfig or environ.get("KUBECONFIG")
    if named or context:
        return _from_kubeconfig(named or "~/.kube/config", context)
    if environ.get("KUBERNETES_SERVICE_HOST"):
        return _from_pod(environ, service_account)
    return _from_kubeconfig("~/.kube/config", None)


def _from_pod(environ: Mapping[str, str], folder: Path) -> Access:
    host, port = environ["KUBERNETES_SERVICE_HOST"], environ.get("KUBERNETES_SERVICE_PORT", "443")
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        return Access(
            server=f"https://{authority}",
            tls=_tls(folder / "ca.crt"),
            login=TokenFile(folder / "token"),
            namespace=(folder / "namespace").read_text().strip(),
        )
    except OSError as error:
        message = f"the pod's ServiceAccount cannot be used: {error.filename or folder}: {error.strerror or error}"
        raise NoAccessError(message) from error


def _from_kubeconfig(files: str, context: str | None) -> Access:
    config = _loaded(files, context)
    server = str(config.host)
    secure = server.startswith("https://")
    for option, value in (("tls-server-name", config.tls_server_name), ("proxy-url", config.proxy)):
        if value:
            raise NoAccessError(f"the kubeconfig {files} sets {option}, which Rekey cannot use")
    first = _header(config)
    if secure and not first and not config.cert_file:
        raise NoAccessError(f"the kubeconfig {files} gives no way to log in to {server}")

    def ask(refused: bool) -> str | None:  # noqa: FBT001  as Program calls it
        nonlocal config
        if refused:
            # Where that fails too, the old login goes on being refused, and the answers say so.
            with contextlib.suppress(NoAccessError):
                fresh = _loaded(files, context)
                config = fresh if _header(fresh) else config
        return _header(config)

    try:
        tls = _tls(config.ssl_ca_cert, config) if secure else None
    except (OSError, ValueError) as error:
        raise NoAccessError(f"the kubeconfig {files} names certificates that cannot be used: {error}") from error
    login = Program(ask, first) if first else None
    return Access(server=server, tls=tls, login=login, namespace=_namespace(files, context))


def _loaded(files: str, context: str | None) -> Untyped:
    import yaml  # noqa: PLC0415  in a pod it stays out
    from kubernetes import client, config  # noqa: PLC0415  in a pod it stays out

    if not any(Path(file).expanduser().exists() for file in files.split(os.pathsep)):
        raise NoAccessError(f"there is no file {files}: set KUBECONFIG or --kubeconfig")
    made = client.Configuration()
    try:
        config.load_kube_config(config_file=files, context=context, client_configuration=made)  # type: ignore[no-untyped-call]  # theirs
    except (config.ConfigException, OSError) as error:
        raise NoAccessError(f"the kubeconfig {files} cannot be used: {_line(error)}") from error
    except yaml.YAMLError as error:
        raise NoAccessError(f"the kubeconfig {files} is not YAML{_place(error)}") from None  # it quotes the file
    except (TypeError, AttributeError, KeyError, ValueError):
        # The package does not look before it reads: what it stumbles over would quote the file.
        raise NoAccessError(f"the kubeconfig {files} cannot be used: it does not have the form of one") from None
    return made


def _namespace(files: str, context: str | None) -> str:
    from kubernetes import config  # noqa: PLC0415  in a pod it stays out

    every, current = config.list_kube_config_contexts(config_file=files)  # type: ignore[no-untyped-call]  # theirs
    chosen = next((one for one in every if one["name"] == context), current)
    return str(chosen["context"].get("namespace") or "default")


def _header(config: Untyped) -> str | None:
    # When it is asked for the key, the package runs an exec plugin again if its last token is about to end.
    value = config.get_api_key_with_prefix("BearerToken")
    return str(value) if value else None


def _tls(authority: Path | str | None, config: Untyped = None) -> ssl.SSLContext:
    # Read here, as ssl does not say which file is missing.
    context = ssl.create_default_context(cadata=Path(authority).read_text() if authority else None)
    # Python 3.13 demands extensions that the authorities of many clusters do not have; client-go does not.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if config is not None and config.verify_ssl is False:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if config is not None and config.cert_file:
        context.load_cert_chain(config.cert_file, config.key_file)
    return context


def _place(error: Exception) -> str:
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    return f": line {mark.line + 1}: {problem}" if mark is not None else ""


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
