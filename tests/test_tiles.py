"""Tiling: shares that sum to one, exact agreement for local networks, honest bounds for global ones."""

from pathlib import Path

import numpy as np
import pytest

import standin_network as standin
from luxel.assessment import runtime, tiles
from luxel.photometry import lightness


@pytest.mark.parametrize("length", [1, 7, 1024, 1025, 1055, 1056, 1888, 1889, 4000, 6001, 50_000])
def test_shares_of_every_pixel_sum_to_one(length: int) -> None:
    total = np.zeros(length)
    spans = tiles._spans(length)
    assert spans[0][0].start == 0
    assert spans[-1][0].stop == length
    for span, share in spans:
        assert span.start % tiles.ALIGN == 0
        assert span.stop - span.start <= min(length, tiles.TILE + tiles.ALIGN - 1)
        assert share.shape == (span.stop - span.start,)
        if span.start > 0:
            assert not share[: tiles.HALO].any()
        if span.stop < length:
            assert not share[-tiles.HALO :].any()
        total[span] += share
    np.testing.assert_allclose(total, 1, atol=1e-6)


def smooth(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width] / 1000
    return np.stack([0.5 + 0.4 * np.sin(3 * x + c) * np.cos(2 * y) for c in range(3)], axis=-1).astype(np.float32)


@pytest.mark.parametrize("size", [(300, 1400), (1100, 1100), (2 * tiles.TILE, 40)])
def test_a_network_that_looks_no_further_than_the_halo_gives_the_whole_map(
    size: tuple[int, int], tmp_path: Path
) -> None:
    network = runtime.load(standin.grey_target(tmp_path / "wide.onnx", size=2 * tiles.HALO + 1))
    image = smooth(*size)
    np.testing.assert_allclose(tiles.predict_tiled(network, image), runtime.predict(network, image), atol=2e-6)


def test_tiles_lie_on_the_networks_own_grid(tmp_path: Path) -> None:
    """A network with a fixed 32-pixel grid, as strides give it: any other tile start would change its blocks."""
    network = runtime.load(standin.blocks(tmp_path / "blocks.onnx", size=tiles.ALIGN))
    image = smooth(32 * 40, 32 * 37)
    np.testing.assert_allclose(tiles.predict_tiled(network, image), runtime.predict(network, image), atol=1e-6)


def test_a_network_that_looks_at_everything_differs_by_what_it_did_not_see_but_shows_no_seam(tmp_path: Path) -> None:
    """Stated for global networks: the difference is bounded by how much the context of the tiles differs."""
    network = runtime.load(standin.global_mean(tmp_path / "global.onnx"))
    image = smooth(200, 3000)
    difference = tiles.predict_tiled(network, image) - runtime.predict(network, image)
    means = [lightness(image[:, span]).mean() for span, _ in tiles._spans(3000)]
    spread = max(means) - min(means)
    assert spread > 0.05
    assert np.abs(difference).max() <= max(abs(mean - lightness(image).mean()) for mean in means) + 1e-5
    assert np.abs(np.diff(difference, axis=1)).max() <= spread / tiles.RAMP + 1e-5


def test_integer_pictures_are_tiled_like_float_ones(tmp_path: Path) -> None:
    network = runtime.load(standin.grey_target(tmp_path / "grey.onnx"))
    codes = np.rint(smooth(30, 1500) * 255).astype(np.uint8)
    np.testing.assert_allclose(tiles.predict_tiled(network, codes), 0.5 - lightness(codes), atol=1e-6)
