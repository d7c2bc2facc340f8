"""The layout in which IEA40K was released, read as it is and written so that its authors' scripts can read it.

    IEA_img/SCENE_LEVEL.png                       the frames
    label/exposure_condition/SCENE_LEVEL.npy      residual x 255, [H, W]; positive is underexposed
    label/global_best/SCENE.png                   the reference
    train_256.csv valid_256_2ev.csv ...           img_id, ref_id, score: "SCENE_LEVEL.png", "SCENE.png", 0 ... 10

The CSV files may lie in the folder or elsewhere (they were released beside the code). A file whose name starts with
"train" is the train split, "val" and "test" likewise. The released scores are people's, not `10 * (1 - mean abs r)`.
The authors' loader stretches every picture to 256 x 256 and expects maps of that size; a map of 256 x 256 beside a
larger picture is therefore sound, and reading such a frame gives the picture at the map's size.

What we write gets a `luxel.json` beside it. It says that scores and maps follow from the pictures, and how many pixels
of each map were changed by rules or experts; `check` then proves it. Maps are written as int16: exact to 1 / 255.
"""

import csv
import json
import re
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

import luxel
from luxel import images
from luxel.dataset.label import Flag
from luxel.dataset.locking import locked
from luxel.dataset.manifest import (
    DATASET,
    FORMAT,
    MANIFEST,
    FrameRow,
    read_manifest,
    scene_folder,
    scenes_of,
    sha256_of,
    write_json,
    write_whole,
)
from luxel.dataset.scene_files import REFERENCE, read_bytes_image, read_residual, save_rows, with_label
from luxel.dataset.upkeep import BuildSettings, dataset_record, finish, new_record, place_folder, sweep
from luxel.errors import DatasetError
from luxel.photometry import FloatArray, as_unit_float
from luxel.residual_png import encode_residual

IMAGES, MAPS, REFERENCES = "IEA_img", "label/exposure_condition", "label/global_best"
PROVENANCE = "luxel.json"
SIDE = 256
"""Side to which the authors' loader stretches every picture, and of their maps."""

MAP_SCALE = 255.0
COLUMNS = ("img_id", "ref_id", "score")
_NEAR = 2.0  # stops: the released "_2ev" lists hold the levels N2 ... P2
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
    """The lines of one CSV. Raises DatasetError for a missing file, other columns, or a score that is no number."""
    split = next((name for start, name in _SPLITS if path.name.lower().startswith(start)), "")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            if missing := [column for column in COLUMNS if column not in (reader.fieldnames or ())]:
                raise DatasetError(f"{path}: no column {missing[0]!r}; the released lists have {', '.join(COLUMNS)}")
            lines = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path}: cannot be read as CSV ({error})") from error
    rows = []
    for number, line in enumerate(lines, start=2):
        for column in COLUMNS[:2]:
            if not line[column] or Path(line[column]).name != line[column]:
                raise DatasetError(f"{path}: line {number}: {column} {line[column]!r} is no file name")
        try:
            rows.append(ReleasedRow(line["img_id"], line["ref_id"], float(line["score"]), split, path))
        except (TypeError, ValueError) as error:
            raise DatasetError(f"{path}: line {number}: score {line['score']!r} is no number") from error
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
    try:
        values = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DatasetError(f"{path}: cannot be read as a NumPy array ({error})") from error
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
    try:
        record: dict[str, Any] = json.loads(place.read_bytes())
    except (OSError, ValueError) as error:
        raise DatasetError(f"{place}: cannot be read ({error}); write the layout again") from error
    return record


def read_rows(folder: Path, tables: Sequence[Path] = ()) -> list[FrameRow]:
    """Rows of a dataset in either layout. Raises DatasetError for a folder that is no dataset."""
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
    image = read_bytes_image(folder / row.image)
    residual = (read_map if row.residual.endswith(".npy") else read_residual)(folder / row.residual)
    if row.confidence is None:
        confidence = np.ones_like(residual)
    else:
        confidence = as_unit_float(read_bytes_image(folder / row.confidence)[..., 0])
    if image.shape[:2] != residual.shape:
        image = stretch(image, residual.shape)
    return image, residual, confidence


