"""The table of a benchmark from the folder of its rows: means and spreads, significance, sizes, the paper's figures.

A table holds texts, ready for any format (`luxel.benchmark.table_formats`), and the same as numbers for CSV.
"""

import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np

from luxel.benchmark.ablations import ABLATIONS
from luxel.benchmark.facts import Facts, Task
from luxel.benchmark.methods import PAPER_PARAMS_NOTE, short_count
from luxel.benchmark.registry import NETWORKS, facts
from luxel.benchmark.results import Row, read_errors, read_rows
from luxel.benchmark.significance import ALPHA, Comparison, compare_all
from luxel.benchmark.statistical import STATISTICAL
from luxel.benchmark.trivial import TRIVIAL
from luxel.errors import LuxelError

REFERENCE = "pieanet"
"""The method all others are compared with."""

DASH = "-"
MARK = " †"

TITLES = {
    "zero": "zero map",
    "constant_045": "constant 0.45",
    "constant_050": "constant 0.50",
    "mid_grey": "mid-grey",
    "local_mid_grey": "local mid-grey",
    "shipped": "luxel shipped",
    "released": "released checkpoint",
}
"""Titles of rows that no registry knows; any other name is its own title."""

MEASURES: dict[Task, dict[str, tuple[str, int]]] = {
    "pixel": {"mae": ("MAE", 4), "ssim": ("SSIM", 3), "psnr": ("PSNR dB", 2), "sign": ("sign right", 3)},
    "score": {"srcc": ("SRCC", 3), "lcc": ("LCC", 3), "acc": ("ACC", 3)},
}
"""Measures of each task with title and decimals."""

PRINTED = ("mae", "ssim", "psnr", "srcc", "lcc")
"""Measures the paper prints for the methods of its Tables 1, 2 and 7, with two decimals."""

CAPTIONS: dict[Task, str] = {"pixel": "Residual maps", "score": "Scores"}


@dataclass(frozen=True, slots=True)
class Estimate:
    """A measure over splits, each split first averaged over its seeds. spread: sample standard deviation, None for one
    split."""

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
    measures: dict[str, Estimate]
    rows: int
    failed: int
    reasons: tuple[str, ...]
    splits: int
    params: int | None
    latency_ms: float | None
    memory_mb: float | None
    images_seen: float | None
    seconds_trained: float | None
    comparison: Comparison | None


@dataclass(frozen=True, slots=True)
class Table:
    """One task's table. columns, rows: texts, one row per method. notes: footnotes. records: rows as numbers."""

    task: Task
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]
    records: tuple[dict[str, str | int | float | None], ...]


def tables(folder: Path, task: Task | None = None) -> list[Table]:
    """The tables of a folder of rows: one per task that has rows, or that of one task.

    Raises LuxelError if there are no rows, one is damaged, or rows that cannot stand in one table are mixed.
    """
    rows = read_rows(folder)
    found = [name for name in MEASURES if any(row.task == name for row in rows)]
    if task is not None and task not in found:
        raise LuxelError(f"{folder}: has no rows of the {task} task; it has {', '.join(found)}")
    wanted = found if task is None else [task]
    return [_table(name, [row for row in rows if row.task == name], folder) for name in wanted]


def summarise(rows: Sequence[Row], folder: Path) -> list[Summary]:
    """Rows of one task by method: trivial, statistical, trained in the order of the registry, ablations, others.

    folder: where the errors by picture lie. Raises LuxelError for rows of different data, or errors by picture that do
    not fit together.
    """
    data = _distinct(row.data for row in rows)
    if len(data) > 1:
        raise LuxelError(f"{folder}: rows of different data ({', '.join(data)}); keep each in a folder of its own")
    by_method: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_method[row.method].append(row)
    order = (*TRIVIAL, *STATISTICAL, *NETWORKS, *ABLATIONS)
    names = sorted(by_method, key=lambda name: (order.index(name) if name in order else len(order), name))
    comparisons = _compare(by_method, folder)
    return [_summarise(name, by_method[name], comparisons.get(name)) for name in names]


def _summarise(name: str, rows: Sequence[Row], comparison: Comparison | None) -> Summary:
    done = [row for row in rows if row.status == "ok"]
    known = facts(name) if name in (*NETWORKS, *ABLATIONS) else None
    statistical = STATISTICAL.get(name)
    sizes = {row.params for row in done if row.params is not None}
    if len(sizes) > 1:
        raise LuxelError(f"{name}: rows of {len(sizes)} different sizes ({sorted(sizes)}); delete those that are old")
    estimates = {key: _estimate(done, key) for key in MEASURES[rows[0].task]}
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


