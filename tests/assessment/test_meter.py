"""Photographers' numbers against laws of light, and the pictures that show exposure: colours, stripes, legends."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from skimage import color

from luxel import images
from luxel.assessment.assessor import Assessment
from luxel.assessment.meter import clipped_shares, measure, needed_bracket
from luxel.assessment.weights import WeightsInfo
from luxel.draw import false_colour as colours
from luxel.draw.false_colour import DRAWINGS, FALSE_COLOUR_PALETTES, false_colour, zebra, zone_picture
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


# --- pictures -------------------------------------------------------------------------------------------------------

# Linear-light simulation of Vienot, Brettel, Mollon (1999): rows of long, middle and short cones.
TO_LMS = np.array([[17.8824, 43.5161, 4.11935], [3.45565, 27.1554, 3.86714], [0.0299566, 0.184309, 1.46709]])
BLINDNESS = {
    "protanopia": np.array([[0, 2.02344, -2.52581], [0, 1, 0], [0, 0, 1]]),
    "deuteranopia": np.array([[1, 0, 0], [0.494207, 0, 1.24827], [0, 0, 1]]),
}


def seen_with(matrix: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """CIELAB of 8-bit colours [n, 3] for a kind of colour blindness."""
    encoded = colours / 255.0
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ (np.linalg.inv(TO_LMS) @ matrix @ TO_LMS).T, 0, 1)
    return color.rgb2lab(to_srgb(seen)[None].astype(np.float64))[0]


def colours_of(picture: np.ndarray, image: np.ndarray) -> np.ndarray:
    """The middle pixels of the flat parts of a test picture."""
    left = (picture.shape[1] - image.shape[1]) // 2
    return picture[image.shape[0] // 2, left + 20 : left + image.shape[1] : 40]


ONE_OF_EACH = (0.0, 0.01, 0.06, 0.18, 0.25, 0.36, 0.55, 0.9, 1.0)


def test_false_colour_marks_what_its_legend_says() -> None:
    image = grey(*ONE_OF_EACH)
    found = colours_of(false_colour(image), image).tolist()
    bands = colours._BANDS
    black, shadow, middle, over, white = (list(band.classic) for band in bands)
    assert [found[0], found[1], found[3], found[5], found[7]] == [black, shadow, middle, over, white]
    assert found[8] == [225, 30, 30]
    for place in (2, 4, 6):
        assert len(set(found[place])) == 1, "what no band names stays grey"
    assert found[4][0] == pytest.approx(255 * float(to_srgb(0.25)), abs=1)


def test_one_clipped_channel_is_clipped() -> None:
    image = np.zeros((40, 40, 3), dtype=np.uint8)
    image[..., 2] = 255
    assert colours_of(false_colour(image), image).tolist() == [[225, 30, 30]]


@pytest.mark.parametrize("kind", sorted(BLINDNESS))
def test_safe_colours_stay_apart_for_colour_blindness(kind: str) -> None:
    bands = np.array([band.safe for band in colours._BANDS] + [colours._CLIPPED["safe"]], dtype=np.float64)
    lab = seen_with(BLINDNESS[kind], bands)
    distances = np.linalg.norm(lab[:, None] - lab[None], axis=-1)
    assert distances[~np.eye(len(bands), dtype=bool)].min() > 18
    # Each colour also stands out from the greys that its own luminance would have.
    for colour, (low, high) in zip(lab, ((0, 0.08), (0.08, 0.18), (0.43, 0.48), (0.6, 0.66), (0.85, 1)), strict=False):
        greys = seen_with(BLINDNESS[kind], np.linspace(255 * low, 255 * high, 20)[:, None].repeat(3, axis=1))
        assert np.linalg.norm(greys - colour, axis=1).min() > 10
    zebra_lab = seen_with(BLINDNESS[kind], np.array(colours._ZEBRA["safe"], dtype=np.float64))
    assert np.linalg.norm(zebra_lab[0] - zebra_lab[1]) > 40
    image = grey(*(0.18 * 2.0 ** (zone - 5) for zone in range(8)))
    zones = seen_with(BLINDNESS[kind], colours_of(zone_picture(image, palette="safe"), image).astype(np.float64))
    assert np.diff(zones[:, 0]).min() > 5, "lightness rises from zone to zone"


def test_zebra_stripes_only_what_is_near_an_end() -> None:
    image = grey(0.0, 0.3, 1.0, size=80)
    result = zebra(image)[:80]
    left = (result.shape[1] - 240) // 2
    dark, middle, white = (result[:, left + n : left + n + 80] for n in (0, 80, 160))
    assert len(np.unique(middle.reshape(-1, 3), axis=0)) == 1
    for part, colour, plain in ((dark, (40, 70, 220), 0), (white, (225, 30, 30), 255)):
        striped = (part == colour).all(axis=-1)
        assert 0.4 < striped.mean() < 0.6
        assert (part[~striped] == plain).all()
    # The stripes run in different directions: rising ones repeat along the anti-diagonal.
    assert ((white == (225, 30, 30)).all(-1)[1:, :-1] == (white == (225, 30, 30)).all(-1)[:-1, 1:]).all()
    assert ((dark == (40, 70, 220)).all(-1)[1:, 1:] == (dark == (40, 70, 220)).all(-1)[:-1, :-1]).all()


def test_stripes_continue_across_the_strips_of_an_image() -> None:
    white = np.full((700, 90, 3), 255, dtype=np.uint8)
    striped = (zebra(white)[:700] == (225, 30, 30)).all(-1)
    left = (striped.shape[1] - 90) // 2
    striped = striped[:, left : left + 90]
    assert (striped[1:, :-1] == striped[:-1, 1:]).all()


def test_zone_pictures_have_one_tone_for_each_zone() -> None:
    image = grey(*(0.18 * 2.0 ** (zone - 5) for zone in range(8)))
    found = colours_of(zone_picture(image), image)
    assert found[:, 0].tolist() == np.rint(np.arange(8) / 7 * 255).tolist()
    assert (found == found[:, :1]).all()
    nearly = to_srgb(0.18 * np.exp2(RNG.uniform(-0.45, 0.45, (40, 40, 1)))).repeat(3, axis=2)
    assert len(np.unique(colours_of(zone_picture(nearly), nearly), axis=0)) == 1


@pytest.mark.parametrize("palette", FALSE_COLOUR_PALETTES)
@pytest.mark.parametrize("kind", sorted(DRAWINGS))
def test_every_picture_comes_with_a_legend_below(kind: str, palette: str) -> None:
    image = RNG.integers(0, 256, (50, 400, 3)).astype(np.uint8)
    result = DRAWINGS[kind](image, palette=palette)
    assert result.dtype == np.uint8
    assert result.shape[0] > 50 + 20
    assert result.shape[1] >= 400
    legend = result[50:]
    assert (legend[-2:] == 255).all()
    assert (legend < 128).any(axis=-1).sum() > 100, "words and boxes"
    for other in (image.astype(np.uint16) * 257, (image / 255).astype(np.float32)):
        assert np.mean(np.abs(DRAWINGS[kind](other, palette=palette).astype(int) - result) > 1) < 0.01
    small = DRAWINGS[kind](image[:9, :9], palette=palette)
    assert small.shape[1] > 40, "a small picture gets room for its legend"


@pytest.mark.parametrize("kind", sorted(DRAWINGS))
def test_pictures_reject_what_they_cannot_draw(kind: str) -> None:
    with pytest.raises(ValueError, match=r"give \[H, W, 3\]"):
        DRAWINGS[kind](np.zeros((4, 4), dtype=np.uint8))
    with pytest.raises(ValueError, match="no palette 'blue'; choose one of classic, safe"):
        DRAWINGS[kind](np.zeros((4, 4, 3), dtype=np.uint8), palette="blue")
    with pytest.raises(ValueError, match="zebra limits"):
        zebra(np.zeros((4, 4, 3), dtype=np.uint8), low=0.9, high=0.5)
