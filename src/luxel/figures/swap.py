"""Fig. 3 (a-d): two exposures of a picture exchange their low bands, and exposure goes with the low band."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from luxel.errors import LuxelError
from luxel.model.wavelet import Wavelet
from luxel.photometry import FloatArray, as_unit_float, lightness

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True, eq=False)
class Swap:
    """Two exposures and what they become when they exchange low bands; each float32 [h, w, 3], sRGB-encoded, in [0, 1].

    dark, bright: the exposures, cut to sides that the transform can halve.
    low_of_dark: low band of `dark`, high bands of `bright`. low_of_bright: the other way round.
    followed: share of the difference of lightness that goes with the low band, 1 if all of it does; the mean of both
        exchanges, each the regression of (exchanged - donor of the high bands) on (donor of the low band - the same).
    """

    dark: FloatArray
    bright: FloatArray
    low_of_dark: FloatArray
    low_of_bright: FloatArray
    followed: float


def swap_bands(
    dark: npt.NDArray[np.uint8], bright: npt.NDArray[np.uint8], *, wavelet: str = "haar", levels: int = 1
) -> Swap:
    """Two exposures of one scene with their low bands exchanged.

    dark, bright: uint8 [H, W, 3], sRGB-encoded, of one size.
    wavelet: "haar" or another orthogonal wavelet.
    levels: how often the low band is split again; the paper shows one level.
    Raises LuxelError if they are alike, or too small for the levels.
    Source: paper 3, Fig. 3.

    >>> light = np.linspace(20, 90, 16 * 16 * 3).reshape(16, 16, 3).astype(np.uint8)
    >>> round(swap_bands(light, 2 * light).followed, 1)
    1.0
    """
    if dark.shape != bright.shape:
        raise LuxelError(f"exposures of {dark.shape[:2]} and {bright.shape[:2]} pixels; give two of one size")
    multiple = 2**levels
    height, width = (side // multiple * multiple for side in dark.shape[:2])
    if min(height, width) < 2 * multiple:
        raise LuxelError(f"{dark.shape[1]} x {dark.shape[0]} pixels are too few for {levels} levels; give fewer")
    a, b = (as_unit_float(image[:height, :width]) for image in (dark, bright))
    transform = Wavelet(wavelet)
    low_a, high_a = _split(transform, _tensor(a), levels)
    low_b, high_b = _split(transform, _tensor(b), levels)
    a_with_high_b, b_with_high_a = (
        np.clip(_merge(transform, low, high)[0].permute(1, 2, 0).numpy(), 0, 1)
        for low, high in ((low_a, high_b), (low_b, high_a))
    )
    shares = [_followed(a_with_high_b, a, b), _followed(b_with_high_a, b, a)]
    return Swap(a, b, a_with_high_b, b_with_high_a, float(np.mean(shares)))


def draw_swap(swap: Swap, *, evs: tuple[float, float], levels: int) -> "Figure":
    """The four pictures of Fig. 3 (a-d) with the share that follows the low band.

    swap: what `swap_bands` gave.
    evs: stops of the two exposures, for the titles.
    levels: of the transform, for the titles.
    """
    from luxel.figures import sheet

    height, width = swap.dark.shape[:2]
    figure, axes = sheet.panels(2, 2, height=0.6 + 7.3 * height / width)
    dark, bright = (f"{ev:+g} EV" for ev in evs)
    for place, image, title in zip(
        axes.ravel(),
        (swap.dark, swap.bright, swap.low_of_dark, swap.low_of_bright),
        (dark, bright, f"low band of {dark}, high bands of {bright}", f"low band of {bright}, high bands of {dark}"),
        strict=True,
    ):
        sheet.show(place, np.rint(image * 255).astype(np.uint8), title)
    level = "one level" if levels == 1 else f"{levels} levels"
    figure.suptitle(f"{swap.followed:.0%} of the difference in lightness goes with the low band ({level})", fontsize=9)
    return figure


def picture_frames(path: Path, evs: Sequence[float], short_side: int) -> list[npt.NDArray[np.uint8]]:
    """Exposures of a picture file, computed from its linear light; uint8 [h, w, 3] each.

    path: any picture luxel reads; what is clipped in it stays clipped.
    evs: stops of each.
    short_side: of the result, in pixels.
    Raises ImageError if it cannot be read.
    """
    from luxel import images
    from luxel.dataset.develop import fit_short_side
    from luxel.dataset.reference.bracket import frame
    from luxel.photometry import to_linear

    linear = fit_short_side(to_linear(as_unit_float(images.read(path).pixels)), short_side)
    return [frame(linear, ev) for ev in evs]


def _tensor(image: FloatArray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None]


def _split(transform: Wavelet, image: Tensor, levels: int) -> tuple[Tensor, list[Tensor]]:
    low, highs = image, []
    for _ in range(levels):
        low, high = transform.split(low)
        highs.append(high)
    return low, highs


def _merge(transform: Wavelet, low: Tensor, highs: list[Tensor]) -> Tensor:
    for high in reversed(highs):
        low = transform.merge(low, high)
    return low


def _followed(exchanged: FloatArray, low_donor: FloatArray, high_donor: FloatArray) -> float:
    y, low, high = (lightness(image).astype(np.float64) for image in (exchanged, low_donor, high_donor))
    size = float(((low - high) ** 2).sum())
    if size == 0:
        raise LuxelError("the two exposures are alike; give exposures that differ")
    return float(((y - high) * (low - high)).sum()) / size
