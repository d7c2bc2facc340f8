"""`luxel report`: a folder as one web page. `luxel xmp`: ratings made there as sidecars."""

import os
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from luxel.cli.assess import Backend

if TYPE_CHECKING:
    from luxel.report.culling import Change

_WIDE = 100_000  # columns of a table that goes to a file or another program: nothing is folded


class Style(StrEnum):
    """How sidecars are named."""

    auto = "auto"
    darktable = "darktable"
    adobe = "adobe"
    both = "both"


StyleOption = Annotated[
    Style,
    typer.Option(help="Sidecar names: darktable IMG.CR2.xmp, adobe IMG.xmp; auto: what lies there, else darktable."),
]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Also replace ratings that a person gave.")]
WriteOption = Annotated[bool, typer.Option("--write", help="Write the sidecars; without it they are only listed.")]


def report(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of pictures.", show_default=False)],
    out: Annotated[Path, typer.Option(help="The page.", metavar="FILE.html")] = Path("luxel-report.html"),
    criteria: Annotated[
        str | None, typer.Option(help="Also give a verdict by these criteria.", metavar="NAME_OR_FILE")
    ] = None,
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="Search subfolders too.")] = False,
    preview: Annotated[
        int, typer.Option(help="Long side in pixels of the pictures that open on a click.", min=200, max=4000)
    ] = 800,
    jobs: Annotated[int, typer.Option(help="Pictures at a time, each in its own process.", min=1, metavar="N")] = 1,
    threshold: Annotated[
        float, typer.Option(help="|residual| above which a pixel counts as over or under, in (0, 1).", metavar="T")
    ] = 0.2,
    xmp: Annotated[
        bool, typer.Option("--xmp", help="Also turn scores into stars in XMP sidecars (listed; add --write).")
    ] = False,
    stars: Annotated[
        str, typer.Option(help="With --xmp: least score for 5, 4, 3 and 2 stars.", metavar="A,B,C,D")
    ] = "7.2,6.2,5,3",
    style: StyleOption = Style.auto,
    overwrite: OverwriteOption = False,
    write: WriteOption = False,
    weights: Annotated[
        Path | None, typer.Option(help="ONNX weights to use instead of the shipped ones.", metavar="FILE")
    ] = None,
    head: Annotated[
        Path | None,
        typer.Option(help="Score by a head that luxel train recipes/holistic.toml wrote.", metavar="FILE"),
    ] = None,
    backend: Annotated[Backend, typer.Option(help="What runs the network.")] = Backend.auto,
) -> None:
    """Make one web page of a folder: contact sheet, maps, figures, and keys to rate with.

    The page needs no network and no other file. Sort and filter it by score, over, under and EV; click a picture for
    its map; rate with 0 to 5, P, X, U and export the ratings for `luxel xmp`.

    \b
    Examples:
      luxel report shoot
      luxel report shoot --recursive --out shoot.html --jobs 4
      luxel report shoot --criteria portrait
      luxel report shoot --xmp                       which stars the scores would give
      luxel report shoot --xmp --write               write them into sidecars

    Exit code: 0 all fine, 1 some pictures could not be assessed or some sidecars not written, 2 wrong usage.
    """
    if not 0.0 < threshold < 1.0:
        raise typer.BadParameter(f"{threshold} is not between 0 and 1", param_hint="--threshold")
    if not xmp and (write or overwrite):
        raise typer.BadParameter("there is nothing to write without --xmp", param_hint="--write")

    from luxel import images
    from luxel import report as reports
    from luxel.assessment.batch import Settings
    from luxel.errors import LuxelError
    from luxel.jobs.find import find
    from luxel.report import culling

    bounds = culling.checked_bounds(stars)
    if not folder.is_dir():
        raise LuxelError(f"{folder}: no such folder; give a folder of pictures")
    pictures = find([os.fspath(folder)], endings=images.SUFFIXES, recursive=recursive, warn=_say)
    look = reports.Look(
        folder=folder,
        settings=Settings(weights=weights, backend=backend.value, threshold=threshold, head=head),
        criteria=criteria,
        preview_side=preview,
    )
    with _progress(len(pictures)) as progress:
        built = reports.build(pictures, out, look, jobs=jobs, progress=progress)
    count = f"{len(pictures)} picture{'' if len(pictures) == 1 else 's'}"
    _say(f"wrote {out}: {count}, {built.size / 1e6:.1f} MB ({built.size / len(pictures) / 1e3:.0f} kB each)")
    for facts in built.facts:
        if "error" in facts:
            _say(f"{facts['path']}: {facts['error']}")
    refused = 0
    if xmp:
        wishes = [
            culling.Wish(picture.path, culling.stars(facts["score"], bounds), ours=True)
            for picture, facts in zip(pictures, built.facts, strict=True)
            if "error" not in facts
        ]
        refused = _tell(culling.apply(wishes, style=style.value, overwrite=overwrite, write=write), folder, write)
    raise typer.Exit(1 if built.failed or refused else 0)


