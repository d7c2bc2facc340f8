"""Exposure read from gradients: the better a picture is exposed, the more of its edges are visible.

Gradients are those of luma by the 3x3 Sobel operator, borders repeated, divided by 4 sqrt(2) so that they lie in
[0, 1]. They are never stretched to a picture's own range, which would make exposures of one scene incomparable.
"""

from typing import Literal

import numpy as np
import numpy.typing as npt

from luxel.benchmark.methods.statistical.planes import LEVELS, Image, levels, luma
from luxel.photometry import Float64Array

SHIM_SIGMA = 0.06
"""Gradients below this are noise (Shim)."""

SHIM_LAMBDA = 1e3
"""How strongly weak gradients are raised (Shim)."""

SHIM_GAMMAS = (1 / 1.9, 1 / 1.5, 1 / 1.2, 1.0, 1.2, 1.5, 1.9)
"""Gammas the picture is tried with; below 1 brightens (Shim)."""

SHIM_GAIN = 0.2
"""Kp, the share of the wanted change that one update makes (Shim)."""

SHIM_CURVATURE = 0.75
"""d of the nonlinear update; the smaller, the more it overshoots far from the ideal (Shim 2018)."""

ZHANG_PERCENTILE = 0.7
"""p, the share of weaker gradients below the pivot (ours within Zhang's 0.5 to 0.9)."""

ZHANG_ORDER = 5
"""k, the power of the sine weights (Zhang)."""

KIM_ALPHA, KIM_TAU = 16.0, 4.0
"""Slope and offset of the activation pi(H); it changes sign at H = tau / alpha = 0.25 (Kim)."""

KIM_WINDOW = 9
"""Side of the window of the local entropy in pixels (Kim: 3 to 9 in public versions)."""

KIM_SATURATED = 0.05
"""Local entropy, as a share of its maximum, below which a pixel counts as saturated (ours within 0.05 to 0.6)."""

_FIT_ORDER = 5
_FIT_STEPS = 1001


def gradient_magnitude(plane: Float64Array) -> Float64Array:
    """Sobel gradient magnitude of a plane, float64 [H, W] in [0, 1].

    plane: [H, W] in [0, 1]. A step from 0 to 1 along an axis gives 1 / sqrt(2).
    """
    padded = np.pad(plane, 1, mode="edge")
    down = padded[2:] - padded[:-2]
    right = padded[:, 2:] - padded[:, :-2]
    vertical = down[:, :-2] + 2.0 * down[:, 1:-1] + down[:, 2:]
    horizontal = right[:-2] + 2.0 * right[1:-1] + right[2:]
    return np.asarray(np.hypot(vertical, horizontal) / (4.0 * np.sqrt(2.0)))


def information(magnitude: npt.ArrayLike, *, sigma: float = SHIM_SIGMA, lam: float = SHIM_LAMBDA) -> Float64Array:
    """Shim's information of gradients: log(lambda (m - sigma) + 1) / log(lambda (1 - sigma) + 1), 0 below sigma.

    magnitude: any shape, in [0, 1]. sigma: in [0, 1). lam: > 0. Returns float64 of the same shape in [0, 1].
    Source: Shim et al. 2014.
    """
    above = np.maximum(np.asarray(magnitude, dtype=np.float64) - sigma, 0.0)
    return np.asarray(np.log1p(lam * above) / np.log1p(lam * (1.0 - sigma)))


def gradient_information_map(image: Image) -> Float64Array:
    """Shim's information of every pixel, float64 [H, W] in [0, 1]. image: [H, W, 3] float in [0, 1]."""
    return information(gradient_magnitude(luma(image)))


def gradient_information(image: Image) -> float:
    """Shim's M over the number of pixels, in [0, 1]; larger is better.

    image: [H, W, 3] float in [0, 1]. Source: Shim et al. 2014, where M is the sum; the division is ours, so that
    pictures of different sizes compare.
    """
    return float(gradient_information_map(image).mean())


