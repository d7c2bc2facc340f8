"""The table of a benchmark from the folder of its rows: means and spreads, significance, sizes, the paper's figures.

A table holds texts, ready for any format (`luxel.benchmark.tables.table_formats`), and the same as numbers for CSV.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from luxel.benchmark.facts import BenchmarkTask
from luxel.benchmark.listing import MACS_NOTE, PAPER_PARAMS_NOTE, cost, short_count
from luxel.benchmark.methods.controls import CONTROLS
from luxel.benchmark.methods.statistical import STATISTICAL
from luxel.benchmark.protocol.results import ResultRow, read_rows
from luxel.benchmark.protocol.significance import ALPHA, PairedComparison
from luxel.benchmark.registry import NETWORKS
from luxel.benchmark.tables.summary import CSV_ONLY, MEASURES, Summary, distinct, summarise
from luxel.errors import LuxelError

DASH = "-"
MARKS = {"re-creation": "†", "denoiser": "‡"}
"""Behind the titles of methods that are not the published ones, and before the footnotes that say why."""

TRAINED_ELSEWHERE = ("shipped", "released")
"""Rows whose weights no run of the benchmark made."""

PRINTED = ("mae", "ssim", "psnr", "srcc", "lcc", "acc")
"""Measures the paper prints, with two decimals; ACC for ablations only, and only tables that have those have it."""

CAPTIONS: dict[BenchmarkTask, str] = {"pixel": "Residual maps", "score": "Scores"}


@dataclass(frozen=True, slots=True)
class Table:
    """One task's table. columns, rows: texts, one row per method. notes: footnotes. records: rows as numbers."""

    task: BenchmarkTask
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]
    records: tuple[dict[str, str | int | float | None], ...]


def tables(folder: Path, task: BenchmarkTask | None = None) -> list[Table]:
    """The tables of a folder of rows: one per task that has rows, or that of one task.

    Raises LuxelError if there are no rows, one is damaged, or rows that cannot stand in one table are mixed.
    """
    rows = read_rows(folder)
    found = [name for name in MEASURES if any(row.task == name for row in rows)]
    if task is not None and task not in found:
        raise LuxelError(f"{folder}: has no rows of the {task} task; it has {', '.join(found)}")
    wanted = found if task is None else [task]
    return [_table(name, [row for row in rows if row.task == name], folder) for name in wanted]


def _table(task: BenchmarkTask, rows: Sequence[ResultRow], folder: Path) -> Table:
    summaries = summarise(rows, folder)
    columns = _columns(task, summaries)
    return Table(
        task,
        CAPTIONS[task],
        tuple(columns),
        tuple(tuple(text(summary) for text in columns.values()) for summary in summaries),
        tuple(_notes(task, rows, summaries)),
        tuple(_record(task, summary) for summary in summaries),
    )


_Text = Callable[[Summary], str]


def _columns(task: BenchmarkTask, summaries: Sequence[Summary]) -> dict[str, _Text]:
    """Title of each column and how a method fills it."""
    columns: dict[str, _Text] = {"method": _marked}
    for key, (title, decimals) in MEASURES[task].items():
        columns[title] = _measure_text(key, decimals)
        if key in PRINTED and any(_printed(summary, key) is not None for summary in summaries):
            columns[f"paper {title.split()[0]}"] = _printed_text(key)
    columns |= {
        "against P-IEANet": lambda s: _comparison_text(s.comparison),
        "params": lambda s: DASH if s.params is None else short_count(s.params),
        "GMACs": lambda s: DASH if s.facts is None else f"{cost(s.method, task).macs / 1e9:.3g}",
        "paper Params": lambda s: _printed_params(s) or DASH,
        "latency ms": lambda s: _number(s.latency_ms, 1),
        "memory MB": lambda s: _number(s.memory_mb, 0),
        "images": lambda s: _number(s.images_seen, 0),
        "splits": lambda s: str(s.splits),
    }
    if any(summary.failed for summary in summaries):
        columns["remarks"] = _remark
    return columns


def _kind(summary: Summary) -> str:
    """Kind of a method (`luxel.benchmark.listing.Listed`), "" for predictors that no registry knows."""
    if summary.facts:
        return summary.facts.kind
    method = STATISTICAL.get(summary.method)
    return "" if method is None else "re-creation" if method.recreation else "statistical"


def _note(summary: Summary) -> str:
    """What is ours in a denoiser or a re-creation, "" for other kinds."""
    if _kind(summary) not in MARKS:
        return ""
    return summary.facts.note if summary.facts else STATISTICAL[summary.method].note


def _marked(summary: Summary) -> str:
    return f"{summary.title} {MARKS.get(_kind(summary), '')}".rstrip()


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
    return summary.facts.paper_params if summary.facts and summary.method in NETWORKS else ""


def _number(value: float | None, decimals: int) -> str:
    return DASH if value is None else f"{value:.{decimals}f}"


def _comparison_text(comparison: PairedComparison | None) -> str:
    if comparison is None:
        return DASH
    p = "p < 0.001" if comparison.p < 0.001 else f"p = {comparison.p:.3f}"
    return f"{_verdict(comparison)}, {p}"


def _verdict(comparison: PairedComparison) -> str:
    return comparison.direction if comparison.significant else "undecided"


def _remark(summary: Summary) -> str:
    if not summary.failed:
        return ""
    which = "failed" if summary.failed == summary.rows else f"{summary.failed} of {summary.rows} runs failed"
    return f"{which}: {'; '.join(summary.reasons)}"


