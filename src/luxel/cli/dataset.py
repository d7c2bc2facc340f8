"""`luxel dataset`: from source material to pictures with pixel-level labels, and what to do with them."""

import json as jsonlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from luxel.dataset.build import Outcome
    from luxel.dataset.scan import SceneSource

dataset = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

_WIDE = 100_000  # columns of a table that goes to a file or another program: nothing is folded


class Layout(StrEnum):
    """Layouts of a dataset."""

    luxel = "luxel"
    iea40k = "iea40k"


SourcesArgument = Annotated[
    list[Path], typer.Argument(metavar="SOURCE...", help="Files and folders of source material.", show_default=False)
]
TagsOption = Annotated[
    Path | None,
    typer.Option(help="CSV of tags: name, scene, light, tone, licence, source.", metavar="FILE", show_default=False),
]
TaxonomyOption = Annotated[
    Path | None,
    typer.Option(
        "--taxonomy",
        help="TOML of the names that tags may have; see luxel dataset taxonomy.",
        metavar="FILE",
        show_default=False,
    ),
]
ViewsOption = Annotated[int, typer.Option(help="Views of every HDR panorama.", min=1, metavar="N")]
DatasetArgument = Annotated[Path, typer.Argument(metavar="DIR", help="A dataset's folder.", show_default=False)]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON lines instead of a table.")]
JobsOption = Annotated[int, typer.Option(help="How many at a time; 0: one per processor core.", min=0, metavar="N")]
SceneOption = Annotated[
    list[str] | None, typer.Option("--scene", help="Only this scene. Repeatable.", metavar="ID", show_default=False)
]
CsvOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--csv",
        help="List of a released dataset, if not in its folder. Repeatable.",
        metavar="FILE",
        show_default=False,
    ),
]


@dataset.callback()
def _about() -> None:
    """Build, check, correct and describe datasets with pixel-level exposure labels.

    \b
    Examples:
      luxel dataset scan photos
      luxel dataset check data
      luxel dataset stats data
    """


@dataset.command()
def scan(
    sources: SourcesArgument,
    tags: TagsOption = None,
    taxonomy: TaxonomyOption = None,
    views: ViewsOption = 1,
    json: JsonOption = False,
) -> None:
    """What scenes there are in files and folders; nothing is written.

    \b
    Examples:
      luxel dataset scan brackets raw hdri
      luxel dataset scan photos --tags tags.csv --json > scenes.jsonl

    Exit code: 0 all files can be read, 1 some cannot, 2 wrong usage.
    """
    _need_dataset_extra("luxel dataset scan")
    found = _scan(sources, tags, views, taxonomy)
    unreadable = [frame.file for source in found for frame in source.frames if not frame.width]
    for file in unreadable:
        _say(f"{file}: cannot be read; its scene will fail or lose this frame")
    if json:
        for source in found:
            typer.echo(jsonlib.dumps(_facts(source)))
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
        _table(("scene", "kind", "frames", "device", "tags"), rows)
    raise typer.Exit(1 if unreadable else 0)


@dataset.command()
def tags(
    sources: SourcesArgument,
    out: Annotated[Path, typer.Option(help="CSV to write; must not be there yet.", metavar="FILE")],
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
        Path | None, typer.Option("--tags", help="CSV of tags that stand already.", metavar="FILE", show_default=False)
    ] = None,
    taxonomy: TaxonomyOption = None,
    views: ViewsOption = 1,
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
    _need_dataset_extra("luxel dataset tags")
    from luxel.dataset.tag_suggestions import Suggestion, Tagger, suggest, write_suggestions
    from luxel.dataset.taxonomy import load_taxonomy
    from luxel.errors import DatasetError

    if out.exists():
        raise DatasetError(f"{out}: is there already and may hold corrections; give another name")
    tagger = Tagger(model, load_taxonomy(taxonomy), download=download) if model else None
    found = _scan(sources, given, views, taxonomy)
    rows: list[Suggestion] = []
    with _progress("looking", len(found)) as advance:
        for row in suggest(found, tagger):
            rows.append(row)
            advance(row.name)
    count = write_suggestions(out, rows)
    for row in rows:
        if row.failed:
            _say(f"{row.name}: {row.failed}")
    typer.echo(f"{out}: suggestions for {count} scenes; correct them, then luxel dataset build --tags {out}")
    raise typer.Exit(1 if count < len(rows) else 0)


