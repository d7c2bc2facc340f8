"""The score against the people who scored IEA40K: correlation, error, agreement, and the best fit (paper 5.2)."""

import csv
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from luxel import metrics
from luxel.benchmark.tables.implied_table import scene_light
from luxel.dataset.reference.bracket import LEVELS, frame
from luxel.errors import DatasetError
from luxel.residual import SCORE_BEST, SCORE_OVER, SCORE_UNDER
from luxel.samples.validation import Predictor

Numbers = npt.NDArray[np.float64]

RESAMPLES = 1000
"""Bootstrap samples of scenes behind an interval."""


@dataclass(frozen=True, slots=True)
class ScoredScenes:
    """People's scores of scenes over the nine levels, and what a network's maps of the same frames say.

    names: of the scenes. people: [N, 9] scores in [0, 10], NaN where a level has none. under, over: [N, 9] means of
    max(r, 0) and max(-r, 0).
    """

    names: tuple[str, ...]
    people: Numbers
    under: Numbers
    over: Numbers


@dataclass(frozen=True, slots=True)
class PeopleAgreement:
    """How well scores agree with people's. srcc, lcc: over all frames. error: mean absolute, in points. acc: share that
    agrees on >= 5. best: share of scenes whose best level is predicted within one stop. scenes: SRCC of scene means."""

    srcc: float
    lcc: float
    error: float
    acc: float
    best: float
    scenes: float


FIGURES = tuple(field.name for field in fields(PeopleAgreement))
"""Names of the figures, as the table's columns."""


def read_scenes(
    folder: Path,
    predict: Predictor,
    *,
    level_zero: float = 0.0,
    progress: Callable[[Iterable[Any], int], Iterable[Any]] | None = None,
) -> ScoredScenes:
    """A folder with labels.csv (file, N4 ... P4) and its pictures, assessed at the nine levels at 256 x 256.

    predict: image uint8 [256, 256, 3] to map [256, 256]. level_zero: stops of P0 beyond the file.
    Raises DatasetError for a missing file or column, or a score that is not a number.
    """
    labels = folder / "labels.csv"
    if not labels.is_file():
        raise DatasetError(f"{labels}: no such file; give a folder with scored scenes")
    with labels.open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    people, under, over = (np.full((len(rows), len(LEVELS)), np.nan) for _ in range(3))
    for i, row in enumerate(progress(rows, len(rows)) if progress else rows):
        light = scene_light(folder / row["file"], level_zero)
        for k, (level, ev) in enumerate(LEVELS.items()):
            try:
                people[i, k] = float(row[level]) if row[level].strip() else np.nan
            except (KeyError, ValueError) as error:
                raise DatasetError(f"{labels}, {row['file']}: {level} has no score ({error}); give a number") from error
            residual = predict(frame(light, ev))
            under[i, k], over[i, k] = np.maximum(residual, 0).mean(), np.maximum(-residual, 0).mean()
    return ScoredScenes(tuple(row["file"] for row in rows), people, under, over)


def joined(parts: Sequence[ScoredScenes]) -> ScoredScenes:
    """Several sets of scenes as one."""
    arrays = (np.concatenate([getattr(part, name) for part in parts]) for name in ("people", "under", "over"))
    return ScoredScenes(sum((part.names for part in parts), ()), *arrays)


def scored(scenes: ScoredScenes, best: float, under_cost: float, over_cost: float) -> Numbers:
    """Scores [N, 9] by three numbers, clipped to [0, 10]."""
    return np.clip(best - under_cost * scenes.under - over_cost * scenes.over, 0, 10)


def fitted(scenes: ScoredScenes, chosen: npt.NDArray[np.intp]) -> tuple[float, float, float]:
    """The three numbers that fit the chosen scenes with the least squares, as `scored` takes them."""
    given = ~np.isnan(scenes.people[chosen])
    columns = [np.ones(int(given.sum())), -scenes.under[chosen][given], -scenes.over[chosen][given]]
    solution = np.linalg.lstsq(np.stack(columns, axis=1), scenes.people[chosen][given], rcond=None)[0]
    return float(solution[0]), float(solution[1]), float(solution[2])


