"""Residual maps as 16-bit codes: round trip, fixed points, rejections."""

import numpy as np
import pytest

from luxel.residual_files import decode_residual, encode_residual


def test_fixed_points() -> None:
    np.testing.assert_array_equal(encode_residual([[-1.0, 0.0, 1.0, -2.0, 3.0]]), [[1, 32768, 65535, 1, 65535]])
    codes = np.array([[0, 1, 32768, 65535]], dtype=np.uint16)
    np.testing.assert_array_equal(decode_residual(codes), np.array([[-1, -1, 0, 1]], dtype=np.float32))


def test_every_code_comes_back() -> None:
    codes = np.arange(1, 65536, dtype=np.uint16).reshape(-1, 257)
    np.testing.assert_array_equal(encode_residual(decode_residual(codes)), codes)


def test_maps_come_back_to_half_a_step_and_keep_their_sign() -> None:
    residual = np.random.default_rng(0).uniform(-1, 1, (700, 31)).astype(np.float32)
    np.testing.assert_allclose(decode_residual(encode_residual(residual)), residual, atol=1.6e-5)
    np.testing.assert_array_equal(
        decode_residual(encode_residual(-residual)), -decode_residual(encode_residual(residual))
    )


def test_wrong_arrays_are_rejected() -> None:
    with pytest.raises(ValueError, match="shape"):
        encode_residual(np.zeros((2, 2, 3)))
    with pytest.raises(ValueError, match="not numbers"):
        encode_residual([[np.nan]])
    with pytest.raises(ValueError, match="uint8"):
        decode_residual(np.zeros((2, 2), dtype=np.uint8))
