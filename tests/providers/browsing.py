"""A person at a browser, scripted: logs in at the real server, says yes or no, and is led back to who asked."""

from __future__ import annotations

import re
from html import unescape

import httpx

from tests.providers.django_server import PASSWORD, PERSON

_INPUT = re.compile(r'<input type="hidden" name="(\w+)"(?: value="([^"]*)")?')


def visit(address: str, *, allow: bool = True) -> httpx.Response:
    """Follow the address as a person who consents, or not; return the last page."""
    with httpx.Client(follow_redirects=True, timeout=60, trust_env=False) as browser:
        page = browser.get(address)
        assert page.url.path == "/login", page.url
        page = browser.post(page.url, data={"username": PERSON, "password": PASSWORD})
        # The browser repeats a redirected POST as a GET: it is at the question now.
        assert page.url.path == "/authorize", page.url
        form = {name: unescape(value) for name, value in _INPUT.findall(page.text) if value}
        return browser.post(page.url, data={**form, "allow": "Authorize"} if allow else form)
