"""`luxel criteria`: what tables of criteria there are, what they say, whether a file is sound, why a score came out."""

from typing import Annotated

import typer

from luxel.cli.console import put, say
from luxel.cli.options import AssessingOptions, with_groups
from luxel.cli.score import RegionOptions, ScoredPaths, ScoringOptions, region_lines

criteria = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

NameOrFile = Annotated[
    str, typer.Argument(metavar="NAME_OR_FILE", help="Shipped criteria, or a .toml file.", show_default=False)
]


@criteria.callback()
def _about() -> None:
    """Tables that turn a map into a score: list, show, check and explain them.

    \b
    Examples:
      luxel criteria list
      luxel criteria show fig9 > my-criteria.toml
      luxel criteria check my-criteria.toml
      luxel criteria explain my-criteria.toml photo.jpg
    """


@criteria.command("list")
def list_() -> None:
    """The criteria that come with luxel."""
    from luxel.criteria import load, names

    for name in names():
        put(f"{name:<10}  {load(name).about}")


@criteria.command()
def show(name_or_file: NameOrFile) -> None:
    """The file itself, to read or to start your own from."""
    from luxel.criteria import load

    put(*load(name_or_file).path.read_text(encoding="utf-8").splitlines())


@criteria.command()
def check(
    files: Annotated[list[str], typer.Argument(metavar="NAME_OR_FILE...", help="Files to check.", show_default=False)],
) -> None:
    """Check files: names, values, bands that can never match, pictures that no band matches.

    Exit code: 0 all sound, 1 some are not; each fault is one line with file and line number.
    """
    from luxel.criteria import load
    from luxel.errors import CriteriaError
    from luxel.text import printable

    faults = 0
    for file in files:
        try:
            loaded = load(file)
        except CriteriaError as error:
            faults += 1
            typer.echo(printable(str(error)), err=True)
            continue
        parts = [f"{len(loaded.bands)} bands", f"over beyond {loaded.over:g}", f"under beyond {loaded.under:g}"]
        if loaded.regions:
            parts.append(f"regions {', '.join(loaded.regions)}")
        if loaded.questions:
            parts.append(f"a person must answer {', '.join(loaded.questions)}")
        parts.append(f"otherwise {loaded.otherwise.label!r}" if loaded.otherwise else "some band always matches")
        put(f"{file}: valid: {'; '.join(parts)}")
    raise typer.Exit(1 if faults else 0)


@criteria.command()
@with_groups
def explain(
    name_or_file: NameOrFile,
    paths: ScoredPaths,
    *,
    regions: RegionOptions,
    scoring: ScoringOptions,
    network: AssessingOptions,
) -> None:
    """Which band matched and why, with the numbers, for pictures or saved maps.

    \b
    Examples:
      luxel criteria explain fig9 photo.jpg
      luxel criteria explain portrait photo.jpg --regions mask.png

    Exit code: 0 all scored, 1 some files have no score, 2 wrong usage.
    """
    from luxel.criteria.scorer import find_files

    scorer = scoring.scorer(name_or_file, regions, network)
    found = find_files(paths, maps=scoring.maps, recursive=False, warn=say)
    missing = False
    for place, path in enumerate(found):
        row = scorer.score(path)
        put(*([""] if place else []), str(path))
        if row.verdict is None:
            put(f"  {row.error}")
            missing = True
            continue
        missing = missing or not row.verdict.scored
        for line in row.verdict.explain():
            put(f"  {line}")
        if row.regions:
            put("  regions:")
            for line in region_lines(row.regions):
                put(f"    {line}")
    raise typer.Exit(1 if missing else 0)
