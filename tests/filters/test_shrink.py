"""Reducing pictures: sizes, means, antialiasing, and agreement with Pillow in one step."""

import numpy as np
import pytest
from PIL import Image

from luxel.filters.shrink import GRID, MAX_ASPECT, shrink, working_shape


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [
        (4000, 6000, (256, 384)),
        (6000, 4000, (384, 256)),
        (256, 256, (256, 256)),
        (100, 90, (100, 90)),
        (255, 700, (255, 700)),
        (1, 5000, (1, 5000)),
        (5000, 20, (5000, 20)),
    ],
)
def test_working_shapes(height: int, width: int, expected: tuple[int, int]) -> None:
    assert working_shape(height, width, 256) == expected


@pytest.mark.parametrize(("height", "width"), [(2000, 12_000), (1, 10**6), (10**6, 3), (400, 1201)])
def test_working_pixels_are_bounded_whatever_the_aspect(height: int, width: int) -> None:
    h, w = working_shape(height, width, 256)
    assert h <= height
    assert w <= width
    assert max(h, GRID) * max(w, GRID) <= MAX_ASPECT * 256**2 * 1.01
    assert min(h, w) >= 1


def test_a_constant_picture_stays_constant() -> None:
    for value, dtype, expected in ((77, np.uint8, 77 / 255), (40_000, np.uint16, 40_000 / 65535), (0.3, float, 0.3)):
        result = shrink(np.full((123, 77, 3), value, dtype=dtype), (31, 19))
        assert result.dtype == np.float32
        np.testing.assert_allclose(result, expected, atol=1e-6)


def test_a_ramp_stays_the_same_ramp() -> None:
    """No shift: positions keep their place, partial cells at the end included."""
    height, width = 503, 761
    ramp = np.broadcast_to(np.linspace(0, 1, width, dtype=np.float32)[None], (height, width))
    result = shrink(ramp, (50, 76))
    centres = ((np.arange(76) + 0.5) * width / 76 - 0.5) / (width - 1)
    np.testing.assert_allclose(result[25, 2:-2], centres[2:-2], atol=1e-3)


def test_detail_below_the_working_size_averages_out() -> None:
    """A one-pixel checkerboard becomes flat grey; picking pixels would give black or white."""
    y, x = np.mgrid[:601, :803]
    board = np.repeat((((x + y) % 2) * 255).astype(np.uint8)[..., None], 3, axis=2)
    np.testing.assert_allclose(shrink(board, (64, 85)), 0.5, atol=0.02)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize(("size", "low"), [((640, 900), (128, 180)), ((301, 299), (200, 199)), ((1, 900), (1, 100))])
def test_close_to_pillow_in_one_step(dtype: type, size: tuple[int, int], low: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    coarse = rng.random((6, 8, 3)).astype(np.float32)
    planes = [Image.fromarray(coarse[..., c]).resize(size[::-1], Image.Resampling.BICUBIC) for c in range(3)]
    unit = np.clip(np.stack([np.asarray(p) for p in planes], axis=-1), 0, 1)
    image = unit if dtype is np.float32 else np.rint(unit * np.iinfo(dtype).max).astype(dtype)
    expected = [Image.fromarray(np.ascontiguousarray(unit[..., c])).resize(low[::-1], Image.Resampling.BILINEAR)
                for c in range(3)]  # fmt: skip
    error = np.abs(shrink(image, low) - np.stack([np.asarray(p) for p in expected], axis=-1))
    assert error.max() < 0.01
    assert error.mean() < 0.001


def test_one_plane_is_reduced_like_a_channel() -> None:
    image = np.random.default_rng(1).random((200, 330, 3)).astype(np.float32)
    np.testing.assert_array_equal(shrink(image[..., 1], (40, 66)), shrink(image, (40, 66))[..., 1])
