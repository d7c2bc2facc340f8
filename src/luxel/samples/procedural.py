"""Scenes made from scratch: linear-light pictures with shapes, textures, shadows and lamps, for tests and tiny runs."""

import numpy as np

from luxel.photometry import FloatArray


def smooth_noise(rng: np.random.Generator, height: int, width: int, cells: int) -> FloatArray:
    """Band-limited noise, about zero mean and unit deviation: a random grid of `cells` cells, bilinearly enlarged."""
    grid = rng.standard_normal((cells + 1, cells + 1), dtype=np.float32)
    y, x = np.linspace(0, cells, height, endpoint=False), np.linspace(0, cells, width, endpoint=False)
    r, c = y.astype(int), x.astype(int)
    fy, fx = (y - r).astype(np.float32)[:, None], (x - c).astype(np.float32)[None]
    top = grid[r][:, c] * (1 - fx) + grid[r][:, c + 1] * fx
    bottom = grid[r + 1][:, c] * (1 - fx) + grid[r + 1][:, c + 1] * fx
    return np.asarray(top * (1 - fy) + bottom * fy)


def procedural_scene(rng: np.random.Generator, *, height: int, width: int) -> FloatArray:
    """A scene of surfaces under uneven light.

    Returns float32 [height, width, 3] linear light whose mean log luminance is about mid-grey; walls, objects with
    texture, a shadow and one or two lamps span some ten stops.
    """
    albedo = np.empty((height, width, 3), dtype=np.float32)
    albedo[:] = rng.uniform(0.1, 0.7, 3)
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    for _ in range(int(rng.integers(4, 12))):
        cy, cx = rng.uniform(0, height), rng.uniform(0, width)
        ry, rx = rng.uniform(0.05, 0.35) * height, rng.uniform(0.05, 0.35) * width
        dy, dx = np.abs(rows - cy) / ry, np.abs(columns - cx) / rx
        inside = (dy**2 + dx**2 < 1) if rng.random() < 0.5 else (np.maximum(dy, dx) < 1)
        albedo[inside] = rng.uniform(0.03, 0.9, 3)
    texture = 0.12 * smooth_noise(rng, height, width, 24) + 0.08 * smooth_noise(rng, height, width, 64)
    light = np.exp(rng.uniform(0.5, 1.6) * smooth_noise(rng, height, width, int(rng.integers(1, 4))))
    scene = albedo * (np.exp(texture) * light)[..., None]
    for _ in range(int(rng.integers(0, 3))):
        cy, cx, radius = rng.uniform(0, height), rng.uniform(0, width), rng.uniform(0.01, 0.06) * height
        distance = np.hypot(rows - cy, columns - cx)
        scene += (rng.uniform(10, 80) * np.exp(-((distance / radius) ** 2)) + 0.3 / (1 + (distance / radius) ** 2))[
            ..., None
        ]
    return np.asarray(scene * (0.18 / np.exp(np.mean(np.log(scene + 1e-4)))), dtype=np.float32)
