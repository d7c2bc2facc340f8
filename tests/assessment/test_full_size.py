"""Scores without a full-size map: the numbers of the full path, from a picture decoded at reduced size."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from luxel import images
from luxel.assessment.assessor import Assessor
from luxel.assessment.batch import Settings, assess_one
from luxel.filters.shrink import block_means
from luxel.jobs.file_list import Found
from luxel.photometry import expose, to_linear, to_srgb

Array = np.ndarray
PHOTOGRAPHS = {"astronaut": data.astronaut, "coffee": data.coffee, "cat": data.chelsea}


@pytest.fixture(scope="module")
def assessor() -> Assessor:
    return Assessor(threads=1)


def photograph(name: str, ev: float, short: int, grain: float = 2.0) -> Array:
    """A photograph enlarged to a short side in pixels, exposed otherwise, with grain in 8-bit steps: uint8."""
    small = to_srgb(expose(to_linear(PHOTOGRAPHS[name]() / 255), ev))
    scale = short / min(small.shape[:2])
    size = (round(small.shape[1] * scale), round(small.shape[0] * scale))
    large = Image.fromarray(np.rint(small * 255).astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)
    noise = np.random.default_rng(short).normal(0, grain, (size[1], size[0], 1))
    return np.clip(np.asarray(large) + noise, 0, 255).astype(np.uint8)


def check_law(assessor: Assessor, picture: Path | Array) -> tuple[int, ...]:
    """The law: score within 0.02, areas within 0.01, advice within 0.1. Returns the shape that was measured on."""
    whole, reduced = assessor.assess(picture), assessor.assess(picture, full_size=False)
    assert reduced.score == pytest.approx(whole.score, abs=0.02)
    assert reduced.over == pytest.approx(whole.over, abs=0.01)
    assert reduced.under == pytest.approx(whole.under, abs=0.01)
    assert (reduced.ev is None) == (whole.ev is None)
    assert reduced.ev is None or reduced.ev == pytest.approx(whole.ev, abs=0.1)
    assert reduced.size == whole.size
    assert reduced.residual.shape == reduced.image.shape[:2]
    assert (reduced.path, reduced.notes) == (whole.path, whole.notes)
    return reduced.residual.shape


@pytest.mark.parametrize("ev", [-2.0, 0.0, 1.5])
@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_jpeg_numbers_are_those_of_the_full_path(assessor: Assessor, tmp_path: Path, name: str, ev: float) -> None:
    images.write(tmp_path / "a.jpg", photograph(name, ev, 1100))
    assert min(check_law(assessor, tmp_path / "a.jpg")) == 550


def test_large_jpeg_is_measured_on_blocks_of_four(assessor: Assessor, tmp_path: Path) -> None:
    images.write(tmp_path / "a.jpg", photograph("astronaut", 0.5, 3000))
    assert check_law(assessor, tmp_path / "a.jpg") == (750, 750)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_arrays_of_every_type(assessor: Assessor, dtype: type) -> None:
    codes = photograph("astronaut", -1.0, 1100)
    variants = {np.uint8: codes, np.uint16: codes.astype(np.uint16) * 257, np.float32: codes.astype(np.float32) / 255}
    assert min(check_law(assessor, variants[dtype])) == 550


def test_formats_that_are_decoded_whole(assessor: Assessor, tmp_path: Path) -> None:
    images.write(tmp_path / "a.png", photograph("cat", 0.0, 1100))
    assert min(check_law(assessor, tmp_path / "a.png")) == 550


@pytest.mark.parametrize("short", [100, 256, 448])
def test_small_pictures_are_measured_on_every_pixel(assessor: Assessor, tmp_path: Path, short: int) -> None:
    images.write(tmp_path / "a.png", photograph("cat", -1.0, short))
    whole, reduced = (assessor.assess(tmp_path / "a.png", full_size=full) for full in (True, False))
    assert reduced.full_size is None
    # Shrinking after reading does not round to 8 bits on the way; otherwise the two are one computation.
    np.testing.assert_allclose(reduced.residual, whole.residual, atol=0.01)
    assert reduced.score == pytest.approx(whole.score, abs=1e-3)


def test_runs_reduce_only_where_no_file_is_asked_for(assessor: Assessor, tmp_path: Path) -> None:
    images.write(tmp_path / "a.jpg", photograph("coffee", 0.0, 1100))
    found = Found(tmp_path / "a.jpg", "a")
    row = assess_one(found, Settings(), assessor, None)
    assert row["score"] == assessor.assess(found.path, full_size=False).score
    row = assess_one(found, Settings(outputs=("residual",)), assessor, tmp_path)
    assert row["score"] == assessor.assess(found.path).score
    with Image.open(tmp_path / "a.residual.png") as written:
        assert (written.height, written.width) == (row["height"], row["width"])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_block_means_cover_the_border(dtype: type) -> None:
    image = np.random.default_rng(0).integers(0, 256, (70, 99, 3)).astype(dtype)
    means = block_means(image, 4) * np.float32(65535 if dtype is np.uint16 else 1)
    assert means.shape == (18, 25, 3)
    np.testing.assert_allclose(means[3, 5], image[12:16, 20:24].mean((0, 1)), atol=0.51)
    np.testing.assert_allclose(means[17, 24], image[68:, 96:].mean((0, 1)), atol=0.51)
    assert block_means(image, 1) is image
