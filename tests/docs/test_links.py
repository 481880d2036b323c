"""Every link of a page to another file of the repository leads somewhere, and so does its anchor."""

from __future__ import annotations

import re

import pytest

from tests.docs.pages import PAGES, ROOT, prose

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
ELSEWHERE = ("http://", "https://", "mailto:")


def anchors(page: str) -> set[str]:
    """What the headings of a page are called in links, as GitHub names them."""
    titles = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES)
def test_every_relative_link_resolves(page: str) -> None:
    for link in LINK.findall(prose(page)):
        if link.startswith(ELSEWHERE):
            continue
        path, _, anchor = link.partition("#")
        target = (PAGES[page].parent / path).resolve() if path else PAGES[page]
        assert target.is_relative_to(ROOT), f"{link} leads out of the repository"
        assert target.exists(), f"{link} leads nowhere"
        if anchor:
            assert anchor in anchors(str(target.relative_to(ROOT))), f"{link}: no such heading"


@pytest.mark.parametrize("page", [page for page in PAGES if page.startswith("docs/") and page != "docs/index.md"])
def test_every_page_is_reached_from_the_index(page: str) -> None:
    linked = {(PAGES["docs/index.md"].parent / link).resolve() for link in LINK.findall(prose("docs/index.md"))}
    assert PAGES[page] in linked


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_is_named_exists(page: str) -> None:
    """Paths in backticks that begin with a room's name; braces and angle brackets stand for several."""
    rooms = "models|workflows|activities|workers|guard|deploy|bench|tests|docs"
    for path in re.findall(rf"`((?:{rooms})/[\w./-]+)`", prose(page)):
        assert (ROOT / path).exists(), f"{path} does not exist"
