"""`luxel light`: photographers' numbers, and pictures that show exposure as cameras do."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from luxel.cli.console import output_folder, put, say
from luxel.cli.options import (
    AssessingOptions,
    JobsOption,
    JsonOption,
    PathsArgument,
    RecursiveOption,
    TimeoutOption,
    time_limit,
    with_groups,
)

if TYPE_CHECKING:
    from luxel.assessment.assessor import Assessment
    from luxel.assessment.meter import Light
    from luxel.jobs.file_list import Found


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawingOptions:
    """Which pictures are drawn, and in which colours."""

    false_colour: Annotated[
        bool, typer.Option("--false-colour", help="Write NAME.false-colour.png: exposure in colours.")
    ] = False
    zebra: Annotated[bool, typer.Option("--zebra", help="Write NAME.zebra.png: stripes near white and near black.")] = (
        False
    )
    zones: Annotated[bool, typer.Option("--zones", help="Write NAME.zones.png: flat tones of Adams' zones.")] = False
    palette: Annotated[
        Literal["classic", "safe"],
        typer.Option(help="Palette of the pictures; safe is for colour blindness too."),
    ] = "classic"

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of drawings, keys of `luxel.draw.false_colour.DRAWINGS`."""
        wanted = {"false-colour": self.false_colour, "zebra": self.zebra, "zones": self.zones}
        return tuple(kind for kind, chosen in wanted.items() if chosen)


@with_groups
def light(
    paths: PathsArgument,
    *,
    out: Annotated[Path | None, typer.Option(help="Folder for the pictures.", metavar="DIR")] = None,
    drawings: DrawingOptions,
    json: JsonOption = False,
    recursive: RecursiveOption = False,
    jobs: JobsOption = 0,
    timeout: TimeoutOption = None,
    network: AssessingOptions,
) -> None:
    """Zones, clipped shares, compensation, the bracket a scene needs, raw headroom; false-colour, zebra, zone pictures.

    \b
    Examples:
      luxel light photo.jpg
      luxel light shoot --json
      luxel light photo.CR3 --out out --false-colour --zebra --zones --palette safe

    Exit code: 0 all fine, 1 some pictures could not be measured, 2 wrong usage.
    """
    wanted = drawings.kinds
    if wanted and out is None:
        raise typer.BadParameter("the pictures need a folder; add --out DIR", param_hint=f"--{wanted[0]}")
    if out is not None and not wanted:
        raise typer.BadParameter("say which pictures: --false-colour, --zebra, --zones", param_hint="--out")

    from luxel import images
    from luxel.jobs.cores import process_count, threads_each
    from luxel.jobs.find import find
    from luxel.jobs.processes import TaskError, ordered_results

    pictures = find(paths, endings=images.SUFFIXES, recursive=recursive, warn=say)
    limit = time_limit(timeout, len(pictures))
    failed = False
    with output_folder(out):
        processes = process_count(jobs, len(pictures))
        start = partial(_meter, network, drawings, out, threads_each(processes))
        measured = ordered_results(pictures, start, jobs=processes, timeout=limit)
        for found, made in zip(pictures, measured, strict=True):
            path = str(found.path)
            if isinstance(made, TaskError | str):
                failed = True
                reason = made if isinstance(made, str) else made.reason
                _print(json, {"path": path, "error": reason}, [f"{path}: {reason}"])
                continue
            numbers, files = made
            row = {"path": path, "error": None, **numbers.to_dict(), "outputs": files}
            lines = [*(f"  {line}" for line in numbers.lines()), *(f"  wrote {file}" for file in files)]
            _print(json, row, [path, *lines])
    raise typer.Exit(1 if failed else 0)


def _meter(
    network: AssessingOptions, drawings: DrawingOptions, out: Path | None, threads: int | None
) -> "Callable[[Found], tuple[Light, list[str]] | str]":
    """The function that measures one picture: its numbers and the files drawn, or the reason why there are none."""
    from luxel.assessment.meter import measure
    from luxel.errors import reason_of

    assessor = network.assessor(threads=threads)

    def work(found: "Found") -> "tuple[Light, list[str]] | str":
        try:
            assessment = assessor.assess(found.path)
            numbers = measure(assessment, max_megapixels=network.max_megapixels)
            return numbers, [] if out is None else _draw(assessment, found, drawings, out)
        except Exception as error:
            return reason_of(error, found.path)

    return work


def _draw(assessment: "Assessment", found: "Found", drawings: DrawingOptions, out: Path) -> list[str]:
    """Draws and writes the pictures, at a screen's size; returns their paths."""
    from luxel.draw.false_colour import DRAWINGS
    from luxel.draw.files import write_drawing
    from luxel.draw.heatmap import fit

    image = fit(assessment.image)
    files = []
    for kind in drawings.kinds:
        file = found.output(out, kind)
        write_drawing(file, DRAWINGS[kind](image, palette=drawings.palette))
        files.append(str(file))
    return files


def _print(json: bool, row: dict[str, object], lines: Sequence[str]) -> None:
    from json import dumps

    put(*([dumps(row, allow_nan=False)] if json else lines))
