"""The files of a dataset and its manifest: one row per frame, as Parquet.

    DATASET/
      dataset.json                 format, settings, licence notes; says that this is a luxel dataset
      manifest.parquet             one row per frame, columns of `FrameRow`
      scenes/SCENE/                files of one scene (`luxel.dataset.folder.scene_files`); scene.json holds its rows
      layers/SCENE/LEVEL/          expert corrections (`luxel.dataset.labels.layers`)
      README.md croissant.json coverage.html report.json

Paths in rows are relative to the dataset's folder, "/" between. `scene.json` is written last in a scene's folder and is
the source of the manifest, which can always be rebuilt from it.
"""

import hashlib
import json
import types
import typing
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

import pyarrow
import pyarrow.parquet

from luxel.errors import DatasetError
from luxel.jobs.atomic import write_file
from luxel.jobs.records import from_record, inside, name_problem, read_json, read_regular, single_name

FORMAT = 1
MANIFEST = "manifest.parquet"
DATASET = "dataset.json"
SCENE = "scene.json"
FILE_COLUMNS = ("image", "reference", "residual", "confidence", "flags")
"""Columns that name files."""

MAX_SIDE = 100_000
SEEDS = 5
"""Scene-disjoint splits stored with every dataset (paper A.3 averages five)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameRow:
    """One frame and its label.

    scene_id, level: together the frame's name. group: frames of one group are always in one split. kind: "bracket",
    "raw", "hdr", "panorama", "photo", "still" (see `PreparedScene`) or "released" (from IEA40K). ev: stops. image,
    reference, residual, confidence, flags: files; None where the layout has none. *_sha256: their checksums.
    device, lens, iso, exposure_s, f_number: of the frame, None where unknown. scene, light, tone: tags, "" untagged.
    source: what the scene was made from. licence: of the source, "unknown" if nobody said.
    score: 0 to 10. score_source: "map" for 10 * (1 - mean abs r) of the residual, "given" for people's scores.
    over, under: shares of pixels with r < -0.2, r > 0.2. confidence_mean: mean of the confidence map, 1 where there is
    none. severe, cleaned, moving: shares of pixels (`Flag`). experts: names of those whose layers are merged, ";"
    between. split_0 ... split_4: "train", "val" or "test"; split is split_0, or the list an imported frame came in.
    """

    scene_id: str
    level: str
    group: str
    kind: str
    ev: float | None
    width: int
    height: int
    image: str
    reference: str
    residual: str
    confidence: str | None
    flags: str | None
    image_sha256: str
    reference_sha256: str
    residual_sha256: str
    confidence_sha256: str | None
    flags_sha256: str | None
    device: str | None
    lens: str | None
    iso: float | None
    exposure_s: float | None
    f_number: float | None
    scene: str
    light: str
    tone: str
    source: str
    licence: str
    score: float
    score_source: Literal["map", "given"]
    over: float
    under: float
    confidence_mean: float
    severe: float
    cleaned: float
    moving: float
    experts: str
    split: str = ""
    split_0: str = ""
    split_1: str = ""
    split_2: str = ""
    split_3: str = ""
    split_4: str = ""

    @property
    def name(self) -> str:
        """The frame's name, "SCENE/LEVEL"."""
        return f"{self.scene_id}/{self.level}"

    @property
    def splits(self) -> tuple[str, ...]:
        """Its split under each seed."""
        return tuple(str(getattr(self, f"split_{seed}")) for seed in range(SEEDS))


_TYPES = {str: pyarrow.string(), float: pyarrow.float64(), int: pyarrow.int32()}


def schema() -> Any:
    """The manifest's Arrow schema: columns of `FrameRow` in order, optional ones nullable."""
    columns = []
    for name, hint in typing.get_type_hints(FrameRow).items():
        optional = isinstance(hint, types.UnionType)
        kind = typing.get_args(hint)[0] if optional else hint
        columns.append(pyarrow.field(name, _TYPES.get(kind, pyarrow.string()), nullable=optional))
    return pyarrow.schema(columns, metadata={"luxel.manifest": str(FORMAT)})


def write_manifest(path: Path, rows: Sequence[FrameRow]) -> None:
    """Writes a manifest, atomically. Raises DatasetError when it cannot be written."""
    table = pyarrow.Table.from_pylist([asdict(row) for row in rows], schema=schema())
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(table, sink, compression="zstd")
    write_file(path, sink.getvalue().to_pybytes(), sync=True, error=DatasetError)


def read_parquet(path: Path) -> pyarrow.Table:
    """The table of a Parquet file, read by this thread alone.

    path: a regular file.
    Raises whatever Arrow raises for a damaged one.
    """
    # Arrow's own threads can outlive the read, and then end the process with SIGABRT while Python shuts down
    # (apache/arrow issue 34314).
    file = pyarrow.parquet.ParquetFile(pyarrow.BufferReader(read_regular(path)), pre_buffer=False)
    return file.read(use_threads=False)


