"""`luxel compare`: which enhanced version is closest to ideal exposure?"""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from luxel.cli.assess import Backend, Palette

if TYPE_CHECKING:
    from luxel.compare.compare import Comparison, Rank

_WIDE = 100_000  # columns of a table that goes to a file or another program: nothing is folded


def compare(
    original: Annotated[
        Path, typer.Argument(metavar="ORIGINAL", help="The picture before enhancement, or a folder of them.")
    ],
    enhanced: Annotated[
        list[Path], typer.Argument(metavar="ENHANCED...", help="Enhanced versions, or one folder per method.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="Folder for ranking.csv, pictures.csv, compare.html and sheets.", metavar="DIR")
    ] = None,
    sheets: Annotated[
        int, typer.Option(help="Pictures to draw at most, those that differ most first.", min=0, metavar="N")
    ] = 24,
    palette: Annotated[
        Palette, typer.Option(help="Colours: over-under. orange-purple is safe for colour blindness.")
    ] = Palette.red_blue,
    limit: Annotated[
        float, typer.Option(help="|residual| that gets the end colour on all maps, in (0, 1].", metavar="R")
    ] = 0.5,
    threshold: Annotated[
        float, typer.Option(help="|residual| above which a pixel counts as over or under, in (0, 1).", metavar="T")
    ] = 0.2,
    weights: Annotated[
        Path | None, typer.Option(help="ONNX weights to use instead of the shipped ones.", metavar="FILE")
    ] = None,
    backend: Annotated[Backend, typer.Option(help="What runs the network.")] = Backend.auto,
) -> None:
    """Rank enhanced versions of pictures by the exposure residual they leave.

    Prints a table, lowest mean absolute residual first, with 95 % bootstrap intervals over the pictures. Versions
    that lost the original's detail are ranked last, since a uniform grey picture leaves hardly any residual. Folders
    are matched by file name without its ending; what one of them lacks is named and left out of all.

    \b
    Examples:
      luxel compare dark.jpg dark-fec.png dark-gsad.png --out compared
      luxel compare originals out/fec out/gsad out/skf --out compared
      luxel compare originals out/fec out/gsad --out compared --limit 1

    Exit code: 0 all fine, 1 some pictures could not be compared, 2 wrong usage.
    """
    if not 0.0 < limit <= 1.0:
        raise typer.BadParameter(f"{limit} is not above 0 and at most 1", param_hint="--limit")
    from luxel.assessment.assessor import Assessor
    from luxel.compare import compare as comparing
    from luxel.compare import results
    from luxel.compare.sheet import Sheets
    from luxel.jobs.atomic import write_file

    matching = comparing.match(original, enhanced)
    assessor = Assessor(weights, backend=backend.value, threshold=threshold)
    drawn: Sheets | None = None
    if out is not None:
        _make(out, [original, *enhanced])
        drawn = Sheets(out, sheets, palette=palette.value, limit=limit)
    comparison = comparing.compare(matching, assessor, each=drawn.add if drawn else lambda *_: None)
    ranks = comparing.ranking(comparison)
    notes = [*matching.unmatched, *comparison.left_out, *(f"warning: {line}" for line in comparison.unlike)]
    _print(comparison, ranks)
    for note in notes:
        _say(note)
    if out is not None and drawn is not None:
        made_by = f"{assessor.weights.name} ({assessor.weights.sha256[:12]})"
        files = drawn.files()
        write = partial(write_file, remedy="choose another --out folder")
        write(out / "ranking.csv", results.ranking_csv(comparison, ranks))
        write(out / "pictures.csv", results.pictures_csv(comparison))
        write(out / "compare.html", results.page(comparison, ranks, files, notes, weights=made_by))
        count = len(comparison.figures)
        which = "" if len(files) == count else f" of {count} pictures (--sheets)"
        _say(f"wrote {out}: ranking.csv, pictures.csv, compare.html, {len(files)} *.compare.png{which}")
    raise typer.Exit(1 if comparison.left_out else 0)


def _make(out: Path, inputs: Sequence[Path]) -> None:
    from luxel.errors import LuxelError

    if any(out.resolve() == (path if path.is_dir() else path.parent).resolve() for path in inputs):
        raise LuxelError(f"{out}: holds the pictures that are compared; choose another --out folder")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LuxelError(f"{out}: cannot be made ({error.strerror}); choose another --out folder") from error


def _print(comparison: "Comparison", ranks: Sequence["Rank"]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from luxel.assessment.tables import printable
    from luxel.compare.compare import remark
    from luxel.compare.detail import MIN_DETAIL
    from luxel.compare.results import detail_text, interval_text

    count = len(comparison.figures)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column("", justify="right")
    table.add_column("version", overflow="fold")
    for column in ("mean |r|", "against original", "better on", "first in", "score", "over", "under", "detail"):
        table.add_column(column, justify="right")
    for place, rank in enumerate(ranks, start=1):
        table.add_row(
            str(place),
            Text(printable(rank.version), style="bold" if place == 1 else ""),
            Text(interval_text(rank.residual)),
            Text("" if rank.change is None else interval_text(rank.change, sign=True)),
            "" if rank.better is None else f"{rank.better} of {count}",
            "" if rank.first is None else f"{rank.first:.0%}",
            f"{rank.score.mean:.2f}",
            f"{rank.over.mean:.1%}",
            f"{rank.under.mean:.1%}",
            detail_text(rank),
        )
    console = Console(width=None if sys.stdout.isatty() else _WIDE)
    console.print(table)
    console.print(remark(count), highlight=False)
    if any(rank.reason for rank in ranks):
        console.print(f"Ranked last: versions that keep less than {MIN_DETAIL:g} of the detail.", highlight=False)


def _say(message: str) -> None:
    typer.echo(f"luxel: {message}", err=True)
