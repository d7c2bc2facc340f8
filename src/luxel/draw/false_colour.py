"""False-colour, zebra and zone pictures: exposure made visible as cameras and monitors do it, always with a legend.

They show what the picture holds, by linear luminance; what it should hold is what the heat map shows. Everything is
uint8 sRGB out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from luxel.draw.heatmap import as_bytes, font_of, text_size
from luxel.photometry import ByteArray, FloatArray, as_unit_float, lightness, luminance, to_linear
from luxel.zones import ROMAN, zone_of

RGB = tuple[int, int, int]

FALSE_COLOUR_PALETTES = ("classic", "safe")
"""classic: the colours of monitors. safe: blue to orange with steps in lightness, for colour blindness too."""

ZEBRA_HIGH = 0.95
"""Lightness from which highlights are striped (a zebra of 95 %)."""

ZEBRA_LOW = 0.05
"""Lightness up to which shadows are striped."""

_WHITE_ZONE = 7
_CODE = 1.0 / 255.0
_PAPER: RGB = (255, 255, 255)
_INK: RGB = (38, 38, 38)
_STRIP_ROWS = 256


@dataclass(frozen=True, slots=True)
class _Band:
    """One colour of the false-colour picture: zones low <= z < high."""

    label: str
    low: float
    high: float
    classic: RGB
    safe: RGB


# Zone 7.47 is display white, so that "near white" is the last half stop below it. What lies between stays grey.
_BANDS = (
    _Band("black", -1.0, 0.5, (110, 30, 150), (20, 16, 80)),
    _Band("deep shadow", 0.5, 2.5, (40, 70, 220), (52, 96, 200)),
    _Band("mid-grey", 4.67, 5.33, (40, 170, 60), (120, 200, 255)),
    _Band("one stop over", 5.67, 6.33, (245, 160, 190), (255, 220, 160)),
    _Band("near white", 6.97, 11.0, (245, 225, 40), (240, 140, 20)),
)
_CLIPPED_LABEL = "clipped"
_CLIPPED: dict[str, RGB] = {"classic": (225, 30, 30), "safe": (130, 50, 0)}

_ZEBRA: dict[str, tuple[RGB, RGB]] = {
    "classic": ((225, 30, 30), (40, 70, 220)),
    "safe": ((240, 140, 20), (75, 40, 140)),
}

# Ends of the zone colours in the safe palette, dark blue to light yellow through grey; lightness rises evenly.
_ZONE_ENDS = ((0, 28, 84), (124, 123, 120), (255, 234, 90))


def false_colour(image: npt.NDArray[Any], *, palette: str = "classic") -> ByteArray:
    """Exposure in colours with the legend, uint8 [H', W', 3]; the legend gives each colour's share.

    Black, deep shadow, mid-grey, one stop over, near white and clipped have colours; the rest is grey. The bands are
    zones (stops from 18 % grey), as the legend says.

    image: [H, W, 3] sRGB-encoded, uint8, uint16 or float in [0, 1].
    palette: one of `FALSE_COLOUR_PALETTES`.
    Raises ValueError for another shape or palette.

    >>> drawn = false_colour(np.full((60, 400, 3), 118, np.uint8))
    >>> drawn.dtype.name, drawn.shape[0] > 60
    ('uint8', True)
    """
    _check(image, palette)
    colours = np.array([getattr(band, palette) for band in _BANDS] + [_CLIPPED[palette]], dtype=np.uint8)
    clipped = len(_BANDS)

    def paint(strip: FloatArray) -> tuple[ByteArray, npt.NDArray[np.intp]]:
        zones = zone_of(luminance(to_linear(strip)))
        classes = np.full(zones.shape, -1, dtype=np.intp)
        for index, band in enumerate(_BANDS):
            classes[(zones >= band.low) & (zones < band.high)] = index
        classes[strip.max(axis=-1) >= 1 - _CODE] = clipped
        grey = np.repeat(as_bytes(lightness(strip))[..., None], 3, axis=-1)
        return np.where((classes >= 0)[..., None], colours[classes], grey), classes

    painted, shares = _painted(image, paint, len(colours))
    labels = [*(band.label for band in _BANDS), _CLIPPED_LABEL]
    return _with_swatches(painted, [_swatch(*item) for item in zip(colours, labels, shares, strict=True)])


def zebra(
    image: npt.NDArray[Any], *, palette: str = "classic", high: float = ZEBRA_HIGH, low: float = ZEBRA_LOW
) -> ByteArray:
    """The image with stripes where near white (rising) and near black (falling), with the legend: uint8 [H', W', 3].

    image: [H, W, 3] sRGB-encoded, uint8, uint16 or float in [0, 1].
    palette: one of `FALSE_COLOUR_PALETTES`; the direction of the stripes separates the two without colour.
    high: lightness Y' at and above which stripes are drawn, in [0, 1].
    low: lightness Y' at and below which stripes are drawn, in [0, 1].
    Raises ValueError for another shape or palette, or limits that are not 0 <= low < high <= 1.

    >>> striped = zebra(np.full((60, 400, 3), 255, np.uint8))[:60]
    >>> bool((striped < 255).any())
    True
    """
    _check(image, palette)
    if not 0.0 <= low < high <= 1.0:
        raise ValueError(f"zebra limits low {low} and high {high}: give 0 <= low < high <= 1")
    light, dark = (np.array(colour, dtype=np.uint8) for colour in _ZEBRA[palette])
    width = max(2, round(min(image.shape[:2]) / 80))
    columns = np.arange(image.shape[1])
    row = 0

    def paint(strip: FloatArray) -> tuple[ByteArray, npt.NDArray[np.intp]]:
        nonlocal row
        rows = np.arange(row, row + len(strip))[:, None]
        row += len(strip)
        seen = lightness(strip)
        # A quarter of an 8-bit step: float rounding must not take white out of a limit of 1.
        classes = np.where(seen >= high - _CODE / 4, 0, np.where(seen <= low + _CODE / 4, 1, -1)).astype(np.intp)
        rising, falling = ((rows + columns) // width % 2 == 0), ((rows - columns) // width % 2 == 0)
        painted = as_bytes(strip)
        painted[(classes == 0) & rising] = light
        painted[(classes == 1) & falling] = dark
        return painted, classes

    painted, shares = _painted(image, paint, 2)
    entries = [
        _Swatch(f"{high:.0%} and above: {shares[0]:.1%}", _stripes(light, rising=True)),
        _Swatch(f"{low:.0%} and below: {shares[1]:.1%}", _stripes(dark, rising=False)),
    ]
    return _with_swatches(painted, entries)


def zone_picture(image: npt.NDArray[Any], *, palette: str = "classic") -> ByteArray:
    """Every pixel in the flat tone of its zone, 0 to VII (nearest whole zone), with the legend: uint8 [H', W', 3].

    Zones VIII to X lie beyond display white.

    image: [H, W, 3] sRGB-encoded, uint8, uint16 or float in [0, 1].
    palette: "classic" is greys from black to white, "safe" dark blue to yellow.
    Raises ValueError for another shape or palette.

    >>> ramp = np.linspace(0, 1, 60 * 400).reshape(60, 400, 1).repeat(3, axis=2)
    >>> len(np.unique(zone_picture(ramp)[:60])) <= 8
    True
    """
    _check(image, palette)
    # Display white is zone 7.47, so that nothing lies above VII: all contrast goes to the zones that can occur.
    zones = ROMAN[: _WHITE_ZONE + 1]
    place = np.arange(len(zones)) / _WHITE_ZONE
    if palette == "safe":
        ends = np.array(_ZONE_ENDS, dtype=np.float64)
        colours = np.stack([np.interp(place, (0, 0.5, 1), ends[:, channel]) for channel in range(3)], axis=-1)
    else:
        colours = np.repeat(255 * place[:, None], 3, axis=1)
    table = np.rint(colours).astype(np.uint8)

    def paint(strip: FloatArray) -> tuple[ByteArray, npt.NDArray[np.intp]]:
        classes = np.minimum(np.rint(zone_of(luminance(to_linear(strip)))).astype(np.intp), _WHITE_ZONE)
        return table[classes], classes

    painted, shares = _painted(image, paint, len(zones))
    entries = [_swatch(*item) for item in zip(table, zones, shares, strict=True)]
    return _with_swatches(painted, entries)


DRAWINGS: dict[str, Callable[..., ByteArray]] = {"false-colour": false_colour, "zebra": zebra, "zones": zone_picture}
"""Every kind of picture made here; each takes (image, palette=...)."""


@dataclass(frozen=True, slots=True, eq=False)
class _Swatch:
    """One entry of a legend. tile: uint8 [n, n, 3], repeated over the box."""

    label: str
    tile: ByteArray


def _swatch(colour: npt.NDArray[np.uint8], label: str, share: float) -> _Swatch:
    return _Swatch(f"{label} {share:.0%}", colour.reshape(1, 1, 3))


def _stripes(colour: npt.NDArray[np.uint8], *, rising: bool) -> ByteArray:
    rows, columns = np.mgrid[:8, :8]
    on = (rows + columns if rising else rows - columns) // 4 % 2 == 0
    return np.where(on[..., None], colour, np.uint8(255))


def _check(image: npt.NDArray[Any], palette: str) -> None:
    if image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ValueError(f"image has shape {image.shape}; give [H, W, 3]")
    if palette not in FALSE_COLOUR_PALETTES:
        raise ValueError(f"no palette {palette!r}; choose one of {', '.join(FALSE_COLOUR_PALETTES)}")


def _painted(
    image: npt.NDArray[Any], paint: Callable[[FloatArray], tuple[ByteArray, npt.NDArray[np.intp]]], classes: int
) -> tuple[ByteArray, list[float]]:
    """The image painted strip by strip, and the share of pixels in each class (class -1 is none)."""
    result = np.empty(image.shape, dtype=np.uint8)
    counts = np.zeros(classes, dtype=np.int64)
    for top in range(0, len(image), _STRIP_ROWS):
        painted, found = paint(np.clip(as_unit_float(image[top : top + _STRIP_ROWS]), 0, 1))
        result[top : top + _STRIP_ROWS] = painted
        counts += np.bincount(found[found >= 0].ravel(), minlength=classes)
    return result, [float(count / (image.shape[0] * image.shape[1])) for count in counts]


def _with_swatches(image: ByteArray, entries: Sequence[_Swatch]) -> ByteArray:
    """The image, unchanged and centred, over as many rows of swatches as its width needs."""
    height, width = image.shape[:2]
    size = text_size(height, width)
    font = font_of(size)
    box, gap = round(1.3 * size), round(0.5 * size)
    widths = [box + gap + round(font.getlength(entry.label)) + 2 * gap for entry in entries]
    width = max(width, max(widths) + 2 * gap)
    rows: list[list[int]] = [[]]
    used = 0
    for index, needed in enumerate(widths):
        if rows[-1] and used + needed > width - 2 * gap:
            rows.append([])
            used = 0
        rows[-1].append(index)
        used += needed
    step = box + gap
    canvas = np.full((height + gap + step * len(rows) + gap, width, 3), _PAPER, dtype=np.uint8)
    left = (width - image.shape[1]) // 2
    canvas[:height, left : left + image.shape[1]] = image
    places = []
    for line, row in enumerate(rows):
        x, y = (width - sum(widths[i] for i in row)) // 2 + gap, height + gap + line * step
        for index in row:
            tile = entries[index].tile
            repeats = (-(-box // tile.shape[0]), -(-box // tile.shape[1]), 1)
            canvas[y - 1 : y + box + 1, x - 1 : x + box + 1] = _INK
            canvas[y : y + box, x : x + box] = np.tile(tile, repeats)[:box, :box]
            places.append((x + box + gap, y + box / 2, entries[index].label))
            x += widths[index]
    page = Image.fromarray(canvas)
    draw = ImageDraw.Draw(page)
    for x_text, y_text, label in places:
        draw.text((x_text, y_text), label, fill=_INK, font=font, anchor="lm")
    return np.asarray(page)
