"""The program `rekey`: its commands, their flags and what a person reads when something is wrong.

1. Modules are imported by the command that needs them: `rekey --help` answers at once.
2. An error that is a person's to mend is one line and exit code 1; an unforeseen one shows its type and place, never
   what it is about, and exit code 70.
"""

import asyncio
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from rekey import __version__
from rekey.errors import RekeyError

_SOFTWARE = 70
app = typer.Typer(
    help="Rekey rotates credentials in Kubernetes without locking anyone out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
Kubeconfig = Annotated[
    str | None,
    typer.Option(help="File with the address of the API server. Default: $KUBECONFIG, the pod's own, ~/.kube/config."),
]
Context = Annotated[str | None, typer.Option(help="Context of the kubeconfig to use.")]
HttpPort = Annotated[int | None, typer.Option(help="Port of /livez, /readyz and /metrics.")]
LogLevel = Annotated[str | None, typer.Option(help="debug, info, warning or error.")]
LogFormat = Annotated[str | None, typer.Option(help="json, text or auto.")]


def _show_version(asked: bool) -> None:  # noqa: FBT001  as typer calls it
    if asked:
        typer.echo(f"rekey {__version__}")
        raise typer.Exit


@app.command()
def run(  # noqa: PLR0913, PLR0917  one flag each
    namespace: Annotated[
        list[str] | None,
        typer.Option("--namespace", "-n", help="Work in this namespace only; repeatable. Default: all."),
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Credentials that are worked on at once.")] = None,
    http_port: HttpPort = None,
    leader_election: Annotated[
        str | None, typer.Option(help="true, or false where there is only one replica.", metavar="BOOL")
    ] = None,
    lease_namespace: Annotated[str | None, typer.Option(help="Namespace of the Lease. Default: the pod's own.")] = None,
    shards: Annotated[int | None, typer.Option(help="Into how many shards namespaces are divided by a label.")] = None,
    log_level: LogLevel = None,
    log_format: LogFormat = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Run the operator until it is told to stop; every setting is also a variable REKEY_<NAME> (docs/settings.md)."""
    from rekey.app import logs, settings  # noqa: PLC0415  see 1. above

    given: dict[str, Any] = {
        "namespaces": namespace,
        "workers": workers,
        "http_port": http_port,
        "leader_election": leader_election,
        "lease_namespace": lease_namespace,
        "shards": shards,
        "log_level": log_level,
        "log_format": log_format,
    }
    chosen = settings.read(given)
    logs.start(chosen.log_level, chosen.log_format)
    from rekey.app.run import run as operate  # noqa: PLC0415  see 1. above
    from rekey.kube.config import load  # noqa: PLC0415  see 1. above

    operate(chosen, load(settings.environment(), kubeconfig=kubeconfig, context=context))


@app.command()
def plan(
    what: Annotated[str, typer.Argument(metavar="FILE|NAME", help="A file of manifests, `-`, or a credential's name.")],
    namespace: Annotated[str | None, typer.Option("--namespace", "-n", help="Namespace of the credential.")] = None,
    output: Annotated[str, typer.Option("--output", "-o", help="table or json.")] = "table",
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Show what would be done with a credential and when; nothing is written. The API server is asked about a file."""
    from rekey.app import plan_check, plan_show, settings  # noqa: PLC0415  see 1. above
    from rekey.app.clock import SystemClock  # noqa: PLC0415  see 1. above
    from rekey.kube.config import load  # noqa: PLC0415  see 1. above

    form, clock = _output(output), SystemClock()
    if plan_show.is_file(what):
        manifests = plan_show.documents(what)
        plans, why = asyncio.run(
            plan_check.judged(
                plan_show.of_documents(what, manifests, namespace, clock.now()),
                manifests,
                settings.environment(),
                kubeconfig=kubeconfig,
                context=context,
            )
        )
        if why:
            said = f"the API server's own rules were not checked ({why}): kubectl apply --dry-run=server -f {what}"
            typer.echo(said, err=True)
    else:
        access = load(settings.environment(), kubeconfig=kubeconfig, context=context)
        plans = asyncio.run(plan_show.from_cluster(what, namespace, access, clock))
    plan_show.show(plans, plan_show.Output(form))
    if any(found.problems for found in plans):
        raise typer.Exit(1)


@app.command()
def publish(  # noqa: PLR0913, PLR0917  one flag each
    namespace: Annotated[
        list[str] | None,
        typer.Option("--namespace", "-n", help="Publish this namespace only; repeatable. Default: all."),
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen at. Default: all of this machine's.")] = None,
    port: Annotated[int | None, typer.Option(help="Port of what is published.")] = None,
    http_port: HttpPort = None,
    tls_directory: Annotated[str | None, typer.Option(help="Directory with tls.crt and tls.key.")] = None,
    insecure_http: Annotated[  # noqa: FBT002  a flag
        bool, typer.Option("--insecure-http", help="Serve without TLS: behind an ingress or a mesh only.")
    ] = False,
    log_level: LogLevel = None,
    log_format: LogFormat = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Serve public keys, and past and announced rotations, over HTTPS (docs/publishing.md); it only reads."""
    from rekey.app import logs, settings  # noqa: PLC0415  see 1. above
    from rekey.app.publish.settings import read  # noqa: PLC0415  see 1. above

    given: dict[str, Any] = {
        "namespaces": namespace,
        "host": host,
        "port": port,
        "http_port": http_port,
        "tls_directory": tls_directory,
        "insecure_http": insecure_http or None,
        "log_level": log_level,
        "log_format": log_format,
    }
    chosen = read(given)
    logs.start(chosen.log_level, chosen.log_format)
    from rekey.app.publish.running import run as serve  # noqa: PLC0415  see 1. above
    from rekey.kube.config import load  # noqa: PLC0415  see 1. above

    serve(chosen, load(settings.environment(), kubeconfig=kubeconfig, context=context))


@app.command()
def authorize(  # noqa: PLR0913, PLR0917  one flag each
    name: Annotated[str, typer.Argument(help="Name of the RotatedCredential.")],
    namespace: Annotated[str | None, typer.Option("--namespace", "-n", help="Its namespace.")] = None,
    home: Annotated[
        str | None, typer.Option(help="The operator's namespace; needed for a ClusterCredentialProvider.")
    ] = None,
    no_browser: Annotated[  # noqa: FBT002  a flag
        bool, typer.Option("--no-browser", help="Print the address, and open no browser.")
    ] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of 127.0.0.1 to come back to. Default: any.")] = 0,
    output: Annotated[str, typer.Option("--output", "-o", help="table or json.")] = "table",
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Get or renew a person's OAuth2 consent in the browser, and store it where the credential is renewed from."""
    from rekey.app import authorize as asking  # noqa: PLC0415  see 1. above
    from rekey.app import settings  # noqa: PLC0415  see 1. above
    from rekey.core.facts import Key  # noqa: PLC0415  see 1. above
    from rekey.kube.config import load  # noqa: PLC0415  see 1. above
    from rekey.providers.http.allowed import Allowed  # noqa: PLC0415  see 1. above

    form, allowed = _output(output), Allowed(settings.read({}).probe_allowed)
    access = load(settings.environment(), kubeconfig=kubeconfig, context=context)
    how = asking.How(home, not no_browser, port)
    written = asyncio.run(asking.authorize(Key(namespace or access.namespace, name), access, allowed, how))
    typer.echo(asking.as_json(written) if form == "json" else asking.as_text(written))


@app.callback()
def _program(
    version: Annotated[  # noqa: FBT002  a flag
        bool, typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Rekey rotates credentials in Kubernetes without locking anyone out."""


@app.command()
def version() -> None:
    """Show the version."""
    typer.echo(f"rekey {__version__}")


@app.command(hidden=True)
def generate() -> None:
    """Write the files that are made from the code: the CRD and the reference."""
    from rekey.app.generate import write  # noqa: PLC0415  see 1. above

    for path in write(Path.cwd()):
        typer.echo(f"wrote {path}")


def main() -> None:
    """Run the program."""
    try:
        app()
    except RekeyError as error:
        sys.exit(f"rekey: {error}")
    except Exception as error:  # noqa: BLE001  the usual traceback would quote what it is about
        from rekey.app.logs import describe  # noqa: PLC0415  see 1. above

        sys.stderr.write(f"rekey: this is a mistake in Rekey: {describe(error)}\n")
        sys.exit(_SOFTWARE)


def _output(text: str) -> str:
    if text not in ("table", "json"):
        raise typer.BadParameter(f"{text!r} is neither table nor json", param_hint="--output")
    return text
