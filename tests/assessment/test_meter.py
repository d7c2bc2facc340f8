"""Photographers' numbers against laws of light."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from luxel import images
from luxel.assessment.assessor import Assessment
from luxel.assessment.meter import clipped_shares, measure, needed_bracket
from luxel.assessment.weights import WeightsInfo
from luxel.errors import ImageError
from luxel.images.formats.raw_levels import RawLevels, read_raw_levels
from luxel.photometry import expose, lightness, to_srgb
from luxel.zones import zone_histogram

RNG = np.random.default_rng(11)


def grey(*linear: float, size: int = 40) -> np.ndarray:
    """A picture of equal flat parts side by side, given in linear light: float32 sRGB-encoded."""
    row = np.repeat(to_srgb(np.array(linear)), size)
    return np.broadcast_to(row[None, :, None], (size, len(row), 3)).astype(np.float32)


def assessment(image: np.ndarray, residual: np.ndarray, path: Path | None = None, *notes: str) -> Assessment:
    info = WeightsInfo("none", "0")
    return Assessment(residual, image, 5.0, 0.3, 0.0, 0.0, 1.25, 0.1, info, path, notes)


# --- numbers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_clipped_shares_by_channel(kind: type) -> None:
    image = np.full((300, 10, 3), 0.5)
    image[:150, :, 0], image[:75, :, 1], image[:30, :, 2] = 1.0, 254.2 / 255, 0.0
    full = 1.0 if kind is np.float32 else np.iinfo(kind).max
    stored = (image * full).astype(kind) if kind is np.float32 else np.rint(image * full).astype(kind)
    high, low = clipped_shares(stored)
    assert high == (0.5, 0.25, 0.0)
    assert low == (0.0, 0.0, 0.1)


def test_the_zones_are_those_of_the_zones_module_however_the_picture_is_stored() -> None:
    image = to_srgb(0.18 * np.exp2(RNG.uniform(-6, 2.4, (300, 20, 1)))).repeat(3, axis=2)
    stored = np.rint(image * 65535).astype(np.uint16)
    numbers = measure(assessment(stored, np.zeros(stored.shape[:2], dtype=np.float32)))
    assert sum(numbers.zones) == pytest.approx(1)
    assert numbers.zones == pytest.approx(zone_histogram(image), abs=1e-3)
    assert numbers.zones[8:] == (0, 0, 0), "display white is zone 7.47"


@pytest.mark.parametrize("stops", [-3.0, -1.5, 1.0, 2.0])
def test_what_one_compensation_corrects_is_not_a_bracket(stops: float) -> None:
    scene = RNG.uniform(0.04, 0.12, (60, 60, 1)).repeat(3, axis=2)
    image = to_srgb(expose(scene, -stops))
    residual = lightness(to_srgb(scene)) - lightness(image)
    bracket = needed_bracket(image, residual, threshold=0.01)
    assert (bracket.low, bracket.high) == pytest.approx((stops, stops), abs=0.05)
    assert bracket.stops == pytest.approx(0, abs=0.05)
    assert len(bracket.frames) == 1
    assert not bracket.open_low
    assert not bracket.open_high


def test_a_backlit_scene_needs_the_stops_between_its_parts() -> None:
    ideal = grey(0.18, 0.18, 0.18)
    image = grey(0.18 * 2**2, 0.18, 0.18 * 2**-3)
    residual = lightness(ideal) - lightness(image)
    bracket = needed_bracket(image, residual, threshold=0.1)
    assert (bracket.low, bracket.high) == pytest.approx((-2, 3), abs=0.01)
    assert bracket.frames == pytest.approx((-2 + 5 / 6, 0.5, 3 - 5 / 6), abs=0.01)
    assert not bracket.open_low
    assert not bracket.open_high


def test_clipped_ends_make_it_at_least() -> None:
    image = grey(1.0, 0.18, 0.0)
    residual = lightness(grey(0.18, 0.18, 0.18)) - lightness(image)
    bracket = needed_bracket(image, residual, threshold=0.1)
    assert bracket.open_low
    assert bracket.open_high
    assert bracket.low == pytest.approx(np.log2(0.18), abs=0.01)
    assert bracket.high == 6.0


def test_an_ideal_picture_needs_one_frame_at_its_own_exposure() -> None:
    bracket = needed_bracket(grey(0.18, 1.0, 0.0), np.zeros((40, 120), dtype=np.float32), threshold=0.1)
    assert (bracket.low, bracket.high, bracket.frames) == (0, 0, (0.0,))


def test_large_pictures_are_sampled_and_say_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    image = grey(0.5, 0.18, 0.05, size=120)
    residual = lightness(grey(0.18, 0.18, 0.18, size=120)) - lightness(image)
    full = needed_bracket(image, residual, threshold=0.1)
    monkeypatch.setattr("luxel.assessment.meter.SAMPLES", 2000)
    assert needed_bracket(image, residual, threshold=0.1) == full


def test_scene_light_keeps_its_zones_above_white(tmp_path: Path) -> None:
    light = np.full((20, 100, 3), 0.18, dtype=np.float32)
    light[:, :10], light[:, 10:20] = 0.18 * 2.0**4, 0.18 * 2.0**-4
    path = tmp_path / "scene.tif"
    tifffile.imwrite(path, light, photometric="rgb")
    picture = images.read(path)
    numbers = measure(assessment(picture.pixels, np.zeros((20, 100), dtype=np.float32), path, *picture.notes))
    assert numbers.zones[9] == pytest.approx(0.1)
    assert numbers.zones[5] == pytest.approx(0.8)
    assert numbers.zones[1] == pytest.approx(0.1)
    assert numbers.scene_stops == pytest.approx(8, abs=0.01)
    assert numbers.raw is None


def test_numbers_as_json_and_as_lines() -> None:
    image = grey(1.0, 0.18, 0.0)
    numbers = measure(assessment(image, lightness(grey(0.18, 0.18, 0.18)) - lightness(image)))
    row = numbers.to_dict()
    assert row["zones"]["VII"] == pytest.approx(1 / 3)
    assert row["clipped_high"] == {"R": pytest.approx(1 / 3), "G": pytest.approx(1 / 3), "B": pytest.approx(1 / 3)}
    assert row["bracket"]["at_least"] is True
    assert row["ev"] == 1.25
    lines = "\n".join(numbers.lines())
    assert "highlights R 33.3%  G 33.3%  B 33.3%" in lines
    assert "at least 8.5 stops: 5 frames at" in lines
    assert "+1.2 EV" in lines


# --- camera RAW -----------------------------------------------------------------------------------------------------


def write_dng(path: Path, mosaic: np.ndarray, *, black: int, white: int) -> Path:
    """A minimal Bayer DNG (red first) from photosite values, uint16 [H, W]."""
    identity = tuple(n for row in np.eye(3) for value in row for n in (round(value * 10000), 10000))
    tags = [
        (271, "s", 0, "luxel", True),
        (272, "s", 0, "test camera", True),
        (33421, "H", 2, (2, 2), True),
        (33422, "B", 4, (0, 1, 1, 2), True),
        (50706, "B", 4, (1, 4, 0, 0), True),
        (50708, "s", 0, "luxel test camera", True),
        (50714, "H", 1, black, True),
        (50717, "H", 1, white, True),
        (50721, "2i", 9, identity, True),
        (50728, "2I", 3, (1, 1, 1, 1, 1, 1), True),
        (50778, "H", 1, 21, True),
    ]
    tifffile.imwrite(path, mosaic, photometric=32803, planarconfig=None, metadata=None, extratags=tags)
    return path


def test_raw_headroom_is_the_distance_to_saturation(tmp_path: Path) -> None:
    black, white = 512, 16383
    mosaic = np.full((64, 96), black, dtype=np.uint16)
    range_ = white - black
    mosaic[0::2, 0::2] += round(range_ / 8)  # red: three stops
    mosaic[0::2, 1::2] += round(range_ / 2)  # green: one stop
    mosaic[1::2, 0::2] += round(range_ / 2)
    mosaic[1::2, 1::2] += round(range_ / 32)  # blue: five stops
    levels = read_raw_levels(write_dng(tmp_path / "a.dng", mosaic, black=black, white=white))
    assert levels is not None
    assert levels.headroom == {"R": pytest.approx(3, abs=0.01), "G": pytest.approx(1, abs=0.01),
                               "B": pytest.approx(5, abs=0.05)}  # fmt: skip
    assert levels.stops == pytest.approx(1, abs=0.01)
    assert levels.saturated == {"R": 0, "G": 0, "B": 0}
    assert levels.bits == pytest.approx(np.log2(range_))
    mosaic[:16, :] = white
    full = read_raw_levels(write_dng(tmp_path / "b.dng", mosaic, black=black, white=white))
    assert full is not None
    assert full.stops == 0
    assert full.saturated == {"R": 0.25, "G": 0.25, "B": 0.25}


def test_one_more_stop_takes_one_stop_of_headroom(tmp_path: Path) -> None:
    scene = RNG.uniform(0.01, 0.1, (64, 96))
    found = []
    for stops in (0, 1, 2):
        mosaic = np.rint(scene * 2**stops * 16383).astype(np.uint16)
        levels = read_raw_levels(write_dng(tmp_path / f"{stops}.dng", mosaic, black=0, white=16383))
        assert levels is not None
        found.append(levels.stops)
    assert np.diff(found) == pytest.approx([-1, -1], abs=0.01)


def test_raw_numbers_of_a_picture(tmp_path: Path) -> None:
    mosaic = np.full((64, 96), 4096, dtype=np.uint16)
    path = write_dng(tmp_path / "a.dng", mosaic, black=0, white=16383)
    picture = images.read(path)
    numbers = measure(assessment(picture.pixels, np.zeros((64, 96), dtype=np.float32), path, *picture.notes))
    assert isinstance(numbers.raw, RawLevels)
    assert numbers.raw.stops == pytest.approx(2, abs=0.01)
    assert numbers.to_dict()["raw"]["stops"] == pytest.approx(2, abs=0.01)
    assert any(line.startswith("raw        headroom 2.0 EV") for line in numbers.lines())


def test_files_that_are_not_raw(tmp_path: Path) -> None:
    images.write(tmp_path / "a.png", np.zeros((9, 9, 3), dtype=np.uint8))
    for name in ("a.png", "gone.dng"):
        with pytest.raises(ImageError) as caught:
            read_raw_levels(tmp_path / name)
        assert "\n" not in str(caught.value)
    good = write_dng(tmp_path / "a.dng", np.full((64, 96), 4096, dtype=np.uint16), black=0, white=16383)
    (tmp_path / "cut.dng").write_bytes(good.read_bytes()[:300])
    with pytest.raises(ImageError):
        read_raw_levels(tmp_path / "cut.dng")