@dataset.command()
def align(
    sources: SourcesArgument,
    out: Annotated[Path, typer.Option(help="Folder for the aligned frames.", metavar="DIR")],
    short_side: Annotated[int, typer.Option(help="Short side of the frames, in pixels.", min=64)] = 512,
) -> None:
    """Align brackets only: drop what shows another scene, register the rest, crop to what all show.

    Writes OUT/SCENE/FRAME.png and prints for every frame how far it moved and how well it fits.

    \b
    Examples:
      luxel dataset align brackets/alley --out aligned
      luxel dataset align brackets --out aligned --short-side 1024

    Exit code: 0 all frames are aligned, 1 some were dropped or a bracket failed, 2 wrong usage.
    """
    _need_dataset_extra("luxel dataset align")
    from luxel.dataset.align_files import AlignedFrame, align_to_files
    from luxel.errors import DatasetError

    brackets = [source for source in _scan(sources) if source.kind == "bracket"]
    if not brackets:
        raise DatasetError("no bracket in these files; luxel dataset scan shows what there is")
    rows: list[AlignedFrame] = []
    with _progress("aligning", len(brackets)) as advance:
        for source in brackets:
            rows += align_to_files(source, out, short_side=short_side)
            advance(source.scene_id)
    lines = []
    for row in rows:
        numbers = (row.motion, row.error_before, row.error_after, row.ssim)
        told = "the others are placed on it" if row.anchor else ""
        if row.unseen:
            told = "shows too little to be compared; left as it is, since no other frame moved"
        if row.dropped:
            told = f"dropped: {row.dropped}"
        lines.append((row.scene_id, row.file, *("-" if n is None else f"{n:.2f}" for n in numbers), told))
    _table(("scene", "frame", "moved px", "error before px", "error after px", "SSIM", ""), lines)
    raise typer.Exit(1 if any(row.dropped for row in rows) else 0)


@dataset.command()
def build(
    sources: SourcesArgument,
    out: Annotated[Path, typer.Option(help="The dataset's folder.", metavar="DIR")],
    tags: TagsOption = None,
    taxonomy: TaxonomyOption = None,
    views: ViewsOption = 1,
    jobs: JobsOption = 0,
    short_side: Annotated[int, typer.Option(help="Short side of every picture, in pixels.", min=64)] = 512,
    name: Annotated[str, typer.Option(help="Name of the dataset; default: that of its folder.", metavar="TEXT")] = "",
    max_megapixels: Annotated[float, typer.Option(help="Source pictures above this fail.", metavar="N")] = 200.0,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Accept other settings than before and build every scene again.")
    ] = False,
) -> None:
    """Build a dataset, or go on with one: scan, align, make references, label, write.

    Killed anywhere, the same command goes on where it stopped. Scenes that are there stay, unless their source files
    changed. A scene that cannot be used is a row of report.json with the reason.

    \b
    Examples:
      luxel dataset build brackets hdri photos --out data
      luxel dataset build hdri --out data --views 4 --jobs 4 --short-side 384
      luxel dataset build photos --out data --tags tags.csv --taxonomy names.toml

    Exit code: 0 all scenes are built, 1 some failed, 2 wrong usage, 130 stopped by Ctrl-C.
    """
    _need_dataset_extra("luxel dataset build")
    from luxel.dataset.build import build as run
    from luxel.dataset.slots import usable_cores
    from luxel.dataset.taxonomy import taxonomy_file
    from luxel.dataset.upkeep import BuildSettings

    found = _scan(sources, tags, views, taxonomy or taxonomy_file(out))
    with _progress("building", len(found)) as advance:
        try:
            outcomes = run(
                found,
                out,
                settings=BuildSettings(short_side=short_side),
                jobs=jobs or usable_cores(),
                rebuild=rebuild,
                name=name,
                taxonomy=taxonomy,
                max_megapixels=max_megapixels,
                progress=advance,
            )
        except KeyboardInterrupt:
            _say(f"stopped; the scenes that are done stay in {out}, the same command goes on")
            raise typer.Exit(130) from None
    failed = [outcome for outcome in outcomes if outcome.state == "failed"]
    states = {state: sum(outcome.state == state for outcome in outcomes) for state in ("built", "kept", "failed")}
    typer.echo(
        f"{out}: {states['built']} scenes built, {states['kept']} kept, {states['failed']} failed; "
        f"{sum(outcome.frames for outcome in outcomes)} frames, "
        f"{sum(len(outcome.dropped) for outcome in outcomes)} frames dropped; look at {out / 'coverage.html'}"
    )
    raise typer.Exit(1 if failed else 0)


