"""The published pages as HTML: no script, nothing from elsewhere, readable by ear, by day and by night.

Every word that comes from a cluster goes through `_text`: a name is never markup. One style, whose digest the content
security policy names.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape
from typing import Final

from rekey.core.documents import Age
from rekey.core.publication import Publication, PublicKey
from rekey.core.timeline import MEANING, Moment, announced, notices, past, shown

STYLE: Final = """
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#4d5561;--paper:#fff;--line:#c3c9d1;--link:#0b4fb3;--mark:#fff4d6}
@media (prefers-color-scheme:dark){
:root{--ink:#e8eaed;--soft:#b4bac2;--paper:#15181c;--line:#444b54;--link:#9cc2ff;--mark:#3a3113}}
body{margin:0 auto;max-width:70rem;padding:1rem;background:var(--paper);color:var(--ink)}
body{font:1rem/1.5 system-ui,sans-serif}
h1,li,p{overflow-wrap:anywhere}
a{color:var(--link)}
a:focus-visible,[tabindex]:focus-visible{outline:3px solid var(--link);outline-offset:2px}
.soft,caption{color:var(--soft)}
.mark{background:var(--mark);border-left:.3rem solid var(--ink);padding:.5rem 1rem}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;margin:1rem 0}
caption{text-align:left;padding:.3rem 0}
th,td{border-bottom:1px solid var(--line);padding:.4rem .8rem .4rem 0;text-align:left;vertical-align:top}
code{overflow-wrap:anywhere;min-width:11rem;display:inline-block}
time{white-space:nowrap}
nav ul{display:flex;flex-wrap:wrap;gap:1rem;list-style:none;padding:0}
"""
_DIGEST: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_DIGEST}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The content security policy of everything that is served."""


def index(publications: Iterable[Publication], age: Age) -> str:
    """Return the page of everything that is published."""
    rows = [
        (
            f'<th scope="row"><a href="{_text(link(one))}">{_text(one.key)}</a></th>',
            _cell(_text(sum(key.accepted for key in one.keys))),
            _cell(_time(one.next_rotation)),
        )
        for one in sorted(publications, key=lambda one: str(one.key))
    ]
    heads = ("credential", "accepted keys", "next rotation not before")
    nothing = "<p>Nothing is published here. A signing key is, once its verifier has the format JWKS.</p>"
    table = _table("Published credentials", heads, rows) if rows else nothing
    return _page("Published keys", "", f"{_age(age)}{table}")


def credential(publication: Publication, age: Age) -> str:
    """Return the page of one credential."""
    here = _text(link(publication))
    links = [f'<li><a href="{here}{name}">{what}</a></li>' for name, what in _LINKS]
    nav = f'<nav aria-label="Documents"><ul><li><a href="/">All credentials</a></li>{"".join(links)}</ul></nav>'
    said = [f"<li>{_text(sentence)}</li>" for sentence in notices(publication)]
    body = (
        _age(age),
        _section("Notices", f"<ul>{''.join(said)}</ul>" if said else "<p>None: one key is in use.</p>"),
        _section("Announced", _moments("What is yet to come", announced(publication), "Nothing is planned.")),
        _section("Keys", _keys(publication.keys)),
        _section("Past", _moments("What happened, the last first", past(publication), "Nothing has happened yet.")),
    )
    return _page(f"Rotations of {publication.key}", nav, "".join(body))


_LINKS: Final = (
    ("jwks.json", "Keys for verifiers (JWKS)"),
    ("catalog.json", "Catalog (JSON)"),
    ("timeline.json", "Timeline (JSON)"),
)


def link(publication: Publication) -> str:
    """Return where the page of a credential is."""
    return f"/v1/namespaces/{publication.key.namespace}/{publication.key.name}/"


def _page(title: str, nav: str, body: str) -> str:
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><title>{_text(title)}</title>'
        f"<style>{STYLE}</style></head>\n<body>\n<header><h1>{_text(title)}</h1>{nav}</header>\n"
        f'<main>{body}</main>\n<footer><p class="soft">Served by Rekey. Times are in UTC.</p></footer>\n'
        f"</body>\n</html>\n"
    )


def _age(age: Age) -> str:
    when = _time(age.as_of)
    if age.stale:
        return f'<p class="mark">The cluster has not been heard since {when}: this page may be outdated.</p>'
    if age.away:
        return f'<p class="mark">The cluster does not answer; this is what was known at {when}.</p>'
    return f'<p class="soft">As of {when}.</p>'


def _section(title: str, content: str) -> str:
    name = title.lower()
    return f'<section aria-labelledby="{name}"><h2 id="{name}">{title}</h2>{content}</section>\n'


def _keys(keys: Sequence[PublicKey]) -> str:
    rows = [
        (
            f'<th scope="row">{key.version}</th>',
            _cell(_kid(key)),
            _cell(_text(key.algorithm or "–")),
            _cell(_text(key.standing.value)),
            _cell(_time(key.activated)),
            _cell(_time(key.deprecated)),
            _cell(_time(key.revoked)),
            _cell(_time(key.expires)),
        )
        for key in keys
    ]
    heads = ("version", "key id", "algorithm", "status", "signs from", "deprecated", "revoked", "expires")
    return _table("Every version on record", heads, rows) if rows else "<p>There is none yet.</p>"


def _moments(caption: str, moments: Sequence[Moment], nothing: str) -> str:
    rows = [
        (
            f'<th scope="row">{_time(one.at)}</th>',
            _cell(_text(MEANING[one.what])),
            _cell("–" if one.key is None else _text(one.key.version)),
            _cell("–" if one.key is None else _kid(one.key)),
        )
        for one in moments
    ]
    return _table(caption, ("when", "what", "version", "key id"), rows) if rows else f"<p>{nothing}</p>"


def _table(caption: str, heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    return (  # what is wider than a screen is scrolled by keyboard, too
        f'<div class="wide" role="region" aria-label="{caption}" tabindex="0"><table><caption>{caption}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _cell(content: str) -> str:
    return f"<td>{content}</td>"


def _kid(key: PublicKey) -> str:
    return "–" if key.kid is None else f"<code>{_text(key.kid)}</code>"


def _time(at: datetime | None) -> str:
    return "–" if at is None else f'<time datetime="{shown(at)}">{at:%Y-%m-%d %H:%M:%S}</time>'


def _text(value: object) -> str:
    return escape(str(value))
