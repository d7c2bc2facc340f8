"""`luxel compare`: which enhanced version is closest to ideal exposure?"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from luxel.cli.console import Column, Progress, TableCell, output_folder, print_table, put, say
from luxel.cli.options import (
    AssessingOptions,
    JobsOption,
    LimitOption,
    PaletteOption,
    ThresholdOption,
    TimeoutOption,
    time_limit,
    with_groups,
)

if TYPE_CHECKING:
    from luxel.compare.compare import Comparison, Rank


@with_groups
def compare(
    original: Annotated[
        Path, typer.Argument(metavar="ORIGINAL", help="The picture before enhancement, or a folder of them.")
    ],
    enhanced: Annotated[
        list[Path], typer.Argument(metavar="ENHANCED...", help="Enhanced versions, or one folder per method.")
    ],
    *,
    out: Annotated[
        Path | None, typer.Option(help="Folder for ranking.csv, pictures.csv, compare.html and sheets.", metavar="DIR")
    ] = None,
    sheets: Annotated[
        int, typer.Option(help="Pictures to draw at most, those that differ most first.", min=0, metavar="N")
    ] = 24,
    palette: PaletteOption = "red-blue",
    limit: LimitOption = 0.5,
    threshold: ThresholdOption = 0.2,
    jobs: JobsOption = 0,
    timeout: TimeoutOption = None,
    network: AssessingOptions,
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
    from luxel.assessment.weights import describe, locate
    from luxel.compare import results
    from luxel.compare.compare import compare_versions, match, ranking
    from luxel.compare.sheet import Sheets
    from luxel.jobs.atomic import write_file
    from luxel.jobs.cores import process_count, threads_each

    matching = match(original, enhanced)
    info = describe(locate(network.weights))
    processes = process_count(jobs, len(matching.cases))
    with output_folder(out, [original, *enhanced]):
        drawn = None if out is None else Sheets(out, sheets, palette=palette, limit=limit)
        with Progress("comparing", len(matching.cases), show=len(matching.cases) > 1) as progress:
            progress.update(0)
            comparison = compare_versions(
                matching,
                partial(network.assessor, threshold=threshold, threads=threads_each(processes)),
                threshold=threshold,
                jobs=processes,
                timeout=time_limit(timeout, len(matching.cases)),
                each=drawn.add if drawn else None,
                progress=progress.advance,
            )
        ranks = ranking(comparison)
        notes = [*matching.unmatched, *comparison.left_out, *(f"warning: {line}" for line in comparison.unlike)]
        _print(comparison, ranks)
        for note in notes:
            say(note)
        if out is not None and drawn is not None:
            made_by = f"{info.name} ({info.sha256[:12]})"
            files = drawn.files()
            write = partial(write_file, remedy="choose another --out folder")
            write(out / "ranking.csv", results.ranking_csv(comparison, ranks))
            write(out / "pictures.csv", results.pictures_csv(comparison))
            write(out / "compare.html", results.page(comparison, ranks, files, notes, weights=made_by))
            count = len(comparison.figures)
            which = "" if len(files) == count else f" of {count} pictures (--sheets)"
            say(f"wrote {out}: ranking.csv, pictures.csv, compare.html, {len(files)} *.compare.png{which}")
    raise typer.Exit(1 if comparison.left_out else 0)


def _print(comparison: "Comparison", ranks: Sequence["Rank"]) -> None:
    from luxel.compare.compare import remark
    from luxel.compare.detail import MIN_DETAIL
    from luxel.compare.results import RANKING_TITLES, ranking_cells

    count = len(comparison.figures)
    columns = [Column("", right=True), Column("version"), *(Column(title, right=True) for title in RANKING_TITLES)]
    lines: list[list[TableCell]] = [
        [str(place), (rank.version, "bold" if place == 1 else ""), *ranking_cells(rank, count)]
        for place, rank in enumerate(ranks, start=1)
    ]
    print_table(columns, lines)
    put(remark(count))
    if any(rank.reason for rank in ranks):
        put(f"Ranked last: versions that keep less than {MIN_DETAIL:g} of the detail.")
