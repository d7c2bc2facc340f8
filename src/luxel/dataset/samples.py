"""Training samples: an exposure of a scene and its residual map, cut and turned together."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from luxel.dataset.scenes import SceneStore
from luxel.dataset.simulate import capture, random_camera
from luxel.photometry import FloatArray, lightness

Part = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleRules:
    """How samples are drawn.

    crop: side of the square window in pixels. photo_share: share of samples from photographs when the store has both
    kinds. jpeg_share: share that goes through JPEG.
    """

    crop: int
    photo_share: float = 0.5
    jpeg_share: float = 0.4


def draw_sample(
    store: SceneStore, rng: np.random.Generator, rules: SampleRules
) -> tuple[npt.NDArray[np.uint8], FloatArray]:
    """One picture and its residual map.

    Returns image uint8 [crop, crop, 3], sRGB-encoded, and residual float32 [crop, crop] in [-1, 1]. Crop, mirror and
    quarter turns are done on the scene, before picture and map part, so they cannot fall out of step.
    """
    photos = np.flatnonzero([kind == "photo" for kind in store.kinds])
    others = np.flatnonzero([kind != "photo" for kind in store.kinds])
    pool = photos if len(others) == 0 or (len(photos) and rng.random() < rules.photo_share) else others
    i = int(pool[rng.integers(len(pool))])
    h, w = store.size(i)
    top, left = int(rng.integers(0, h - rules.crop + 1)), int(rng.integers(0, w - rules.crop + 1))
    linear, reference = store.window(i, slice(top, top + rules.crop), slice(left, left + rules.crop))
    linear, reference = mirror_and_turn(rng, linear, reference)
    image = capture(linear, random_camera(rng, jpeg_share=rules.jpeg_share), rng)
    return image, reference - lightness(image)


def mirror_and_turn(rng: np.random.Generator, *parts: Part) -> tuple[Part, ...]:
    """Arrays [side, side, ...] of one window, all mirrored or not and turned by the same number of quarters."""
    if rng.random() < 0.5:
        parts = tuple(part[:, ::-1] for part in parts)
    if rng.random() < 0.25:  # most pictures stand upright, and light falls from above; a few do not
        turns = int(rng.integers(1, 4))
        parts = tuple(np.rot90(part, turns) for part in parts)
    return tuple(np.ascontiguousarray(part) for part in parts)
