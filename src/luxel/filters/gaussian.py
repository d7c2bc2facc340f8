"""Gaussian weights and the two ways luxel smooths a map with them, in NumPy alone.

`smooth_valid` adds shifted slices: cost grows with the number of weights, right for a short window (SSIM).
`blur` goes through the Fourier transform: cost hardly depends on sigma, right for local means over many pixels.
"""

import numpy as np
import numpy.typing as npt

_BAND_PIXELS = 24_576
"""Pixels filtered at a time: such a band of rows stays in the processor's cache, twice as fast as a whole plane."""


def gaussian_weights(sigma: float, radius: int) -> npt.NDArray[np.float64]:
    """Weights of a sampled Gaussian, float64 [2 * radius + 1] with sum 1.

    sigma: standard deviation in pixels, > 0.
    radius: pixels on each side of the centre, >= 0.

    >>> gaussian_weights(1.0, 1).round(3).tolist()
    [0.274, 0.452, 0.274]
    """
    offsets = np.arange(-radius, radius + 1, dtype=np.float64)
    weights = np.exp(-0.5 * (offsets / sigma) ** 2)
    return np.asarray(weights / weights.sum())


def smooth_valid(plane: npt.NDArray[np.float64], weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """A plane filtered along rows and columns, only where the window lies wholly inside: float64 [H - 2r, W - 2r].

    plane: [H, W] float64 with H, W >= len(weights).
    weights: float64 [2r + 1], symmetric.

    >>> smooth_valid(np.ones((5, 6)), gaussian_weights(1.0, 2)).shape
    (1, 2)
    """
    radius = len(weights) // 2
    height, width = plane.shape[0] - 2 * radius, plane.shape[1] - 2 * radius
    smoothed = np.empty((height, width))
    band_rows = max(1, _BAND_PIXELS // plane.shape[1])
    for top in range(0, height, band_rows):
        rows = min(band_rows, height - top)
        band = plane[top : top + rows + 2 * radius]
        smoothed[top : top + rows] = _weighted_rows(_weighted_rows(band, weights).T, weights).T
    return smoothed


def blur(plane: npt.ArrayLike, sigma: float) -> npt.NDArray[np.float64]:
    """A plane blurred by a Gaussian, float64 [H, W]; border mirrored (edge pixel repeated), window cut at 4 sigma.

    plane: [H, W] float, any range.
    sigma: standard deviation in pixels, > 0.

    >>> bool(np.allclose(blur(np.full((8, 8), 0.5), 2.0), 0.5))
    True
    """
    blurred = np.asarray(plane, dtype=np.float64)
    weights = gaussian_weights(sigma, radius=int(4.0 * sigma + 0.5))
    for _ in range(2):
        blurred = _convolve_mirrored(blurred, weights).T
    return np.ascontiguousarray(blurred)


def _weighted_rows(plane: npt.NDArray[np.float64], weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Weighted sum of vertically neighbouring rows, [H, W] -> [H - 2r, W]; equal weights share one product."""
    radius = len(weights) // 2
    rows = plane.shape[0] - 2 * radius
    total = plane[radius : radius + rows] * weights[radius]
    pair = np.empty_like(total)
    for k in range(1, radius + 1):
        np.add(plane[radius - k : radius - k + rows], plane[radius + k : radius + k + rows], out=pair)
        pair *= weights[radius + k]
        total += pair
    return np.asarray(total)


def _convolve_mirrored(plane: npt.NDArray[np.float64], weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Every row convolved with symmetric weights, its ends mirrored; [H, W] -> [H, W]."""
    width, radius = plane.shape[1], len(weights) // 2
    padded = np.pad(plane, ((0, 0), (radius, radius)), mode="symmetric")
    length = padded.shape[1]
    product = np.fft.rfft(padded, axis=1) * np.fft.rfft(weights, n=length)
    # The circular product is right from index 2 * radius on; before it the two ends of the row mix.
    return np.asarray(np.fft.irfft(product, n=length, axis=1)[:, 2 * radius : 2 * radius + width])
