"""Opinions on several things as ratings of segments: habits, agreement, and the map they give together."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from luxel.annotate.editing.maps import NOT_JUDGED, TOUCHED, TaskMap
from luxel.annotate.quality.agreement import Agreement, agreement
from luxel.annotate.quality.combine import Habit, combine, habits
from luxel.annotate.store.project import segmentation_of
from luxel.annotate.store.targets import Target
from luxel.dataset.reference.superpixels import block_mean
from luxel.errors import DatasetError
from luxel.residual_files import SCALE


def ratings_of(target: Target) -> tuple[dict[str, npt.NDArray[np.float64]], npt.NDArray[np.float64]]:
    """What each expert says of each segment, and the segments' areas in pixels.

    Reference: the change of lightness of each fine segment. Residual: the mean residual of each of the dataset's
    blocks (medium segments); NaN where an expert judged less than half of it.
    """
    segmentation = segmentation_of(target.scene)
    labels = segmentation.fine if target.frame is None else segmentation.labels("medium")
    area = np.bincount(labels.ravel()).astype(np.float64)
    ratings = {}
    for opinion in target.opinions:
        values = opinion.values
        if target.frame is not None:
            share = block_mean(~np.isnan(values), labels)
            with np.errstate(invalid="ignore", divide="ignore"):
                means = block_mean(np.nan_to_num(values), labels) / share
            values = np.where(share >= 0.5, means, np.nan).astype(np.float64)
        ratings[opinion.expert] = values
    return ratings, area


def habits_of(found: list[Target]) -> dict[str, Habit]:
    """The habit of every expert over everything they rated together with others."""
    rated = [ratings_of(target) for target in found]
    return habits([ratings for ratings, _ in rated], [area for _, area in rated])


def agreement_of(found: list[Target]) -> Agreement:
    """Agreement over targets of one kind, on the segments that at least one expert changed.

    What everybody left as it was would agree by itself, and count for more the less was done.
    """
    rated = []
    for target in found:
        ratings, area = ratings_of(target)
        changed = changed_segments(target)
        if changed.any():
            rated.append(({expert: values[changed] for expert, values in ratings.items()}, area[changed]))
    return agreement([ratings for ratings, _ in rated], [area for _, area in rated])


def changed_segments(target: Target) -> npt.NDArray[np.bool_]:
    """Which segments of `ratings_of` at least one expert changed, a residual map's where half of the area was."""
    touched = np.logical_or.reduce([opinion.made.status == TOUCHED for opinion in target.opinions])
    if target.frame is None:
        return np.asarray(touched)
    return block_mean(touched, segmentation_of(target.scene).labels("medium")) >= 0.5


def combined_map(target: Target, known: Mapping[str, Habit], weights: Mapping[str, float] | None = None) -> TaskMap:
    """The map of a target's opinions by the stated rule. A cell is touched where a person with weight touched it.

    weights: expert to weight, 1 where not named; 0 leaves an expert out. Raises DatasetError if nobody is left.
    """
    used = {o.expert: o for o in target.opinions if (weights or {}).get(o.expert, 1.0) > 0}
    if not used:
        raise DatasetError(f"{target.name}: no expert has a weight above 0")
    values = combine({name: opinion.values for name, opinion in used.items()}, known, weights)
    touched = np.logical_or.reduce([o.made.status == TOUCHED for o in used.values()]) & ~np.isnan(values)
    silent = np.logical_and.reduce([o.made.status == NOT_JUDGED for o in used.values()])
    codes = np.floor(np.nan_to_num(np.clip(values, -1, 1)) * SCALE + 0.5).astype(np.int16)
    status = np.where(silent, NOT_JUDGED, np.where(touched, TOUCHED, 0)).astype(np.uint8)
    return TaskMap(codes, status)
