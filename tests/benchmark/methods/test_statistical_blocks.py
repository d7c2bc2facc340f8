"""Statistical methods on blocks: half-dark images and the energy of a choice."""

import numpy as np
import pytest

from luxel.benchmark.methods.statistical import blocks
from luxel.dataset.reference.bracket import frame
from luxel.errors import LuxelError
from luxel.photometry import as_unit_float
from luxel.samples.procedural import procedural_scene
from stand_ins.statistical_inputs import noise


def half_dark(dark: float = 0.02, light: float = 0.5, side: int = 64) -> np.ndarray:
    image = np.full((side, side, 3), light, dtype=np.float32)
    image[:, : side // 2] = dark
    return image


# Blocks ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", [64, 61])
def test_half_dark_pictures_are_dark_by_half(side: int) -> None:
    image = half_dark(side=side)
    expected = np.zeros((8, 8))
    expected[:, :4] = 1
    np.testing.assert_array_equal(blocks.block_classes(image), expected)
    assert blocks.normal_share(image) == 0.5
    exposures = blocks.block_exposures(image)
    assert np.all(exposures[:, :4] == 3)
    assert not exposures[:, 4:].any()
    assert blocks.mean_block_change(image) == 1.5
    assert blocks.block_change_score(image) == pytest.approx(5.0)


def test_half_bright_pictures_have_the_other_sign() -> None:
    image = half_dark(dark=1.0)
    assert np.all(blocks.block_classes(image)[:, :4] == -1)
    assert np.all(blocks.block_exposures(image)[:, :4] == -3)


def test_a_well_exposed_picture_wants_no_change_anywhere() -> None:
    image = noise((64, 64), low=0.3, high=0.9)
    assert not blocks.block_classes(image).any()
    assert not blocks.block_exposures(image).any()
    assert blocks.block_change_score(image) == 10.0


def test_a_stop_less_light_asks_for_a_stop_more() -> None:
    light = np.full((64, 64, 3), 0.03, dtype=np.float32)
    changes = [blocks.block_exposures(as_unit_float(frame(light, ev)))[0, 0] for ev in (0, -1, -2, -3)]
    assert changes == [0, 1, 2, 3]


def test_changing_any_one_block_costs_energy() -> None:
    image = as_unit_float(frame(procedural_scene(np.random.default_rng(2), height=64, width=96), -2))
    hidden = blocks.hidden_shares(image)
    chosen = np.searchsorted(blocks.STOPS, blocks.block_exposures(image))
    least = blocks.block_energy(hidden, chosen)
    assert least < blocks.block_energy(hidden, np.argmin(hidden, axis=0))
    assert least <= blocks.block_energy(hidden, np.full((8, 8), 3))
    for row, column, other in np.ndindex(8, 8, len(blocks.STOPS)):
        changed = chosen.copy()
        changed[row, column] = other
        assert blocks.block_energy(hidden, changed) >= least - 1e-9


def test_neighbours_pull_a_lone_block_along() -> None:
    image = np.full((64, 64, 3), 0.02, dtype=np.float32)
    image[24:32, 24:32] = 0.45
    hidden = blocks.hidden_shares(image)
    alone = blocks.STOPS[np.argmin(hidden[:, 3, 3])]
    assert alone < 3
    assert blocks.block_exposures(image)[3, 3] > 0


def test_small_pictures_are_rejected_by_block_methods() -> None:
    with pytest.raises(LuxelError, match="7 x 20 pixels; give at least 8 x 8"):
        blocks.normal_share(np.zeros((7, 20, 3), np.float32))
