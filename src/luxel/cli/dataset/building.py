"""Commands that make a dataset and make parts of it again: build, reference, label, split."""

from pathlib import Path
from typing import Annotated

import typer

from luxel.cli.console import Column, Progress, print_table, put, require, say
from luxel.cli.dataset.material import scan_time_limit, scenes_in
from luxel.cli.dataset.options import (
    CoresOption,
    DatasetArgument,
    GapOption,
    SceneOption,
    SourcesArgument,
    TagsOption,
    TaxonomyOption,
    ViewsOption,
)
from luxel.cli.options import MaxMegapixelsOption, ReadersLimitOption, TimeoutOption, time_limit


def build(
    sources: SourcesArgument,
    *,
    out: Annotated[Path, typer.Option(help="The dataset's folder.", metavar="DIR")],
    tags: TagsOption = None,
    taxonomy: TaxonomyOption = None,
    views: ViewsOption = 1,
    gap: GapOption = 5.0,
    jobs: CoresOption = 0,
    short_side: Annotated[int, typer.Option(help="Short side of every picture, in pixels.", min=64)] = 512,
    name: Annotated[str, typer.Option(help="Name of the dataset; default: that of its folder.", metavar="TEXT")] = "",
    max_megapixels: MaxMegapixelsOption = 200.0,
    timeout: TimeoutOption = None,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Accept other settings than before and build every scene again.")
    ] = False,
) -> None:
    """Build a dataset, or resume one: scan, align, make references, label, write.

    Killed anywhere, the same command resumes where it stopped. Scenes that are there stay, unless their source files
    changed. A scene that cannot be used is a row of report.json with the reason. The time limit of a scene is that of
    its files together.

    \b
    Examples:
      luxel dataset build brackets hdri photos --out data
      luxel dataset build hdri --out data --views 4 --jobs 4 --short-side 384
      luxel dataset build photos --out data --tags tags.csv --taxonomy names.toml

    Exit code: 0 all scenes are built, 1 some failed or are damaged, 2 wrong usage, 130 stopped by Ctrl-C.
    """
    require("dataset", "luxel dataset build")
    from luxel.dataset.build import SceneOutcome, build_dataset
    from luxel.dataset.folder.upkeep import BuildSettings
    from luxel.dataset.sources.taxonomy import taxonomy_file
    from luxel.jobs.cores import usable_cores

    damaged: list[str] = []
    found = scenes_in(
        sources, tags, views=views, taxonomy=taxonomy or taxonomy_file(out), gap=gap, max_megapixels=max_megapixels,
        timeout=scan_time_limit(timeout, sources),
    )  # fmt: skip
    with Progress("building", len(found)) as bar:

        def report(outcome: SceneOutcome) -> None:
            if outcome.state == "failed":
                say(f"{outcome.scene_id}: {outcome.reason}")
            bar.advance(outcome.scene_id)

        bar.update(0)
        try:
            outcomes = build_dataset(
                found,
                out,
                settings=BuildSettings(short_side=short_side),
                jobs=jobs or usable_cores(),
                rebuild=rebuild,
                name=name,
                taxonomy=taxonomy,
                max_megapixels=max_megapixels,
                timeout=time_limit(timeout, sum(len(source.frames) for source in found)),
                warn=damaged.append,
                progress=report,
            )
        except KeyboardInterrupt:
            say(f"stopped; the scenes that are done stay in {out}, the same command resumes")
            raise typer.Exit(130) from None
    for line in damaged:
        say(line)
    failed = [outcome for outcome in outcomes if outcome.state == "failed"]
    states = {state: sum(outcome.state == state for outcome in outcomes) for state in ("built", "kept", "failed")}
    put(
        f"{out}: {states['built']} scenes built, {states['kept']} kept, {states['failed']} failed; "
        f"{sum(outcome.frames for outcome in outcomes)} frames, "
        f"{sum(len(outcome.dropped) for outcome in outcomes)} frames dropped; look at {out / 'coverage.html'}"
    )
    raise typer.Exit(1 if failed or damaged else 0)


