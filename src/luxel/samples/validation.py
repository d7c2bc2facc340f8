"""The fixed validation pictures and the measures taken on them, for networks and for anything else that makes a map.

Which they are is written down in `validation.csv`: 142 scenes (file, and the seed that turns a panorama into a view),
each at the nine levels, 1,278 pictures. Figures taken on another list must not stand beside ours.
"""

import csv
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from luxel import metrics
from luxel.dataset.reference.bracket import LEVELS
from luxel.photometry import FloatArray, lightness
from luxel.samples.built import BuiltStore, spread
from luxel.samples.scenes import SceneStore
from luxel.samples.simulate import capture, random_camera

Predictor = Callable[[npt.NDArray[np.uint8]], FloatArray]
"""A picture uint8 [H, W, 3] to its residual map float32 [H, W]."""


def fixed_scenes() -> list[str]:
    """Names of the 142 scenes of `validation.csv`, in order."""
    with Path(__file__).with_name("validation.csv").open(newline="") as handle:
        return [row["scene"] for row in csv.DictReader(handle)]


def is_fixed_list(store: SceneStore) -> bool:
    """Whether a store holds exactly the scenes of `validation.csv`, in its order."""
    return store.names == fixed_scenes()


@dataclass(frozen=True, slots=True)
class ValidationPicture:
    """One exposure of a validation scene and its true residual map."""

    scene: str
    kind: str
    level: str
    image: npt.NDArray[np.uint8]
    residual: FloatArray


def validation_pictures(store: SceneStore | BuiltStore, *, limit: int | None = None) -> Iterator[ValidationPicture]:
    """The validation pictures of a store, always the same.

    Scenes: every one at the nine levels, camera seeded by scene and level. Frames of a built dataset: as they are, with
    their labels. limit: take about this many, spread over scenes and levels.
    """
    if isinstance(store, BuiltStore):
        for name, kind, level, frame in spread(store, limit):
            yield ValidationPicture(name, kind, level, frame.image, frame.residual)
        return
    jobs = [(i, level) for i in range(len(store)) for level in LEVELS]
    if limit is not None and limit < len(jobs):
        # A stride that shares no factor with the nine levels visits all of them.
        stride = max(1, len(jobs) // limit)
        stride += 1 if np.gcd(stride, len(LEVELS)) > 1 else 0
        jobs = jobs[::stride]
    for i, level in jobs:
        scene = store[i]
        rng = np.random.default_rng((i, LEVELS[level] + 4))
        image = capture(scene.linear, random_camera(rng, ev=float(LEVELS[level])), rng)
        yield ValidationPicture(scene.name, scene.kind, level, image, scene.reference - lightness(image))


@dataclass(frozen=True, slots=True)
class Measures:
    """Measures of one predicted map. ssim, psnr: data range 2; ssim_1, psnr_1: data range 1, as the authors' code."""

    mae: float
    ssim: float
    psnr: float
    ssim_1: float
    psnr_1: float
    sign: float


def measure(residual: FloatArray, prediction: FloatArray) -> Measures:
    """All measures of a predicted map against the true one, both float32 [H, W] in [-1, 1]."""
    return Measures(
        mae=metrics.mae(residual, prediction),
        ssim=metrics.ssim(residual, prediction),
        psnr=metrics.psnr(residual, prediction),
        ssim_1=metrics.ssim(residual, prediction, data_range=1.0),
        psnr_1=metrics.psnr(residual, prediction, data_range=1.0),
        sign=metrics.sign_agreement(residual, prediction),
    )


def mean_measures(rows: Iterable[Measures]) -> Measures:
    """Mean of each measure over pictures; pictures without a pixel beyond the threshold do not count for `sign`."""
    table = np.array([[m.mae, m.ssim, m.psnr, m.ssim_1, m.psnr_1, m.sign] for m in rows], dtype=np.float64)
    return Measures(*(float(v) for v in np.nanmean(table, axis=0)))
