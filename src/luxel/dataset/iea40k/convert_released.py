"""Between the layout in which IEA40K was released and luxel's own: export writes it, import reads it into a dataset.

What we write gets a `luxel.json` beside it. It says that scores and maps follow from the pictures, and how many pixels
of each map were changed by rules or experts; `check` then proves it. Maps are written as int16: exact to 1 / 255.
"""

import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

import luxel
from luxel import images
from luxel.dataset.folder.manifest import (
    DATASET,
    FORMAT,
    MANIFEST,
    FrameRow,
    read_manifest,
    row_file,
    scene_folder,
    scenes_of,
    sha256_of,
    write_json,
)
from luxel.dataset.folder.scene_files import REFERENCE, read_bytes_image, read_residual, save_rows, with_label
from luxel.dataset.folder.upkeep import BuildSettings, dataset_record, finish, new_record
from luxel.dataset.iea40k.layout import (
    COLUMNS,
    IMAGES,
    MAP_SCALE,
    MAPS,
    PROVENANCE,
    REFERENCES,
    encode_map,
    find_tables,
    is_released,
    map_path,
    read_map,
    released_rows,
    stretch,
)
from luxel.dataset.labels.label import Flag
from luxel.errors import DatasetError
from luxel.jobs.atomic import remove_leftovers, write_file, writing_file, writing_folder
from luxel.jobs.lock import locked
from luxel.photometry import FloatArray
from luxel.residual_files import encode_residual

_NEAR = 2.0  # stops: the released "_2ev" lists hold the levels N2 ... P2


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
        _copy_picture(row_file(dataset, frames[0].reference), out / REFERENCES / f"{scene}.png", side)
        for row in frames:
            img_id = f"{scene}_{row.level}.png"
            _copy_picture(row_file(dataset, row.image), out / IMAGES / img_id, side)
            codes = encode_map(_stretch_map(read_residual(row_file(dataset, row.residual)), side))
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
    again, scene-disjoint, since the released lists use one set for validation and test. Killed anywhere, the same call
    resumes. progress: called with each scene that is done. Raises DatasetError for the first frame that cannot be used:
    `check` names all.
    """
    if not is_released(folder):
        raise DatasetError(
            f"{folder}: is not in the released layout ({IMAGES}/ and {MAPS}/), so there is nothing to import"
        )
    rows = released_rows(folder, tables)
    imported = {"layout": "IEA40K as released", "lists": [table.name for table in find_tables(folder, tables)]}
    with locked(out, DatasetError):
        if (out / DATASET).exists() and dataset_record(out).get("imported") != imported:
            raise DatasetError(f"{out}: holds another dataset; give a new folder")
        if not (out / DATASET).exists() and any(not entry.name.startswith(".") for entry in out.iterdir()):
            raise DatasetError(f"{out}: is not empty; give a new folder")
        record = new_record(name or out.resolve().name, BuildSettings(), imported=imported)
        write_json(out / DATASET, record)
        remove_leftovers(out / "scenes")
        for scene, frames in scenes_of(rows).items():
            final = scene_folder(out, scene)
            if not final.exists():
                with writing_folder(final, sync=True) as place:
                    _import_scene(folder, place, scene, frames)
            progress(scene)
        return finish(out, [])


def _import_scene(folder: Path, place: Path, scene: str, frames: Sequence[FrameRow]) -> None:
    relative = f"scenes/{scene}"
    shape: tuple[int, ...] = ()
    rows = []
    for row in frames:
        residual = read_map(row_file(folder, row.residual))
        shape = shape or residual.shape
        if residual.shape != shape:
            raise DatasetError(f"{folder / row.residual}: is {residual.shape}, other maps of this scene are {shape}")
        image = place / f"{row.level}.png"
        _fit_picture(row_file(folder, row.image), image, shape)
        images.write(place / f"{row.level}.residual.png", encode_residual(residual))
        if not (place / REFERENCE).exists():
            _fit_picture(row_file(folder, row.reference), place / REFERENCE, shape)
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
    flags = read_bytes_image(row_file(dataset, row.flags))[..., 0]
    return int(np.sum((flags & int(Flag.SEVERE | Flag.CLEANED | Flag.EXPERT)) > 0))


def _copy_picture(source: Path, target: Path, side: int | None) -> None:
    if side is None:
        _copy(source, target)
    else:
        images.write(target, stretch(read_bytes_image(source), (side, side)))


def _fit_picture(source: Path, target: Path, shape: Sequence[int]) -> None:
    image = read_bytes_image(source)
    if image.shape[:2] == tuple(shape) and source.suffix.lower() == ".png":
        _copy(source, target)
    else:
        images.write(target, image if image.shape[:2] == tuple(shape) else stretch(image, shape))


def _copy(source: Path, target: Path) -> None:
    try:
        with source.open("rb") as original, writing_file(target) as copy:
            shutil.copyfileobj(original, copy)
    except OSError as error:
        raise DatasetError(f"{target}: cannot be written: {error.strerror}") from error


def _stretch_map(residual: FloatArray, side: int | None) -> FloatArray:
    if side is None:
        return residual
    return np.asarray(Image.fromarray(residual).resize((side, side), Image.Resampling.BILINEAR))


def _save_map(path: Path, codes: npt.NDArray[np.int16]) -> None:
    try:
        with writing_file(path) as file:
            np.save(file, codes)
    except OSError as error:
        raise DatasetError(f"{path}: cannot be written: {error.strerror}") from error


def _write_table(path: Path, lines: Iterable[tuple[str, str, float]]) -> None:
    text = ",".join(COLUMNS) + "\n"
    text += "".join(f"{img_id},{ref_id},{score:.4f}\n" for img_id, ref_id, score in lines)
    write_file(path, text.encode(), sync=True, error=DatasetError)
