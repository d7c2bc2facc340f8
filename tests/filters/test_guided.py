"""Edge-aware filtering and upsampling: laws, another implementation, then numbers on a real picture."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from luxel.filters.guided import box_mean, guided_filter, guided_upsample
from luxel.filters.shrink import shrink
from luxel.photometry import expose, lightness, to_linear, to_srgb


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A smooth grey picture with a bright half and some texture, float32 [H, W]."""
    y, x = np.mgrid[:height, :width] / max(height, width)
    noise = np.random.default_rng(seed).random((height, width))
    return (0.3 + 0.2 * np.sin(9 * x) * np.cos(7 * y) + 0.3 * (x > 0.5) + 0.1 * noise).astype(np.float32)


def bilinear(plane: np.ndarray, height: int, width: int) -> np.ndarray:
    return np.asarray(Image.fromarray(plane).resize((width, height), Image.Resampling.BILINEAR))


def ridge_filter(guide: np.ndarray, source: np.ndarray, radius: int, eps: float) -> np.ndarray:
    """The guided filter from its definition: one ridge regression per window, averaged over windows (slow)."""
    height, width = guide.shape
    total, count = np.zeros((height, width)), np.zeros((height, width))
    coefficients = {}
    for y in range(height):
        for x in range(width):
            window = np.s_[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1]
            g, s = guide[window].ravel().astype(np.float64), source[window].ravel().astype(np.float64)
            penalty = np.array([[np.sqrt(eps * len(g)), 0.0]])
            rows = np.vstack([np.column_stack([g, np.ones_like(g)]), penalty])
            coefficients[y, x] = np.linalg.lstsq(rows, np.append(s, 0.0), rcond=None)[0]
    for (y, x), (a, b) in coefficients.items():
        window = np.s_[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1]
        total[window] += a * guide[window] + b
        count[window] += 1
    return total / count


@given(
    value=st.floats(-1, 1, width=32),
    low=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    factor=st.floats(1, 4),
    radius=st.integers(0, 50),
)
@settings(max_examples=40, deadline=None)
def test_a_constant_map_stays_constant(value: float, low: tuple[int, int], factor: float, radius: int) -> None:
    height, width = (round(side * factor) for side in low)
    image = picture(height, width)
    source = np.full(low, value, dtype=np.float32)
    result = guided_upsample(source, bilinear(image, *low), image, radius=radius)
    assert result.shape == (height, width)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, value, atol=2e-6)


def test_at_equal_size_nothing_of_the_map_is_lost() -> None:
    guide = picture(37, 53)
    source = np.random.default_rng(1).uniform(-1, 1, guide.shape).astype(np.float32)
    np.testing.assert_allclose(guided_upsample(source, guide, guide), source, atol=1e-6)


