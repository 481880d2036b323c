"""Reading a catalog: every problem at once, each with its line, its cause and the nearest valid name.

Text to values (:mod:`models.catalog_text`), values to their form (:mod:`models.catalog_form`), and what must hold
between the parts (:mod:`models.catalog_check`).
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterable, Mapping

import yaml

from models.base import Frozen, SternwayError
from models.catalog import Catalog
from models.catalog_check import check
from models.catalog_form import draft_of, validate
from models.catalog_text import Unreadable, read
from models.catalog_tree import Node, Path, Plain, Problem, escaped

_ADVISED = 50
"""Finding the nearest name takes time: the first so many problems get one."""


class CatalogProblem(Frozen):
    """One thing that is wrong with a catalog."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


class CatalogError(SternwayError):
    """The catalog cannot be used. Its text is one line for each problem, in the order of the file."""

    def __init__(self, problems: Iterable[CatalogProblem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line))
        super().__init__("\n".join(str(problem) for problem in self.problems))


class LoadedCatalog(Frozen):
    """A catalog with its digest and the text that gives both again."""

    catalog: Catalog
    digest: str
    """Of what the catalog says with the environment filled in; comments, order and layout do not count."""
    text: str
    """YAML with the environment filled in: parsed with an empty environment it has the same digest."""


def parse(text: str, source: str, environment: Mapping[str, str]) -> LoadedCatalog:
    """The catalog in *text*, with ``${NAME}`` taken from *environment*.

    *source* is the name of the file, for the errors. Raises :class:`CatalogError` with all problems that can be seen.
    """
    last = text.count("\n") + 1
    try:
        top, problems = read(text, environment)
    except Unreadable as error:
        raise CatalogError(_located([error.problem], Node({}, 1), source, last)) from None
    catalog, wrong = validate(top)
    problems += _news(wrong, problems)
    draft = draft_of(catalog) if isinstance(catalog, Catalog) else catalog
    problems += _news(check(draft), problems)
    if problems or not isinstance(catalog, Catalog):
        raise CatalogError(_located(problems, top, source, last))
    data = top.plain()
    return LoadedCatalog(catalog=catalog, digest=_digest(data), text=_written(data))


def _news(found: Iterable[Problem], known: list[Problem]) -> list[Problem]:
    """Without what only follows from a problem that is known already, and without repetitions."""
    paths = {problem.path for problem in known}
    news: dict[tuple[Path, str], Problem] = {}
    for problem in found:
        places = [problem.path[:length] for length in range(1, len(problem.path) + 1)]
        if paths.isdisjoint([*places, problem.follows or problem.path]):
            news.setdefault((problem.path, problem.message), problem)
    return list(news.values())


def _located(problems: list[Problem], top: Node, source: str, last: int) -> list[CatalogProblem]:
    """The problems with their lines; what is missing at the end of the text is missing in its *last* line."""
    located: list[CatalogProblem] = []
    for problem in problems:
        advised = len(located) < _ADVISED and problem.unknown
        near = difflib.get_close_matches(problem.unknown[:100], problem.known, n=1) if advised else []
        message = f'{problem.message}; did you mean "{near[0]}"?' if near else problem.message
        line = min(problem.line or top.nearest(problem.path).line, last)
        located.append(CatalogProblem(file=source, line=line, message=message))
    return located


def _digest(data: Plain) -> str:
    canonical = json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def _written(data: Plain) -> str:
    return yaml.dump(escaped(data), Dumper=yaml.CSafeDumper, sort_keys=True, allow_unicode=False, width=1 << 30)