def _estimate(rows: Sequence[Row], measure: str) -> Estimate | None:
    by_split: dict[int, list[float]] = defaultdict(list)
    for row in rows:
        value = getattr(row, measure)
        if value is not None:
            by_split[row.split].append(value)
    if not by_split:
        return None
    means = [statistics.fmean(values) for values in by_split.values()]
    return Estimate(statistics.fmean(means), statistics.stdev(means) if len(means) > 1 else None)


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None


def _compare(by_method: dict[str, list[Row]], folder: Path) -> dict[str, Comparison]:
    """Every method that has errors by picture against the reference, over the splits that both have."""
    by_split = {name: _errors_by_split(rows, folder) for name, rows in by_method.items()}
    reference = by_split.pop(REFERENCE, {})
    pairs = {}
    for name, errors in by_split.items():
        shared = sorted(set(errors) & set(reference))
        for split in shared:
            if len(errors[split]) != len(reference[split]):
                raise LuxelError(
                    f"{folder}: split {split} has {len(errors[split])} pictures for {name} and "
                    f"{len(reference[split])} for {REFERENCE}; make one of them again"
                )
        if shared:
            pairs[name] = (
                np.concatenate([errors[split] for split in shared]),
                np.concatenate([reference[split] for split in shared]),
            )
    return compare_all(pairs)


def _errors_by_split(rows: Sequence[Row], folder: Path) -> dict[int, np.ndarray]:
    """Mean over seeds of the errors by picture: seeds see the same pictures and must not count as more of them."""
    by_split: dict[int, list[np.ndarray]] = defaultdict(list)
    for row in rows:
        if row.pictures:
            by_split[row.split].append(read_errors(folder, row).astype(np.float64))
    for split, errors in by_split.items():
        if len({len(values) for values in errors}) > 1:
            raise LuxelError(f"{folder}: {rows[0].method}: seeds of split {split} differ in pictures; make them again")
    return {split: np.mean(errors, axis=0) for split, errors in by_split.items()}


def _table(task: Task, rows: Sequence[Row], folder: Path) -> Table:
    summaries = summarise(rows, folder)
    columns = _columns(task, remarks=any(summary.failed for summary in summaries))
    return Table(
        task,
        CAPTIONS[task],
        tuple(columns),
        tuple(tuple(text(summary) for text in columns.values()) for summary in summaries),
        tuple(_notes(task, rows, summaries)),
        tuple(_record(task, summary) for summary in summaries),
    )


_Text = Callable[[Summary], str]


def _columns(task: Task, *, remarks: bool) -> dict[str, _Text]:
    """Title of each column and how a method fills it."""
    columns: dict[str, _Text] = {"method": lambda s: s.title + (MARK if s.facts and not s.facts.exact else "")}
    for key, (title, decimals) in MEASURES[task].items():
        columns[title] = _measure_text(key, decimals)
        if key in PRINTED:
            columns[f"paper {title.split()[0]}"] = _printed_text(key)
    columns |= {
        "against P-IEANet": lambda s: _comparison_text(s.comparison),
        "params": lambda s: DASH if s.params is None else short_count(s.params),
        "paper Params": lambda s: _printed_params(s) or DASH,
        "latency ms": lambda s: _number(s.latency_ms, 1),
        "memory MB": lambda s: _number(s.memory_mb, 0),
        "images": lambda s: _number(s.images_seen, 0),
        "splits": lambda s: str(s.splits),
    }
    if remarks:
        columns["remarks"] = _remark
    return columns


def _measure_text(key: str, decimals: int) -> _Text:
    def text(summary: Summary) -> str:
        estimate = summary.measures.get(key)
        if estimate is None:
            return DASH
        spread = "" if estimate.spread is None else f" ± {estimate.spread:.{decimals}f}"
        return f"{estimate.mean:.{decimals}f}{spread}"

    return text


def _printed(summary: Summary, key: str) -> float | None:
    return cast("float | None", getattr(summary.facts, f"paper_{key}")) if summary.facts else None


def _printed_text(key: str) -> _Text:
    return lambda summary: _number(_printed(summary, key), 2)


def _printed_params(summary: Summary) -> str:
    return summary.facts.paper_params if summary.facts and summary.method not in ABLATIONS else ""


def _number(value: float | None, decimals: int) -> str:
    return DASH if value is None else f"{value:.{decimals}f}"


def _comparison_text(comparison: Comparison | None) -> str:
    if comparison is None:
        return DASH
    p = "p < 0.001" if comparison.p < 0.001 else f"p = {comparison.p:.3f}"
    return f"{_verdict(comparison)}, {p}"


def _verdict(comparison: Comparison) -> str:
    return comparison.direction if comparison.significant else "undecided"


