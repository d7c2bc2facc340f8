"""References and maps measured against what the released checkpoint implies of IEA40K's labels, as one table."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from luxel import images, metrics
from luxel.dataset.reference.bracket import LEVELS, frame
from luxel.dataset.reference.fusion import fuse_linear
from luxel.dataset.reference.reference import PHOTO_CEILING, make_reference
from luxel.errors import DatasetError
from luxel.model.released import Released
from luxel.photometry import FloatArray, as_unit_float, lightness, to_linear
from luxel.samples.implied import SIDE, stored_implied_reference
from luxel.samples.validation import Predictor

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp")

CHECKPOINT = "released checkpoint"


@dataclass(frozen=True, slots=True)
class MapRow:
    """One map of one frame against the implied label. ssim_1: SSIM with data range 1; sign: share of the pixels with
    implied |r| > 0.1 whose direction is right, nan where there is none."""

    predictor: str
    scene: str
    level: str
    mae: float
    ssim_1: float
    sign: float


@dataclass(frozen=True, slots=True)
class ReferenceRow:
    """Mean absolute lightness between a way to make a reference and the implied reference of one scene."""

    reference: str
    scene: str
    distance: float


def scene_files(folders: Iterable[Path]) -> list[Path]:
    """Pictures of the folders, by name. Raises DatasetError for a folder that is missing or holds no picture."""
    found: list[Path] = []
    for folder in folders:
        here = sorted(p for p in folder.glob("*") if p.suffix.lower() in PICTURE_SUFFIXES) if folder.is_dir() else []
        if not here:
            raise DatasetError(f"{folder}: no folder with pictures; give the folder of the development scenes")
        found += here
    return found


def scene_light(path: Path, level_zero: float) -> FloatArray:
    """Linear light of a scene's picture at 256 x 256, squashed as IEA40K's own pictures are.

    path: sRGB-encoded picture file.
    level_zero: stops of P0 beyond the file; -0.5 for renders whose EV 0 is half a stop darker than the file.
    Returns float32 [256, 256, 3], 1.0 = saturation at EV 0.
    """
    image = Image.fromarray(images.read(path).pixels).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    return np.asarray(to_linear(as_unit_float(np.asarray(image))) * np.float32(2.0**level_zero))


def reference_candidates() -> dict[str, Callable[[npt.NDArray[np.float32]], FloatArray]]:
    """Ways to make a reference's lightness from linear light: the rule in use and what it is compared with."""
    return {
        "luxel's rule": lambda light: lightness(make_reference(light, ceiling=PHOTO_CEILING).image),
        "fused bracket as it is": lambda light: lightness(fuse_linear(light)),
        "constant 0.475": lambda light: np.full(light.shape[:2], 0.475, dtype=np.float32),
        "frame at EV 0": lambda light: lightness(as_unit_float(frame(light, 0.0))),
    }


def against_implied(
    released: Released,
    predictors: dict[str, Predictor],
    files: list[Path],
    *,
    level_zero: float,
    cache: Path,
    progress: Callable[[Iterable[Any], int], Iterable[Any]] | None = None,
) -> tuple[list[MapRow], list[ReferenceRow]]:
    """Every predictor on the nine frames of every scene, and every way to make a reference, against the implied ones.

    predictors: image uint8 [256, 256, 3] to map [256, 256]. files: one picture a scene.
    level_zero: as in `scene_light`. cache: folder of implied references already computed.
    progress: wraps the stream of files, given their number.
    """
    maps, references = [], []
    for file in progress(files, len(files)) if progress else files:
        light = scene_light(file, level_zero)
        implied = stored_implied_reference(released.predict_alone, light, cache)
        for name, make in reference_candidates().items():
            references.append(ReferenceRow(name, file.stem, float(np.abs(make(light) - implied).mean())))
        perfect = reference_candidates()["luxel's rule"](light)
        for level, ev in LEVELS.items():
            image = frame(light, ev)
            y = lightness(image)
            shown = {name: predict(image) for name, predict in predictors.items()}
            shown["a perfect network for luxel's rule"] = perfect - y
            for name, prediction in shown.items():
                truth = implied - y
                row = (metrics.mae(truth, prediction), metrics.ssim(truth, prediction, data_range=1.0))
                maps.append(MapRow(name, file.stem, level, *row, metrics.sign_agreement(truth, prediction)))
    return maps, references


def implied_markdown(maps: list[MapRow], references: list[ReferenceRow]) -> str:
    """The two tables as Markdown: references by distance, maps by MAE, SSIM, sign and MAE by level."""
    scenes = len({row.scene for row in references})
    lines = [f"**References, mean distance to the implied one ({scenes} scenes)**", "", "| reference | distance |"]
    lines.append("|---|---|")
    for name in dict.fromkeys(row.reference for row in references):
        lines.append(f"| {name} | {np.mean([r.distance for r in references if r.reference == name]):.4f} |")
    lines += ["", f"**Maps against the implied labels ({len(LEVELS)} levels a scene)**", ""]
    lines.append("| map | MAE | SSIM (range 1) | sign right | " + " | ".join(LEVELS) + " |")
    lines.append("|---" * (4 + len(LEVELS)) + "|")
    for name in dict.fromkeys(row.predictor for row in maps):
        rows = [row for row in maps if row.predictor == name]
        sign = np.nanmean([row.sign for row in rows])
        levels = [f"{np.mean([row.mae for row in rows if row.level == level]):.4f}" for level in LEVELS]
        cells = [f"{np.mean([r.mae for r in rows]):.4f}", f"{np.mean([r.ssim_1 for r in rows]):.3f}", f"{sign:.4f}"]
        lines.append(f"| {name} | " + " | ".join([*cells, *levels]) + " |")
    return "\n".join(lines) + "\n"
