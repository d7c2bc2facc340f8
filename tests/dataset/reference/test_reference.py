"""The reference: fusion, shifts of blocks, edges, halos."""

import os
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

pytest.importorskip("cv2", reason="needs luxel[dataset]")
pytest.importorskip("skimage", reason="needs luxel[dataset]")

from luxel.dataset.reference.artefacts import halos, measure_artefacts, reversed_share
from luxel.dataset.reference.fusion import fuse
from luxel.dataset.reference.reference import (
    HDR_CEILING,
    Reference,
    ZoneRules,
    blend_own_tones,
    make_reference,
    preliminary_of_bracket,
    small_spots,
    with_shifts,
)
from luxel.dataset.reference.superpixels import block_mean, blocks
from luxel.dataset.reference.zone_decisions import (
    EvidenceRules,
    apply_decisions,
    pull_decisions,
)
from luxel.errors import DatasetError
from luxel.photometry import lightness


def test_fusion_of_one_frame_is_that_frame_and_of_none_an_error() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    np.testing.assert_allclose(fuse([picture]), picture / 255, atol=0.02)
    with pytest.raises(DatasetError, match="no frames"):
        fuse([])
    with pytest.raises(DatasetError, match="all of one size"):
        fuse([picture, picture[:-1]])


def test_reference_hardly_depends_on_the_exposure_it_is_given(scene: np.ndarray, reference: Reference) -> None:
    """A stop more or less light in the source changes the share of its own tones, and the mean by little."""
    brighter = make_reference(scene * 2, ceiling=2 * HDR_CEILING)
    difference = lightness(brighter.image) - lightness(reference.image)
    assert np.abs(difference).mean() < 0.03
    assert abs(difference.mean()) < 0.02


def test_blocks_shift_with_the_mean_and_towards_it(reference: Reference) -> None:
    """The mean goes `pull` of the way to the target; every block keeps `1 - strength` of its distance from the mean."""
    rules = ZoneRules()
    y = lightness(reference.fused)
    before, mean = block_mean(y, reference.labels), float(y.mean())
    whole = rules.pull * (rules.target - mean)
    np.testing.assert_allclose(reference.shift, whole + rules.strength * (mean - before), atol=1e-5)
    assert float(lightness(reference.image).mean()) == pytest.approx(mean + whole, abs=0.01)
    after = block_mean(lightness(reference.image), reference.labels)
    far = np.abs(before - mean) > 0.1
    kept = (after - after.mean())[far] / (before - mean)[far]
    assert 1 - rules.strength - 0.1 < np.median(kept) < 1 - rules.strength + 0.15


def test_own_tones_are_blended_in_their_share() -> None:
    fused, own = np.full((8, 9, 3), 0.5, np.float32), np.full((8, 9, 3), 0.9, np.float32)
    np.testing.assert_allclose(blend_own_tones(fused, own), 0.5 + ZoneRules().own_tones * 0.4, atol=1e-6)


@pytest.mark.parametrize("direction", [0, 1])
def test_blocks_follow_a_border_of_texture_alone(direction: int) -> None:
    """Two halves of one mean lightness, one smooth and one textured: block borders lie on the border between them."""
    met = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        y = np.full((192, 192), 0.5, np.float32)
        y[:, 101:] += (rng.standard_normal((192, 91)) * 0.06).astype(np.float32)
        y = y if direction == 0 else y.T
        labels = blocks(np.repeat(y[..., None], 3, axis=2))
        labels = labels if direction == 0 else labels.T
        met.append(np.mean([np.any(np.diff(row[101 - 6 : 101 + 6]) != 0) for row in labels]))
    print(met)
    assert min(met) >= 0.9


def test_blocks_cover_the_picture_and_are_connected(reference: Reference) -> None:
    labels = blocks(reference.fused)
    assert set(np.unique(labels)) == set(range(labels.max() + 1))
    for label in range(0, labels.max() + 1, 20):
        assert not small_spots(labels == label, 1e-4).any()


def test_no_decision_leaves_the_fused_picture_alone(reference: Reference) -> None:
    still = with_shifts(reference, np.zeros_like(reference.shift))
    np.testing.assert_allclose(lightness(still.image), lightness(reference.fused), atol=1e-4)


def test_a_changed_decision_changes_its_block_and_little_else(reference: Reference) -> None:
    changed = reference.shift.copy()
    block = int(np.argmax(np.bincount(reference.labels.ravel())))
    changed[block] += 0.2
    difference = lightness(with_shifts(reference, changed).image) - lightness(reference.image)
    inside = reference.labels == block
    assert difference[inside].mean() > 0.05
    far = ~ndimage.binary_dilation(inside, iterations=60)
    assert not far.any() or np.abs(difference[far]).max() < 1e-3
    with pytest.raises(ValueError, match="blocks"):
        with_shifts(reference, changed[:-1])


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


def test_a_halo_is_a_gradient_beside_an_edge_that_a_change_put_there() -> None:
    before = np.full((120, 200), 0.3, dtype=np.float32)
    before[:, 100:] = 0.7
    assert halos(before, before)[0] == 0
    assert halos(before, before + 0.1)[0] == pytest.approx(0, abs=1e-6)
    with_the_edge = np.where(before < 0.5, before + 0.2, before - 0.1)
    assert halos(before, with_the_edge)[0] < 0.01
    over_the_edge = before + ndimage.gaussian_filter(with_the_edge - before, 12)
    beside, away = halos(before, over_the_edge)
    assert beside > 0.03
    assert away < beside / 4


@pytest.mark.parametrize(
    "name",
    [
        *(f"brackets/{name}" for name in ("alley_handheld", "building", "street_tree", "taipei_night", "window")),
        *(f"hdri/{name}.hdr" for name in ("adams_place_bridge", "shanghai_bund", "studio_small_03")),
    ],
)
def test_development_scenes_show_no_reversal_and_less_halo_than_the_plain_pull(name: str) -> None:
    root = os.environ.get("LUXEL_DATA")
    if not root:
        pytest.skip("LUXEL_DATA is not set: the development scenes are not here")
    from luxel.dataset.prepare import prepare_scene
    from luxel.dataset.sources.scan import scan_sources

    [source] = scan_sources([Path(root) / name])
    prepared = prepare_scene(source, short_side=384)
    made = apply_decisions(prepared.preliminary, prepared.decisions, EvidenceRules())
    artefacts = measure_artefacts(made.fused, made.image)
    if prepared.linear is None:
        fused = preliminary_of_bracket(prepared.frames, prepared.evs, ZoneRules())
        plain = apply_decisions(fused, pull_decisions(fused), ZoneRules())
    else:
        plain = make_reference(prepared.linear, ZoneRules(), ceiling=HDR_CEILING)
    before = measure_artefacts(plain.fused, plain.image)
    print(name, before, artefacts)
    assert artefacts.reversed_fine < 5e-4
    assert artefacts.reversed_coarse == 0
    assert artefacts.halo < min(0.035, 0.8 * before.halo)
    assert artefacts.texture > 0.75