def _remark(summary: Summary) -> str:
    if not summary.failed:
        return ""
    which = "failed" if summary.failed == summary.rows else f"{summary.failed} of {summary.rows} runs failed"
    return f"{which}: {'; '.join(summary.reasons)}"


def _notes(task: Task, rows: Sequence[Row], summaries: Sequence[Summary]) -> list[str]:
    """Footnotes: what the columns mean, and what of this run a reader must know to trust them."""
    compared = [summary.comparison for summary in summaries if summary.comparison]
    budgets = _distinct(row.budget for row in rows if row.status == "ok" and row.budget != "none")
    data = next((row.data for row in rows if row.data), "a dataset without a name")
    splits, seeds = len({row.split for row in rows}), len({row.seed for row in rows})
    differ = "; rows differ in it" if len(budgets) > 1 else ""
    notes = [
        f"Means over {_plural(splits, 'split')} of {data}, {_plural(seeds, 'seed')}; ± is the sample standard deviation"
        " over splits, after the mean over seeds. A dash marks what does not apply or is not defined.",
        f"Budget of each training: {' or '.join(budgets) or 'none'}{differ}.",
    ]
    if task == "pixel":
        notes.append("SSIM and PSNR with a data range of 1, as the authors' released code has it; residuals span 2.")
        printed = "Tables 1 and 7 (ablations: 3, 5 and 6), on IEA40K"
    else:
        printed = "Table 2, on SPAQ"
    notes.append(
        f"Columns paper: as printed in {printed}, after full training. Pictures and budget are others than here: "
        "compare orders, not figures."
    )
    notes.append(PAPER_PARAMS_NOTE)
    notes += _recreated(summaries)
    if any(summary.method in STATISTICAL for summary in summaries):
        notes.append(
            "Statistical methods are not trained; what is ours in their formulas and scores is in the output of"
            " luxel benchmark methods --json."
        )
    if compared:
        error = "mean absolute error" if task == "pixel" else "absolute error of the score"
        notes.append(
            f"Against P-IEANet: two-sided Wilcoxon signed-rank test on the {error} of {_counts(compared)} test"
            f" pictures, pooled over splits (means over seeds), p corrected by Holm for"
            f" {_plural(len(compared), 'comparison')}; better or worse where p < {ALPHA:g}. Exposures of one scene and"
            " pictures in several splits are not independent, so p is too small rather than too large."
        )
    else:
        notes.append("Against P-IEANet: not tested, for want of errors by picture of P-IEANet and another method.")
    devices = _distinct(row.device for row in rows if row.latency_ms is not None)
    if devices:
        notes.append(f"Latency and memory: one picture at a time on {' or '.join(devices)}, means over rows.")
    versions = _distinct(row.version for row in rows)
    notes.append(f"luxel {' and '.join(versions)}.")
    return notes


def _recreated(summaries: Sequence[Summary]) -> list[str]:
    by_note: dict[str, list[str]] = defaultdict(list)
    for summary in summaries:
        if summary.facts and not summary.facts.exact:
            by_note[summary.facts.note].append(summary.title)
    return [f"{MARK.strip()} re-creation, {', '.join(titles)}: {note}." for note, titles in by_note.items()]


def _counts(compared: Sequence[Comparison]) -> str:
    numbers = sorted({comparison.pictures for comparison in compared})
    return str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"


def _plural(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _distinct(texts: Iterable[str]) -> list[str]:
    return sorted({text for text in texts if text})


def _record(task: Task, summary: Summary) -> dict[str, str | int | float | None]:
    """A method as numbers, with the same keys for both tasks."""
    known, comparison = summary.facts, summary.comparison
    record: dict[str, str | int | float | None] = {
        "task": task,
        "method": summary.method,
        "title": summary.title,
        "family": known.family if known else "statistical" if summary.method in STATISTICAL else "",
        "exact": ("yes" if known.exact else "no") if known else "",
        "splits": summary.splits,
        "runs": summary.rows,
        "failed": summary.failed,
    }
    for measures in MEASURES.values():
        for key in measures:
            estimate = summary.measures.get(key)
            record[key] = estimate.mean if estimate else None
            record[f"{key}_sd"] = estimate.spread if estimate else None
            if key in PRINTED:
                record[f"paper_{key}"] = _printed(summary, key) if key in MEASURES[task] else None
    return record | {
        "against_pieanet": _verdict(comparison) if comparison else "",
        "p_holm": comparison.p if comparison else None,
        "pictures": comparison.pictures if comparison else None,
        "params": summary.params,
        "paper_params": _printed_params(summary),
        "latency_ms": summary.latency_ms,
        "memory_mb": summary.memory_mb,
        "images_seen": summary.images_seen,
        "seconds_trained": summary.seconds_trained,
        "reason": "; ".join(summary.reasons),
    }