@dataset.command()
def reference(
    folder: DatasetArgument,
    scene: SceneOption = None,
    zone: Annotated[
        list[str] | None,
        typer.Option(help="Decide that a block is to have this zone, 0 to 7.5. Repeatable.", metavar="BLOCK=ZONE"),
    ] = None,
    by: Annotated[str, typer.Option(help="Who decides; needed with --zone.", metavar="NAME")] = "",
) -> None:
    """Make references again from their zone decisions, and label again.

    The decisions of a scene are in its zones.json, one for each block of blocks.png. Change them there or with --zone.

    \b
    Examples:
      luxel dataset reference data
      luxel dataset reference data --scene alley --zone 12=6 --zone 13=5.5 --by anna

    Exit code: 0 done, 1 some expert layers cannot be merged, 2 wrong usage.
    """
    _need_dataset_extra("luxel dataset reference")
    from luxel.dataset.upkeep import decide, rereference

    if zone:
        if not scene or len(scene) != 1:
            raise typer.BadParameter("blocks belong to one scene; give --scene ID once", param_hint="--zone")
        decide(folder, scene[0], dict(_block_and_zone(text) for text in zone), by=by)
    with _progress("making references", len(scene) if scene else None) as advance:
        changed, notes = rereference(folder, scene, progress=advance)
    for note in notes:
        _say(note)
    typer.echo(f"{folder}: {changed} residual maps changed")
    raise typer.Exit(1 if notes else 0)


@dataset.command()
def label(
    folder: DatasetArgument,
    scene: SceneOption = None,
) -> None:
    """Label again: merge the layers of experts that are there now, and apply the label rules.

    \b
    Examples:
      luxel dataset label data
      luxel dataset label data --scene alley

    Exit code: 0 all layers are merged, 1 some cannot be, 2 wrong usage.
    """
    _need_dataset_extra("luxel dataset label")
    from luxel.dataset.upkeep import relabel

    with _progress("labelling", len(scene) if scene else None) as advance:
        changed, notes = relabel(folder, scene, progress=advance)
    for note in notes:
        _say(note)
    typer.echo(f"{folder}: {changed} residual maps changed")
    raise typer.Exit(1 if notes else 0)


@dataset.command()
def check(
    folder: DatasetArgument,
    csv: CsvOption = None,
    json: JsonOption = False,
    jobs: JobsOption = 0,
) -> None:
    """Verify a dataset, in luxel's layout or in that of the released IEA40K: every problem is named.

    \b
    Examples:
      luxel dataset check data
      luxel dataset check IEA40K --csv train_256.csv --csv valid_256_2ev.csv

    Exit code: 0 sound, 1 problems, 2 no dataset there.
    """
    _need_dataset_extra("luxel dataset check")
    from luxel.dataset.check import check as run
    from luxel.dataset.manifest import read_manifest
    from luxel.dataset.slots import usable_cores

    manifest = folder / "manifest.parquet"
    total = len({row.scene_id for row in read_manifest(manifest)}) if manifest.is_file() else None
    with _progress("checking", total) as advance:
        result = run(folder, csv or (), jobs=jobs or usable_cores(), progress=advance)
    for problem in result.problems:
        typer.echo(
            jsonlib.dumps({"kind": problem.kind, "place": problem.place, "message": problem.message})
            if json
            else problem
        )
    for note in result.notes:
        _say(note)
    count = len(result.problems)
    verdict = f"{count} problem{'s' * (count != 1)}" if count else "sound"
    _say(f"{folder}: {result.layout} layout, {result.scenes} scenes, {result.frames} frames: {verdict}")
    raise typer.Exit(1 if result.problems else 0)


@dataset.command()
def split(
    folder: DatasetArgument,
    seed: Annotated[int, typer.Option(help="First of five seeds.", min=0)] = 0,
    shares: Annotated[str, typer.Option(help="Shares of train, val and test.", metavar="A,B,C")] = "0.8,0.1,0.1",
) -> None:
    """Split a dataset anew, scene-disjoint, under five seeds, and write its manifest and pages again.

    \b
    Examples:
      luxel dataset split data
      luxel dataset split data --seed 10 --shares 0.7,0.15,0.15
    """
    _need_dataset_extra("luxel dataset split")
    from luxel.dataset.splits import NAMES
    from luxel.dataset.upkeep import resplit

    try:
        numbers = [float(part) for part in shares.split(",")]
    except ValueError:
        raise typer.BadParameter(f"{shares!r} is not three numbers", param_hint="--shares") from None
    rows = resplit(folder, seed=seed, shares=numbers)
    lines = []
    for i in range(5):
        scenes = [{row.scene_id for row in rows if row.splits[i] == part} for part in NAMES]
        lines.append((f"split_{i}", str(seed + i), *(str(len(part)) for part in scenes)))
    _table(("column", "seed", *NAMES), lines)


