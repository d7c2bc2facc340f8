"""The layout in which IEA40K was released, read as it is.

    IEA_img/SCENE_LEVEL.png                       the frames
    label/exposure_condition/SCENE_LEVEL.npy      residual x 255, [H, W]; positive is underexposed
    label/global_best/SCENE.png                   the reference
    train_256.csv valid_256_2ev.csv ...           img_id, ref_id, score: "SCENE_LEVEL.png", "SCENE.png", 0 ... 10

The CSV files may lie in the folder or elsewhere (they were released beside the code). A file whose name starts with
"train" is the train split, "val" and "test" likewise. The released scores are people's, not `10 * (1 - mean abs r)`.
The authors' loader stretches every picture to 256 x 256 and expects maps of that size; a map of 256 x 256 beside a
larger picture is therefore sound, and reading such a frame gives the picture at the map's size.

What luxel wrote in it (`convert_released`) has a `luxel.json` beside it.
"""

import csv
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from luxel.dataset.folder.manifest import DATASET, MANIFEST, FrameRow, read_manifest, row_file
from luxel.dataset.folder.scene_files import read_bytes_image, read_residual
from luxel.errors import DatasetError
from luxel.jobs.records import inside, read_json, read_text, single_name
from luxel.photometry import FloatArray, as_unit_float
from luxel.residual_files import read_npy

IMAGES, MAPS, REFERENCES = "IEA_img", "label/exposure_condition", "label/global_best"
PROVENANCE = "luxel.json"
SIDE = 256
"""Side to which the authors' loader stretches every picture, and of their maps."""

MAP_SCALE = 255.0
COLUMNS = ("img_id", "ref_id", "score")
_LEVEL = re.compile(r"_([NP])(\d+)[a-z]?$")
_SPLITS = (("train", "train"), ("val", "val"), ("test", "test"))


@dataclass(frozen=True, slots=True)
class ReleasedRow:
    """One line of a CSV: frame, scene and score, and the split its file stands for ("" if its name says none)."""

    img_id: str
    ref_id: str
    score: float
    split: str
    table: Path


def is_released(folder: Path) -> bool:
    """Whether a folder has the released layout."""
    return (folder / IMAGES).is_dir() and (folder / MAPS).is_dir()


def find_tables(folder: Path, tables: Sequence[Path] = ()) -> list[Path]:
    """The CSV files of a released dataset: `tables` if given, else those in its folder.

    Raises DatasetError when there are none.
    """
    found = list(tables) or sorted(folder.glob("*.csv"))
    if not found:
        raise DatasetError(f"{folder}: no CSV here; give the released lists (train_256.csv ...) with --csv")
    return found


def read_table(path: Path) -> list[ReleasedRow]:
    """The lines of one CSV. Raises DatasetError for a missing file, other columns, or a score that is not a number."""
    split = next((name for start, name in _SPLITS if path.name.lower().startswith(start)), "")
    try:
        reader = csv.DictReader(io.StringIO(read_text(path), newline=""))
        if missing := [column for column in COLUMNS if column not in (reader.fieldnames or ())]:
            raise DatasetError(f"{path}: no column {missing[0]!r}; the released lists have {', '.join(COLUMNS)}")
        lines = list(reader)
    except csv.Error as error:
        raise DatasetError(f"{path}: cannot be read as CSV ({error})") from error
    rows = []
    for number, line in enumerate(lines, start=2):
        for column in COLUMNS[:2]:
            single_name(line[column] or "", where=f"{path}: line {number}: {column}")
        single_name(Path(line["ref_id"]).stem, where=f"{path}: line {number}: scene")
        single_name(level_of(line["img_id"], line["ref_id"])[0], where=f"{path}: line {number}: level")
        try:
            score = float(line["score"])
        except (TypeError, ValueError):
            score = math.nan
        if not math.isfinite(score):
            raise DatasetError(f"{path}: line {number}: score {str(line['score'])[:40]!r} is not a number")
        rows.append(ReleasedRow(line["img_id"], line["ref_id"], score, split, path))
    return rows


def level_of(img_id: str, ref_id: str) -> tuple[str, float | None]:
    """Level and stops of a frame's file name: ("N2", -2.0) of "a0001_N2.png" in scene "a0001.png".

    A name without a level gives what follows the scene's name, or all of it, and None.
    """
    stem, scene = Path(img_id).stem, Path(ref_id).stem
    match = _LEVEL.search(stem)
    if match:
        return match.group(0)[1:], float(match.group(2)) * (-1 if match.group(1) == "N" else 1)
    return stem.removeprefix(f"{scene}_") or stem, None


def map_path(folder: Path, img_id: str) -> Path:
    """The map of a frame."""
    return folder / MAPS / f"{Path(img_id).stem}.npy"


