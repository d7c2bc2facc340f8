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
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from luxel.errors import DatasetError
from luxel.jobs.atomic import write_file

FORMAT = 1
MANIFEST = "manifest.parquet"
DATASET = "dataset.json"
SCENE = "scene.json"
SEEDS = 5
"""Scene-disjoint splits stored with every dataset (paper A.3 averages five)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameRow:
    """One frame and its label.

    scene_id, level: together the frame's name. group: frames of one group are always in one split. kind: "bracket",
    "raw", "hdr", "panorama", "photo" (see `PreparedScene`) or "released" (from IEA40K). ev: stops. image, reference,
    residual, confidence, flags: files; None where the layout has none. *_sha256: their checksums.
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
    score_source: str
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


_TYPES = {str: pa.string(), float: pa.float64(), int: pa.int32()}


def schema() -> Any:
    """The manifest's Arrow schema: columns of `FrameRow` in order, optional ones nullable."""
    columns = []
    for name, hint in typing.get_type_hints(FrameRow).items():
        optional = isinstance(hint, types.UnionType)
        kind = typing.get_args(hint)[0] if optional else hint
        columns.append(pa.field(name, _TYPES[kind], nullable=optional))
    return pa.schema(columns, metadata={"luxel.manifest": str(FORMAT)})


def write_manifest(path: Path, rows: Sequence[FrameRow]) -> None:
    """Writes a manifest, whole or not at all. Raises DatasetError when the disk refuses."""
    table = pa.Table.from_pylist([asdict(row) for row in rows], schema=schema())
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    write_file(path, sink.getvalue().to_pybytes(), sync=True, error=DatasetError)


def read_manifest(path: Path) -> list[FrameRow]:
    """The rows of a manifest. Raises DatasetError for a missing or damaged file or wrong columns."""
    if not path.is_file():
        raise DatasetError(f"{path}: no manifest; build the dataset first, or give the folder that holds it")
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise DatasetError(f"{path}: not a Parquet file ({str(error).partition(chr(10))[0]})") from error
    expected = schema()
    if missing := [name for name in expected.names if name not in table.column_names]:
        raise DatasetError(f"{path}: no column {missing[0]!r}; write it again with luxel dataset split")
    try:
        table = table.select(expected.names).cast(expected)
    except (pa.ArrowException, ValueError) as error:
        raise DatasetError(f"{path}: {str(error).partition(chr(10))[0]}") from error
    return [FrameRow(**row) for row in table.to_pylist()]


def row_from(record: dict[str, Any], place: Path) -> FrameRow:
    """A row of `scene.json`. Raises DatasetError naming the file for missing or unknown keys."""
    names = {field.name for field in fields(FrameRow)}
    if unknown := record.keys() - names:
        raise DatasetError(f"{place}: unknown key {min(unknown)!r} in a row; was it written by a newer luxel?")
    try:
        return FrameRow(**record)
    except TypeError as error:
        raise DatasetError(f"{place}: a row is incomplete ({error}); build this scene again") from error


def scene_folder(dataset: Path, scene_id: str) -> Path:
    """Where a scene lives."""
    return dataset / "scenes" / scene_id


def read_scene(folder: Path) -> dict[str, Any]:
    """`scene.json` of a scene's folder. Raises DatasetError for a missing or damaged one."""
    return read_json(folder / SCENE)


def scene_rows(dataset: Path) -> list[FrameRow]:
    """Rows of all scenes of a dataset, from their scene.json files, sorted by scene, then darkest first."""
    rows = []
    for place in sorted((dataset / "scenes").glob(f"[!.]*/{SCENE}")):
        rows += [row_from(record, place) for record in read_json(place).get("rows", [])]
    return rows


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object. Raises DatasetError for a missing, damaged or other file."""
    try:
        record = json.loads(path.read_bytes())
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise DatasetError(f"{path}: not JSON ({error})") from error
    if not isinstance(record, dict):
        raise DatasetError(f"{path}: holds a {type(record).__name__}, not a JSON object")
    return record


def write_json(path: Path, record: dict[str, Any]) -> None:
    """Writes a JSON object, whole or not at all; numbers that are not finite are refused."""
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
