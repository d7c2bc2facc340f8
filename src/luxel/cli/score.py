"""`luxel score`: pictures or saved maps scored by anyone's criteria."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from luxel.cli.console import Column, TableCell, print_table, put, say, track
from luxel.cli.options import (
    AssessingOptions,
    CriteriaOption,
    JobsOption,
    RecursiveOption,
    TimeoutOption,
    time_limit,
    with_groups,
)
from luxel.errors import LuxelError

if TYPE_CHECKING:
    from luxel.criteria import Criteria
    from luxel.criteria.scorer import RegionScore, RegionSource, Scored, Scorer

MAX_REGION_LINES = 12
"""Regions listed for one picture on a terminal; JSON has all."""

ScoredPaths = Annotated[
    list[str],
    typer.Argument(
        metavar="PATH...", help="Pictures or saved maps: files, folders or quoted globs.", show_default=False
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionOptions:
    """Where the regions of a picture come from."""

    regions: Annotated[
        Path | None,
        typer.Option(
            "--regions",
            help="Regions: a label picture, COCO JSON, or a folder with one such file per picture.",
            metavar="FILE_OR_FOLDER",
        ),
    ] = None
    names: Annotated[
        Path | None, typer.Option("--names", help="Names of the labels, JSON or TOML: 1 = sky ...", metavar="FILE")
    ] = None
    superpixels: Annotated[
        int | None, typer.Option("--superpixels", help="Regions: about N superpixels.", min=2, max=2000, metavar="N")
    ] = None
    segment: Annotated[
        str | None,
        typer.Option(
            "--segment", help="Regions: by a transformers checkpoint, a folder or name.", metavar="CHECKPOINT"
        ),
    ] = None

    def source(self) -> "RegionSource | None":
        """Where regions come from; None without regions. BadParameter for options that exclude others."""
        from luxel.criteria import scorer

        given = {"--regions": self.regions, "--superpixels": self.superpixels, "--segment": self.segment}
        chosen = [option for option, value in given.items() if value is not None]
        if len(chosen) > 1:
            raise typer.BadParameter(f"{' and '.join(chosen)} cannot be used together; regions come from one place")
        if self.names is not None and self.regions is None:
            raise typer.BadParameter("--names needs --regions")
        if self.regions is not None:
            return scorer.regions_from_files(self.regions, self.names, warn=say)
        if self.superpixels is not None:
            return scorer.regions_from_superpixels(self.superpixels)
        return scorer.regions_from_checkpoint(self.segment) if self.segment is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoringOptions:
    """What the files are, and what a person says about them."""

    maps: Annotated[
        bool, typer.Option("--maps", help="All PATHs are saved maps, or folders of *.residual.png and *.npy.")
    ] = False
    answer: Annotated[
        list[str] | None,
        typer.Option("--answer", help="Answer a question of the criteria. Repeatable.", metavar="QUESTION=yes|no"),
    ] = None

    def scorer(
        self, criteria: str, regions: RegionOptions, network: AssessingOptions, threads: int | None = None
    ) -> "Scorer":
        """The scorer that the options ask for.

        criteria: name of shipped ones, or a file.
        Raises LuxelError, or BadParameter for options that do not go together.
        """
        from luxel.criteria import load
        from luxel.criteria.scorer import Scorer

        loaded = load(criteria)
        return Scorer(
            loaded,
            make_assessor=partial(network.assessor, threads=threads),
            regions=regions.source(),
            maps=self.maps,
            answers=_answers(self.answer or (), loaded),
        )


@with_groups
def score(
    paths: ScoredPaths,
    *,
    criteria: CriteriaOption = "fig9",
    regions: RegionOptions,
    scoring: ScoringOptions,
    json: Annotated[bool, typer.Option("--json", help="Print JSON lines with all numbers.")] = False,
    recursive: RecursiveOption = False,
    jobs: JobsOption = 0,
    timeout: TimeoutOption = None,
    network: AssessingOptions,
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
    from luxel.criteria.scorer import Scored, find_files
    from luxel.jobs.cores import process_count, threads_each
    from luxel.jobs.processes import TaskError, ordered_results

    scorer = scoring.scorer(criteria, regions, network)
    files = find_files(paths, maps=scoring.maps, recursive=recursive, warn=say)
    limit = time_limit(timeout, len(files))
    processes = process_count(jobs, len(files))
    start: Callable[[], Callable[[Path], Scored]] = partial(getattr, scorer, "score")
    if limit is not None or processes > 1:  # else this process scores, with the scorer it has
        start = partial(_score_by, scoring, criteria, regions, network, threads_each(processes))
    made = ordered_results(files, start, jobs=processes, timeout=limit)
    rows = []
    for path, result in zip(files, track(made, len(files), "scoring"), strict=True):
        row = Scored(path, error=result.reason) if isinstance(result, TaskError) else result
        rows.append(row)
        if json:
            _print_json(row)
    if not json:
        _print_table(rows, scorer.criteria)
    raise typer.Exit(0 if all(row.verdict is not None and row.verdict.scored for row in rows) else 1)


def _score_by(
    scoring: ScoringOptions, criteria: str, regions: RegionOptions, network: AssessingOptions, threads: int | None
) -> "Callable[[Path], Scored]":
    """What a process begins with: the function that scores one file."""
    return scoring.scorer(criteria, regions, network, threads).score


def _answers(given: Sequence[str], criteria: "Criteria") -> dict[str, bool]:
    answers = {}
    for text in given:
        question, _, word = text.partition("=")
        if word.lower() not in ("yes", "no"):
            raise typer.BadParameter(f"{text!r}: write QUESTION=yes or QUESTION=no", param_hint="--answer")
        if question not in criteria.questions:
            asked = ", ".join(criteria.questions) or "none"
            raise LuxelError(f"--answer {text}: {criteria.name} has no question {question!r}; its questions: {asked}")
        answers[question] = word.lower() == "yes"
    return answers


def _print_json(row: "Scored") -> None:
    from json import dumps

    put(dumps(row.to_dict(), allow_nan=False))


def _print_table(rows: Sequence["Scored"], criteria: "Criteria") -> None:
    from luxel.criteria import number

    lines: list[list[TableCell]] = []
    for row in rows:
        if row.verdict is None:
            lines.append([str(row.path), "", (str(row.error), "red")])
            continue
        verdict = row.verdict
        words = [verdict.label if verdict.scored else verdict.headline()]
        asked = ", ".join(dict.fromkeys(need.name for need in verdict.needs_person))
        words += [f"a person must answer: {asked}"] if asked else []
        words += region_lines(row.regions)
        lines.append([str(row.path), (number(verdict.score), "bold"), (tuple(words), "" if verdict.scored else "red")])
    print_table([Column("picture"), Column("score", right=True, fold=False), Column(criteria.title)], lines)
    for question in dict.fromkeys(need.name for row in rows if row.verdict for need in row.verdict.needs_person):
        put(f"{question}: {criteria.questions[question]} (--answer {question}=yes)")


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
