"""`luxel score`: pictures or saved maps scored by anyone's criteria."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from luxel.cli.assess import Backend
from luxel.errors import LuxelError

if TYPE_CHECKING:
    from luxel.criteria import Criteria
    from luxel.criteria.scorer import RegionScore, RegionSource, Scored, Scorer

MAX_REGION_LINES = 12
"""Regions listed for one picture on a terminal; JSON has all."""

Paths = Annotated[
    list[str],
    typer.Argument(
        metavar="PATH...", help="Pictures or saved maps: files, folders or quoted globs.", show_default=False
    ),
]
RegionsOption = Annotated[
    Path | None,
    typer.Option(
        "--regions",
        help="Regions: a label picture, COCO JSON, or a folder with one such file per picture.",
        metavar="FILE_OR_FOLDER",
    ),
]
NamesOption = Annotated[
    Path | None, typer.Option("--names", help="Names of the labels, JSON or TOML: 1 = sky ...", metavar="FILE")
]
SuperpixelsOption = Annotated[
    int | None, typer.Option("--superpixels", help="Regions: about N superpixels.", min=2, max=2000, metavar="N")
]
SegmentOption = Annotated[
    str | None,
    typer.Option("--segment", help="Regions: by a transformers checkpoint, a folder or name.", metavar="CHECKPOINT"),
]
MapsOption = Annotated[
    bool, typer.Option("--maps", help="All PATHs are saved maps, or folders of *.residual.png and *.npy.")
]
AnswerOption = Annotated[
    list[str] | None,
    typer.Option("--answer", help="Answer a question of the criteria. Repeatable.", metavar="QUESTION=yes|no"),
]
WeightsOption = Annotated[
    Path | None, typer.Option(help="ONNX weights to use instead of the shipped ones.", metavar="FILE")
]
BackendOption = Annotated[Backend, typer.Option(help="What runs the network.")]


def score(
    paths: Paths,
    criteria: Annotated[
        str, typer.Option(help="Shipped criteria, or your own .toml file.", metavar="NAME_OR_FILE")
    ] = "fig9",
    regions: RegionsOption = None,
    names: NamesOption = None,
    superpixels: SuperpixelsOption = None,
    segment: SegmentOption = None,
    maps: MapsOption = False,
    answer: AnswerOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON lines with all numbers.")] = False,
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="Search subfolders too.")] = False,
    weights: WeightsOption = None,
    backend: BackendOption = Backend.auto,
) -> None:
    """Score pictures, or maps saved before, by a table of criteria.

    Prints the score, the row of the table that matched, what only a person can say, and with regions a line for each:
    "sky: 37 % overexposed". A file that cannot be scored is a row with the reason.

    \b
    Examples:
      luxel score photos
      luxel score portrait.jpg --criteria portrait --regions portrait-mask.png
      luxel score out/*.residual.png --criteria my-criteria.toml --json
      luxel score shop --criteria ecommerce --regions annotations.json --answer unrecognisable=no

    Exit code: 0 all scored, 1 some files have no score, 2 wrong usage.
    """
    from luxel.cli.progress import bar
    from luxel.criteria.scorer import find_files

    scorer = make_scorer(criteria, regions, names, superpixels, segment, maps, answer, weights, backend)
    files = find_files(paths, maps=maps, recursive=recursive, warn=_warn)
    rows = []
    for path in bar(files, len(files), "scoring"):
        row = scorer.score(path)
        rows.append(row)
        if json:
            _print_json(row)
    if not json:
        _print_table(rows, scorer.criteria)
    raise typer.Exit(0 if all(row.verdict is not None and row.verdict.scored for row in rows) else 1)


def make_scorer(
    criteria: str,
    regions: Path | None,
    names: Path | None,
    superpixels: int | None,
    segment: str | None,
    maps: bool,
    answer: Sequence[str] | None,
    weights: Path | None,
    backend: Backend,
) -> "Scorer":
    """The scorer that the options ask for. Raises LuxelError, or BadParameter for options that do not go together."""
    from luxel import criteria as all_criteria
    from luxel.assessment.assessor import Assessor
    from luxel.criteria.scorer import Scorer

    loaded = all_criteria.load(criteria)
    return Scorer(
        loaded,
        make_assessor=lambda: Assessor(weights, backend=backend.value),
        regions=_region_source(regions, names, superpixels, segment),
        maps=maps,
        answers=_answers(answer or (), loaded),
    )


def _region_source(
    regions: Path | None, names: Path | None, superpixels: int | None, segment: str | None
) -> "RegionSource | None":
    from luxel.criteria import scorer

    given = {"--regions": regions, "--superpixels": superpixels, "--segment": segment}
    chosen = [option for option, value in given.items() if value is not None]
    if len(chosen) > 1:
        raise typer.BadParameter(f"{' and '.join(chosen)} exclude each other; regions come from one place")
    if names is not None and regions is None:
        raise typer.BadParameter("--names goes with --regions")
    if regions is not None:
        return scorer.regions_from_files(regions, names)
    if superpixels is not None:
        return scorer.regions_from_superpixels(superpixels)
    return scorer.regions_from_checkpoint(segment) if segment is not None else None


def _answers(given: Sequence[str], criteria: "Criteria") -> dict[str, bool]:
    answers = {}
    for text in given:
        question, _, word = text.partition("=")
        if word.lower() not in ("yes", "no"):
            raise typer.BadParameter(f"{text!r}: write QUESTION=yes or QUESTION=no", param_hint="--answer")
        if question not in criteria.questions:
            asked = ", ".join(criteria.questions) or "none"
            raise LuxelError(f"--answer {text}: {criteria.name} asks no {question!r}; its questions: {asked}")
        answers[question] = word.lower() == "yes"
    return answers


def _print_json(row: "Scored") -> None:
    from json import dumps

    sys.stdout.write(dumps(row.to_dict(), allow_nan=False) + "\n")
    sys.stdout.flush()


def _print_table(rows: Sequence["Scored"], criteria: "Criteria") -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from luxel.assessment.tables import printable
    from luxel.criteria import number

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column("picture", overflow="fold")
    table.add_column("score", justify="right", no_wrap=True)
    table.add_column(criteria.title, overflow="fold")
    for row in rows:
        name = Text(printable(str(row.path)))
        if row.verdict is None:
            table.add_row(name, "", Text(str(row.error), style="red"))
            continue
        verdict = row.verdict
        words = Text(verdict.label if verdict.scored else verdict.headline(), style="" if verdict.scored else "red")
        asked = ", ".join(dict.fromkeys(need.name for need in verdict.needs_person))
        if asked:
            words.append(f"\na person must say: {asked}", style="dim")
        for line in region_lines(row.regions):
            words.append(f"\n{line}")
        table.add_row(name, Text(number(verdict.score), style="bold"), words)
    Console(width=None if sys.stdout.isatty() else 100_000).print(table)
    for question in dict.fromkeys(need.name for row in rows if row.verdict for need in row.verdict.needs_person):
        typer.echo(f"{question}: {criteria.questions[question]} (--answer {question}=yes)")


def region_lines(regions: Sequence["RegionScore"]) -> list[str]:
    """Lines for people, the worst regions first where there are too many for a terminal."""
    from luxel.criteria import number

    listed = list(regions)
    if len(listed) > MAX_REGION_LINES:
        listed.sort(key=lambda region: -(region.statistics.mean_abs or 0.0) * region.statistics.area)
    lines = [
        region.statistics.sentence() + (f" ({number(region.verdict.score)})" if region.verdict else "")
        for region in listed[:MAX_REGION_LINES]
    ]
    left = len(listed) - len(lines)
    return [*lines, f"and {left} more regions, see --json"] if left > 0 else lines


def _warn(message: str) -> None:
    typer.echo(f"luxel: {message}", err=True)
