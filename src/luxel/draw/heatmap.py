"""Heat maps of the exposure residual: colours, legend, overlay, side by side.

Red (or orange) is overexposed, blue (or purple) underexposed, white ideal. Everything is uint8 sRGB out; large pictures
go through a table of 1025 colours strip by strip, so that no float copy of an image is ever made.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from luxel.photometry import ByteArray
from luxel.residual import DEFAULT_THRESHOLD

SHOWN_LONG_SIDE = 1600
"""Long side in pixels of a written heat map or overlay unless full size is asked for."""

PANEL_LONG_SIDE = 960
"""Long side in pixels of each of the three panels of `side_by_side` unless full size is asked for."""

HEATMAP_LIMIT = 0.5
"""|r| from which on a heat map has its full colour, unless another is given: most photographs stay below it."""

_HALF = 512  # table entries on each side of white
_STRIP_PIXELS = 1 << 19  # pixels coloured at a time: small enough for the processor's cache
_INK = (38, 38, 38)
_PAPER = (255, 255, 255)
_HAIRLINE = (190, 190, 190)  # round panels: an ideal region is as white as the paper


@dataclass(frozen=True, slots=True)
class Palette:
    """Two arms that leave white with the same CIE lightness and end in two different hues.

    over: hue angles of overexposure in CIELAB degrees, (near white, at the limit).
    under: hue angles of underexposure in CIELAB degrees, (near white, at the limit).
    chroma: CIELAB chroma at the limit; less where sRGB ends.
    description: one line for people.
    """

    over: tuple[float, float]
    under: tuple[float, float]
    chroma: float
    description: str


PALETTES: dict[str, Palette] = {
    "red-blue": Palette((26.0, 36.0), (268.0, 290.0), 62.0, "red over, blue under"),
    "orange-purple": Palette((72.0, 60.0), (301.0, 310.0), 60.0, "orange over, purple under; colour-blind safe"),
}

DEFAULT_PALETTE = "red-blue"

# Lightness L* along an arm is a quadratic Bezier curve through these: white, control, end. Both arms share it.
_ARM_LIGHTNESS = (100.0, 72.0, 31.0)
_ARM_POWER = 1.2  # above 1: small residuals stay near white, so that an ideal region looks empty


def colours(palette: str = DEFAULT_PALETTE) -> ByteArray:
    """The colour table of a palette, uint8 [1025, 3], sRGB-encoded, from r = -limit (over) through white to r = +limit.

    Entries i and 1024 - i have the same CIE L*.

    palette: one of `PALETTES`.
    Raises ValueError for a palette that is not in `PALETTES`.

    >>> colours("red-blue")[512].tolist()
    [255, 255, 255]
    """
    return _colour_table(palette).copy()


def render(residual: npt.ArrayLike, *, palette: str = DEFAULT_PALETTE, limit: float = HEATMAP_LIMIT) -> ByteArray:
    """Heat map of a residual map, without legend: uint8 [H, W, 3], sRGB-encoded.

    residual: [H, W] float in [-1, 1], in lightness; r < 0 overexposed, 0 ideal (white), r > 0 underexposed.
    palette: one of `PALETTES`.
    limit: in (0, 1], in lightness; every pixel with |r| >= limit has the full colour.
    Raises ValueError for a wrong shape, a value that is not a number, an unknown palette or a limit outside (0, 1].

    >>> red, white, blue = render([[-0.5, 0.0, 0.5]])[0].astype(int)
    >>> bool(red[0] > red[2]), white.tolist(), bool(blue[2] > blue[0])
    (True, [255, 255, 255], True)
    """
    values = _residual(residual)
    table = _colour_table(palette)
    result = np.empty((*values.shape, 3), dtype=np.uint8)
    for rows in _strips(values.shape):
        np.take(table, _levels(values[rows], limit), axis=0, out=result[rows])
    return result


def overlay(
    image: npt.ArrayLike,
    residual: npt.ArrayLike,
    *,
    palette: str = DEFAULT_PALETTE,
    limit: float = HEATMAP_LIMIT,
    threshold: float = DEFAULT_THRESHOLD,
    strength: float = 0.65,
) -> ByteArray:
    """The image, tinted only where |r| > threshold: uint8 [H, W, 3], sRGB-encoded; every other pixel stays as it is.

    image: [H, W, 3] sRGB-encoded, uint8, full-scale uint16 or float in [0, 1].
    residual: [H, W] float in [-1, 1], in lightness; r < 0 overexposed, r > 0 underexposed.
    palette: one of `PALETTES`.
    limit: in (0, 1], in lightness; every pixel with |r| >= limit has the full tint.
    threshold: in [0, 1], in lightness; pixels with |r| <= threshold are not tinted.
    strength: largest opacity of the tint, in [0, 1]; it grows with |r|.
    Raises ValueError where `render` does, for a threshold or strength outside its range, and when the sizes differ.

    >>> image = np.full((1, 2, 3), 90, np.uint8)
    >>> overlay(image, [[0.1, 0.4]])[0, 0].tolist()
    [90, 90, 90]
    """
    values = _residual(residual)
    pixels = _checked(image)
    if pixels.shape[:2] != values.shape:
        raise ValueError(f"image is {pixels.shape[:2]} but its residual {values.shape}; they must have one size")
    _check_threshold(threshold)
    if not 0.0 <= strength <= 1.0:
        raise ValueError(f"strength {strength} is outside [0, 1]")
    kept, tint = _tint_tables(palette, strength)
    result = np.empty((*values.shape, 3), dtype=np.uint8)
    for rows in _strips(values.shape):
        beyond = np.abs(values[rows]) > threshold
        levels = np.where(beyond, _levels(values[rows], limit), np.uint16(_HALF))
        # 8.8 fixed point: kept + opacity = 256, so an untouched pixel stays exactly itself.
        mixed = as_bytes(pixels[rows]).astype(np.uint16)
        mixed *= kept[levels][..., None]
        mixed += tint[levels]
        mixed >>= 8
        result[rows] = mixed
    return result


def with_legend(
    image: ByteArray,
    *,
    palette: str = DEFAULT_PALETTE,
    limit: float = HEATMAP_LIMIT,
    threshold: float | None = None,
) -> ByteArray:
    """An image with a legend below it, uint8 [H', W', 3]: colour bar, values, "overexposed", "ideal", "underexposed".

    H' > H; W' > W only where a narrow image needs room for the text.

    image: uint8 [H, W, 3]; it is copied unchanged, centred.
    palette: one of `PALETTES`.
    limit: in (0, 1], in lightness; printed with its sign at both ends of the bar.
    threshold: in [0, 1], in lightness; marked and printed on both sides of the bar if it is at most `limit`. None marks
        nothing.
    Raises ValueError for another image, an unknown palette, and a limit or threshold outside its range.

    >>> drawn = with_legend(np.zeros((100, 400, 3), np.uint8))
    >>> drawn.shape[0] > 100, drawn.shape[1]
    (True, 400)
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"image is {image.dtype} {image.shape}; give uint8 [H, W, 3]")
    height, width = image.shape[:2]
    bar = _legend(width, text_size(height, width), palette, limit, threshold)
    canvas = np.full((height + bar.shape[0], bar.shape[1], 3), _PAPER, dtype=np.uint8)
    left = (bar.shape[1] - width) // 2
    canvas[:height, left : left + width] = image
    canvas[height:] = bar
    return canvas


