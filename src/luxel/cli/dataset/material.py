"""Commands on source material, before there is a dataset: scan, tags, align, taxonomy."""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from luxel.cli.console import Column, Progress, TableCell, print_table, put, require, say
from luxel.cli.dataset.options import GapOption, SourcesArgument, TagsOption, TaxonomyOption, ViewsOption
from luxel.cli.options import JsonOption, MaxMegapixelsOption, TimeoutOption, time_limit

if TYPE_CHECKING:
    from luxel.dataset.sources.scan import SceneSource


def scan(
    sources: SourcesArgument,
    *,
    tags: TagsOption = None,
    taxonomy: TaxonomyOption = None,
    views: ViewsOption = 1,
    gap: GapOption = 5.0,
    max_megapixels: MaxMegapixelsOption = 200.0,
    timeout: TimeoutOption = None,
    json: JsonOption = False,
) -> None:
    """What scenes there are in files and folders; nothing is written.

    \b
    Examples:
      luxel dataset scan brackets raw hdri
      luxel dataset scan photos --tags tags.csv --json > scenes.jsonl

    Exit code: 0 all files can be read, 1 some cannot, 2 wrong usage.
    """
    require("dataset", "luxel dataset scan")
    from json import dumps

    found = scenes_in(
        sources, tags, views=views, taxonomy=taxonomy, gap=gap, max_megapixels=max_megapixels,
        timeout=scan_time_limit(timeout, sources),
    )  # fmt: skip
    unreadable = [frame for source in found for frame in source.frames if not frame.width]
    for frame in unreadable:
        if frame.format != "unknown":  # else the scan said why
            say(f"{frame.file}: its size cannot be read; its scene will fail or lose this frame")
    if json:
        put(*(dumps(_facts(source)) for source in found))
    else:
        rows = [
            (
                s.scene_id,
                s.kind,
                str(len(s.frames)),
                s.metadata.get("device") or "",
                " ".join(filter(None, s.tags.values())),
            )
            for s in found
        ]
        columns = [Column("scene"), Column("kind"), Column("frames", right=True), Column("device"), Column("tags")]
        print_table(columns, rows)
    raise typer.Exit(1 if unreadable else 0)


def tags(
    sources: SourcesArgument,
    *,
    out: Annotated[Path, typer.Option(help="CSV to write; must not exist yet.", metavar="FILE")],
    model: Annotated[
        str,
        typer.Option(
            help="CLIP checkpoint for scene and light: a folder, or a name on the model hub. Left out: tone only.",
            metavar="FOLDER|NAME",
        ),
    ] = "",
    download: Annotated[
        bool, typer.Option("--download", help="Fetch the named checkpoint if it is not in the cache.")
    ] = False,
    given: Annotated[
        Path | None, typer.Option("--tags", help="CSV of existing tags.", metavar="FILE", show_default=False)
    ] = None,
    taxonomy: TaxonomyOption = None,
    views: ViewsOption = 1,
    gap: GapOption = 5.0,
    max_megapixels: MaxMegapixelsOption = 200.0,
) -> None:
    """Suggest tags for scene, light and tone, as a CSV to correct and give to build with --tags.

    Scene and light need the extra "tags" and a CLIP checkpoint. Nothing is downloaded without --download. Tags that
    index.csv or --tags give already are kept.

    \b
    Examples:
      luxel dataset tags photos --out tags.csv
      luxel dataset tags brackets photos --out tags.csv --model checkpoints/clip
      luxel dataset tags photos --out tags.csv --model openai/clip-vit-base-patch32 --download

    Exit code: 0 every scene has suggestions, 1 some pictures cannot be used, 2 wrong usage.
    """
    require("dataset", "luxel dataset tags")
    from luxel.dataset.sources.tag_suggestions import Suggestion, Tagger, suggest, write_suggestions
    from luxel.dataset.sources.taxonomy import load_taxonomy
    from luxel.errors import DatasetError

    if out.exists():
        raise DatasetError(f"{out}: already exists and may hold corrections; give another name")
    tagger = Tagger(model, load_taxonomy(taxonomy), download=download) if model else None
    found = scenes_in(sources, given, views=views, taxonomy=taxonomy, gap=gap, max_megapixels=max_megapixels)
    rows: list[Suggestion] = []
    with Progress("looking", len(found)) as progress:
        progress.update(0)
        for row in suggest(found, tagger, max_megapixels=max_megapixels):
            rows.append(row)
            progress.advance(row.name)
    count = write_suggestions(out, rows)
    for row in rows:
        if row.failed:
            say(f"{row.name}: {row.failed}")
    put(f"{out}: suggestions for {count} scenes; correct them, then luxel dataset build --tags {out}")
    raise typer.Exit(1 if count < len(rows) else 0)


