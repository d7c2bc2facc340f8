"""One table for anything that makes a residual map: the trivial predictors, the released checkpoint, our weights.

Measured on the fixed validation pictures, in all, by level and by source; and on the development scenes against the
real IEA40K scores and against our references.
"""

import csv
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from luxel import images, metrics
from luxel.benchmark.protocol.trivial import TRIVIAL
from luxel.dataset.reference.bracket import LEVELS, frame
from luxel.dataset.reference.reference import PHOTO_CEILING, make_reference
from luxel.errors import DatasetError
from luxel.photometry import FloatArray, as_unit_float, lightness, to_linear
from luxel.residual import mean_residual_score
from luxel.samples.scenes import SceneStore
from luxel.samples.validation import Measures, Predictor, mean_measures, measure, validation_pictures
from luxel.text import csv_table

DEVELOPMENT_SHORT_SIDE = 256


@dataclass(frozen=True, slots=True)
class PredictorRow:
    """Measures of one predictor on one picture. error_over, error_under: mean |error| where the truth is r < -0.1 and
    r > 0.1, nan where there is no such pixel."""

    predictor: str
    scene: str
    kind: str
    level: str
    measures: Measures
    error_over: float
    error_under: float


@dataclass(frozen=True, slots=True)
class Development:
    """A predictor on the development scenes.

    srcc, lcc: of `10 (1 - mean |r|)` with the real scores, nan for a constant. mae: of its maps against our references.
    """

    srcc: float
    lcc: float
    mae: float


def trivial_predictors() -> dict[str, Predictor]:
    """The trivial predictors on 8-bit pictures."""

    def on_bytes(predict: Callable[[npt.NDArray[np.floating]], FloatArray]) -> Predictor:
        return lambda image: predict(as_unit_float(image))

    return {name: on_bytes(predict) for name, predict in TRIVIAL.items()}


def measure_predictors(
    predictors: dict[str, Predictor],
    store: SceneStore,
    *,
    limit: int | None = None,
    progress: Callable[[Iterable[Any], int], Iterable[Any]] | None = None,
) -> list[PredictorRow]:
    """Every predictor on every validation picture (or about `limit` of them).

    progress: wraps the stream of pictures, given their number. Returns one row per predictor and picture.
    """
    rows = []
    total = len(store) * len(LEVELS) if limit is None else min(limit, len(store) * len(LEVELS))
    pictures: Iterable[Any] = validation_pictures(store, limit=limit)
    for picture in progress(pictures, total) if progress else pictures:
        over, under = picture.residual < -0.1, picture.residual > 0.1
        for name, predict in predictors.items():
            prediction = predict(picture.image)
            error = np.abs(prediction - picture.residual)
            rows.append(
                PredictorRow(
                    name,
                    picture.scene,
                    picture.kind,
                    picture.level,
                    measure(picture.residual, prediction),
                    float(error[over].mean()) if over.any() else float("nan"),
                    float(error[under].mean()) if under.any() else float("nan"),
                )
            )
    return rows


def on_development(predictors: dict[str, Predictor], folder: Path) -> dict[str, Development]:
    """Every predictor on the development scenes: the real IEA40K scores, and our references of the same pictures.

    folder: dev_scenes with labels.csv (file, N4 ... P4) and its pictures, which are brought to a short side of 256,
    taken to linear light and exposed at the nine levels. Nothing is trained on them, nor chosen by the maps' error.
    """
    labels = folder / "labels.csv"
    if not labels.is_file():
        raise DatasetError(f"{labels}: no such file; give the folder with the development scenes")
    truth: list[float] = []
    predicted: dict[str, list[float]] = {name: [] for name in predictors}
    errors: dict[str, list[float]] = {name: [] for name in predictors}
    with labels.open(newline="") as handle:
        for row in csv.DictReader(handle):
            linear = _development_light(folder / row["file"])
            reference = lightness(make_reference(linear, ceiling=PHOTO_CEILING).image)
            for level, ev in LEVELS.items():
                truth.append(float(row[level]))
                exposed = frame(linear, ev)
                residual = reference - lightness(exposed)
                for name, predict in predictors.items():
                    prediction = predict(exposed)
                    predicted[name].append(mean_residual_score(prediction))
                    errors[name].append(metrics.mae(residual, prediction))
    result = {}
    for name, scores in predicted.items():
        flat = np.ptp(scores) == 0
        srcc, lcc = (float("nan"),) * 2 if flat else (metrics.srcc(truth, scores), metrics.lcc(truth, scores))
        result[name] = Development(srcc, lcc, float(np.mean(errors[name])))
    return result


