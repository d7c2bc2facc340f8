"""`luxel sequence`: exposure over the frames of a folder or a video."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from luxel.cli.console import Progress, output_folder, put, require, say
from luxel.cli.options import AssessingOptions, JobsOption, ThresholdOption, TimeoutOption, time_limit, with_groups

if TYPE_CHECKING:
    from luxel.sequence.measure import MeasuredSequence


@with_groups
def sequence(
    source: Annotated[
        Path, typer.Argument(metavar="FRAMES|VIDEO", help="Folder of frames, or a video file.", show_default=False)
    ],
    *,
    out: Annotated[
        Path | None, typer.Option(help="Folder for frames.csv, stability.json and sequence.html.", metavar="DIR")
    ] = None,
    format: Annotated[Literal["csv", "parquet"], typer.Option(help="Format of the table of frames.")] = "csv",
    rate: Annotated[
        float | None, typer.Option(help="Frames a second. Default: what the video says.", min=0.001, metavar="FPS")
    ] = None,
    every: Annotated[int, typer.Option(help="Take every N-th frame.", min=1, metavar="N")] = 1,
    jump: Annotated[
        float, typer.Option(help="Stops from one frame to the next from which on it is a jump.", min=0.01)
    ] = 0.3,
    json: Annotated[bool, typer.Option("--json", help="Print the stability as JSON.")] = False,
    threshold: ThresholdOption = 0.2,
    jobs: JobsOption = 0,
    timeout: TimeoutOption = None,
    network: AssessingOptions,
) -> None:
    """Measure exposure over time: brightness, score and areas of every frame, jumps, settling, flicker.

    Frames of a folder are taken in the order of their names. A frame that cannot be read is a row with the reason.

    \b
    Examples:
      luxel sequence frames --rate 30 --out out
      luxel sequence clip.mp4 --out out --format parquet
      luxel sequence clip.mp4 --every 5 --json

    Exit code: 0 all fine, 1 some frames could not be assessed, 2 wrong usage.
    """
    from json import dumps

    from luxel.jobs.atomic import write_file
    from luxel.sequence.frames import open_sequence
    from luxel.sequence.measure import measure_sequence
    from luxel.sequence.page import page, sentences

    if format == "parquet":
        require("parquet", "--format parquet")
    opened = open_sequence(source, rate=rate, every=every)
    assessor = network.assessor(threshold=threshold)
    limit = time_limit(timeout, opened.count or 2)
    with output_folder(out):
        with Progress("assessing", opened.count) as progress:
            progress.update(0)
            measured = measure_sequence(opened, assessor, jobs=jobs, timeout=limit, jump=jump, progress=progress.update)
        if json:
            put(dumps(measured.to_dict(), allow_nan=False))
        else:
            put(f"{source}: {len(measured.rows)} frames", *sentences(measured.stability, measured.rate))
        if out is not None:
            table = _write_table(measured, out, format)
            write_file(out / "stability.json", dumps(measured.to_dict(), indent=1, allow_nan=False) + "\n")
            made_by = f"{assessor.weights.name} ({assessor.weights.sha256[:12]})"
            write_file(out / "sequence.html", page(measured, source.name or str(source), weights=made_by))
            say(f"wrote {table}, {out / 'stability.json'} and {out / 'sequence.html'}")
    failed = [row for row in measured.rows if row["error"]]
    for row in failed[:10]:
        say(f"{row['name']}: {row['error']}")
    raise typer.Exit(1 if failed else 0)


def _write_table(measured: "MeasuredSequence", out: Path, format: str) -> Path:
    from luxel.jobs.atomic import write_file
    from luxel.sequence.measure import COLUMNS
    from luxel.text import csv_table

    path = out / f"frames.{format}"
    if format == "csv":
        write_file(path, csv_table(list(COLUMNS), measured.rows))
        return path
    from luxel.assessment.tables import parquet_bytes

    write_file(path, parquet_bytes(COLUMNS, measured.rows))
    return path