def _notes(task: BenchmarkTask, rows: Sequence[ResultRow], summaries: Sequence[Summary]) -> list[str]:
    """Footnotes: what the columns mean, and what of this run a reader must know to trust them."""
    compared = [summary.comparison for summary in summaries if summary.comparison]
    budgets = distinct(row.budget for row in rows if row.status == "ok" and row.budget != "none")
    data = next((row.data for row in rows if row.data), "a dataset without a name")
    splits, seeds = len({row.split for row in rows}), len({row.seed for row in rows})
    rules = distinct(row.rules for row in rows)
    differ = "; rows differ in it" if len(budgets) > 1 or len(rules) > 1 else ""
    notes = [
        f"Means over {_plural(splits, 'split')} of {data}, {_plural(seeds, 'seed')}; ± is the sample standard deviation"
        " over splits, after the mean over seeds, or over seeds where there is one split. A dash marks what does not"
        " apply or is not defined.",
        f"Budget of each training: {'; '.join((' or '.join(budgets) or 'none', *rules))}{differ}. "
        f"{_starts(rows, summaries)}",
    ]
    if task == "pixel":
        notes.append(
            "SSIM and PSNR with a data range of 1, as the authors' released code has it. Residuals span 2: with that"
            " range PSNR is 6.02 dB higher, and SSIM is the column ssim_2 of the CSV format."
        )
        printed = "Tables 1 and 7 (ablations: 3, 5 and 6), on IEA40K"
    else:
        printed = "Table 2, on SPAQ (ablations: 3, on IEA40K; SRCC 0.84, LCC 0.89, ACC 0.88 for the whole network)"
    notes.append(
        f"Columns paper: as printed in {printed}, after full training. Pictures and budget differ from those here: "
        "compare ranks, not values."
    )
    notes += [PAPER_PARAMS_NOTE, MACS_NOTE]
    notes += _recreated(summaries)
    elsewhere = [summary.title for summary in summaries if summary.method in TRAINED_ELSEWHERE and summary.splits]
    if elsewhere:
        notes.append(
            f"Trained elsewhere, with a budget and at a size of their own, perhaps on pictures of this test:"
            f" {' and '.join(elsewhere)}. Not comparable with the rows trained here."
        )
    if any(summary.method in STATISTICAL for summary in summaries):
        notes.append(
            "Statistical methods are not trained; what is ours in their formulas and scores is in the output of"
            " luxel benchmark methods --json."
        )
    if any(summary.method in CONTROLS for summary in summaries):
        notes.append(
            "Score of its map: a control. Its head begins at 10 (1 - mean |r|), the formula of scores that were made of"
            " maps; all other trained methods score by one rule."
        )
    if compared:
        error = "mean absolute error" if task == "pixel" else "absolute error of the score"
        notes.append(
            f"Against P-IEANet: two-sided Wilcoxon signed-rank test on the {error} of {_counts(compared)} test"
            f" scenes (means over their pictures, splits and seeds), p corrected by Holm for"
            f" {_plural(len(compared), 'comparison')}; better or worse where p < {ALPHA:g}."
        )
    else:
        notes.append(
            "Against P-IEANet: not tested, because there are no errors by picture of P-IEANet and another method."
        )
    devices = distinct(row.device for row in rows if row.latency_ms is not None)
    if devices:
        notes.append(f"Latency and memory: one picture at a time on {' or '.join(devices)}, means over rows.")
    versions = distinct(row.version for row in rows)
    notes.append(f"luxel {' and '.join(versions)}.")
    return notes


def _starts(rows: Sequence[ResultRow], summaries: Sequence[Summary]) -> str:
    """What the trained networks started from."""
    given = {row.method: row.backbones for row in rows if row.backbones}
    titles = [f"{summary.title} ({given[summary.method]})" for summary in summaries if summary.method in given]
    return f"Networks start from random weights{', but for backbones of ' if titles else ''}{'; '.join(titles)}."


def _recreated(summaries: Sequence[Summary]) -> list[str]:
    by_note: dict[tuple[str, str], list[str]] = defaultdict(list)
    for summary in summaries:
        if note := _note(summary):
            by_note[f"{MARKS[_kind(summary)]} {_kind(summary)}", note].append(summary.title)
    return [f"{kind}, {', '.join(titles)}: {note}." for (kind, note), titles in by_note.items()]


def _counts(compared: Sequence[PairedComparison]) -> str:
    numbers = sorted({comparison.scenes for comparison in compared})
    return str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"


def _plural(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _record(task: BenchmarkTask, summary: Summary) -> dict[str, str | int | float | None]:
    """A method as numbers, with the same keys for both tasks."""
    known, comparison = summary.facts, summary.comparison
    record: dict[str, str | int | float | None] = {
        "task": task,
        "method": summary.method,
        "title": summary.title,
        "family": known.family if known else "statistical" if summary.method in STATISTICAL else "",
        "kind": _kind(summary),
        "note": _note(summary),
        "splits": summary.splits,
        "runs": summary.rows,
        "failed": summary.failed,
    }
    for key in (*MEASURES["pixel"], CSV_ONLY, *MEASURES["score"]):
        estimate = summary.measures.get(key)
        record[key] = estimate.mean if estimate else None
        record[f"{key}_sd"] = estimate.spread if estimate else None
        if key in PRINTED:
            record[f"paper_{key}"] = _printed(summary, key) if key in MEASURES[task] else None
    return record | {
        "against_pieanet": _verdict(comparison) if comparison else "",
        "p_holm": comparison.p if comparison else None,
        "scenes": comparison.scenes if comparison else None,
        "params": summary.params,
        "macs": cost(summary.method, task).macs if known else None,
        "paper_params": _printed_params(summary),
        "latency_ms": summary.latency_ms,
        "memory_mb": summary.memory_mb,
        "images_seen": summary.images_seen,
        "seconds_trained": summary.seconds_trained,
        "reason": "; ".join(summary.reasons),
    }
