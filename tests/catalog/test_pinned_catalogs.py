"""An incident keeps the catalog that it began with: its own process's, or an older one that the store gives back."""

from __future__ import annotations

import pytest
from catalogs import ENVIRONMENT, RIGHT

from activities.catalogs import Catalogs, UnknownCatalog
from models.catalog_file import parse

OLD = parse(RIGHT, "catalog.yaml", ENVIRONMENT)
NEW = parse(RIGHT.replace("tier: 2", "tier: 3"), "catalog.yaml", ENVIRONMENT)


class Shelf:
    """A store of texts by digest that notes what it was asked for."""

    def __init__(self, **texts: str) -> None:
        self.texts = texts
        self.asked: list[str] = []

    def recall(self, digest: str) -> str | None:
        self.asked.append(digest)
        return self.texts.get(digest)


def test_the_process_s_own_catalog_needs_no_store() -> None:
    shelf = Shelf()
    assert Catalogs(NEW, shelf.recall).get(NEW.digest) == NEW.catalog
    assert shelf.asked == []


def test_an_older_catalog_comes_back_from_its_text_as_it_was_and_is_asked_for_once() -> None:
    shelf = Shelf(**{OLD.digest: OLD.text})
    catalogs = Catalogs(NEW, shelf.recall)
    assert catalogs.get(OLD.digest) == OLD.catalog
    assert catalogs.get(OLD.digest).services["billing"].tier == 2
    assert catalogs.get(NEW.digest).services["billing"].tier == 3
    assert shelf.asked == [OLD.digest]


def test_a_catalog_that_nobody_has_is_named_with_its_cure_and_may_come_later() -> None:
    shelf = Shelf()
    catalogs = Catalogs(NEW, shelf.recall)
    with pytest.raises(UnknownCatalog, match=rf"catalog {OLD.digest}.*give the store back, or abort the incident"):
        catalogs.get(OLD.digest)
    shelf.texts[OLD.digest] = OLD.text
    assert catalogs.get(OLD.digest) == OLD.catalog


def test_a_text_that_is_not_the_one_asked_for_is_refused() -> None:
    catalogs = Catalogs(NEW, Shelf(**{OLD.digest: NEW.text}).recall)
    with pytest.raises(UnknownCatalog, match=rf"{OLD.digest}.*{NEW.digest}"):
        catalogs.get(OLD.digest)
