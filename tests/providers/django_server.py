"""An OAuth2 server of another make, django-oauth-toolkit, as a program that is given a folder.

It listens on this host and writes its port into the folder. What no client may do is under /test/: give a grant, take
it away, and answer late once.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

CLIENTS = {"machine": "client-credentials", "person": "authorization-code"}
SECRET = "canary-client-secret-8c1d"
PERSON, PASSWORD = "person", "canary-password-5e7a"
LATE = 30.0
"""Seconds, or until /test/answer."""

_late = threading.Event()
_answer = threading.Event()
App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def configure(folder: Path) -> None:
    """Set Django up, with its tables in a file."""
    import django  # noqa: PLC0415  it is configured as it is loaded
    from django.conf import settings  # noqa: PLC0415  likewise

    settings.configure(
        SECRET_KEY="of-a-test",
        DEBUG=False,
        ALLOWED_HOSTS=["127.0.0.1"],
        ROOT_URLCONF=__name__,
        USE_TZ=True,
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": folder / "db.sqlite3",
                "OPTIONS": {"timeout": 10, "transaction_mode": "IMMEDIATE"},
            }
        },
        INSTALLED_APPS=[
            *(f"django.contrib.{name}" for name in ("auth", "contenttypes", "sessions")),
            "oauth2_provider",
        ],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
        ],
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
        LOGIN_URL="/login",
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],  # a slow one proves nothing here
        OAUTH2_PROVIDER={
            "SCOPES": {"read": "Read", "write": "Write", "introspection": "Ask about tokens"},
            "ACCESS_TOKEN_EXPIRE_SECONDS": 600,
            "ROTATE_REFRESH_TOKEN": True,
        },
    )
    django.setup()


def fill() -> None:
    """Make the tables and the clients."""
    from django.contrib.auth.models import User  # noqa: PLC0415  after it was configured
    from django.core.management import call_command  # noqa: PLC0415  likewise
    from oauth2_provider.models import Application  # noqa: PLC0415  likewise

    call_command("migrate", verbosity=0, run_syncdb=True)
    user = User.objects.create_user(PERSON, password=PASSWORD)
    for name, grant in CLIENTS.items():
        Application.objects.create(
            name=name,
            client_id=name,
            client_secret=SECRET,
            client_type="confidential",
            authorization_grant_type=grant,
            user=user,
            redirect_uris="http://127.0.0.1/",
        )


def _refreshed(_: Any) -> Any:
    from django.http import JsonResponse  # noqa: PLC0415  after it was configured
    from oauth2_provider.models import RefreshToken  # noqa: PLC0415  likewise

    return JsonResponse({"tokens": list(RefreshToken.objects.values_list("token", flat=True))})


def log_in(asked: Any) -> Any:
    """Log a person in, and lead him back to where he wanted to go."""
    from django.contrib import auth  # noqa: PLC0415  after it was configured
    from django.http import HttpResponse  # noqa: PLC0415  likewise
    from django.shortcuts import redirect  # noqa: PLC0415  likewise

    user = auth.authenticate(asked, username=asked.POST.get("username"), password=asked.POST.get("password"))
    if user is None:
        return HttpResponse("Log in", status=200 if asked.method == "GET" else 403)
    auth.login(asked, user)
    return redirect(asked.GET["next"])


def _routes() -> list[Any]:
    from django.http import JsonResponse  # noqa: PLC0415  after it was configured
    from django.urls import path  # noqa: PLC0415  likewise
    from django.utils import timezone  # noqa: PLC0415  likewise
    from oauth2_provider import models, views  # noqa: PLC0415  likewise
    from oauth2_provider.decorators import protected_resource  # noqa: PLC0415  likewise

    def grant(_: Any) -> Any:
        application = models.Application.objects.get(name="person")
        number = models.RefreshToken.objects.count()
        owner = {"user": application.user, "application": application}
        ends = timezone.now() + timedelta(minutes=10)
        access = models.AccessToken.objects.create(token=f"at-{number}", expires=ends, scope="read write", **owner)
        token = models.RefreshToken.objects.create(token=f"canary-consent-{number}", access_token=access, **owner)
        return JsonResponse({"refresh_token": token.token})

    def withdraw(_: Any) -> Any:
        for token in models.RefreshToken.objects.filter(revoked__isnull=True):
            token.revoke()
        return JsonResponse({})

    def late(_: Any) -> Any:
        _answer.clear()
        _late.set()
        return JsonResponse({})

    def answer(_: Any) -> Any:
        _answer.set()
        return JsonResponse({})

    def expire(_: Any) -> Any:
        models.AccessToken.objects.update(expires=timezone.now() - timedelta(seconds=1))
        return JsonResponse({})

    def tokens(_: Any) -> Any:
        found = models.AccessToken.objects.filter(expires__gt=timezone.now(), application__name="machine")
        return JsonResponse({"things": [f"token {token.pk}" for token in found.order_by("pk")]})

    whoami = protected_resource(scopes=["read"])(lambda _: JsonResponse({}))
    return [
        path("login", log_in),
        path("authorize", views.AuthorizationView.as_view()),
        path("token", views.TokenView.as_view()),
        path("revoke", views.RevokeTokenView.as_view()),
        path("introspect", views.IntrospectTokenView.as_view()),
        path("whoami", whoami),
        *(path(f"test/{view.__name__}", view) for view in (grant, withdraw, late, answer, expire, tokens)),
        path("test/refreshed", _refreshed),
    ]


class _Threaded(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


def serve(folder: Path) -> None:
    """Answer until the end."""
    configure(folder)
    fill()
    globals()["urlpatterns"] = _routes()
    from django.core.wsgi import get_wsgi_application  # noqa: PLC0415  after it was configured

    inner: App = get_wsgi_application()

    def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        answered = inner(environ, start)
        if environ["PATH_INFO"] == "/token" and _late.is_set():
            _late.clear()
            _answer.wait(LATE)
        return answered

    with make_server("127.0.0.1", 0, app, server_class=_Threaded, handler_class=_Quiet) as server:
        (folder / "port.part").write_text(json.dumps(server.server_port))
        (folder / "port.part").rename(folder / "port")
        server.serve_forever()


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