def read_manifest(path: Path) -> list[FrameRow]:
    """The rows of a manifest.

    Raises DatasetError for a missing or damaged file, wrong columns, and a row with a value that cannot be meant.
    """
    if not path.is_file():
        raise DatasetError(f"{path}: no manifest; build the dataset first, or give the folder that holds it")
    expected = schema()
    try:
        table = read_parquet(path)
        if missing := [name for name in expected.names if name not in table.column_names]:
            raise DatasetError(f"{path}: no column {missing[0]!r}; write it again with luxel dataset split")
        records = table.select(expected.names).cast(expected).to_pylist()
    except DatasetError:
        raise
    except Exception as error:  # a damaged Parquet file makes Arrow raise nearly anything
        reason = " ".join(str(error).split())[:160]
        raise DatasetError(f"{path}: cannot be read as a manifest ({reason}); run luxel dataset split") from error
    return [row_from(record, f"{path}: row {number}") for number, record in enumerate(records)]


def row_from(record: object, where: str) -> FrameRow:
    """A row of a manifest or of `scene.json`.

    record: plain values by column.
    where: place of the row for errors.

    Raises DatasetError naming the column: unknown, missing, of another type, not finite, or a file outside the dataset.
    """
    row = from_record(FrameRow, record, where=where)
    single_name(row.scene_id, where=f"{where}: scene_id")
    single_name(row.level, where=f"{where}: level")
    for column in FILE_COLUMNS:
        name = getattr(row, column)
        if name is not None and (problem := name_problem(name)):
            raise DatasetError(f"{where}: {column} {ascii(name)[:80]} {problem}")
    if (row.confidence is None) != (row.flags is None):
        raise DatasetError(f"{where}: has one of confidence and flags; a frame has both or neither")
    if not (0 <= row.width <= MAX_SIDE and 0 <= row.height <= MAX_SIDE):
        raise DatasetError(f"{where}: is {row.width} x {row.height} pixels; a side has at most {MAX_SIDE}")
    return row


def row_file(dataset: Path, name: str) -> Path:
    """The path of a file that a row names. Raises DatasetError where it lies outside the dataset."""
    return inside(dataset, name)


def scene_folder(dataset: Path, scene_id: str) -> Path:
    """Where a scene lives. Raises DatasetError for an id that is not a folder inside the dataset."""
    return inside(dataset, f"scenes/{single_name(scene_id, where=f'{dataset}: scene')}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneFacts:
    """What `scene.json` says besides its rows and metadata.

    scene_id, group, kind: as in its rows.
    notes: what was assumed when it was built.
    dropped: file and reason of every source frame left out.
    fingerprint, stamp: of the settings and sources it was built with, "" for an imported scene.
    """

    format: int
    scene_id: str
    group: str
    kind: str
    notes: tuple[str, ...] = ()
    dropped: tuple[tuple[str, str], ...] = ()
    fingerprint: str = ""
    stamp: str = ""


def read_scene(folder: Path) -> tuple[dict[str, Any], SceneFacts, list[FrameRow]]:
    """`scene.json` of a scene's folder: the record as stored but without its rows, its facts, and its rows.

    Raises DatasetError for a missing or damaged file, and for rows of another scene.
    """
    place = folder / SCENE
    record = read_json(place)
    known = {f.name for f in fields(SceneFacts)}
    facts = from_record(SceneFacts, {k: v for k, v in record.items() if k in known}, where=str(place))
    if facts.format != FORMAT:
        raise DatasetError(f"{place}: scene format {facts.format}, this luxel reads {FORMAT}; update luxel")
    listed = record.pop("rows", None)
    if not isinstance(listed, list) or not listed:
        raise DatasetError(f"{place}: has no list of rows; build this scene again")
    rows = [row_from(row, f"{place}: row {number}") for number, row in enumerate(listed)]
    names = {facts.scene_id, *(row.scene_id for row in rows)}
    if len(names) > 1 or len({row.level for row in rows}) < len(rows):
        raise DatasetError(f"{place}: its rows are of several scenes, or two of one level; build this scene again")
    return record, facts, rows


def scene_rows(dataset: Path, warn: Callable[[str], None]) -> list[FrameRow]:
    """Rows of all scenes of a dataset, from their scene.json files, sorted by scene, then darkest first.

    warn: called with one line for each scene that is left out: its scene.json is damaged or of another scene.
    Raises DatasetError where all are left out.
    """
    rows: list[FrameRow] = []
    places = sorted((dataset / "scenes").glob(f"[!.]*/{SCENE}"))
    first = ""
    for place in places:
        try:
            _, facts, found = read_scene(place.parent)
            if facts.scene_id != place.parent.name:
                raise DatasetError(f"{place}: is of scene {facts.scene_id!r}; give its folder that name, or remove it")
        except DatasetError as error:
            first = first or str(error)
            warn(str(error))
            continue
        rows += found
    if places and not rows:
        raise DatasetError(f"{dataset}: no scene can be read; the first: {first}")
    return rows


def write_json(path: Path, record: dict[str, Any]) -> None:
    """Writes a JSON object, atomically; numbers that are not finite are rejected."""
    text = json.dumps(record, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    write_file(path, text.encode(), sync=True, error=DatasetError)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, 64 hex digits. Raises DatasetError when it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror}") from error


def scenes_of(rows: Iterable[FrameRow]) -> dict[str, list[FrameRow]]:
    """Rows by scene, in the order they come."""
    scenes: dict[str, list[FrameRow]] = {}
    for row in rows:
        scenes.setdefault(row.scene_id, []).append(row)
    return scenes