def side_by_side(
    image: npt.ArrayLike,
    residual: npt.ArrayLike,
    *,
    palette: str = DEFAULT_PALETTE,
    limit: float = HEATMAP_LIMIT,
    threshold: float = DEFAULT_THRESHOLD,
    strength: float = 0.65,
    caption: str = "",
    long_side: int | None = PANEL_LONG_SIDE,
) -> ByteArray:
    """Image, heat map and overlay in one image with titles, an optional caption and the legend: uint8 [H', W', 3].

    Panels wider than 2.2 : 1 stand one above the other.

    image: [H, W, 3] sRGB-encoded, uint8, full-scale uint16 or float in [0, 1].
    residual: [H, W] float in [-1, 1], in lightness; r < 0 overexposed, r > 0 underexposed.
    palette: one of `PALETTES`.
    limit: in (0, 1], in lightness; every pixel with |r| >= limit has the full colour in map and overlay.
    threshold: in [0, 1], in lightness; the overlay tints only pixels with |r| > threshold. The legend marks it.
    strength: largest opacity of the overlay's tint, in [0, 1].
    caption: one line under the panels, for example the score.
    long_side: in pixels; each panel is reduced to it first. None keeps full size.
    Raises ValueError as `overlay` does.

    >>> image, residual = np.full((60, 80, 3), 90, np.uint8), np.full((60, 80), 0.3)
    >>> side_by_side(image, residual, caption="score 4.2").shape[1] > 3 * 80
    True
    """
    values = fit(_residual(residual), long_side)
    pixels = as_bytes(fit(_checked(image), long_side))
    panels = {
        "picture": pixels,
        "exposure residual": render(values, palette=palette, limit=limit),
        "overlay": overlay(pixels, values, palette=palette, limit=limit, threshold=threshold, strength=strength),
    }
    height, width = values.shape
    stacked = width > 2.2 * height
    size = text_size(height, width)
    gap, title = round(0.8 * size), round(1.9 * size)
    columns, rows = (1, 3) if stacked else (3, 1)
    columns_width = columns * width + (columns + 1) * gap
    bar = _legend(columns_width, size, palette, limit, threshold)
    footer = title if caption else 0
    body = rows * (title + height) + gap // 2
    canvas = np.full((body + footer + bar.shape[0], bar.shape[1], 3), _PAPER, dtype=np.uint8)
    margin = (bar.shape[1] - columns_width) // 2
    corners = [
        (margin + gap + (0 if stacked else n * (width + gap)), (n * (title + height) if stacked else 0) + title)
        for n in range(3)
    ]
    for (left, top), panel in zip(corners, panels.values(), strict=True):
        canvas[top - 1 : top + height + 1, left - 1 : left + width + 1] = _HAIRLINE
        canvas[top : top + height, left : left + width] = panel
    canvas[body + footer :] = bar
    page = Image.fromarray(canvas)
    draw = ImageDraw.Draw(page)
    for (left, top), text in zip(corners, panels, strict=True):
        draw.text((left, top - 0.45 * size), text, fill=_INK, font=_font_for(text, size, width), anchor="ls")
    if caption:
        font = _font_for(caption, size, columns_width - 2 * gap)
        draw.text((bar.shape[1] / 2, body + 0.55 * title), caption, fill=_INK, font=font, anchor="mm")
    return np.asarray(page)