def read_map(path: Path) -> FloatArray:
    """A released map as residual, float32 [H, W] in [-1, 1]; nothing is rounded.

    Raises DatasetError for a missing or damaged file, another shape, values that are not numbers or leave [-255, 255].
    """
    values = read_npy(path, kind=DatasetError)
    if values.ndim != 2 or values.dtype.kind not in "iuf":
        raise DatasetError(f"{path}: is {values.dtype} {values.shape}; a map is numbers [H, W]")
    if values.dtype.kind == "u":
        raise DatasetError(f"{path}: is {values.dtype}, which holds no negative residual; signs are lost")
    residual = values.astype(np.float64) / MAP_SCALE
    if not np.isfinite(residual).all():
        raise DatasetError(f"{path}: holds values that are not numbers")
    if np.abs(residual).max(initial=0) > 1:
        low, high = values.min(), values.max()
        raise DatasetError(f"{path}: values run from {low:g} to {high:g}; residual x 255 stays in [-255, 255]")
    return np.asarray(residual, dtype=np.float32)


def encode_map(residual: npt.ArrayLike) -> npt.NDArray[np.int16]:
    """Residual [H, W] in [-1, 1] as a released map: int16 [H, W], round(255 r)."""
    return np.rint(np.asarray(residual, dtype=np.float64) * MAP_SCALE).astype(np.int16)


def released_rows(folder: Path, tables: Sequence[Path] = ()) -> list[FrameRow]:
    """A released dataset as manifest rows, one per frame, without opening pictures or maps.

    A frame in several lists of one split counts once. Sizes are 0 and checksums empty, which nothing stored says;
    score_source is "given" unless luxel wrote the dataset. Raises DatasetError for a list that cannot be read.
    """
    ours = written_by_luxel(folder)
    rows: dict[str, FrameRow] = {}
    for table in find_tables(folder, tables):
        for line in read_table(table):
            level, ev = level_of(line.img_id, line.ref_id)
            scene = Path(line.ref_id).stem
            rows.setdefault(
                line.img_id,
                FrameRow(
                    scene_id=scene,
                    level=level,
                    group=scene,
                    kind="released",
                    ev=ev,
                    width=0,
                    height=0,
                    image=f"{IMAGES}/{line.img_id}",
                    reference=f"{REFERENCES}/{line.ref_id}",
                    residual=map_path(Path(), line.img_id).as_posix(),
                    confidence=None,
                    flags=None,
                    image_sha256="",
                    reference_sha256="",
                    residual_sha256="",
                    confidence_sha256=None,
                    flags_sha256=None,
                    device=None,
                    lens=None,
                    iso=None,
                    exposure_s=None,
                    f_number=None,
                    scene="",
                    light="",
                    tone="",
                    source=line.ref_id,
                    licence="unknown",
                    score=line.score,
                    score_source="map" if ours else "given",
                    over=0.0,
                    under=0.0,
                    confidence_mean=1.0,
                    severe=0.0,
                    cleaned=0.0,
                    moving=0.0,
                    experts="",
                    split=line.split,
                ),
            )
    return list(rows.values())


def written_by_luxel(folder: Path) -> dict[str, Any]:
    """luxel.json of a released layout, {} if its authors wrote it. Raises DatasetError for a damaged one."""
    place = folder / PROVENANCE
    if not place.exists():
        return {}
    record = read_json(inside(folder, PROVENANCE))
    explained = record.get("explained", {})
    if not isinstance(explained, dict) or not all(isinstance(n, int) for n in explained.values()):
        raise DatasetError(f"{place}: explained is not a number of pixels for each frame; write the layout again")
    return record


def read_rows(folder: Path, tables: Sequence[Path] = ()) -> list[FrameRow]:
    """Rows of a dataset in either layout. Raises DatasetError for a folder that is not a dataset."""
    if (folder / MANIFEST).exists() or (folder / DATASET).exists():
        return read_manifest(folder / MANIFEST)
    if is_released(folder):
        return released_rows(folder, tables)
    raise DatasetError(
        f"{folder}: neither a luxel dataset ({MANIFEST}) nor the released layout ({IMAGES}/ and {MAPS}/)"
    )


def read_frame(folder: Path, row: FrameRow) -> tuple[npt.NDArray[np.uint8], FloatArray, FloatArray]:
    """A frame of either layout: image uint8 [H, W, 3], residual float32 [H, W] in [-1, 1], confidence float32 [H, W].

    Confidence is 1 where none is stored. A picture of another size than its map is brought to the map's, bilinearly,
    as the authors' loader does. Raises ImageError or DatasetError.
    """
    image = read_bytes_image(row_file(folder, row.image))
    residual = (read_map if row.residual.endswith(".npy") else read_residual)(row_file(folder, row.residual))
    if row.confidence is None:
        confidence = np.ones_like(residual)
    else:
        confidence = as_unit_float(read_bytes_image(row_file(folder, row.confidence))[..., 0])
    if image.shape[:2] != residual.shape:
        image = stretch(image, residual.shape)
    return image, residual, confidence


def stretch(image: npt.NDArray[np.uint8], shape: Sequence[int]) -> npt.NDArray[np.uint8]:
    """A picture uint8 [H, W, 3] brought to [h, w] by Pillow's antialiased bilinear filter."""
    height, width = shape
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))