def _development_light(path: Path) -> FloatArray:
    image = Image.fromarray(images.read(path).pixels)
    scale = DEVELOPMENT_SHORT_SIDE / min(image.size)
    size = (round(image.width * scale), round(image.height * scale))
    return to_linear(as_unit_float(np.asarray(image.resize(size, Image.Resampling.LANCZOS))))


def summary(
    rows: list[PredictorRow], key: Callable[[PredictorRow], str] | None = None
) -> dict[str, dict[str, Measures]]:
    """Mean measures by predictor and by a key of the row (its level, its kind); without a key, under "all"."""
    groups: dict[str, dict[str, list[Measures]]] = {}
    for row in rows:
        groups.setdefault(row.predictor, {}).setdefault(key(row) if key else "all", []).append(row.measures)
    return {name: {k: mean_measures(v) for k, v in parts.items()} for name, parts in groups.items()}


def markdown(rows: list[PredictorRow], development: dict[str, Development] | None = None) -> str:
    """The evaluation as Markdown tables: all pictures, by level, by source, over and under."""
    overall = {name: parts["all"] for name, parts in summary(rows).items()}
    best_trivial = min((m.mae for name, m in overall.items() if name in TRIVIAL), default=float("nan"))
    lines = [
        "| predictor | MAE | of best trivial | SSIM | PSNR dB | SSIM (range 1) | PSNR (range 1) | sign right |"
        " MAE over | MAE under | dev SRCC | dev LCC | dev MAE |",
        "|" + "---|" * 13,
    ]
    for name, m in overall.items():
        over = float(np.nanmean([r.error_over for r in rows if r.predictor == name]))
        under = float(np.nanmean([r.error_under for r in rows if r.predictor == name]))
        dev = (development or {}).get(name, Development(*(float("nan"),) * 3))
        values = (m.ssim, m.psnr, m.ssim_1, m.psnr_1, m.sign, over, under, dev.srcc, dev.lcc)
        dev_mae = "-" if np.isnan(dev.mae) else f"{dev.mae:.4f}"
        cells = [f"{m.mae:.4f}", f"{m.mae / best_trivial:.2f}", *(_cell(v) for v in values), dev_mae]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    groupings: tuple[tuple[str, Callable[[PredictorRow], str]], ...] = (
        ("MAE by level", lambda row: row.level),
        ("MAE by source", lambda row: row.kind),
    )
    for title, key in groupings:
        table = summary(rows, key)
        columns = list(dict.fromkeys(key(r) for r in rows))
        if title.endswith("level"):
            columns.sort(key=lambda level: LEVELS[level])
        lines += [
            "",
            f"**{title}**",
            "",
            "| predictor | " + " | ".join(columns) + " |",
            "|---" * (len(columns) + 1) + "|",
        ]
        lines += [
            f"| {name} | " + " | ".join(f"{parts[c].mae:.4f}" for c in columns) + " |" for name, parts in table.items()
        ]
    return "\n".join(lines) + "\n"


def _cell(value: float) -> str:
    if np.isnan(value):
        return "-"
    return f"{value:.2f}" if abs(value) >= 10 else f"{value:.3f}"


def rows_csv(rows: list[PredictorRow]) -> str:
    """Every row as CSV: predictor, scene, kind, level, the measures."""
    names = ("mae", "ssim", "psnr", "ssim_1", "psnr_1", "sign")
    facts, errors = ("predictor", "scene", "kind", "level"), ("error_over", "error_under")
    return csv_table(
        (*facts, *names, *errors),
        (
            {name: getattr(row, name) for name in (*facts, *errors)}
            | {name: getattr(row.measures, name) for name in names}
            for row in rows
        ),
    )
