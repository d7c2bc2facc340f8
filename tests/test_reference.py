"""Laws of the reference: blocks move towards their zone, order and edges stay, decisions can be changed and rebuilt."""

import os
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("cv2", reason="needs luxel[dataset]")
pytest.importorskip("skimage", reason="needs luxel[dataset]")

from luxel.dataset.artefacts import measure_artefacts, reversed_share
from luxel.dataset.bracket import metered
from luxel.dataset.fusion import fuse, fuse_linear
from luxel.dataset.procedural import procedural_scene
from luxel.dataset.reference import (
    HDR_CEILING,
    Reference,
    ZoneRules,
    make_reference,
    rebuild,
    small_spots,
)
from luxel.dataset.superpixels import block_mean, blocks
from luxel.errors import DatasetError
from luxel.photometry import lightness


@pytest.fixture(scope="module")
def scene() -> np.ndarray:
    return metered(procedural_scene(np.random.default_rng(4), height=160, width=220))


@pytest.fixture(scope="module")
def reference(scene: np.ndarray) -> Reference:
    return make_reference(scene, ceiling=HDR_CEILING)


def test_fusion_of_one_frame_is_that_frame_and_of_none_an_error() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    np.testing.assert_allclose(fuse([picture]), picture / 255, atol=0.02)
    with pytest.raises(DatasetError, match="no frames"):
        fuse([])
    with pytest.raises(DatasetError, match="all of one size"):
        fuse([picture, picture[:-1]])


def test_reference_hardly_depends_on_the_exposure_it_is_given(scene: np.ndarray, reference: Reference) -> None:
    """A stop more or less light in the source is the same scene; the fused bracket reaches far enough to see that."""
    brighter = make_reference(scene * 2, ceiling=2 * HDR_CEILING)
    assert np.abs(lightness(brighter.image) - lightness(reference.image)).mean() < 0.02


def test_blocks_move_towards_the_target_and_by_no_more_than_the_rule(reference: Reference) -> None:
    rules = ZoneRules()
    before = block_mean(lightness(reference.fused), reference.labels)
    np.testing.assert_allclose(reference.shift, rules.strength * (rules.target - before), atol=1e-5)
    after = block_mean(lightness(reference.image), reference.labels)
    far = np.abs(before - rules.target) > 0.1
    assert (np.abs(after - rules.target) < np.abs(before - rules.target))[far].mean() > 0.95


def test_blocks_cover_the_picture_and_are_connected(reference: Reference) -> None:
    labels = blocks(reference.fused)
    assert set(np.unique(labels)) == set(range(labels.max() + 1))
    for label in range(0, labels.max() + 1, 20):
        assert not small_spots(labels == label, 1e-4).any()


def test_no_decision_leaves_the_fused_picture_alone(reference: Reference) -> None:
    still = rebuild(reference, np.zeros_like(reference.shift))
    np.testing.assert_allclose(lightness(still.image), lightness(reference.fused), atol=1e-4)


def test_a_changed_decision_changes_its_block_and_little_else(reference: Reference) -> None:
    changed = reference.shift.copy()
    block = int(np.argmax(np.bincount(reference.labels.ravel())))
    changed[block] += 0.2
    difference = lightness(rebuild(reference, changed).image) - lightness(reference.image)
    inside = reference.labels == block
    assert difference[inside].mean() > 0.05
    from scipy import ndimage

    far = ~ndimage.binary_dilation(inside, iterations=60)
    assert not far.any() or np.abs(difference[far]).max() < 1e-3
    with pytest.raises(ValueError, match="blocks"):
        rebuild(reference, changed[:-1])


def test_only_small_spots_are_light_sources() -> None:
    mask = np.zeros((50, 50), dtype=bool)
    mask[2:5, 2:5] = True
    mask[20:45, 20:45] = True
    spots = small_spots(mask, 0.01)
    assert spots[3, 3]
    assert not spots[30, 30]


def test_zones_turn_no_coarse_gradient(reference: Reference) -> None:
    artefacts = measure_artefacts(reference.fused, reference.image)
    print(artefacts)
    assert artefacts.reversed_fine < 0.02
    assert artefacts.texture > 0.8


def test_reversals_are_counted() -> None:
    ramp = np.tile(np.linspace(0, 1, 40, dtype=np.float32), (20, 1))
    assert reversed_share(ramp, ramp) == 0
    assert reversed_share(ramp, 1 - ramp) == 1


@pytest.mark.parametrize("name", ["alley_handheld", "building", "street_tree", "taipei_night", "window"])
def test_development_brackets_show_few_reversals(name: str) -> None:
    root = os.environ.get("LUXEL_DATA")
    if not root:
        pytest.skip("LUXEL_DATA is not set: the development brackets are not here")
    from luxel.dataset.prepare import prepare_scene
    from luxel.dataset.scan import scan

    [source] = scan([Path(root) / "brackets" / name])
    prepared = prepare_scene(source, short_side=384)
    artefacts = measure_artefacts(prepared.reference.fused, prepared.reference.image)
    print(name, artefacts)
    assert artefacts.reversed_fine < 0.02


def test_fused_hdr_shows_detail_where_single_frames_clip(scene: np.ndarray) -> None:
    from luxel.dataset.bracket import frame

    clipped = (frame(scene, 3) == 255).all(axis=-1)
    assert clipped.any()
    assert fuse_linear(scene)[clipped].std() > 0.02
