"""The numbers that criteria ask for, measured on a residual map."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from luxel.photometry import Mask, lightness
from luxel.residual import over_area, under_area

_STRIP_ROWS = 128


@dataclass(frozen=True, slots=True)
class Collapse:
    """When a pixel counts as lost to black or white.

    With the picture at hand: lightness <= black and underexposed, or >= white and overexposed. With the map alone:
    r >= by_map, or r <= -by_map.
    """

    black: float
    white: float
    by_map: float


@dataclass(frozen=True, slots=True)
class Region:
    """How a file's region is found among given masks.

    sources: names of masks that make it up together. outside: without such masks, it is all that these regions leave.
    optional: where there is none of it, its measures are 0; otherwise they are undecided.
    """

    name: str
    about: str
    sources: tuple[str, ...]
    outside: tuple[str, ...] = ()
    optional: bool = False


class UnknownRegionError(LookupError):
    """The masks given do not know a region. Arguments: the region's name, the names they know."""


def find_region(name: str, rules: Mapping[str, Region], given: Mapping[str, Mask], shape: tuple[int, int]) -> Mask:
    """The mask of a file's region, bool [H, W].

    given: mask name -> bool [H, W]; names are compared without regard to case, spaces, "-" and "_".
    Raises UnknownRegionError when the given masks have none of its names and it is neither optional nor `outside`
    others; ValueError for a mask that is not bool [H, W].
    """
    rule = rules[name]
    by_name = {_plain(key): key for key in given}
    sources = [by_name[_plain(source)] for source in rule.sources if _plain(source) in by_name]
    mask = np.zeros(shape, dtype=np.bool_)
    if sources:
        for source in sources:
            part = np.asarray(given[source])
            if part.dtype != np.bool_ or part.shape != shape:
                raise ValueError(f"mask {source!r} is {part.dtype} {part.shape}; give bool {shape}, as the map")
            mask |= part
    elif rule.outside:
        for other in rule.outside:
            mask |= find_region(other, rules, given, shape)
        np.logical_not(mask, out=mask)
    elif not rule.optional:
        raise UnknownRegionError(name, sorted(given))
    return mask


class Pixels:
    """The residuals of one region (or of the whole picture), measured once and in one place.

    residual: [n] or [H, W]. lightness: of the same pixels, or None when only the map is known.
    """

    def __init__(
        self, residual: npt.NDArray[Any], lightness: npt.NDArray[Any] | None, thresholds: tuple[float, float]
    ) -> None:
        self._residual = residual
        self._lightness = lightness
        self._thresholds = thresholds

    def measure(self, metric: str, threshold: float | None, collapse: Collapse | None) -> float:
        """One number. threshold: instead of the file's. An empty region measures 0. metric: not "area"."""
        if self._residual.size == 0:
            return 0.0
        over, under = (t if threshold is None else threshold for t in self._thresholds)
        measures: dict[str, Callable[[], float]] = {
            "over": lambda: over_area(self._residual, over),
            "under": lambda: under_area(self._residual, under),
            # Counted, not added up from two shares: 30 % must be the same number as 30 / 100.
            "either": lambda: float(np.mean((self._residual < -over) | (self._residual > under))),
            "mean": lambda: float(np.mean(self._residual, dtype=np.float64)),
            "shift": lambda: abs(float(np.mean(self._residual, dtype=np.float64))),
            "mean_abs": lambda: float(np.mean(np.abs(self._residual), dtype=np.float64)),
            "black": lambda: self._lost(collapse, to_black=True),
            "white": lambda: self._lost(collapse, to_black=False),
        }
        return measures[metric]()

    def _lost(self, collapse: Collapse | None, *, to_black: bool) -> float:
        if collapse is None:
            raise ValueError("black and white need the [collapse] section of the file")
        r, y = self._residual, self._lightness
        if y is None:
            lost = r >= collapse.by_map if to_black else r <= -collapse.by_map
        elif to_black:
            lost = (y <= collapse.black) & (r > self._thresholds[1])
        else:
            lost = (y >= collapse.white) & (r < -self._thresholds[0])
        return float(np.mean(lost))


def lightness_map(image: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Lightness Y' of a picture, strip by strip: [H, W, 3] uint8, uint16 or float in [0, 1] to float32 [H, W]."""
    result = np.empty(image.shape[:2], dtype=np.float32)
    for top in range(0, len(image), _STRIP_ROWS):
        result[top : top + _STRIP_ROWS] = lightness(image[top : top + _STRIP_ROWS])
    return result


def _plain(name: str) -> str:
    return "".join(c for c in name.casefold() if c not in " -_")
