"""`luxel report`: a folder as one web page. `luxel xmp`: ratings made there as sidecars."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from luxel.cli.console import Column, Progress, TableCell, print_table, put, say
from luxel.cli.options import (
    AssessingOptions,
    HeadOption,
    JobsOption,
    RecursiveOption,
    ThresholdOption,
    TimeoutOption,
    time_limit,
    with_groups,
)

if TYPE_CHECKING:
    from luxel.report.culling import Change


@dataclass(frozen=True, slots=True, kw_only=True)
class SidecarOptions:
    """Which sidecars get ratings, and whether they are written."""

    write: Annotated[bool, typer.Option("--write", help="Write the sidecars; without it they are only listed.")] = False
    style: Annotated[
        Literal["auto", "darktable", "adobe", "both"],
        typer.Option(
            help="Sidecar names: darktable IMG.CR2.xmp, adobe IMG.xmp; auto: what lies there, else darktable."
        ),
    ] = "auto"
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Also replace ratings that a person gave.")] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StarOptions:
    """Scores turned into stars."""

    xmp: Annotated[
        bool, typer.Option("--xmp", help="Also turn scores into stars in XMP sidecars (listed; add --write).")
    ] = False
    stars: Annotated[
        str, typer.Option(help="With --xmp: minimum score for 5, 4, 3 and 2 stars.", metavar="A,B,C,D")
    ] = "7.2,6.2,5,3"


@with_groups
def report(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of pictures.", show_default=False)],
    *,
    out: Annotated[Path, typer.Option(help="The page.", metavar="FILE.html")] = Path("luxel-report.html"),
    criteria: Annotated[
        str | None, typer.Option(help="Also give a verdict by these criteria.", metavar="NAME_OR_FILE")
    ] = None,
    recursive: RecursiveOption = False,
    preview: Annotated[
        int, typer.Option(help="Long side in pixels of the pictures that open on a click.", min=200, max=4000)
    ] = 800,
    jobs: JobsOption = 0,
    timeout: TimeoutOption = None,
    threshold: ThresholdOption = 0.2,
    rating: StarOptions,
    sidecars: SidecarOptions,
    network: AssessingOptions,
    head: HeadOption = None,
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
    if not rating.xmp and (sidecars.write or sidecars.overwrite):
        raise typer.BadParameter("there is nothing to write without --xmp", param_hint="--write")

    from luxel import images
    from luxel.assessment.batch import Settings
    from luxel.errors import LuxelError
    from luxel.jobs.find import find
    from luxel.report import Look, WantedRating, build
    from luxel.report.culling import apply, checked_bounds, stars

    bounds = checked_bounds(rating.stars)
    if not folder.is_dir():
        raise LuxelError(f"{folder}: no such folder; give a folder of pictures")
    pictures = find([os.fspath(folder)], endings=images.SUFFIXES, recursive=recursive, warn=say)
    look = Look(
        folder=folder,
        settings=Settings(
            weights=network.weights,
            backend=network.backend,
            device=network.device,
            threshold=threshold,
            head=head,
            reading=network.reading,
        ),
        criteria=criteria,
        preview_side=preview,
    )
    with Progress("assessing", len(pictures)) as progress:
        progress.update(0)
        limit = time_limit(timeout, len(pictures))
        built = build(pictures, out, look, jobs=jobs, timeout=limit, progress=progress.update)
    count = f"{len(pictures)} picture{'' if len(pictures) == 1 else 's'}"
    say(f"wrote {out}: {count}, {built.size / 1e6:.1f} MB ({built.size / len(pictures) / 1e3:.0f} kB each)")
    for facts in built.facts:
        if "error" in facts:
            say(f"{facts['path']}: {facts['error']}")
    rejected = 0
    if rating.xmp:
        wanted = [
            WantedRating(picture.path, stars(facts["score"], bounds), ours=True)
            for picture, facts in zip(pictures, built.facts, strict=True)
            if "error" not in facts
        ]
        changes = apply(wanted, style=sidecars.style, overwrite=sidecars.overwrite, write=sidecars.write)
        rejected = _list_changes(changes, folder, sidecars.write)
    raise typer.Exit(1 if built.failed or rejected else 0)


@with_groups
def xmp(
    ratings: Annotated[
        Path, typer.Argument(metavar="RATINGS.json", help="Ratings that a report page exported.", show_default=False)
    ],
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="The folder the report was made from.", show_default=False)
    ],
    *,
    sidecars: SidecarOptions,
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
    from luxel.report.culling import apply, read_ratings

    wanted = read_ratings(ratings, folder, rejects=rejects, picks=picks)
    if not wanted:
        say(f"{ratings}: no stars in it; X and P count with --rejects and --picks")
        return
    changes = apply(wanted, style=sidecars.style, overwrite=sidecars.overwrite, write=sidecars.write)
    raise typer.Exit(1 if _list_changes(changes, folder, sidecars.write) else 0)


def _list_changes(changes: Sequence["Change"], folder: Path, written: bool) -> int:
    """Prints what becomes of the ratings; returns how many sidecars could not be changed."""
    words = {"new": "new sidecar", "change": "rating changed", "same": "says so already", "kept": "kept: "}
    styles = {"rejected": "red", "kept": "yellow", "same": "dim"}
    lines: list[list[TableCell]] = []
    for change in changes:
        inside = change.sidecar.relative_to(folder) if change.sidecar.is_relative_to(folder) else change.sidecar
        reason = f"{words.get(change.outcome, 'rejected: ')}{change.reason}"
        numbers = ["" if value is None else str(value) for value in (change.before, change.after)]
        lines.append([str(inside), *numbers, (reason, styles.get(change.outcome, ""))])
    print_table([Column("sidecar"), Column("now", right=True), Column("then", right=True), Column("what")], lines)
    outcomes = [change.outcome for change in changes]
    touched = outcomes.count("new") + outcomes.count("change")
    rejected = outcomes.count("rejected")
    verb = "written" if written else "to write"
    parts = [f"{touched} sidecar{'' if touched == 1 else 's'} {verb}"]
    parts += [f"{outcomes.count('kept')} kept"] if "kept" in outcomes else []
    parts += [f"{rejected} rejected"] if rejected else []
    hint = "" if written or not touched else " (nothing is written yet: add --write)"
    put("; ".join(parts) + hint)
    return rejected