def fit(array: npt.NDArray[Any], long_side: int | None = SHOWN_LONG_SIDE) -> npt.NDArray[Any]:
    """An array reduced so that its long side is at most `long_side`, by area averaging; never enlarged.

    It is the array itself if it fits, else the same kind of array; uint16 and float images come back as uint8, which is
    what is shown.

    array: [H, W] float32, or [H, W, 3] uint8, uint16 or float.
    long_side: in pixels; None keeps every array.

    >>> fit(np.zeros((100, 400, 3), np.uint8), 200).shape
    (50, 200, 3)
    """
    height, width = array.shape[:2]
    if long_side is None or max(height, width) <= long_side:
        return array
    scale = long_side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    source = array if array.ndim == 2 else as_bytes(array)
    return np.asarray(Image.fromarray(np.ascontiguousarray(source)).resize(size, Image.Resampling.BOX))


def as_bytes(image: npt.NDArray[Any]) -> ByteArray:
    """An image as uint8 of the same shape, rounded; uint8 is returned as it is.

    image: [H, W, 3] or [H, W]; uint8, full-scale uint16, or float in [0, 1].

    >>> as_bytes(np.array([[0.0, 0.5, 1.0]])).tolist()
    [[0, 128, 255]]
    """
    if image.dtype == np.uint8:
        return image
    result = np.empty(image.shape, dtype=np.uint8)
    for rows in _strips(image.shape):
        strip = image[rows]
        if image.dtype == np.uint16:
            result[rows] = (strip.astype(np.uint32) + 128) // 257
        else:
            result[rows] = np.rint(np.clip(strip, 0.0, 1.0) * 255.0)
    return result


def _residual(residual: npt.ArrayLike) -> npt.NDArray[np.float32]:
    values = np.asarray(residual, dtype=np.float32)
    if values.ndim != 2 or values.size == 0:
        raise ValueError(f"residual has shape {values.shape}; give [H, W]")
    if np.isnan(values.min()):
        raise ValueError("residual holds values that are not numbers")
    return values


def _checked(image: npt.ArrayLike) -> npt.NDArray[Any]:
    pixels = np.asarray(image)
    if pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ValueError(f"image has shape {pixels.shape}; give [H, W, 3]")
    if pixels.dtype not in (np.uint8, np.uint16) and pixels.dtype.kind != "f":
        raise ValueError(f"image is {pixels.dtype}; give uint8, uint16 or float in [0, 1]")
    return pixels