@dataset.command()
def stats(
    folder: DatasetArgument,
    csv: CsvOption = None,
    json: JsonOption = False,
) -> None:
    """Count what a dataset holds, by level, kind, tags and device, and how far its experts agree.

    In luxel's layout the card, the metadata and coverage.html are written again.

    \b
    Examples:
      luxel dataset stats data
      luxel dataset stats data --json
    """
    _need_dataset_extra("luxel dataset stats")
    from luxel.dataset.card import by_level
    from luxel.dataset.coverage import counts
    from luxel.dataset.layout_iea40k import is_released, read_rows
    from luxel.dataset.scene_files import agreements
    from luxel.dataset.taxonomy import load_taxonomy, taxonomy_file
    from luxel.dataset.upkeep import refresh, settings_of

    released = is_released(folder)
    rows = read_rows(folder, csv or ()) if released else refresh(folder)
    levels = {level: len(group) for level, group in by_level(rows).items()}
    counted = counts(rows, load_taxonomy(taxonomy_file(folder)))
    agreed = [] if released else list(agreements(folder, rows, settings_of(folder).rules))
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
        typer.echo(jsonlib.dumps(record))
        return
    lines = [("level", level, str(count)) for level, count in levels.items()]
    lines += [(axis, name, str(count)) for axis, names in counted.items() for name, count in names.items()]
    _table(("axis", "name", "count"), lines)
    if agreed:
        found = [
            (name, ", ".join(a.experts), f"{a.mean_difference:.3f}", f"{a.icc:.3f}", str(a.pixels))
            for name, a in agreed
        ]
        _table(("frame", "experts", "mean difference", "ICC(2,1)", "pixels"), found)


@dataset.command()
def convert(
    folder: DatasetArgument,
    out: Annotated[Path, typer.Option(help="New folder.", metavar="DIR")],
    to: Annotated[Layout, typer.Option(help="Layout to write.")] = Layout.iea40k,
    side: Annotated[
        int,
        typer.Option(
            help="To iea40k: stretch everything to this side; the authors' scripts need 256. 0: keep sizes.",
            min=0,
        ),
    ] = 0,
    csv: CsvOption = None,
) -> None:
    """Convert between luxel's layout and that of the released IEA40K, exact to 1/255.

    \b
    Examples:
      luxel dataset convert data --out IEA --to iea40k --side 256
      luxel dataset convert IEA40K --out data --to luxel --csv train_256.csv --csv valid_256_2ev.csv
    """
    _need_dataset_extra("luxel dataset convert")
    from luxel.dataset.layout_iea40k import export_released, import_released

    with _progress("converting", None) as advance:
        if to is Layout.iea40k:
            frames = export_released(folder, out, side=side or None, progress=advance)
        else:
            frames = len(import_released(folder, out, csv or (), progress=advance))
    typer.echo(f"{out}: {frames} frames in the {to.value} layout")


@dataset.command()
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
    from luxel.dataset.taxonomy import TAXONOMY, load_taxonomy, taxonomy_file
    from luxel.dataset.upkeep import dataset_record

    file = TAXONOMY
    if folder is not None:
        dataset_record(folder)  # refuses a folder that is no dataset
        file = taxonomy_file(folder)
    load_taxonomy(file)
    typer.echo(file.read_text(encoding="utf-8"), nl=False)


def _need_dataset_extra(command: str) -> None:
    import importlib.util

    from luxel.errors import MissingExtraError

    if any(importlib.util.find_spec(name) is None for name in ("cv2", "scipy", "skimage")):
        raise MissingExtraError(command, "dataset")


def _block_and_zone(text: str) -> tuple[int, float]:
    block, _, zone = text.partition("=")
    try:
        return int(block), float(zone)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not BLOCK=ZONE, for example 12=5.5", param_hint="--zone") from None


def _scan(
    sources: list[Path], tags: Path | None = None, views: int = 1, taxonomy: Path | None = None
) -> "list[SceneSource]":
    from luxel.dataset.scan import scan as run
    from luxel.dataset.taxonomy import load_taxonomy
    from luxel.errors import DatasetError

    names = load_taxonomy(taxonomy)
    with _progress("reading headers", None) as advance:
        found = run(sources, tags=tags, taxonomy=names, views=views, progress=advance)
    if not found:
        raise DatasetError(f"no picture in {', '.join(map(str, sources))}; give the folders of your source material")
    return found


def _facts(source: "SceneSource") -> dict[str, object]:
    from dataclasses import asdict

    facts: dict[str, object] = jsonlib.loads(jsonlib.dumps(asdict(source), default=str))
    return facts


@contextmanager
def _progress(what: str, total: int | None) -> "Iterator[Callable[[Outcome | str], None]]":
    """A bar on stderr if a person watches. Yields what to call with each scene that is done; failed ones are told."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[scene]}"),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=total, scene="")

        def advance(done: "Outcome | str") -> None:
            scene = done if isinstance(done, str) else done.scene_id
            progress.update(task, advance=1, scene=scene)
            if not isinstance(done, str) and done.state == "failed":
                progress.console.print(f"luxel: {scene}: {done.reason}", markup=False, highlight=False, soft_wrap=True)

        yield advance


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    import sys

    from rich.console import Console
    from rich.table import Table

    table = Table(*header, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else _WIDE, markup=False, highlight=False).print(table)


def _say(message: str) -> None:
    typer.echo(f"luxel: {message}", err=True)
