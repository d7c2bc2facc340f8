"""`luxel assess`: pictures in, scores and maps out."""

import shlex
import sys
import time
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from luxel.assessment.journal import Row

_PROGRESS_AFTER_SECONDS = 2.0
_WIDE = 100_000  # columns of a table that goes to a file or another program: nothing is folded


class Format(StrEnum):
    """How results are printed."""

    table = "table"
    jsonl = "jsonl"
    csv = "csv"
    parquet = "parquet"


class Backend(StrEnum):
    """What runs the network."""

    auto = "auto"
    onnxruntime = "onnxruntime"
    openvino = "openvino"


class Palette(StrEnum):
    """Colours of the maps."""

    red_blue = "red-blue"
    orange_purple = "orange-purple"


def assess(
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH...", help="Files, folders or quoted globs.", show_default=False)
    ],
    out: Annotated[
        Path | None, typer.Option(help="Folder for results.jsonl and all files written.", metavar="DIR")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON lines; the same as --format jsonl.")] = False,
    format: Annotated[
        Format | None,
        typer.Option(
            help="How to print the results; csv and parquet are also written to --out (parquet only there). "
            "Default: table."
        ),
    ] = None,
    heatmap: Annotated[bool, typer.Option("--heatmap", help="Write NAME.heatmap.jpg, with legend.")] = False,
    overlay: Annotated[
        bool, typer.Option("--overlay", help="Write NAME.overlay.jpg: picture, map and overlay side by side.")
    ] = False,
    residual: Annotated[
        bool, typer.Option("--residual", help="Write NAME.residual.png: the map itself, 16 bit, full size.")
    ] = False,
    full_size: Annotated[
        bool, typer.Option("--full-size", help="Write heat maps and overlays at full size, not at a screen's.")
    ] = False,
    palette: Annotated[
        Palette, typer.Option(help="Colours: over-under. orange-purple is safe for colour blindness.")
    ] = Palette.red_blue,
    limit: Annotated[
        float,
        typer.Option(help="|residual| from which on the colours of the maps are full, in (0, 1].", metavar="L"),
    ] = 0.5,
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="Search subfolders too.")] = False,
    jobs: Annotated[int, typer.Option(help="Pictures at a time, each in its own process.", min=1, metavar="N")] = 1,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in --out: keep its rows for unchanged files.")
    ] = False,
    threshold: Annotated[
        float, typer.Option(help="|residual| above which a pixel counts as over or under, in (0, 1).", metavar="T")
    ] = 0.2,
    weights: Annotated[
        Path | None, typer.Option(help="ONNX weights to use instead of the shipped ones.", metavar="FILE")
    ] = None,
    head: Annotated[
        Path | None,
        typer.Option(help="Score by a head that luxel train recipes/holistic.toml wrote.", metavar="FILE"),
    ] = None,
    backend: Annotated[Backend, typer.Option(help="What runs the network.")] = Backend.auto,
) -> None:
    """Score pictures and map where they are over- and underexposed.

    Prints one row per picture: score (0 to 10, 8 is ideal), share of overexposed and of underexposed area, and the
    exposure compensation in stops that would help most. A picture that cannot be read is a row with the reason.

    \b
    Examples:
      luxel assess photo.jpg
      luxel assess photos --out out --heatmap
      luxel assess "shoot/**/*.CR3" --out out --format csv --jobs 4
      luxel assess photos --recursive --json > results.jsonl
      luxel assess photos --recursive --out out --resume
      luxel assess photos --head runs/holistic/head.npz

    Exit code: 0 all fine, 1 some pictures could not be assessed, 2 wrong usage, 130 stopped by Ctrl-C.
    """
    chosen = _format(format, json, out)
    if not 0.0 < threshold < 1.0:
        raise typer.BadParameter(f"{threshold} is not between 0 and 1", param_hint="--threshold")
    if not 0.0 < limit <= 1.0:
        raise typer.BadParameter(f"{limit} is not above 0 and at most 1", param_hint="--limit")

    from luxel import images
    from luxel.assessment.batch import Run, Settings
    from luxel.jobs.find import find

    outputs = {"heatmap": heatmap, "overlay": overlay, "residual": residual}
    settings = Settings(
        weights=weights,
        backend=backend.value,
        threshold=threshold,
        outputs=tuple(kind for kind, wanted in outputs.items() if wanted),
        palette=palette.value,
        limit=limit,
        full_size=full_size,
        head=head,
    )
    pictures = find(paths, endings=images.SUFFIXES, recursive=recursive, warn=_warn)
    run = Run(pictures, settings, out=out, jobs=jobs, resume=resume)
    if run.earlier:
        _warn(f"{run.earlier} of {len(pictures)} pictures were done before")

    done: list[Row] = []
    stopped = False
    # Lines of JSON on the terminal are progress enough, and a bar would run into them.
    quiet = chosen is Format.jsonl and sys.stdout.isatty()
    with closing(run.rows()) as rows, closing(_with_progress(rows, len(pictures), quiet=quiet)) as shown:
        try:
            for row in shown:
                done.append(row)
                if chosen is Format.jsonl:
                    _print_json(row)
        except KeyboardInterrupt:
            stopped = True
    _print(done, chosen)
    if stopped:
        _warn(f"stopped after {len(done)} of {len(pictures)} pictures; {_how_to_go_on(out)}")
        raise typer.Exit(130)
    if out is not None:
        _write(done, chosen, out, bool(settings.outputs))
    raise typer.Exit(1 if any(row["error"] for row in done) else 0)