def best_gamma(image: Image) -> float:
    """The gamma between 1/1.9 and 1.9 that shows most gradient information; below 1 the picture needs more light.

    A polynomial of order 5 through the seven trials is searched for its maximum. 1 where no trial shows any gradient.
    image: [H, W, 3] float in [0, 1]. Source: Shim et al. 2014.
    """
    plane = luma(image)
    trials = [float(information(gradient_magnitude(plane**gamma)).mean()) for gamma in SHIM_GAMMAS]
    if max(trials) == 0.0:
        return 1.0
    fitted = np.polynomial.Polynomial.fit(SHIM_GAMMAS, trials, _FIT_ORDER)
    fine = np.linspace(SHIM_GAMMAS[0], SHIM_GAMMAS[-1], _FIT_STEPS)
    return float(fine[np.argmax(fitted(fine))])


def linear_update(gamma: float, *, gain: float = SHIM_GAIN) -> float:
    """Factor on the exposure by Shim's linear law, 1 + a Kp (1 - gamma), a = 1/2 from gamma 1 on, else 1.

    gamma: of `best_gamma`. gain: Kp. Source: Shim et al. 2014.
    """
    return 1.0 + _caution(gamma) * gain * (1.0 - gamma)


def nonlinear_update(gamma: float, *, gain: float = SHIM_GAIN, d: float = SHIM_CURVATURE) -> float:
    """Factor on the exposure by Shim's nonlinear law, 1 + a Kp (R - 1), a = 1/2 from gamma 1 on, else 1.

    gamma: of `best_gamma`. gain: Kp. d: > 0. Source: Shim et al. 2018.
    """
    return 1.0 + _caution(gamma) * gain * (update_ratio(gamma, d=d) - 1.0)


def update_ratio(gamma: float, *, d: float = SHIM_CURVATURE) -> float:
    """Shim's R = d tan((2 - gamma) atan(1/d) - atan(1/d)) + 1: 2 at gamma 0, 1 at 1, 0 at 2.

    gamma: of `best_gamma`. d: > 0. Source: Shim et al. 2018.
    """
    turn = np.arctan(1.0 / d)
    return float(d * np.tan((2.0 - gamma) * turn - turn) + 1.0)


def wanted_change(image: Image) -> float:
    """R - 1 at the best gamma, in [-0.83, 0.36]: above 0 the picture needs more light, 0 is ideal.

    image: [H, W, 3] float in [0, 1]. Source: Shim et al. 2018, whose measure is that of 2014; reading its update as a
    measure is ours.
    """
    return update_ratio(best_gamma(image)) - 1.0


def wanted_change_score(image: Image) -> float:
    """10 (1 - |R - 1|), in [0, 10]; ours. image: [H, W, 3] float in [0, 1]."""
    return 10.0 * (1.0 - abs(wanted_change(image)))


def percentile_weights(count: int, *, p: float = ZHANG_PERCENTILE, order: float = ZHANG_ORDER) -> Float64Array:
    """Zhang's weights of gradients sorted from weak to strong: sines that rise to the p-th share and fall behind it.

    sin(pi i / (2t))^k up to i = t = floor(p count), sin(pi/2 - pi (i - t) / (2 (count - t)))^k from there, divided by
    their sum. count: >= 1. p: in [0, 1). order: k > 0. Returns float64 [count], largest at i = t.
    Source: Zhang et al. 2017; the formula printed there has a slip, this is the continuous form.
    """
    pivot = int(p * count)
    i = np.arange(count)
    rising = np.sin(np.pi * i / (2 * max(pivot, 1)))
    falling = np.cos(np.pi * (i - pivot) / (2 * (count - pivot)))
    weights = np.where(i < pivot, rising, falling) ** order
    return np.asarray(weights / weights.sum())


def gradient_percentile(image: Image) -> float:
    """Zhang's M = sum_i W_i G_(i) over the sorted squared gradients, in [0, 1]; larger is better.

    A soft percentile: strong edges alone cannot raise it. image: [H, W, 3] float in [0, 1]. Source: Zhang et al. 2017.
    """
    squared = np.sort(gradient_magnitude(luma(image)).ravel() ** 2)
    return float(percentile_weights(len(squared)) @ squared)