def _strips(shape: tuple[int, ...]) -> Iterator[slice]:
    step = max(1, _STRIP_PIXELS // max(1, shape[1]))
    for top in range(0, shape[0], step):
        yield slice(top, top + step)


def _check_limit(limit: float) -> None:
    if not 0.0 < limit <= 1.0:
        raise ValueError(f"limit {limit} is outside (0, 1]")


def _check_threshold(threshold: float) -> None:
    if not 0.0 <= threshold <= 1.0:
        raise ValueError(f"threshold {threshold} is outside [0, 1]")


def _levels(strip: npt.NDArray[np.float32], limit: float) -> npt.NDArray[np.uint16]:
    """Table entry 0 ... 1024 of each residual; 512 is exactly ideal."""
    _check_limit(limit)
    scaled = strip * np.float32(_HALF / limit)
    np.clip(scaled, -_HALF, _HALF, out=scaled)
    scaled += np.float32(_HALF + 0.5)
    return scaled.astype(np.uint16)


@lru_cache(maxsize=8)
def _colour_table(palette: str) -> ByteArray:
    if palette not in PALETTES:
        raise ValueError(f"no palette {palette!r}; choose one of {', '.join(PALETTES)}")
    chosen = PALETTES[palette]
    over, under = (_arm(hues, chosen.chroma) for hues in (chosen.over, chosen.under))
    table = np.concatenate([over[:0:-1], under])
    table.setflags(write=False)
    return table


def _arm(hues: tuple[float, float], chroma: float) -> ByteArray:
    """One arm as uint8 [513, 3]: white first, the colour at the limit last."""
    u = np.linspace(0.0, 1.0, _HALF + 1) ** _ARM_POWER
    start, control, end = _ARM_LIGHTNESS
    lightness = start * (1 - u) ** 2 + 2 * control * u * (1 - u) + end * u**2
    hue = np.radians(hues[0] + (hues[1] - hues[0]) * u)
    wanted = chroma * u * (2.0 - u)
    # Where sRGB cannot show that chroma, take the largest it can: lightness, which carries the size of the
    # residual, is never given up for colour. Thirty halvings settle it far below one 8-bit step.
    low, high = np.zeros_like(wanted), wanted
    for _ in range(30):
        middle = (low + high) / 2
        inside = _inside_srgb(lightness, middle, hue)
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    fits = _inside_srgb(lightness, wanted, hue)
    linear = _lab_to_linear(lightness, np.where(fits, wanted, low), hue)
    clipped = np.clip(linear, 0.0, 1.0)
    encoded = np.where(clipped <= 0.0031308, clipped * 12.92, 1.055 * clipped ** (1 / 2.4) - 0.055)
    return np.rint(encoded * 255.0).astype(np.uint8)


def _inside_srgb(
    lightness: npt.NDArray[np.float64], chroma: npt.NDArray[np.float64], hue: npt.NDArray[np.float64]
) -> npt.NDArray[np.bool_]:
    linear = _lab_to_linear(lightness, chroma, hue)
    # White itself lands a hair above 1 by the rounding of the matrix; half an 8-bit step there is 0.004.
    return np.asarray((linear.min(axis=-1) >= -1e-4) & (linear.max(axis=-1) <= 1.0 + 1e-3))


def _lab_to_linear(
    lightness: npt.NDArray[np.float64], chroma: npt.NDArray[np.float64], hue: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Linear sRGB [..., 3] of CIELAB (D65) lightness, chroma, hue angle in radians. Source: CIE 15, IEC 61966-2-1."""
    y = (lightness + 16.0) / 116.0
    x, z = y + chroma * np.cos(hue) / 500.0, y - chroma * np.sin(hue) / 200.0
    f = np.stack([x, y, z], axis=-1)
    xyz = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * (0.95047, 1.0, 1.08883)
    matrix = np.array([[3.24045, -1.53714, -0.49853], [-0.96927, 1.87601, 0.04156], [0.05564, -0.20403, 1.05723]])
    return np.asarray(xyz @ matrix.T)


@lru_cache(maxsize=8)
def _tint_tables(palette: str, strength: float) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint16]]:
    """Share of the image kept (uint16 [1025], of 256) and tint times its opacity (uint16 [1025, 3]), by level."""
    size = np.abs(np.arange(-_HALF, _HALF + 1)) / _HALF
    # Grows fast: what is beyond the threshold shall be seen at once.
    opacity = np.rint(256.0 * strength * (1.0 - np.exp(-((size / 0.3) ** 1.5)))).astype(np.uint16)
    # A pale tint would only wash the photo out, so every tint is at least as strong as that of 0.8 of the limit.
    nearest = np.where(np.arange(2 * _HALF + 1) < _HALF, -1, 1) * np.maximum(size, 0.8)
    tint = _colour_table(palette)[np.rint(_HALF + _HALF * nearest).astype(np.intp)]
    return (256 - opacity).astype(np.uint16), opacity[:, None] * tint.astype(np.uint16)


def text_size(height: int, width: int) -> int:
    """Font size in pixels for an image of this size: readable when it fills a screen.

    height: of the image, in pixels.
    width: of the image, in pixels.

    >>> text_size(480, 640) <= text_size(3000, 4000)
    True
    """
    return max(11, round(0.0105 * (width + height)))


@lru_cache(maxsize=32)
def font_of(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The font of every legend and caption.

    size: in pixels.

    >>> font_of(20).getlength("score") > 0
    True
    """
    return ImageFont.load_default(size)


def _font_for(text: str, size: int, width: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The default font at `size`, or smaller so that the text is at most `width` pixels wide (not below 8)."""
    while size > 8 and font_of(size).getlength(text) > width:
        size -= 1
    return font_of(size)


def _legend(width: int, size: int, palette: str, limit: float, threshold: float | None) -> ByteArray:
    """The legend strip, at least `width` pixels wide: colour bar, marks at the threshold, ticks with values, words."""
    _check_limit(limit)
    if threshold is not None:
        _check_threshold(threshold)
    font = font_of(size)
    words = ("overexposed", "ideal", "underexposed")
    bar_width = max(min(width - 4 * size, 36 * size), round(1.25 * sum(font.getlength(word) for word in words)))
    width = max(width, bar_width + 4 * size)
    above = 0.9 if threshold is None else 2.0  # room for the values of the threshold
    left, top, bar_height = (width - bar_width) // 2, round(above * size), round(1.2 * size)
    canvas = np.full((top + bar_height + round(3.9 * size), width, 3), _PAPER, dtype=np.uint8)
    ramp = np.rint(np.linspace(0, 2 * _HALF, bar_width)).astype(np.intp)
    canvas[top : top + bar_height, left : left + bar_width] = _colour_table(palette)[ramp]
    page = Image.fromarray(canvas)
    draw = ImageDraw.Draw(page)
    line = max(1, size // 14)
    bottom = top + bar_height
    draw.rectangle((left - line, top - line, left + bar_width + line - 1, bottom + line - 1), outline=_INK, width=line)
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        x = left + share * (bar_width - 1)
        draw.line((x, bottom, x, bottom + 0.4 * size), fill=_INK, width=line)
        value = limit * (2.0 * share - 1.0)
        label = "0" if share == 0.5 else f"{value:+.3g}"
        draw.text((x, bottom + 0.5 * size), label, fill=_INK, font=font, anchor="mt")
    if threshold is not None and threshold <= limit:
        middle, reach = left + (bar_width - 1) / 2, threshold / limit * (bar_width - 1) / 2
        for sign in (-1, 1):
            x = middle + sign * reach
            draw.line((x, top - 0.4 * size, x, bottom), fill=_INK, width=line)
            label = f"{sign * threshold:+.3g}"
            # The two labels keep apart even where the marks nearly meet.
            x = middle + sign * max(reach, font.getlength(label) / 2 + 0.3 * size)
            draw.text((x, top - 0.5 * size), label, fill=_INK, font=font, anchor="mb")
    ends = _colour_table(palette)
    baseline = bottom + 3.0 * size
    fills = (tuple(map(int, ends[0])), _INK, tuple(map(int, ends[-1])))
    anchors = ("ls", "ms", "rs")
    places = (left, left + bar_width / 2, left + bar_width)
    for word, fill, anchor, x in zip(words, fills, anchors, places, strict=True):
        draw.text((x, baseline), word, fill=fill, font=font, anchor=anchor)
    return np.asarray(page)
