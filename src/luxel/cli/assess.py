"""`luxel assess`: pictures in, scores and maps out."""

import os
import re
import shlex
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from luxel.cli.console import Column, TableCell, print_table, put, require, say, track
from luxel.cli.options import (
    AssessingOptions,
    HeadOption,
    JobsOption,
    LimitOption,
    PaletteOption,
    RecursiveOption,
    ThresholdOption,
    TimeoutOption,
    time_limit,
    with_groups,
)

if TYPE_CHECKING:
    from luxel.assessment.journal import Row
    from luxel.assessment.tables import RunSummary, TableFile

MAX_LISTED = 1000
"""Pictures that the table for people lists."""

Format = Literal["table", "jsonl", "csv", "parquet"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputOptions:
    """Which files a run writes for each picture, and how they look."""

    heatmap: Annotated[bool, typer.Option("--heatmap", help="Write NAME.heatmap.jpg, with legend.")] = False
    overlay: Annotated[
        bool, typer.Option("--overlay", help="Write NAME.overlay.jpg: picture, map and overlay side by side.")
    ] = False
    residual: Annotated[
        bool, typer.Option("--residual", help="Write NAME.residual.png: the map itself, 16 bit, full size.")
    ] = False
    full_size: Annotated[
        bool, typer.Option("--full-size", help="Write heat maps and overlays at full size, not at a screen's.")
    ] = False
    palette: PaletteOption = "red-blue"
    limit: LimitOption = 0.5

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of files, keys of `luxel.jobs.file_list.OUTPUT_ENDINGS`."""
        wanted = {"heatmap": self.heatmap, "overlay": self.overlay, "residual": self.residual}
        return tuple(kind for kind, chosen in wanted.items() if chosen)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceOptions:
    """Which pictures a run is about, besides those that are named."""

    files_from: Annotated[
        str | None,
        typer.Option(
            help="Also the paths or URLs in FILE, one a line, or in a column of a .csv or .parquet table; - is stdin.",
            metavar="FILE",
        ),
    ] = None
    column: Annotated[
        str | None,
        typer.Option(help="Column of that table. Default: path, url, file, filename or image.", metavar="NAME"),
    ] = None
    shard: Annotated[
        str | None,
        typer.Option(help="Only the I-th of N parts of the pictures, by a hash of their paths.", metavar="I/N"),
    ] = None

    @property
    def part(self) -> tuple[int, int] | None:
        """The shard and the number of shards. BadParameter for anything but I/N."""
        if self.shard is None:
            return None
        numbers = re.fullmatch(r"(\d{1,9})/(\d{1,9})", self.shard, re.ASCII)
        if numbers is None or not 1 <= int(numbers[1]) <= int(numbers[2]):
            raise typer.BadParameter(f"{self.shard!r}: give I/N with I from 1 to N, such as 1/8", param_hint="--shard")
        return int(numbers[1]), int(numbers[2])


@with_groups
def assess(
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="PATH...", help="Files, folders, quoted globs or URLs.", show_default=False),
    ] = None,
    *,
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
    part_rows: Annotated[
        int | None,
        typer.Option(help="Write Parquet in parts of N rows, DIR/results/part-00000.parquet ...", min=1, metavar="N"),
    ] = None,
    outputs: OutputOptions,
    sources: SourceOptions,
    recursive: RecursiveOption = False,
    jobs: JobsOption = 0,
    timeout: TimeoutOption = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Resume the run in --out: keep its rows for unchanged files.")
    ] = False,
    threshold: ThresholdOption = 0.2,
    network: AssessingOptions,
    head: HeadOption = None,
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
      luxel assess --files-from list.parquet --column url --shard 1/8 --out out1 --format parquet
      luxel assess photos --head runs/holistic/head.npz

    Exit code: 0 all fine, 1 some pictures could not be assessed, 2 wrong usage, 130 stopped by Ctrl-C.
    """
    chosen = _format(format, json, out)
    if part_rows is not None and chosen != "parquet":
        raise typer.BadParameter("only Parquet is written in parts; add --format parquet", param_hint="--part-rows")
    if not paths and not sources.files_from:
        raise typer.BadParameter("name files, folders, globs or URLs, or give --files-from", param_hint="PATH")

    from luxel import images
    from luxel.assessment.batch import Run, Settings
    from luxel.assessment.tables import RunSummary, csv_lines, json_line
    from luxel.jobs.file_names import listed
    from luxel.jobs.find import find

    settings = Settings(
        weights=network.weights,
        backend=network.backend,
        device=network.device,
        threshold=threshold,
        outputs=outputs.kinds,
        palette=outputs.palette,
        limit=outputs.limit,
        full_size=outputs.full_size,
        head=head,
        reading=network.reading,
    )
    pictures = find(
        paths or (),
        endings=images.SUFFIXES,
        listed=listed(sources.files_from, sources.column) if sources.files_from else (),
        shard=sources.part,
        recursive=recursive,
        warn=say,
    )
    limit = time_limit(timeout, len(pictures))
    run = Run(pictures, settings, out=out, jobs=jobs, resume=resume, timeout=limit)
    if run.earlier:
        say(f"{run.earlier} of {len(pictures)} pictures were done before")

    summary = RunSummary()
    listing: list[Row] = []
    # Lines of JSON on the terminal are progress enough, and a bar would run into them.
    bar = len(pictures) > 1 and not (chosen in ("jsonl", "csv") and sys.stdout.isatty())
    stopped = False
    if chosen == "csv":
        sys.stdout.write(next(csv_lines([])))
    with (
        _table(chosen, out, part_rows) as table,
        closing(run.rows()) as rows,
        closing(track(rows, len(pictures), "assessing", show=bar)) as shown,
    ):
        try:
            for row in shown:
                summary.add(row)
                if chosen == "jsonl":
                    put(json_line(row))
                elif chosen == "csv":
                    sys.stdout.write(list(csv_lines([row]))[1])
                elif chosen == "table" and len(listing) < MAX_LISTED:
                    listing.append(row)
                if table is not None:
                    table.add(row)
        except KeyboardInterrupt:
            stopped = True
        if chosen == "table":
            _print(listing, summary)
        if stopped:
            say(f"stopped after {len(summary)} of {len(pictures)} pictures; {_how_to_resume(out)}")
            raise typer.Exit(130)
    if out is not None:
        files = [out / "results.jsonl", *([] if table is None else [table.path])]
        say(f"wrote {' and '.join(map(str, files))}{' and the maps beside' if settings.outputs else ''}")
    raise typer.Exit(1 if summary.failed else 0)


def print_results(rows: Sequence["Row"], *, shorten: bool = False) -> None:
    """Prints rows for people: path, size, score, areas, advice; the reason where there is no score.

    shorten: say the folder that all pictures share once, in the header, and leave it out of their paths.
    """
    from luxel.assessment.ev import advice_text
    from luxel.assessment.tables import shared_folder

    shared = shared_folder([row["path"] for row in rows]) if shorten else ""
    columns = [Column(f"picture in {shared}" if shared else "picture")]
    columns += [Column(title, right=True, fold=False) for title in ("size", "score", "over", "under", "EV")]
    failures = any(row["error"] for row in rows)
    if failures:
        columns.append(Column("why not"))
    lines: list[list[TableCell]] = []
    for row in rows:
        name = os.path.relpath(row["path"], shared) if shared else row["path"]
        if row["error"]:
            lines.append([name, "", "", "", "", "", (str(row["error"]), "red")])
            continue
        line: list[TableCell] = [
            name,
            (f"{row['width']}x{row['height']}", "dim"),
            (f"{row['score']:.2f}", "bold"),
            _share(row["over"], "red"),
            _share(row["under"], "blue"),
            advice_text(row["ev"], row["ev_bound"]),
        ]
        lines.append([*line, ""] if failures else line)
    print_table(columns, lines)


def _share(share: float, colour: str) -> TableCell:
    return f"{share:.0%}", colour if share >= 0.1 else "dim"


def _format(format: Format | None, json: bool, out: Path | None) -> Format:
    if json and format not in (None, "jsonl"):
        raise typer.BadParameter(f"--json and --format {format} cannot be used together; give one of them")
    chosen = "jsonl" if json else format or "table"
    if chosen == "parquet" and out is None:
        raise typer.BadParameter("parquet is written to a folder; add --out DIR", param_hint="--format")
    if chosen == "parquet":
        require("parquet", "--format parquet")
    return chosen


def _table(chosen: Format, out: Path | None, part_rows: int | None) -> "AbstractContextManager[TableFile | None]":
    from luxel.assessment.tables import CsvFile, ParquetFile

    if out is not None and chosen == "csv":
        return CsvFile(out / "results.csv")
    if out is not None and chosen == "parquet":
        return ParquetFile(out / "results.parquet" if part_rows is None else out / "results", part_rows)
    return nullcontext()


def _print(rows: Sequence["Row"], summary: "RunSummary") -> None:
    if len(summary) == 1 and rows[0]["error"]:
        say(f"{rows[0]['path']}: {rows[0]['error']}")
    elif rows:
        print_results(rows, shorten=sys.stdout.isatty())
        if len(summary) > len(rows):
            put(f"and {len(summary) - len(rows)} more: --json lists all, and so does results.jsonl in --out")
        if len(summary) > 1:
            put(str(summary))


def _how_to_resume(out: Path | None) -> str:
    if out is None:
        return "nothing was stored, add --out DIR to be able to resume"
    arguments = sys.argv[1:] if "--resume" in sys.argv else [*sys.argv[1:], "--resume"]
    return f"resume with: luxel {shlex.join(arguments)}"
