"""Training samples: an exposure of a scene and its residual map, cut and turned together."""

from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from luxel.photometry import FloatArray, lightness
from luxel.samples.scenes import SceneStore
from luxel.samples.simulate import CameraRules, capture, random_camera

Part = npt.NDArray[Any]

WHOLE_MULTIPLE = 32
"""Whole pictures are cut down to multiples of this: few enough sizes that batches of one size exist, and the network
need not pad."""


class Sizes(Protocol):
    """What the choice of pictures needs of a store."""

    def __len__(self) -> int: ...

    def size(self, i: int) -> tuple[int, int]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleRules:
    """How samples are drawn.

    crop: side of the square window in pixels, or "whole" for the picture as it is. photo_share: share of samples from
    photographs when the store has both kinds. camera: what simulated exposures are taken with.
    """

    crop: int | Literal["whole"]
    photo_share: float = 0.5
    camera: CameraRules = field(default_factory=CameraRules)


def draw_samples(
    store: SceneStore, rng: np.random.Generator, rules: SampleRules, count: int
) -> list[tuple[npt.NDArray[np.uint8], FloatArray]]:
    """Pictures and their residual maps, all of one size.

    Returns `count` pairs: image uint8 [h, w, 3], sRGB-encoded, and residual float32 [h, w] in [-1, 1]; h = w = crop, or
    for whole pictures the sides that the first one drawn has. Crop, mirror and quarter turns are done on the scene,
    before picture and map part, so they cannot fall out of step.
    """
    if rules.crop == "whole":
        first = _choose(store, rng, rules, np.arange(len(store)))
        alike = of_one_size(store, first)
        chosen = [first, *(_choose(store, rng, rules, alike) for _ in range(count - 1))]
        return [_expose(store, i, whole_size(*store.size(first)), rng, rules) for i in chosen]
    every, size = np.arange(len(store)), (rules.crop, rules.crop)
    return [_expose(store, _choose(store, rng, rules, every), size, rng, rules) for _ in range(count)]


def _choose(store: SceneStore, rng: np.random.Generator, rules: SampleRules, among: npt.NDArray[np.intp]) -> int:
    """A scene out of `among`; a photograph with the probability of the rules where both kinds are there."""
    is_photo = np.array(store.kinds)[among] == "photo"
    photos, others = among[is_photo], among[~is_photo]
    pool = photos if len(others) == 0 or (len(photos) and rng.random() < rules.photo_share) else others
    return int(pool[rng.integers(len(pool))])


def _expose(
    store: SceneStore, i: int, size: tuple[int, int], rng: np.random.Generator, rules: SampleRules
) -> tuple[npt.NDArray[np.uint8], FloatArray]:
    linear, reference = store.window(i, *random_window(rng, store.size(i), size))
    linear, reference = mirror_and_turn(rng, linear, reference)
    image = capture(linear, random_camera(rng, rules.camera), rng)
    return image, reference - lightness(image)


def whole_size(height: int, width: int) -> tuple[int, int]:
    """Height and width of the largest window of a picture whose sides divide by `WHOLE_MULTIPLE`."""
    return height // WHOLE_MULTIPLE * WHOLE_MULTIPLE, width // WHOLE_MULTIPLE * WHOLE_MULTIPLE


def of_one_size(store: Sizes, i: int) -> npt.NDArray[np.intp]:
    """Indices of the pictures that, cut to `whole_size`, are as large as picture i; i is among them."""
    sizes = [whole_size(*store.size(j)) for j in range(len(store))]
    return np.flatnonzero([size == sizes[i] for size in sizes])


def smallest_side(store: Sizes) -> int:
    """The smallest side of a store's pictures: no larger window can be cut from every one of them."""
    return min(min(store.size(i)) for i in range(len(store)))


def random_window(rng: np.random.Generator, size: tuple[int, int], window: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns of a window [h, w] somewhere in a picture of a size that holds it."""
    top, left = (int(rng.integers(0, whole - part + 1)) for whole, part in zip(size, window, strict=True))
    return slice(top, top + window[0]), slice(left, left + window[1])


def mirror_and_turn(rng: np.random.Generator, *parts: Part) -> tuple[Part, ...]:
    """Arrays [h, w, ...] of one window, all mirrored or not and, if square, turned by the same number of quarters."""
    if rng.random() < 0.5:
        parts = tuple(part[:, ::-1] for part in parts)
    height, width = parts[0].shape[:2]
    if height == width and rng.random() < 0.25:  # most pictures stand upright, and light falls from above; a few do not
        turns = int(rng.integers(1, 4))
        parts = tuple(np.rot90(part, turns) for part in parts)
    return tuple(np.ascontiguousarray(part) for part in parts)