def stretch(image: npt.NDArray[np.uint8], shape: Sequence[int]) -> npt.NDArray[np.uint8]:
    """A picture uint8 [H, W, 3] brought to [h, w] by Pillow's antialiased bilinear filter."""
    height, width = shape
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))


def export_released(
    dataset: Path, out: Path, *, side: int | None = None, progress: Callable[[str], None] = lambda scene: None
) -> int:
    """Writes a luxel dataset in the released layout; returns the number of frames.

    side: stretch pictures, references and maps to side x side; the authors' scripts need 256. None keeps sizes, and the
    pictures are then the same bytes. Lists are written for split 0 of the dataset. Maps are rounded to 1 / 255.
    progress: called with each scene that is done. Raises DatasetError when `out` is not empty or cannot be written.
    """
    rows = read_manifest(dataset / MANIFEST)
    if out.exists() and any(out.iterdir()):
        raise DatasetError(f"{out}: is not empty; give a new folder")
    for part in (IMAGES, MAPS, REFERENCES):
        (out / part).mkdir(parents=True, exist_ok=True)
    lines: list[tuple[FrameRow, str, str, float]] = []
    for scene, frames in scenes_of(rows).items():
        _copy_picture(dataset / frames[0].reference, out / REFERENCES / f"{scene}.png", side)
        for row in frames:
            img_id = f"{scene}_{row.level}.png"
            _copy_picture(dataset / row.image, out / IMAGES / img_id, side)
            codes = encode_map(_stretch_map(read_residual(dataset / row.residual), side))
            _save_map(map_path(out, img_id), codes)
            score = row.score if row.score_source == "given" else 10 * (1 - float(np.abs(codes).mean()) / MAP_SCALE)
            lines.append((row, img_id, f"{scene}.png", score))
        progress(scene)
    for name, split, stops in (
        ("train_256.csv", "train", None),
        ("train_256_2ev.csv", "train", _NEAR),
        ("valid_256.csv", "val", None),
        ("valid_256_2ev.csv", "val", _NEAR),
        ("test_256.csv", "test", None),
    ):
        chosen = [
            line for line in lines if line[0].split == split and (stops is None or abs(line[0].ev or 0.0) <= stops)
        ]
        _write_table(out / name, [(img_id, ref_id, score) for _, img_id, ref_id, score in chosen])
    scores = {row.score_source for row in rows}
    consistent = side is None and all(row.flags is not None for row in rows)
    facts = {
        "luxel": luxel.__version__,
        "side": side,
        "scores": "map" if scores == {"map"} else "given",
        "labels": "residual" if consistent else "given",
        "explained": {Path(name).stem: n for row, name, _, _ in lines if (n := _explained(dataset, row))},
    }
    write_json(out / PROVENANCE, facts)
    return len(lines)


def import_released(
    folder: Path,
    out: Path,
    tables: Sequence[Path] = (),
    *,
    name: str = "",
    progress: Callable[[str], None] = lambda scene: None,
) -> list[FrameRow]:
    """Turns a dataset in the released layout into a luxel dataset; returns its rows.

    Pictures keep their bytes where their size is their map's, else they are stretched to it. Labels and scores stay as
    given; layers of experts can be laid over them. `split` is the list a frame came in; split_0 ... split_4 are made
    anew, scene-disjoint, since the released lists use one set for validation and test. Killed anywhere, the same call
    goes on. progress: called with each scene that is done. Raises DatasetError for the first frame that cannot be used:
    `check` names all.
    """
    if not is_released(folder):
        raise DatasetError(
            f"{folder}: is not in the released layout ({IMAGES}/ and {MAPS}/), so there is nothing to import"
        )
    rows = released_rows(folder, tables)
    imported = {"layout": "IEA40K as released", "lists": [table.name for table in find_tables(folder, tables)]}
    with locked(out):
        if (out / DATASET).exists() and dataset_record(out).get("imported") != imported:
            raise DatasetError(f"{out}: holds another dataset; give a new folder")
        if not (out / DATASET).exists() and any(not entry.name.startswith(".") for entry in out.iterdir()):
            raise DatasetError(f"{out}: is not empty; give a new folder")
        record = new_record(name or out.resolve().name, BuildSettings(), imported=imported)
        write_json(out / DATASET, record)
        sweep(out)
        for scene, frames in scenes_of(rows).items():
            final = scene_folder(out, scene)
            if not final.exists():
                with place_folder(final) as place:
                    _import_scene(folder, place, scene, frames)
            progress(scene)
        return finish(out, [])


