"""One map from the opinions of several experts: offset- and gain-adjusted weighted median.

Each expert's habit (everything a little brighter, every correction a little stronger) is estimated over the project and
taken out, but only as far as there is evidence for it; then each cell gets the weighted median.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from luxel.photometry import Float64Array

PRIOR_SCENES = 3.0
"""Scenes' worth of evidence for an offset of 0 and a gain of 1."""


@dataclass(frozen=True, slots=True)
class Habit:
    """An expert's rating is gain * consensus + offset. scenes: how many it was estimated on."""

    offset: float = 0.0
    gain: float = 1.0
    scenes: int = 0


def weighted_median(values: npt.ArrayLike, weights: npt.ArrayLike) -> Float64Array:
    """Median over the first axis with weights: where half of the weight lies on either side, else the middle of two.

    values: [k, ...], NaN where a person has no opinion. weights: [k], at least 0. Returns float64 [...], NaN where
    nobody has one.
    """
    v = np.asarray(values, dtype=np.float64)
    w = np.broadcast_to(np.asarray(weights, dtype=np.float64).reshape(-1, *[1] * (v.ndim - 1)), v.shape)
    w = np.where(np.isnan(v), 0.0, w)
    order = np.argsort(v, axis=0, kind="stable")  # NaN last
    v, w = np.take_along_axis(v, order, 0), np.take_along_axis(w, order, 0)
    before = np.cumsum(w, axis=0)
    half = before[-1:] / 2
    tolerance = 1e-12 * np.maximum(before[-1:], 1e-300)
    low = np.argmax(before >= half - tolerance, axis=0)[None]
    high = np.argmax(before > half + tolerance, axis=0)[None]
    middle = (np.take_along_axis(v, low, 0) + np.take_along_axis(v, high, 0)) / 2
    return np.asarray(np.where(before[-1] > 0, middle[0], np.nan))


def habits(scenes: Sequence[Mapping[str, Float64Array]], areas: Sequence[Float64Array]) -> dict[str, Habit]:
    """Offset and gain of every expert against the others' median, shrunk towards 0 and 1.

    scenes: for each thing rated, expert to ratings [n], NaN for none. areas: [n] weight of each cell of each thing.
    An expert who never rated a thing together with another has none: offset 0, gain 1.
    """
    collected: dict[str, list[tuple[Float64Array, Float64Array, Float64Array]]] = {}
    for ratings, area in zip(scenes, areas, strict=True):
        for expert, own in ratings.items():
            others = [values for name, values in ratings.items() if name != expert]
            collected.setdefault(expert, [])
            if not others:
                continue
            consensus = weighted_median(np.stack(others), np.ones(len(others)))
            both = ~np.isnan(own) & ~np.isnan(consensus)
            if both.any():
                collected[expert].append((consensus[both], own[both], area[both] / area[both].sum()))
    return {expert: _habit(parts) for expert, parts in collected.items()}


def _habit(parts: Sequence[tuple[Float64Array, Float64Array, Float64Array]]) -> Habit:
    if not parts:
        return Habit()
    x, y, w = (np.concatenate([part[i] for part in parts]) for i in range(3))
    w = w / w.sum()
    mean_x, mean_y = float(w @ x), float(w @ y)
    variance = float(w @ (x - mean_x) ** 2)
    kept = len(parts) / (len(parts) + PRIOR_SCENES)
    slope = float(w @ ((x - mean_x) * (y - mean_y))) / variance if variance > 1e-6 else 1.0
    gain = 1 + kept * (float(np.clip(slope, 0.5, 2.0)) - 1)
    return Habit(kept * (mean_y - mean_x) + (1 - gain) * mean_x, gain, len(parts))


def adjusted(values: Float64Array, habit: Habit) -> Float64Array:
    """Ratings with an expert's habit taken out, limited to [-1, 1]."""
    return np.clip((values - habit.offset) / habit.gain, -1, 1)


def combine(
    ratings: Mapping[str, Float64Array], known: Mapping[str, Habit], weights: Mapping[str, float] | None = None
) -> Float64Array:
    """The map of several experts: weighted median of their adjusted ratings; NaN where nobody rated.

    ratings: expert to [...] values, NaN for no opinion. known: habits. weights: expert to weight, 1 where not named.
    A single expert's ratings stay as they are: there is nobody to adjust them to.
    """
    if len(ratings) == 1:
        return next(iter(ratings.values()))
    chosen = [(weights or {}).get(expert, 1.0) for expert in ratings]
    stack = np.stack([adjusted(values, known.get(expert, Habit())) for expert, values in ratings.items()])
    return weighted_median(stack, chosen)
