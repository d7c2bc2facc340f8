"""Is one method better than another on the same scenes? Wilcoxon's signed-rank test, Holm's correction for many."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
import scipy.stats

from luxel.errors import LuxelError

ALPHA = 0.05
"""Corrected p below which a method is called better or worse."""


@dataclass(frozen=True, slots=True)
class PairedComparison:
    """A method against the reference method.

    direction: "worse" if the ranks of its larger errors outweigh those of its smaller ones, "better" the other way
    round, "equal" if neither. p: two-sided, in [0, 1]. scenes: how many were compared.
    """

    direction: Literal["better", "worse", "equal"]
    p: float
    scenes: int

    @property
    def significant(self) -> bool:
        """Whether p is below 0.05."""
        return self.p < ALPHA


def signed_rank(errors: npt.ArrayLike, reference: npt.ArrayLike) -> PairedComparison:
    """Two-sided Wilcoxon signed-rank test of paired errors; pairs without a difference do not count.

    errors, reference: [N] of one length >= 1, finite; smaller is better. Exact for small N without ties, else by the
    normal approximation. Raises LuxelError. Source: Wilcoxon 1945, through SciPy.
    """
    a, b = np.asarray(errors, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    if a.ndim != 1 or a.shape != b.shape or a.size == 0:
        raise LuxelError(f"signed-rank test: errors of shape {a.shape} and {b.shape}; give the same scenes for both")
    difference = a - b
    if not np.isfinite(difference).all():
        raise LuxelError("signed-rank test: errors that are nan or infinite; fix them first")
    difference = difference[difference != 0.0]
    if difference.size == 0:
        return PairedComparison("equal", 1.0, a.size)
    ranks = scipy.stats.rankdata(np.abs(difference))
    balance = float(ranks @ np.sign(difference))
    p = float(scipy.stats.wilcoxon(difference).pvalue)
    return PairedComparison("worse" if balance > 0 else "better" if balance < 0 else "equal", p, a.size)


def holm(p: Sequence[float]) -> list[float]:
    """p values corrected for their number, in the same order; the chance of any false one stays below the level.

    The smallest of m is multiplied by m, the next by m - 1, and so on; none falls below the one before it or exceeds 1.
    Source: Holm 1979.
    """
    order = np.argsort(p, kind="stable")
    factors = np.arange(len(p), 0, -1)
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(np.maximum.accumulate(np.asarray(p, dtype=np.float64)[order] * factors), 1.0)
    return [float(value) for value in corrected]


def compare_all(pairs: Mapping[str, tuple[npt.ArrayLike, npt.ArrayLike]]) -> dict[str, PairedComparison]:
    """`signed_rank` of every method against the reference, with p corrected by `holm` for their number.

    pairs: method -> its errors and the reference's on the same scenes. Raises LuxelError as `signed_rank` does.
    """
    raw = {name: signed_rank(errors, reference) for name, (errors, reference) in pairs.items()}
    corrected = holm([comparison.p for comparison in raw.values()])
    return {name: replace(raw[name], p=p) for name, p in zip(raw, corrected, strict=True)}