def leave_scene_out(scenes: ScoredScenes) -> Numbers:
    """Scores [N, 9] of every scene by the numbers fitted on all others."""
    found = np.empty_like(scenes.people)
    everything = np.arange(len(scenes.names))
    for i in everything:
        found[i] = scored(scenes, *fitted(scenes, everything[everything != i]))[i]
    return found


def people_agreement(people: Numbers, scores: Numbers) -> PeopleAgreement:
    """How well scores [N, 9] agree with people's [N, 9], NaN there where a level has no score."""
    given = ~np.isnan(people)
    true, found = people[given], scores[given]
    best = np.nanargmax(people, axis=1), np.argmax(np.where(given, scores, -np.inf), axis=1)
    means = [np.array([row[g].mean() for row, g in zip(part, given, strict=True)]) for part in (people, scores)]
    return PeopleAgreement(
        srcc=metrics.srcc(true, found),
        lcc=metrics.lcc(true, found),
        error=float(np.abs(true - found).mean()),
        acc=metrics.acc(true, found),
        best=float(np.mean(np.abs(best[0] - best[1]) <= 1)),
        scenes=metrics.srcc(*means) if len(people) > 1 else float("nan"),
    )


def intervals(people: Numbers, scores: Numbers, *, seed: int = 0) -> dict[str, tuple[float, float]]:
    """The 95 % interval of every figure of `PeopleAgreement`, by drawing scenes with replacement."""
    rng = np.random.default_rng(seed)
    drawn: dict[str, list[float]] = {name: [] for name in FIGURES}
    for _ in range(RESAMPLES):
        chosen = rng.integers(len(people), size=len(people))
        found = people_agreement(people[chosen], scores[chosen])
        for name in FIGURES:
            drawn[name].append(getattr(found, name))
    low, high = ({name: float(np.nanquantile(v, q)) for name, v in drawn.items()} for q in (0.025, 0.975))
    return {name: (low[name], high[name]) for name in FIGURES}


def people_markdown(scenes: ScoredScenes) -> str:
    """The table of scores against people's, as Markdown, with intervals over scenes."""
    everything = np.arange(len(scenes.names))
    given = scenes.people[~np.isnan(scenes.people)]
    fit = fitted(scenes, everything)
    rows = {
        f"constant {given.mean():.2f}": np.full_like(scenes.people, given.mean()),
        "10 (1 - mean abs r), the paper's": 10 * (1 - scenes.under - scenes.over),
        f"{SCORE_BEST:g} - {SCORE_UNDER:g} under - {SCORE_OVER:g} over, luxel's": scored(
            scenes, SCORE_BEST, SCORE_UNDER, SCORE_OVER
        ),
        "three numbers fitted leave-scene-out": leave_scene_out(scenes),
    }
    lines = [
        f"**Scores against people's ({len(scenes.names)} scenes, {given.size} scores; 95 % intervals over scenes)**",
        "",
        "| score | SRCC | LCC | error, points | agree on >= 5 | best level within a stop | SRCC of scene means |",
        "|---" * 7 + "|",
    ]
    for name, scores in rows.items():
        found, spread = people_agreement(scenes.people, scores), intervals(scenes.people, scores)
        cells = []
        for figure in FIGURES:
            value, (low, high) = getattr(found, figure), spread[figure]
            cells.append("-" if np.isnan(value) else f"{value:.2f} [{low:.2f}, {high:.2f}]")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += ["", f"Fitted on all of them: {fit[0]:.2f} - {fit[1]:.1f} mean under - {fit[2]:.1f} mean over."]
    return "\n".join(lines) + "\n"