def reference(
    folder: DatasetArgument,
    *,
    scene: SceneOption = None,
    zone: Annotated[
        list[str] | None,
        typer.Option(help="Decide that a block must have this zone, 0 to 7.5. Repeatable.", metavar="BLOCK=ZONE"),
    ] = None,
    by: Annotated[str, typer.Option(help="Who decides; needed with --zone.", metavar="NAME")] = "",
    max_megapixels: ReadersLimitOption = 200.0,
) -> None:
    """Make references again from their zone decisions, and label again.

    The decisions of a scene are in its zones.json, one for each block of blocks.png. Change them there or with --zone.

    \b
    Examples:
      luxel dataset reference data
      luxel dataset reference data --scene alley --zone 12=6 --zone 13=5.5 --by anna

    Exit code: 0 done, 1 some expert layers cannot be merged or some scenes are damaged, 2 wrong usage.
    """
    require("dataset", "luxel dataset reference")
    from luxel.dataset.folder.upkeep import decide, rereference

    if zone:
        if not scene or len(scene) != 1:
            raise typer.BadParameter("blocks belong to one scene; give --scene ID once", param_hint="--zone")
        decide(folder, scene[0], dict(_block_and_zone(text) for text in zone), by=by)
    with Progress("making references", len(scene) if scene else None) as progress:
        changed, notes = rereference(folder, scene, progress=progress.advance)
    for note in notes:
        say(note)
    put(f"{folder}: {changed} residual maps changed")
    raise typer.Exit(1 if notes else 0)


def label(
    folder: DatasetArgument,
    *,
    scene: SceneOption = None,
    max_megapixels: ReadersLimitOption = 200.0,
) -> None:
    """Label again: merge the layers of experts that are there now, and apply the label rules.

    \b
    Examples:
      luxel dataset label data
      luxel dataset label data --scene alley

    Exit code: 0 all layers are merged, 1 some cannot be or some scenes are damaged, 2 wrong usage.
    """
    require("dataset", "luxel dataset label")
    from luxel.dataset.folder.upkeep import relabel

    with Progress("labelling", len(scene) if scene else None) as progress:
        changed, notes = relabel(folder, scene, progress=progress.advance)
    for note in notes:
        say(note)
    put(f"{folder}: {changed} residual maps changed")
    raise typer.Exit(1 if notes else 0)


def split(
    folder: DatasetArgument,
    *,
    seed: Annotated[int, typer.Option(help="First of five seeds.", min=0)] = 0,
    shares: Annotated[str, typer.Option(help="Shares of train, val and test.", metavar="A,B,C")] = "0.8,0.1,0.1",
    max_megapixels: ReadersLimitOption = 200.0,
) -> None:
    """Split a dataset again, scene-disjoint, under five seeds, and write its manifest and pages again.

    \b
    Examples:
      luxel dataset split data
      luxel dataset split data --seed 10 --shares 0.7,0.15,0.15

    Exit code: 0 done, 1 some scenes are damaged and left out of the manifest, 2 wrong usage.
    """
    require("dataset", "luxel dataset split")
    from luxel.dataset.folder.splits import NAMES
    from luxel.dataset.folder.upkeep import resplit

    try:
        numbers = [float(part) for part in shares.split(",")]
    except ValueError:
        raise typer.BadParameter(f"{shares!r} is not three numbers", param_hint="--shares") from None
    damaged: list[str] = []
    rows = resplit(folder, seed=seed, shares=numbers, warn=damaged.append)
    for line in damaged:
        say(line)
    lines = []
    for i in range(5):
        scenes = [{row.scene_id for row in rows if row.splits[i] == part} for part in NAMES]
        lines.append((f"split_{i}", str(seed + i), *(str(len(part)) for part in scenes)))
    columns = [Column("column"), *(Column(title, right=True) for title in ("seed", *NAMES))]
    print_table(columns, lines)
    raise typer.Exit(1 if damaged else 0)


def _block_and_zone(text: str) -> tuple[int, float]:
    block, _, zone = text.partition("=")
    try:
        return int(block), float(zone)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not BLOCK=ZONE, for example 12=5.5", param_hint="--zone") from None
