"""The images that show exposure: false colours, stripes, zones, legends."""

import numpy as np
import pytest
from skimage import color

from luxel.draw import false_colour as colours
from luxel.draw.false_colour import DRAWINGS, FALSE_COLOUR_PALETTES, false_colour, zebra, zone_picture
from luxel.photometry import to_srgb

RNG = np.random.default_rng(11)


def grey(*linear: float, size: int = 40) -> np.ndarray:
    """A picture of equal flat parts side by side, given in linear light: float32 sRGB-encoded."""
    row = np.repeat(to_srgb(np.array(linear)), size)
    return np.broadcast_to(row[None, :, None], (size, len(row), 3)).astype(np.float32)


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