def _format(format: Format | None, json: bool, out: Path | None) -> Format:
    if json and format not in (None, Format.jsonl):
        raise typer.BadParameter(f"--json and --format {format} exclude each other; leave one out")
    chosen = Format.jsonl if json else format or Format.table
    if chosen is Format.parquet and out is None:
        raise typer.BadParameter("parquet is written to a folder; add --out DIR", param_hint="--format")
    return chosen


def _with_progress(rows: Iterable["Row"], total: int, *, quiet: bool) -> Generator["Row"]:
    """The rows, with a bar on stderr once they take more than a moment, if a person is there to see it."""
    if quiet or total < 2 or not sys.stderr.isatty():
        yield from rows
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("assessing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    progress = Progress(*columns, console=Console(stderr=True), transient=True)
    task = progress.add_task("assessing", total=total)
    begun = time.monotonic()
    try:
        for row in rows:
            progress.advance(task)
            if time.monotonic() - begun > _PROGRESS_AFTER_SECONDS:
                progress.start()
            yield row
    finally:
        progress.stop()


def _print_json(row: "Row") -> None:
    from luxel.assessment.tables import json_line

    sys.stdout.write(json_line(row) + "\n")
    sys.stdout.flush()


def _print(rows: Sequence["Row"], chosen: Format) -> None:
    from luxel.assessment import tables

    if chosen is Format.csv:
        sys.stdout.write(tables.csv_text(rows))
    elif chosen is Format.table and rows:
        from rich.console import Console

        if len(rows) == 1 and rows[0]["error"]:
            _warn(f"{tables.printable(rows[0]['path'])}: {rows[0]['error']}")
            return
        person = sys.stdout.isatty()
        console = Console(width=None if person else _WIDE)
        console.print(tables.terminal_table(rows, shorten=person))
        if len(rows) > 1:
            console.print(tables.summary(rows), highlight=False)


def _write(rows: Sequence["Row"], chosen: Format, out: Path, maps: bool) -> None:
    from luxel.assessment import tables

    files = [out / "results.jsonl"]
    if chosen is Format.csv:
        tables.write_csv(rows, out / "results.csv")
        files.append(out / "results.csv")
    elif chosen is Format.parquet:
        tables.write_parquet(rows, out / "results.parquet")
        files.append(out / "results.parquet")
    _warn(f"wrote {' and '.join(map(str, files))}{' and the maps beside' if maps else ''}")


def _how_to_go_on(out: Path | None) -> str:
    if out is None:
        return "nothing was stored, add --out DIR to be able to go on"
    arguments = sys.argv[1:] if "--resume" in sys.argv else [*sys.argv[1:], "--resume"]
    return f"go on with: luxel {shlex.join(arguments)}"


def _warn(message: str) -> None:
    typer.echo(f"luxel: {message}", err=True)
