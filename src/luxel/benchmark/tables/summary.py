"""What a benchmark's rows say of each method: means over splits, spreads, and the test against P-IEANet."""

import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from luxel.benchmark.facts import BenchmarkTask, Facts
from luxel.benchmark.methods.statistical import STATISTICAL
from luxel.benchmark.protocol.results import ResultRow, read_errors
from luxel.benchmark.protocol.significance import PairedComparison, compare_all
from luxel.benchmark.protocol.trivial import TRIVIAL
from luxel.benchmark.registry import TRAINED, facts
from luxel.errors import LuxelError

REFERENCE = "pieanet"
"""The method all others are compared with."""

TITLES = {
    "zero": "zero map",
    "constant": "constant 0.475",
    "mid_grey": "mid-grey",
    "local_mid_grey": "local mid-grey",
    "shipped": "luxel shipped",
    "released": "released checkpoint",
}
"""Titles of rows that no registry knows; any other name is its own title."""

MEASURES: dict[BenchmarkTask, dict[str, tuple[str, int]]] = {
    "pixel": {"mae": ("MAE", 4), "ssim": ("SSIM", 3), "psnr": ("PSNR dB", 2), "sign": ("sign right", 3)},
    "score": {"srcc": ("SRCC", 3), "lcc": ("LCC", 3), "acc": ("ACC", 3)},
}
"""Measures of each task with title and decimals."""

CSV_ONLY = "ssim_2"
"""SSIM with the data range of residuals, which only the CSV has: one more column would not fit."""


@dataclass(frozen=True, slots=True)
class MeanAndSpread:
    """A measure over splits, each split first averaged over its seeds.

    spread: sample standard deviation over splits, or over the seeds of the only split; None for a single value.
    """

    mean: float
    spread: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Everything a table says of one method.

    facts: of trained methods. measures: those that are defined. rows, failed: how many there are, how many of them
    failed. reasons: why. splits: with a result.
    """

    method: str
    title: str
    facts: Facts | None
    measures: dict[str, MeanAndSpread]
    rows: int
    failed: int
    reasons: tuple[str, ...]
    splits: int
    params: int | None
    latency_ms: float | None
    memory_mb: float | None
    images_seen: float | None
    seconds_trained: float | None
    comparison: PairedComparison | None


def summarise(rows: Sequence[ResultRow], folder: Path) -> list[Summary]:
    """Rows of one task by method: trivial, statistical, trained in the order of the registry, others.

    folder: where the errors by picture lie. Raises LuxelError for rows of different data, or errors by picture that do
    not fit together.
    """
    data = distinct(row.data for row in rows)
    if len(data) > 1:
        raise LuxelError(f"{folder}: rows of different data ({', '.join(data)}); keep each in a folder of its own")
    by_method: dict[str, list[ResultRow]] = defaultdict(list)
    for row in rows:
        by_method[row.method].append(row)
    order = (*TRIVIAL, *STATISTICAL, *TRAINED)
    names = sorted(by_method, key=lambda name: (order.index(name) if name in order else len(order), name))
    comparisons = _compare(by_method, folder)
    return [_summarise(name, by_method[name], comparisons.get(name)) for name in names]


def _summarise(name: str, rows: Sequence[ResultRow], comparison: PairedComparison | None) -> Summary:
    done = [row for row in rows if row.status == "ok"]
    known = facts(name) if name in TRAINED else None
    statistical = STATISTICAL.get(name)
    sizes = {row.params for row in done if row.params is not None}
    if len(sizes) > 1:
        raise LuxelError(f"{name}: rows of {len(sizes)} different sizes ({sorted(sizes)}); delete the old ones")
    estimates = {key: _estimate(done, key) for key in (*MEASURES[rows[0].task], CSV_ONLY)}
    return Summary(
        method=name,
        title=known.title if known else statistical.title if statistical else TITLES.get(name, name),
        facts=known,
        measures={key: estimate for key, estimate in estimates.items() if estimate is not None},
        rows=len(rows),
        failed=len(rows) - len(done),
        reasons=tuple(dict.fromkeys(" ".join(row.reason.split()) for row in rows if row.status == "failed")),
        splits=len({row.split for row in done}),
        params=next(iter(sizes), None),
        latency_ms=_mean(row.latency_ms for row in done),
        memory_mb=_mean(row.memory_mb for row in done),
        images_seen=_mean(row.images_seen for row in done),
        seconds_trained=_mean(row.seconds_trained for row in done),
        comparison=comparison,
    )


def _estimate(rows: Sequence[ResultRow], measure: str) -> MeanAndSpread | None:
    by_split: dict[int, list[float]] = defaultdict(list)
    for row in rows:
        value = getattr(row, measure)
        if value is not None:
            by_split[row.split].append(value)
    if not by_split:
        return None
    means = [statistics.fmean(values) for values in by_split.values()]
    spread_over = means if len(means) > 1 else next(iter(by_split.values()))
    return MeanAndSpread(statistics.fmean(means), statistics.stdev(spread_over) if len(spread_over) > 1 else None)


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None


def _compare(by_method: dict[str, list[ResultRow]], folder: Path) -> dict[str, PairedComparison]:
    """Every method that has errors by picture against the reference, scene by scene, over the splits that both have."""
    by_split = {name: _errors_by_split(rows, folder) for name, rows in by_method.items()}
    reference = by_split.pop(REFERENCE, {})
    pairs = {}
    for name, errors in by_split.items():
        shared = sorted(set(errors) & set(reference))
        for split in shared:
            if errors[split][0] != reference[split][0]:
                raise LuxelError(
                    f"{folder}: the test pictures of split {split} are others for {name} than for {REFERENCE};"
                    " make one of them again"
                )
        if shared:
            pairs[name] = (_by_scene([errors[s] for s in shared]), _by_scene([reference[s] for s in shared]))
    return compare_all(pairs)


_SplitErrors = tuple[tuple[str, ...], npt.NDArray[np.float64]]
"""The scene of every test picture of a split, and the error on every picture."""


def _errors_by_split(rows: Sequence[ResultRow], folder: Path) -> dict[int, _SplitErrors]:
    """Mean over seeds of the errors by picture."""
    by_split: dict[int, list[_SplitErrors]] = defaultdict(list)
    for row in rows:
        if row.scenes:
            by_split[row.split].append((row.scenes, read_errors(folder, row).astype(np.float64)))
    for split, errors in by_split.items():
        if len({scenes for scenes, _ in errors}) > 1:
            raise LuxelError(f"{folder}: {rows[0].method}: seeds of split {split} differ in pictures; make them again")
    return {split: (errors[0][0], np.mean([e for _, e in errors], axis=0)) for split, errors in by_split.items()}


def _by_scene(splits: Sequence[_SplitErrors]) -> list[float]:
    """Mean error on each scene, by name: its exposures, in however many splits, are one observation, not many."""
    by_scene: dict[str, list[float]] = defaultdict(list)
    for scenes, errors in splits:
        for scene, error in zip(scenes, errors, strict=True):
            by_scene[scene].append(float(error))
    return [statistics.fmean(by_scene[scene]) for scene in sorted(by_scene)]


def distinct(texts: Iterable[str]) -> list[str]:
    return sorted({text for text in texts if text})
