"""What a camera RAW file holds before any rendering: how far the sensor was from saturation."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rawpy

from luxel.errors import ImageError
from luxel.images.formats.raw import check_float
from luxel.images.picture import check_size, decoding, reading
from luxel.text import printable

SATURATED = 0.99
"""Share of the range from black to white level from which a photosite counts as saturated: sensors vary a little."""

BRIGHTEST = 0.999
"""Quantile that stands for the brightest photosites: a handful of hot ones must not decide."""


@dataclass(frozen=True, slots=True)
class RawLevels:
    """Levels of a RAW file by colour of the photosites, keys "R", "G", "B".

    saturated: share of photosites at saturation, in [0, 1]. headroom: stops more exposure until the brightest (all but
    one in a thousand) saturate, >= 0. bits: of the range between black and white level.
    """

    saturated: dict[str, float]
    headroom: dict[str, float]
    bits: float

    @property
    def stops(self) -> float:
        """Stops of more exposure that every colour would have taken."""
        return min(self.headroom.values())


def read_raw_levels(path: str | Path, *, max_megapixels: float = 200.0) -> RawLevels | None:
    """The levels of a camera RAW file, from its photosites; None where it holds finished colours instead of them.

    Raises ImageError: no RAW file LibRaw knows, truncated, damaged, too large.
    """
    path = Path(path)
    with reading(path):
        return _read_levels(path, max_megapixels)


def _read_levels(path: Path, max_megapixels: float) -> RawLevels | None:
    check_float(path)
    raw = rawpy.RawPy()
    try:
        with decoding(path, "camera RAW"):
            raw.open_file(str(path))
            sizes = raw.sizes
        check_size(path, sizes.raw_width, sizes.raw_height, max_megapixels)
        with decoding(path, "camera RAW"):
            raw.unpack()
            if raw.raw_type != rawpy.RawType.Flat:
                return None
            values = raw.raw_image_visible.copy()
            filters = raw.raw_colors_visible.copy()
            letters = raw.color_desc.decode("ascii")
            blacks = [float(level) for level in raw.black_level_per_channel]
            whites = [float(level) for level in raw.camera_white_level_per_channel or ()]
            common_white = float(raw.white_level)
    finally:
        raw.close()
    if len(whites) != len(blacks) or min(whites) <= 0:
        whites = [common_white] * len(blacks)
    saturated: dict[str, float] = {}
    headroom: dict[str, float] = {}
    for letter in dict.fromkeys(letters):
        counts = np.zeros(65536, dtype=np.int64)
        indices = [i for i, other in enumerate(letters) if other == letter and i < len(blacks)]
        for index in indices:
            counts += np.bincount(values[filters == index].ravel(), minlength=65536)[:65536]
        if not counts.any():
            continue
        black, white = blacks[indices[0]], whites[indices[0]]
        if white <= black:
            raise ImageError(f"{printable(path)}: states a white level of {white:g} below black {black:g}")
        light = (np.arange(65536) - black) / (white - black)
        below = np.cumsum(counts) / counts.sum()
        brightest = float(light[np.searchsorted(below, BRIGHTEST)])
        saturated[letter] = float(counts[light >= SATURATED].sum() / counts.sum())
        # One step above black is the least that can be distinguished from zero.
        headroom[letter] = max(0.0, -float(np.log2(max(brightest, 1.0 / (white - black)))))
    return RawLevels(saturated, headroom, float(np.log2(max(w - b for w, b in zip(whites, blacks, strict=True)))))
