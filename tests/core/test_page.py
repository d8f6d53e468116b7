"""The published pages: nothing in them is markup but ours, and everybody can read them."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from rekey.core import page
from rekey.core.documents import Age
from rekey.core.page import POLICY, STYLE
from tests.publish.objects import ROTATING, START, at, credential, jwk, kid, published, version

FRESH = Age(START)
EVIL = '<script src="//x">&"\''
EVIL_PROOF = json.dumps({"kid": EVIL, "jwk": {**jwk(1), "kid": EVIL, "alg": EVIL}})
VOID = {"meta"}


class Outline(HTMLParser):
    """The elements of a page, and whether they are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data

    def count(self, tag: str) -> int:
        """Return how many of these there are."""
        return sum(one == tag for one, _ in self.elements)


PAGES = {
    "a rotation": page.credential(published(credential(*ROTATING, overlapEndTime=at(52))), FRESH),
    "one key": page.credential(published(credential(version(1, "Active"))), Age(START, away=True)),
    "no key yet": page.credential(published(credential(nextRotationTime=None)), Age(START, away=True, stale=True)),
    "an index": page.index([published(credential(*ROTATING))], FRESH),
    "an empty index": page.index([], FRESH),
}


@pytest.mark.parametrize("name", PAGES)
def test_structure(name: str) -> None:
    """Everything is closed, has its landmarks, one title, headings without gaps, and nothing that runs or loads."""
    found = Outline(PAGES[name])
    assert [found.count(tag) for tag in ("header", "main", "footer", "h1", "title")] == [1] * 5
    assert ("html", {"lang": "en"}) in found.elements
    levels = [int(tag[1]) for tag, _ in found.elements if re.fullmatch(r"h\d", tag)]
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert found.count("caption") == found.count("table")
    assert all("scope" in attributes for tag, attributes in found.elements if tag == "th")
    assert not {tag for tag, _ in found.elements} & {"script", "img", "link", "iframe", "object", "form"}
    assert not [name for _, attributes in found.elements for name in attributes if name.startswith("on")]
    assert not [one for _, attributes in found.elements if (one := attributes.get("style"))]
    addresses = [attributes["href"] for tag, attributes in found.elements if tag == "a"]
    assert all(str(address).startswith("/") and not str(address).startswith("//") for address in addresses)


def test_what_the_page_tells() -> None:
    """Keys, times, notices and what is to come stand in words."""
    words = Outline(PAGES["a rotation"]).words
    for word in ("shop/orders", kid(4), "announced", "deprecated since", "the next rotation may begin", "2026-11-23"):
        assert word in words
    assert "may be outdated" in Outline(PAGES["no key yet"]).words
    assert "does not answer" in Outline(PAGES["one key"]).words


def test_words_are_never_markup() -> None:
    """Whatever a name, an id or an algorithm is, it is shown and not obeyed."""
    evil = published(credential(version(1, "Active", proof=EVIL_PROOF), name=EVIL, namespace=EVIL))
    for text in (page.credential(evil, FRESH), page.index([evil], FRESH)):
        found = Outline(text)
        assert found.count("script") == 0
        assert EVIL in found.words


def test_the_policy_allows_our_style_and_nothing_else() -> None:
    """The style of the page is the one whose digest the policy names."""
    (style,) = re.findall(r"<style>(.*?)</style>", PAGES["a rotation"], re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert POLICY.startswith(f"default-src 'none'; style-src 'sha256-{digest}'; ")


def _luminance(color: str) -> float:
    full = color.lstrip("#") if len(color) == 7 else "".join(digit * 2 for digit in color.lstrip("#"))
    parts = [int(full[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("front", "back"), [("ink", "paper"), ("soft", "paper"), ("link", "paper"), ("ink", "mark")], ids=str
)
def test_contrast(scheme: int, front: str, back: str) -> None:
    """Text stands out from what is behind it by 4.5 to 1 at least (WCAG 1.4.3)."""
    colors = dict(re.findall(r"--(\w+):(#\w+)", STYLE.split("prefers-color-scheme")[scheme]))
    light, dark = sorted((_luminance(colors[front]), _luminance(colors[back])), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5
