"""Table 4 from the rows of an experiment: means over test images, spread over seeds, and what the loss changed."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from luxel.benchmark.tables.table import DASH, Table
from luxel.enhance.rows import EnhancementRow, read_rows
from luxel.enhance.trivial import TRIVIAL
from luxel.errors import LuxelError

COLUMNS = {
    "psnr": ("PSNR", 2),
    "ssim": ("SSIM", 3),
    "gt_mean_psnr": ("PSNR GT mean", 2),
    "gt_mean_ssim": ("SSIM GT mean", 3),
    "lightness_error": ("lightness error", 4),
    "lightness_shift": ("lightness shift", 4),
    "detail": ("detail", 3),
    "residual": ("mean |r|", 4),
    "residual_shift": ("mean r", 4),
}
"""Measure -> title and decimals."""

COMPARED = ("psnr", "ssim", "gt_mean_psnr", "lightness_error", "residual")
"""OutputMeasures whose difference to the control is printed, seed by seed."""

PUBLISHED = {
    "retinexformer": "published for Retinexformer: LOL-v1 25.16 / 0.845 plain, 27.18 / 0.850 with GT mean; the paper's "
    "own training 24.7 / 0.80, with the loss 25.3 / 0.85, without saying which",
    "gsad": "published for GSAD, all with GT mean and SSIM in windows of 7 x 7: LOL-v1 27.84 / 0.877; the paper's own "
    "training 27.1 / 0.85, with the loss 28.2 / 0.88",
}

MEANING = (
    "PSNR and SSIM of RGB in 8 bit, plain and after the output got the ground truth's mean lightness (GT mean)",
    "lightness error: mean |Y'(output) - Y'(ground truth)|; shift: the same with its sign, above 0 too bright",
    "detail: share of the ground truth's that is kept; r: luxel's residual map of the output, above 0 underexposed",
    "± is the standard deviation over seeds, not over images; gain and gamma to GT mean look at the ground truth",
)


def enhancement_table(folder: Path) -> Table:
    """The table of an experiment. Raises LuxelError where it has no rows, or damaged ones."""
    rows = read_rows(folder)
    if odd := next((row.name for row in rows if row.images != rows[0].images), None):
        raise LuxelError(
            f"{folder}: {odd} and {rows[0].name} were measured on different images; run luxel enhance evaluate again"
        )
    arms = _arms(rows)
    records = tuple(_record(arm, group) for arm, group in arms.items())
    titles = ("method", "seeds", *(title for title, _ in COLUMNS.values()))
    texts = tuple(
        (arm, str(len(group)) if group[0].seed is not None else DASH, *(_cell(group, name) for name in COLUMNS))
        for arm, group in arms.items()
    )
    notes = (*_facts(rows), *_differences(arms), *MEANING, *_published(rows))
    return Table("pixel", "Table 4: enhancement with and without the exposure loss", titles, texts, notes, records)


def _arms(rows: Sequence[EnhancementRow]) -> dict[str, list[EnhancementRow]]:
    """Rows by arm, seeds in order: what is not trained first, then the control, then by the loss's weight."""
    first = {name: i for i, name in enumerate((*TRIVIAL, "lookup", "lookup, scene-clean"))}

    def place(row: EnhancementRow) -> tuple[int, float, int]:
        return first.get(row.arm, len(first)), row.weight or 0.0, row.seed or 0

    arms: dict[str, list[EnhancementRow]] = {}
    for row in sorted(rows, key=place):
        arms.setdefault(row.arm, []).append(row)
    return arms


def _cell(group: Sequence[EnhancementRow], name: str) -> str:
    decimals = COLUMNS[name][1]
    mean, spread = _mean_and_spread([row.mean(name) for row in group])
    if math.isnan(mean):
        return DASH
    return f"{mean:.{decimals}f}" if math.isnan(spread) else f"{mean:.{decimals}f} ± {spread:.{decimals}f}"


def _mean_and_spread(values: Sequence[float]) -> tuple[float, float]:
    """Mean and standard deviation (n - 1) of values, the second nan below two of them."""
    if not np.isfinite(values).all():
        return float(np.mean(values)), math.nan
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else math.nan


def _record(arm: str, group: Sequence[EnhancementRow]) -> dict[str, str | int | float | None]:
    record: dict[str, str | int | float | None] = {"method": arm, "network": group[0].method}
    record |= {"seeds": sum(row.seed is not None for row in group), "steps": group[0].steps, "weight": group[0].weight}
    record |= {"train_pairs": group[0].train_pairs, "shared_scenes": group[0].shared_scenes}
    for name in COLUMNS:
        mean, spread = _mean_and_spread([row.mean(name) for row in group])
        record |= {name: None if math.isnan(mean) else mean, f"{name}_sd": None if math.isnan(spread) else spread}
    return record


def _facts(rows: Sequence[EnhancementRow]) -> list[str]:
    """What the test images and the trainings were."""
    lines = [f"{len(rows[0].images)} test images"]
    known = {(row.train_pairs, row.shared_scenes) for row in rows if row.arm == "lookup"}
    lines += [f"{train} training pairs, {shared} of which show the scene of a test image" for train, shared in known]
    for steps, method in sorted({(row.steps, row.method) for row in rows if row.steps is not None}):
        lines.append(f"{method}: {steps} steps a run, last checkpoint")
    weights = {row.arm: row.weight for row in rows if row.weight}
    lines += [f"{arm}: weight of the loss {weight:.4g}" for arm, weight in sorted(weights.items())]
    return ["; ".join(lines)]


def _differences(arms: dict[str, list[EnhancementRow]]) -> list[str]:
    """What each weight changed against the control, by seed, with the standard error of the mean difference."""
    control = {row.seed: row for row in arms.get("control", [])}
    lines = []
    for arm, group in arms.items():
        pairs = [(row, control[row.seed]) for row in group if row.weight and row.seed in control]
        if not pairs:
            continue
        parts = []
        for name in COMPARED:
            title, decimals = COLUMNS[name]
            changes = [row.mean(name) - other.mean(name) for row, other in pairs]
            mean, spread = _mean_and_spread(changes)
            error = "" if math.isnan(spread) else f" ± {spread / math.sqrt(len(changes)):.{decimals}f}"
            parts.append(f"{title} {mean:+.{decimals}f}{error}")
        seeds = f"{len(pairs)} seed" + ("s" if len(pairs) > 1 else "")
        lines.append(f"{arm} minus control, {seeds}, mean ± standard error: {', '.join(parts)}")
    return lines


def _published(rows: Sequence[EnhancementRow]) -> list[str]:
    return [PUBLISHED[method] for method in sorted({row.method for row in rows} & PUBLISHED.keys())]
