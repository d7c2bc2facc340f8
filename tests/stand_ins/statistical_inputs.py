"""Images for the tests of statistical methods."""

import numpy as np

from luxel.dataset.reference.bracket import LEVELS, frame, metered
from luxel.photometry import as_unit_float
from luxel.samples.procedural import smooth_noise


def grey(levels: np.ndarray) -> np.ndarray:
    """A grey picture of 8-bit levels."""
    return np.repeat(np.asarray(levels, dtype=np.float32)[..., None] / np.float32(255), 3, axis=2)


def noise(shape: tuple[int, int] = (40, 56), seed: int = 0, low: float = 0.0, high: float = 1.0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(low, high, (*shape, 3)).astype(np.float32)


def textured_bracket(seed: int = 3) -> list[np.ndarray]:
    """The nine levels of a scene of about four stops, full of texture, whose mean is mid-grey at EV 0."""
    rng = np.random.default_rng(seed)
    stops = 0.7 * smooth_noise(rng, 128, 128, 40) + 0.3 * smooth_noise(rng, 128, 128, 90)
    light = metered(np.repeat(np.exp2(stops)[..., None], 3, axis=2))
    return [as_unit_float(frame(light, ev)) for ev in LEVELS.values()]