@pytest.mark.parametrize("size", [(200, 300), (201, 299), (97, 341)])
def test_a_linear_function_of_the_guide_is_reproduced_at_full_detail(size: tuple[int, int]) -> None:
    image = picture(*size)
    low_guide = shrink(image, (size[0] // 4, size[1] // 4))
    result = guided_upsample(0.2 - 0.7 * low_guide, low_guide, image, eps=1e-9)
    np.testing.assert_allclose(result, 0.2 - 0.7 * image, atol=2e-4)


def test_an_edge_of_the_picture_stays_an_edge_of_the_map() -> None:
    image = np.full((128, 128), 0.2, dtype=np.float32)
    image[:, 67:] = 0.9  # Not on the low-resolution grid, so the shrunk map has a mixed column there.
    truth = np.where(image > 0.5, -0.4, 0.3).astype(np.float32)
    low, low_guide = shrink(truth, (16, 16)), shrink(image, (16, 16))
    result = guided_upsample(low, low_guide, image)
    assert np.abs(result[:, 66] - 0.3).max() < 0.02
    assert np.abs(result[:, 67] + 0.4).max() < 0.02
    assert np.abs(bilinear(low, 128, 128)[:, 66] - 0.3).max() > 0.2


@pytest.mark.parametrize("size", [(130, 211), (1, 500), (500, 1), (17, 17)])
def test_strips_equal_the_whole(size: tuple[int, int]) -> None:
    image = picture(*size)
    low = tuple(max(1, side // 3) for side in size)
    source, low_guide = shrink(np.square(image), low), shrink(image, low)
    whole = guided_upsample(source, low_guide, image, strip_rows=10_000)
    for rows in (1, 7, 64):
        np.testing.assert_array_equal(guided_upsample(source, low_guide, image, strip_rows=rows), whole)


def test_colour_pictures_of_every_storage_type_guide_alike() -> None:
    codes = np.random.default_rng(2).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    unit = (codes / 255).astype(np.float32)
    source, low_guide = shrink(lightness(unit) ** 2, (20, 30)), shrink(lightness(unit), (20, 30))
    expected = guided_upsample(source, low_guide, lightness(unit))
    for image in (codes, codes.astype(np.uint16) * 257, unit, unit.astype(np.float64)):
        np.testing.assert_allclose(guided_upsample(source, low_guide, image), expected, atol=2e-6)


@pytest.mark.parametrize("radius", [0, 1, 3, 40])
def test_box_mean_is_the_mean_of_the_window(radius: int) -> None:
    values = np.random.default_rng(3).random((11, 14)).astype(np.float32)
    expected = [
        [
            values[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1].mean(dtype=np.float64)
            for x in range(14)
        ]
        for y in range(11)
    ]
    np.testing.assert_allclose(box_mean(values, radius), expected, atol=1e-7)


@pytest.mark.parametrize(("radius", "eps"), [(1, 1e-2), (3, 1e-4)])
def test_guided_filter_equals_ridge_regression_in_every_window(radius: int, eps: float) -> None:
    guide = picture(15, 18)
    source = np.random.default_rng(4).uniform(-1, 1, guide.shape).astype(np.float32)
    expected = ridge_filter(guide, source, radius, eps)
    np.testing.assert_allclose(guided_filter(guide, source, radius=radius, eps=eps), expected, atol=2e-5)


def test_guided_filter_keeps_small_contrasts_on_a_bright_ground() -> None:
    """Variances of 1e-8 around a mean of 1 survive float32."""
    texture = 1e-4 * np.random.default_rng(5).standard_normal((40, 40)).astype(np.float32)
    result = guided_filter(0.98 + texture, 0.5 + 2 * texture, radius=3, eps=1e-11)
    assert np.corrcoef((result - 0.5).ravel(), texture.ravel())[0, 1] > 0.999


@pytest.mark.parametrize("ev", [-2.0, 1.0])
def test_maps_of_a_real_picture_come_back_closer_than_by_bilinear_interpolation(ev: float) -> None:
    """The map of a wrong exposure of skimage's astronaut, from 128 lines to 512: at most 0.6 of bilinear's error."""
    data = pytest.importorskip("skimage.data")
    reference = (data.astronaut() / 255).astype(np.float32)
    image = to_srgb(expose(to_linear(reference), ev))
    truth = lightness(reference) - lightness(image)
    low, low_guide = shrink(truth, (128, 128)), shrink(lightness(image), (128, 128))
    error = np.abs(guided_upsample(low, low_guide, image) - truth).mean()
    assert error < 0.6 * np.abs(bilinear(low, 512, 512) - truth).mean()


def test_wrong_arguments_are_rejected() -> None:
    plane = np.zeros((4, 4), dtype=np.float32)
    with pytest.raises(ValueError, match=r"guide \(4, 4\) and source \(4, 5\)"):
        guided_filter(plane, np.zeros((4, 5)), radius=1, eps=1e-3)
    with pytest.raises(ValueError, match="eps must be positive"):
        guided_filter(plane, plane, radius=1, eps=0.0)
