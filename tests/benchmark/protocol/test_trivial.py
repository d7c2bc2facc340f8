"""Trivial predictors: what each must do to constants, steps and gradients of light."""

import numpy as np
import pytest
import scipy.ndimage

from luxel.benchmark.protocol.trivial import TRIVIAL
from luxel.errors import LuxelError
from luxel.photometry import lightness


def picture(shape: tuple[int, int] = (64, 96), seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(size=(*shape, 3)).astype(np.float32)


def test_the_four_of_the_model_card() -> None:
    assert list(TRIVIAL) == ["zero", "constant", "mid_grey", "local_mid_grey"]


@pytest.mark.parametrize("name", TRIVIAL)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(64, 96), (1, 1), (5, 300)])
def test_shape_type_and_range(name: str, dtype: type, shape: tuple[int, int]) -> None:
    image = picture(shape).astype(dtype)
    before = image.copy()
    residual = TRIVIAL[name](image)
    assert residual.shape == shape
    assert residual.dtype == np.float32
    assert np.abs(residual).max() <= 1.0
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("level", [0.0, 0.2, 0.5, 1.0])
def test_flat_pictures(level: float) -> None:
    image = np.full((40, 30, 3), level, dtype=np.float32)
    expected = {
        "zero": 0.0,
        "constant": 0.475 - level,
        "mid_grey": 0.475 - level,
        "local_mid_grey": 0.475 - level,
    }
    for name, value in expected.items():
        np.testing.assert_allclose(TRIVIAL[name](image), value, atol=1e-6, err_msg=name)


def test_constants_are_constant_and_come_from_the_mean() -> None:
    image = picture()
    residual = TRIVIAL["constant"](image)
    assert np.ptp(residual) == 0.0
    assert residual[0, 0] == pytest.approx(0.475 - lightness(image).mean(), abs=1e-6)


def test_mid_grey_leaves_every_pixel_at_mid_grey() -> None:
    image = picture()
    np.testing.assert_allclose(lightness(image) + TRIVIAL["mid_grey"](image), 0.475, atol=1e-6)


def test_local_mid_grey_like_scipy() -> None:
    image = picture((128, 160))
    expected = 0.475 - scipy.ndimage.gaussian_filter(lightness(image).astype(np.float64), 8.0)
    np.testing.assert_allclose(TRIVIAL["local_mid_grey"](image), expected, atol=1e-6)


def test_local_mid_grey_scales_with_the_picture() -> None:
    small = scipy.ndimage.gaussian_filter(picture((64, 96)), (4, 4, 0))
    large = np.repeat(np.repeat(small, 2, axis=0), 2, axis=1)
    predict = TRIVIAL["local_mid_grey"]
    np.testing.assert_allclose(predict(large)[::2, ::2], predict(small), atol=5e-3)


@pytest.mark.parametrize("name", TRIVIAL)
@pytest.mark.parametrize("bad", [np.zeros((8, 8)), np.zeros((8, 8, 4)), np.zeros((0, 8, 3)), np.zeros((8, 8, 3), "u1")])
def test_bad_pictures(name: str, bad: np.ndarray) -> None:
    with pytest.raises(LuxelError, match="give \\[H, W, 3\\] float"):
        TRIVIAL[name](bad)