def local_entropy(plane: Float64Array, *, window: int = KIM_WINDOW) -> Float64Array:
    """Entropy of the 8-bit levels around every pixel as a share of its maximum, float64 [H, W] in [0, 1].

    plane: [H, W] in [0, 1], borders mirrored. window: odd side in pixels; the maximum is log2 of its pixels, or 8 bits.
    """
    height, width = plane.shape
    pixels = window * window
    padded = np.pad(levels(plane), window // 2, mode="symmetric").astype(np.intp)
    n = np.arange(1, pixels + 1, dtype=np.float64)
    # Entropy is log n - sum c log c / n over the counts c of levels; the sum changes by this when c grows from c - 1.
    growth = np.concatenate([[0.0], np.diff(n * np.log(n), prepend=0.0)])
    # One histogram per column slides down the picture: a row enters, a row leaves.
    counts = np.zeros(width * LEVELS, dtype=np.intp)
    first = np.arange(width) * LEVELS
    spread = np.zeros(width)
    entropies = np.empty((height, width))
    for row in range(len(padded)):
        for column in range(window):
            if row >= window:
                left = first + padded[row - window, column : column + width]
                spread -= growth[counts[left]]
                counts[left] -= 1
            entered = first + padded[row, column : column + width]
            counts[entered] += 1
            spread += growth[counts[entered]]
        if row >= window - 1:
            entropies[row - window + 1] = np.log(pixels) - spread / pixels
    return np.asarray(np.maximum(entropies / np.log(min(pixels, LEVELS)), 0.0))


def entropy_weights(entropies: Float64Array, *, sign: Literal[-1, 1] = -1) -> Float64Array:
    """Kim's weights of pixels, exp(sign (H - mean)^2 / (2 std^2)) divided by their sum; equal where H is constant.

    entropies: [H, W]. sign: -1, a normal density, is what the authors' released code does; +1 raises rare entropies.
    Returns float64 [H, W] with sum 1.
    """
    deviation = float(entropies.std())
    if deviation < 1e-9:
        return np.full_like(entropies, 1.0 / entropies.size)
    weights = np.exp(sign * ((entropies - entropies.mean()) / deviation) ** 2 / 2.0)
    return np.asarray(weights / weights.sum())


def activation(entropies: npt.ArrayLike, *, alpha: float = KIM_ALPHA, tau: float = KIM_TAU) -> Float64Array:
    """Kim's pi(H) = 2 / (1 + exp(tau - alpha H)) - 1, in [-1, 1]: below 0 where H < tau / alpha. H in [0, 1]."""
    return np.asarray(2.0 / (1.0 + np.exp(tau - alpha * np.asarray(entropies, dtype=np.float64))) - 1.0)


def entropy_weighted_map(image: Image, *, sign: Literal[-1, 1] = -1) -> Float64Array:
    """What every pixel adds to Kim's measure, float64 [H, W]; below 0 where the picture is saturated.

    w |grad I|^2, and where the local entropy is below 0.05 also pi(H) w mean |grad I|^2. image: [H, W, 3] float in
    [0, 1]. sign: of `entropy_weights`. Source: Kim et al. 2018.
    """
    plane = luma(image)
    squared = gradient_magnitude(plane) ** 2
    entropies = local_entropy(plane)
    weights = entropy_weights(entropies, sign=sign)
    penalty = np.where(entropies < KIM_SATURATED, activation(entropies), 0.0) * squared.mean()
    return np.asarray(weights * (squared + penalty))


def entropy_weighted_gradient(image: Image, *, sign: Literal[-1, 1] = -1) -> float:
    """Kim's entropy-weighted gradient, the sum of `entropy_weighted_map`, in [-1, 1]; larger is better.

    image: [H, W, 3] float in [0, 1]. sign: of `entropy_weights`. Source: Kim et al. 2018.
    """
    return float(entropy_weighted_map(image, sign=sign).sum())


def _caution(gamma: float) -> float:
    return 0.5 if gamma >= 1.0 else 1.0
