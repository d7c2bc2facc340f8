"""Commands that look at a dataset: check, stats."""

from contextlib import suppress

import typer

from luxel.cli.console import Column, Progress, print_table, put, require, say
from luxel.cli.dataset.options import CoresOption, CsvOption, DatasetArgument
from luxel.cli.options import JsonOption, ReadersLimitOption


def check(
    folder: DatasetArgument,
    *,
    csv: CsvOption = None,
    json: JsonOption = False,
    jobs: CoresOption = 0,
    max_megapixels: ReadersLimitOption = 200.0,
) -> None:
    """Verify a dataset, in luxel's layout or in that of the released IEA40K: every problem is named.

    \b
    Examples:
      luxel dataset check data
      luxel dataset check IEA40K --csv train_256.csv --csv valid_256_2ev.csv

    Exit code: 0 sound, 1 problems, 2 no dataset there.
    """
    require("dataset", "luxel dataset check")
    from json import dumps

    from luxel.dataset.check.check import check_dataset
    from luxel.dataset.folder.manifest import read_manifest
    from luxel.errors import DatasetError
    from luxel.jobs.cores import usable_cores

    total = None
    with suppress(DatasetError):  # a damaged manifest is a problem among others
        total = len({row.scene_id for row in read_manifest(folder / "manifest.parquet")})
    with Progress("checking", total) as progress:
        result = check_dataset(folder, csv or (), jobs=jobs or usable_cores(), progress=progress.advance)
    for problem in result.problems:
        facts = {"kind": problem.kind, "place": problem.place, "message": problem.message}
        put(dumps(facts) if json else str(problem))
    for note in result.notes:
        say(note)
    count = len(result.problems)
    verdict = f"{count} problem{'s' * (count != 1)}" if count else "sound"
    say(f"{folder}: {result.layout} layout, {result.scenes} scenes, {result.frames} frames: {verdict}")
    raise typer.Exit(1 if result.problems else 0)


def stats(
    folder: DatasetArgument,
    *,
    csv: CsvOption = None,
    json: JsonOption = False,
    max_megapixels: ReadersLimitOption = 200.0,
) -> None:
    """Count what a dataset holds, by level, kind, tags and device, and how far its experts agree.

    In luxel's layout the card, the metadata and coverage.html are written again.

    \b
    Examples:
      luxel dataset stats data
      luxel dataset stats data --json

    Exit code: 0 done, 1 some scenes or layers are damaged and left out, 2 wrong usage.
    """
    require("dataset", "luxel dataset stats")
    from json import dumps

    from luxel.dataset.folder.card import by_level
    from luxel.dataset.folder.coverage import counts
    from luxel.dataset.folder.scene_files import agreements
    from luxel.dataset.folder.upkeep import refresh, settings_of
    from luxel.dataset.iea40k.layout import is_released, read_rows
    from luxel.dataset.sources.taxonomy import load_taxonomy, taxonomy_file

    released = is_released(folder)
    damaged: list[str] = []
    rows = read_rows(folder, csv or ()) if released else refresh(folder, warn=damaged.append)
    levels = {level: len(group) for level, group in by_level(rows).items()}
    counted = counts(rows, load_taxonomy(taxonomy_file(folder)))
    agreed = [] if released else list(agreements(folder, rows, settings_of(folder).rules, damaged.append))
    for line in damaged:
        say(line)
    if json:
        record = {
            "scenes": len({row.scene_id for row in rows}),
            "frames": len(rows),
            "mean_score": sum(row.score for row in rows) / max(1, len(rows)),
            "levels": levels,
            **counted,
            "agreement": {
                name: {"mean_difference": a.mean_difference, "icc": a.icc, "pixels": a.pixels} for name, a in agreed
            },
        }
        put(dumps(record))
        raise typer.Exit(1 if damaged else 0)
    lines = [("level", level, str(count)) for level, count in levels.items()]
    lines += [(axis, name, str(count)) for axis, names in counted.items() for name, count in names.items()]
    print_table([Column("axis"), Column("name"), Column("count", right=True)], lines)
    if agreed:
        found = [
            (name, ", ".join(a.experts), f"{a.mean_difference:.3f}", f"{a.icc:.3f}", str(a.pixels))
            for name, a in agreed
        ]
        columns = [Column("frame"), Column("experts")]
        columns += [Column(title, right=True) for title in ("mean difference", "ICC(2,1)", "pixels")]
        print_table(columns, found)
    raise typer.Exit(1 if damaged else 0)