def _import_scene(folder: Path, place: Path, scene: str, frames: Sequence[FrameRow]) -> None:
    relative = scene_folder(Path(), scene).as_posix()
    shape: tuple[int, ...] = ()
    rows = []
    for row in frames:
        residual = read_map(folder / row.residual)
        shape = shape or residual.shape
        if residual.shape != shape:
            raise DatasetError(f"{folder / row.residual}: is {residual.shape}, other maps of this scene are {shape}")
        image = place / f"{row.level}.png"
        _fit_picture(folder / row.image, image, shape)
        images.write(place / f"{row.level}.residual.png", encode_residual(residual))
        if not (place / REFERENCE).exists():
            _fit_picture(folder / row.reference, place / REFERENCE, shape)
        row = replace(
            row,
            height=shape[0],
            width=shape[1],
            image=f"{relative}/{row.level}.png",
            reference=f"{relative}/{REFERENCE}",
            residual=f"{relative}/{row.level}.residual.png",
            image_sha256=sha256_of(image),
        )
        ones = np.full(shape, 255, dtype=np.uint8)
        stored = read_residual(place / f"{row.level}.residual.png")
        rows.append(with_label(row, place, stored, ones, np.zeros_like(ones), ()))
    rows.sort(key=lambda row: (row.ev is None, row.ev or 0.0, row.level))
    save_rows(place, {"format": FORMAT, "scene_id": scene, "group": scene, "kind": "released"}, rows)


def _explained(dataset: Path, row: FrameRow) -> int:
    """Pixels of a map that rules or experts changed, so that they need not be reference minus image."""
    if row.flags is None or not (row.severe or row.cleaned or row.experts):
        return 0
    flags = read_bytes_image(dataset / row.flags)[..., 0]
    return int(np.sum((flags & int(Flag.SEVERE | Flag.CLEANED | Flag.EXPERT)) > 0))


def _copy_picture(source: Path, target: Path, side: int | None) -> None:
    if side is None:
        _copy(source, target)
    else:
        images.write(target, stretch(read_bytes_image(source), (side, side)))


def _fit_picture(source: Path, target: Path, shape: Sequence[int]) -> None:
    picture = read_bytes_image(source)
    if picture.shape[:2] == tuple(shape) and source.suffix.lower() == ".png":
        _copy(source, target)
    else:
        images.write(target, picture if picture.shape[:2] == tuple(shape) else stretch(picture, shape))


def _copy(source: Path, target: Path) -> None:
    try:
        shutil.copyfile(source, target)
    except OSError as error:
        raise DatasetError(f"{target}: cannot be written: {error.strerror}") from error


def _stretch_map(residual: FloatArray, side: int | None) -> FloatArray:
    if side is None:
        return residual
    return np.asarray(Image.fromarray(residual).resize((side, side), Image.Resampling.BILINEAR))


def _save_map(path: Path, codes: npt.NDArray[np.int16]) -> None:
    try:
        np.save(path, codes)
    except OSError as error:
        raise DatasetError(f"{path}: cannot be written: {error.strerror}") from error


def _write_table(path: Path, lines: Iterable[tuple[str, str, float]]) -> None:
    text = ",".join(COLUMNS) + "\n"
    text += "".join(f"{img_id},{ref_id},{score:.4f}\n" for img_id, ref_id, score in lines)
    write_whole(path, text.encode())
