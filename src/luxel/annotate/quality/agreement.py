"""Agreement between experts: ICC, Krippendorff's alpha, sign agreement, test-retest, with intervals over scenes.

Ratings are [n cells, k experts], NaN where an expert did not judge a cell, with a weight (area) for each cell. What is
not defined is NaN, and `Agreement.undefined` says why.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from luxel.photometry import Float64Array

CLEAR = 0.1
"""Lightness from which a value has a sign that counts."""

BOOTSTRAPS = 300


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its 95 % interval over scenes; NaN where not defined."""

    value: float
    low: float = float("nan")
    high: float = float("nan")


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement over several scenes.

    scenes, cells: with two experts or more. experts: everybody who rated one of them. icc_single, icc_mean: ICC(2,1)
    and ICC(2,k) over the experts of `complete`, who rated all scenes of it. alpha: Krippendorff's, interval metric.
    sign: share of the area where two experts agree on over- or underexposed, where either is clear. mean_difference:
    mean absolute difference of two experts. undefined: name of a number to why it is not there.
    """

    scenes: int
    cells: int
    experts: tuple[str, ...]
    complete: tuple[str, ...]
    icc_single: Estimate
    icc_mean: Estimate
    alpha: Estimate
    sign: Estimate
    mean_difference: Estimate
    undefined: dict[str, str] = field(default_factory=dict)


def icc_2(ratings: Float64Array, weights: Float64Array) -> tuple[float, float]:
    """ICC(2,1) and ICC(2,k): two-way random effects, absolute agreement, of one expert and of their mean.

    ratings: [n, k] without NaN. weights: [n], of cells. With equal weights this is Shrout and Fleiss 1979, case 2:
    MSR - MSE over MSR + (k-1) MSE + k (MSC - MSE) / n, and over MSR + (MSC - MSE) / n. Weights enter every sum of
    squares, scaled to a sum of n. NaN for fewer than two of either, or where nothing varies.

    >>> import numpy as np
    >>> x = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float)
    >>> [round(v, 2) for v in icc_2(x, np.ones(6))]
    [0.29, 0.62]
    """
    n, k = ratings.shape
    if n < 2 or k < 2:
        return float("nan"), float("nan")
    w = weights * (n / weights.sum())
    mean = float(w @ ratings.mean(axis=1)) / n
    rows = k * float(w @ (ratings.mean(axis=1) - mean) ** 2) / (n - 1)
    columns = n * float((((w @ ratings) / n - mean) ** 2).sum()) / (k - 1)
    total = float((w @ (ratings - mean) ** 2).sum())
    if total < 1e-12:
        return float("nan"), float("nan")
    error = max(0.0, (total - rows * (n - 1) - columns * (k - 1)) / ((n - 1) * (k - 1)))
    single = rows + (k - 1) * error + k * (columns - error) / n
    mean_of = rows + (columns - error) / n
    return (
        (rows - error) / single if single > 0 else float("nan"),
        (rows - error) / mean_of if mean_of > 0 else float("nan"),
    )


def krippendorff_alpha(ratings: Float64Array, weights: Float64Array) -> float:
    """Krippendorff's alpha with the interval metric: 1 - D_o / D_e with squared differences; NaN where undefined.

    ratings: [n, k], NaN for missing. weights: [n], of cells. Cells with one rating do not count. Source: Krippendorff,
    Computing Krippendorff's Alpha-Reliability, 2011, with each cell's pairs weighted by its area.
    """
    there = ~np.isnan(ratings)
    count = there.sum(axis=1)
    usable = count >= 2
    if not usable.any():
        return float("nan")
    x, w, m = np.where(there, ratings, 0.0)[usable], weights[usable], count[usable].astype(np.float64)
    pairs = 2 * (m * (x**2).sum(axis=1) - x.sum(axis=1) ** 2)  # sum over ordered pairs of squared differences
    values = float((w * m).sum())
    observed = float((w * pairs / (m - 1)).sum()) / values
    first, second = float((w[:, None] * x).sum()), float((w[:, None] * x**2).sum())
    # All pairs of values but a value with itself; with equal weights (of 1) exactly Krippendorff's D_e.
    same = float((w**2 * m).sum()) / values
    expected = 2 * (values * second - first**2) / (values * (values - same)) if values > same else 0.0
    return 1 - observed / expected if expected > 1e-12 else float("nan")


def sign_agreement(ratings: Float64Array, weights: Float64Array) -> float:
    """Share of the weight, over pairs of experts, whose values have one sign where either is beyond CLEAR.

    A value within CLEAR beside a clear one is a disagreement. NaN where nobody is clear.
    """
    sign = np.where(np.isnan(ratings), 0, np.sign(ratings) * (np.abs(ratings) > CLEAR))
    judged = ~np.isnan(ratings)
    seen = agreed = 0.0
    for a in range(ratings.shape[1]):
        for b in range(a):
            counts = judged[:, a] & judged[:, b] & ((sign[:, a] != 0) | (sign[:, b] != 0))
            seen += float(weights[counts].sum())
            agreed += float(weights[counts & (sign[:, a] == sign[:, b])].sum())
    return agreed / seen if seen else float("nan")


def mean_difference(ratings: Float64Array, weights: Float64Array) -> float:
    """Mean absolute difference over pairs of experts, weighted; NaN where no two judge one cell."""
    seen = total = 0.0
    for a in range(ratings.shape[1]):
        for b in range(a):
            both = ~np.isnan(ratings[:, a]) & ~np.isnan(ratings[:, b])
            seen += float(weights[both].sum())
            total += float((weights * np.abs(ratings[:, a] - ratings[:, b]))[both].sum())
    return total / seen if seen else float("nan")


def retest_deviation(pairs: Sequence[tuple[Float64Array, Float64Array]]) -> float:
    """Standard deviation of a person's error between two looks: root mean square difference over the root of two.

    pairs: first and second ratings of things, NaN where not judged. NaN without a pair.
    """
    squares = [np.nanmean((a - b) ** 2) for a, b in pairs if (~np.isnan(a - b)).any()]
    return float(np.sqrt(np.mean(squares) / 2)) if squares else float("nan")


def agreement(
    scenes: Sequence[Mapping[str, Float64Array]],
    areas: Sequence[Float64Array],
    *,
    seed: int = 0,
    bootstraps: int = BOOTSTRAPS,
) -> Agreement:
    """Agreement of experts over scenes, with intervals from drawing scenes with replacement.

    scenes: for each scene (or frame), expert to ratings [n], NaN for none. areas: [n] for each. Things that fewer than
    two experts rated do not count.
    """
    shared = [(r, a) for r, a in zip(scenes, areas, strict=True) if len(r) >= 2]
    experts = tuple(sorted({expert for ratings, _ in shared for expert in ratings}))
    undefined: dict[str, str] = {}
    if not shared:
        reason = "no scene was rated by two experts"
        nothing = Estimate(float("nan"))
        return Agreement(
            0, 0, experts, (), nothing, nothing, nothing, nothing, nothing,
            dict.fromkeys(("icc_single", "icc_mean", "alpha", "sign", "mean_difference"), reason),
        )  # fmt: skip
    complete = _complete([set(r) for r, _ in shared])
    blocks = [(_matrix(r, experts), a / a.sum()) for r, a in shared]
    crossed = [(_matrix(r, complete), a / a.sum()) for r, a in shared if set(complete) <= set(r)]
    crossed = [(x[keep], a[keep]) for x, a in crossed if (keep := ~np.isnan(x).any(axis=1)).any()]
    if len(complete) < 2 or not crossed:
        undefined["icc_single"] = undefined["icc_mean"] = "no two experts judged the same cells"
    if len(shared) < 2:
        undefined["intervals"] = "one scene only; intervals need several"

    def over(
        parts: list[tuple[Float64Array, Float64Array]], function: Callable[[Float64Array, Float64Array], float]
    ) -> Estimate:
        if not parts:
            return Estimate(float("nan"))

        def of(chosen: Sequence[int]) -> float:
            x = np.concatenate([parts[i][0] for i in chosen])
            return function(x, np.concatenate([parts[i][1] for i in chosen]))

        value = of(range(len(parts)))
        if len(parts) < 2 or not np.isfinite(value):
            return Estimate(value)
        rng = np.random.default_rng(seed)
        drawn = np.array([of(rng.integers(0, len(parts), len(parts)).tolist()) for _ in range(bootstraps)])
        drawn = drawn[np.isfinite(drawn)]
        low, high = np.quantile(drawn, (0.025, 0.975)) if len(drawn) else (np.nan, np.nan)
        return Estimate(value, float(low), float(high))

    numbers = {
        "icc_single": over(crossed, lambda x, w: icc_2(x, w)[0]),
        "icc_mean": over(crossed, lambda x, w: icc_2(x, w)[1]),
        "alpha": over(blocks, krippendorff_alpha),
        "sign": over(blocks, sign_agreement),
        "mean_difference": over(blocks, mean_difference),
    }
    reasons = {
        "icc_single": "all values are equal",
        "icc_mean": "all values are equal",
        "alpha": "no two experts judged one cell, or all values are equal",
        "sign": f"no value is beyond {CLEAR}",
        "mean_difference": "no two experts judged one cell",
    }
    for name, estimate in numbers.items():
        if not np.isfinite(estimate.value):
            undefined.setdefault(name, reasons[name])
    cells = sum(len(a) for _, a in shared)
    return Agreement(len(shared), cells, experts, complete, **numbers, undefined=undefined)


def _matrix(ratings: Mapping[str, Float64Array], experts: Sequence[str]) -> Float64Array:
    size = len(next(iter(ratings.values())))
    return np.stack([ratings.get(expert, np.full(size, np.nan)) for expert in experts], axis=1)


def _complete(present: Sequence[set[str]]) -> tuple[str, ...]:
    """The experts who, together, rated the most: experts times scenes that all of them rated."""
    counts = sorted({e for group in present for e in group}, key=lambda e: (-sum(e in g for g in present), e))
    best: tuple[str, ...] = ()
    most = 0
    for size in range(2, len(counts) + 1):
        chosen = set(counts[:size])
        total = size * sum(chosen <= group for group in present)
        if total > most:
            best, most = tuple(sorted(chosen)), total
    if not best:  # the busiest two never met: the pair that met most often
        pairs = [(sum({a, b} <= g for g in present), a, b) for i, a in enumerate(counts) for b in counts[i + 1 :]]
        number, a, b = max(pairs, key=lambda pair: pair[0])
        best = tuple(sorted((a, b))) if number else ()
    return best
