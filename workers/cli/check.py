"""``sternway check``: is the catalog right? Every problem with its line, before anything is started with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def check(
    file: Annotated[Path, typer.Argument(help="The catalog file.", metavar="FILE")] = Path("catalog.yaml"),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, for machines.")] = False,
) -> None:
    """Check a catalog and name every problem in it: file, line, cause and the nearest valid name.

    The exit status is 0 if the catalog can be used, and 1 if it cannot.

    Example: [bold]sternway check catalog.yaml[/bold]
    """
    from models.catalog_file import CatalogError
    from workers.catalog import load_catalog

    try:
        loaded = load_catalog(file)
    except CatalogError as error:
        problems = [problem.model_dump() for problem in error.problems]
        typer.echo(json.dumps({"valid": False, "problems": problems}) if as_json else str(error), err=not as_json)
        raise typer.Exit(1) from None
    catalog = loaded.catalog
    parts = {"regions": catalog.regions, "services": catalog.services, "policies": catalog.policies}
    if as_json:
        names = {part: sorted(entries) for part, entries in parts.items()}
        typer.echo(json.dumps({"valid": True, "problems": [], "digest": loaded.digest, **names}))
        return
    typer.echo(f"{file} is right, digest {loaded.digest}")
    for part, entries in parts.items():
        typer.echo(f"  {part}: {', '.join(sorted(entries)) or 'none'}")