def xmp(
    ratings: Annotated[
        Path, typer.Argument(metavar="RATINGS.json", help="Ratings that a report page exported.", show_default=False)
    ],
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="The folder the report was made from.", show_default=False)
    ],
    write: WriteOption = False,
    style: StyleOption = Style.auto,
    overwrite: OverwriteOption = False,
    rejects: Annotated[bool, typer.Option("--rejects", help="Rejected pictures (X) get rating -1.")] = False,
    picks: Annotated[
        int | None,
        typer.Option(help="Stars for picked pictures (P) that have none.", min=1, max=5, metavar="N"),
    ] = None,
) -> None:
    """Write the ratings of a report page into XMP sidecars beside the pictures.

    Lists what would be done; --write does it. Pictures are never changed, and in a sidecar nothing but the rating is.
    A rating that somebody gave before stays, unless --overwrite.

    \b
    Examples:
      luxel xmp ratings.json shoot
      luxel xmp ratings.json shoot --write
      luxel xmp ratings.json shoot --write --style both --rejects

    Exit code: 0 all fine, 1 some sidecars could not be read or written, 2 wrong usage.
    """
    from luxel.report import culling

    wishes = culling.read_ratings(ratings, folder, rejects=rejects, picks=picks)
    if not wishes:
        _say(f"{ratings}: no stars in it; X and P count with --rejects and --picks")
        return
    changes = culling.apply(wishes, style=style.value, overwrite=overwrite, write=write)
    raise typer.Exit(1 if _tell(changes, folder, write) else 0)


def _tell(changes: Sequence["Change"], folder: Path, written: bool) -> int:
    """Prints what becomes of the ratings; returns how many were refused."""
    import sys

    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from luxel.assessment.tables import printable

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column("sidecar", overflow="fold")
    table.add_column("now", justify="right")
    table.add_column("then", justify="right")
    table.add_column("what", overflow="fold")
    for change in changes:
        inside = change.sidecar.relative_to(folder) if change.sidecar.is_relative_to(folder) else change.sidecar
        what = {"new": "new sidecar", "change": "rating changed", "same": "says so already", "kept": "kept: "}
        reason = f"{what.get(change.outcome, 'refused: ')}{change.reason}"
        numbers = ["" if value is None else str(value) for value in (change.before, change.after)]
        style = {"refused": "red", "kept": "yellow", "same": "dim"}.get(change.outcome, "")
        table.add_row(Text(printable(str(inside))), *numbers, Text(reason, style=style))
    console = Console(width=None if sys.stdout.isatty() else _WIDE)
    console.print(table)
    outcomes = [change.outcome for change in changes]
    touched = outcomes.count("new") + outcomes.count("change")
    refused = outcomes.count("refused")
    verb = "written" if written else "to write"
    parts = [f"{touched} sidecar{'' if touched == 1 else 's'} {verb}"]
    parts += [f"{outcomes.count('kept')} kept"] if "kept" in outcomes else []
    parts += [f"{refused} refused"] if refused else []
    hint = "" if written or not touched else " (nothing is written yet: add --write)"
    console.print("; ".join(parts) + hint, highlight=False)
    return refused


class _progress:
    """A bar on stderr, only where a person watches: called with the number of pictures done."""

    def __init__(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        console = Console(stderr=True)
        columns = (TextColumn("assessing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._bar.add_task("assessing", total=total)

    def __enter__(self) -> "_progress":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def __call__(self, done: int) -> None:
        self._bar.update(self._task, completed=done)


def _say(message: str) -> None:
    typer.echo(f"luxel: {message}", err=True)