def align(
    sources: SourcesArgument,
    *,
    out: Annotated[Path, typer.Option(help="Folder for the aligned frames.", metavar="DIR")],
    short_side: Annotated[int, typer.Option(help="Short side of the frames, in pixels.", min=64)] = 512,
    gap: GapOption = 5.0,
    max_megapixels: MaxMegapixelsOption = 200.0,
) -> None:
    """Align brackets only: drop what shows another scene, register the rest, crop to what all show.

    Writes OUT/SCENE/FRAME.png and prints for every frame how far it moved and how well it fits.

    \b
    Examples:
      luxel dataset align brackets/alley --out aligned
      luxel dataset align brackets --out aligned --short-side 1024

    Exit code: 0 all frames are aligned, 1 some were dropped or a bracket failed, 2 wrong usage.
    """
    require("dataset", "luxel dataset align")
    from luxel.dataset.align.align_files import AlignedFrame, align_to_files
    from luxel.errors import DatasetError

    brackets = [
        source for source in scenes_in(sources, gap=gap, max_megapixels=max_megapixels) if source.kind == "bracket"
    ]
    if not brackets:
        raise DatasetError("no bracket in these files; luxel dataset scan shows what there is")
    rows: list[AlignedFrame] = []
    with Progress("aligning", len(brackets)) as progress:
        progress.update(0)
        for source in brackets:
            rows += align_to_files(source, out, short_side=short_side, max_megapixels=max_megapixels)
            progress.advance(source.scene_id)
    lines: list[list[TableCell]] = []
    for row in rows:
        numbers = (row.motion, row.error_before, row.error_after, row.ssim)
        remark = "the others are placed on it" if row.anchor else ""
        if row.unseen:
            remark = "shows too little to be compared; left as it is, since no other frame moved"
        if row.dropped:
            remark = f"dropped: {row.dropped}"
        lines.append([row.scene_id, row.file, *("-" if n is None else f"{n:.2f}" for n in numbers), remark])
    columns = [Column("scene"), Column("frame")]
    columns += [Column(title, right=True) for title in ("moved px", "error before px", "error after px", "SSIM")]
    print_table([*columns, Column("")], lines)
    raise typer.Exit(1 if any(row.dropped for row in rows) else 0)


def taxonomy(
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="DIR", help="A dataset's folder; left out: luxel's own table.", show_default=False),
    ] = None,
) -> None:
    """Print the table of names that tags for scene, light and tone may have, to edit it and give it to build.

    A dataset has its own copy, taxonomy.toml in its folder.

    \b
    Examples:
      luxel dataset taxonomy > names.toml
      luxel dataset taxonomy data
    """
    from luxel.dataset.folder.upkeep import dataset_record
    from luxel.dataset.sources.taxonomy import TAXONOMY, load_taxonomy, taxonomy_file

    file = TAXONOMY
    if folder is not None:
        dataset_record(folder)  # raises where the folder is not a dataset
        file = taxonomy_file(folder)
    load_taxonomy(file)
    put(*file.read_text(encoding="utf-8").splitlines())


def scenes_in(
    sources: list[Path],
    tags: Path | None = None,
    *,
    views: int = 1,
    taxonomy: Path | None = None,
    gap: float = 5.0,
    max_megapixels: float = 200.0,
    timeout: float | None = None,
) -> "list[SceneSource]":
    """Scenes found in files and folders; DatasetError if there is none. Options as those of `scan_sources`."""
    from luxel.dataset.sources.scan import scan_sources
    from luxel.dataset.sources.taxonomy import load_taxonomy
    from luxel.errors import DatasetError

    names = load_taxonomy(taxonomy)
    steps = ExitStack()
    bars: dict[str, Progress] = {}

    def report(step: str, file: str, total: int | None) -> None:
        if step not in bars:
            steps.close()  # only one bar can be on the screen
            bars[step] = steps.enter_context(Progress(step, total))
        bars[step].advance(file)

    with steps:
        found = scan_sources(
            sources,
            tags=tags,
            taxonomy=names,
            views=views,
            gap=gap,
            max_megapixels=max_megapixels,
            timeout=timeout,
            warn=say,
            progress=report,
        )
    if not found:
        raise DatasetError(f"no picture in {', '.join(map(str, sources))}; give the folders of your source material")
    return found


def scan_time_limit(timeout: float | None, sources: list[Path]) -> float | None:
    """Seconds that a file may take in a scan; a folder counts as several files."""
    return time_limit(timeout, sum(2 if source.is_dir() else 1 for source in sources))


def _facts(source: "SceneSource") -> dict[str, object]:
    from dataclasses import asdict
    from json import dumps, loads

    facts: dict[str, object] = loads(dumps(asdict(source), default=str))
    return facts
