"""Fine-tuning of the holistic score on people's scores (paper 5.2): maps once, then a small head, many splits."""

import csv
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from luxel import metrics
from luxel.assessment.assessor import Assessor
from luxel.assessment.head import head_bytes, map_features
from luxel.errors import DatasetError, ImageError, RecipeError
from luxel.jobs.atomic import write_file
from luxel.model.holistic import HolisticHead
from luxel.train.recipe import HolisticRecipe

COLUMNS = (("img_id", "score", "ref_id"), ("Image name", "Exposure", None), ("image", "score", "scene"))
"""Headers read as they are: the released IEA40K CSVs, SPAQ's annotation table, and ours."""

HEAD_FILE = "head.npz"
"""Name of the trained head in the recipe's folder, for `luxel assess --head`."""

PARTS = ("weight", "bias")

SPAQ_FULL_SCALE = 100.0
BOOTSTRAP = 1000


@dataclass(frozen=True, slots=True)
class ScoredTable:
    """One picture with a person's score on the 0-10 scale. group: pictures of one scene never stand on both sides of a
    split."""

    path: Path
    score: float
    group: str


@dataclass(frozen=True, slots=True)
class HeadAgreement:
    """SRCC, LCC and ACC with 95 % bootstrap intervals (low, high)."""

    srcc: float
    srcc_interval: tuple[float, float]
    lcc: float
    lcc_interval: tuple[float, float]
    acc: float
    acc_interval: tuple[float, float]


def read_scores(table: Path, pictures: Path) -> list[ScoredTable]:
    """The rows of a CSV of picture names and scores.

    table: columns img_id, score[, ref_id] (IEA40K), Image name, Exposure (SPAQ, 0-100, brought to 0-10), or image,
    score[, scene]. pictures: folder of the files. Raises DatasetError for other columns, a score that is not a number
    or outside 0-10, a picture that is not there, or fewer than ten rows.
    """
    if not table.is_file():
        raise DatasetError(f"{table}: no such file; give a CSV of picture names and scores")
    with table.open(newline="", encoding="utf-8-sig") as handle:
        reader = csv.DictReader(handle)
        header = reader.fieldnames or []
        known = next((c for c in COLUMNS if {c[0], c[1]} <= set(header)), None)
        if known is None:
            raise DatasetError(
                f"{table}: columns {', '.join(header) or 'none'}; need image, score (and scene if known)"
            )
        name, score, group = known
        scale = 10 / SPAQ_FULL_SCALE if score == "Exposure" else 1.0
        rows = []
        for line, row in enumerate(reader, start=2):
            try:
                value = float(row[score]) * scale
            except (TypeError, ValueError):
                raise DatasetError(f"{table}:{line}: score {row[score]!r} is not a number") from None
            if not 0 <= value <= 10:
                raise DatasetError(f"{table}:{line}: score {value:g} is outside 0-10")
            path = pictures / row[name]
            if not path.is_file():
                raise DatasetError(f"{table}:{line}: {path}: no such picture; set pictures to the folder that holds it")
            rows.append(ScoredTable(path, value, row.get(group or "") or row[name]))
    if len(rows) < 10:
        raise DatasetError(f"{table}: {len(rows)} scored pictures; ten or more are needed to train and test")
    return rows


def split_groups(scored: list[ScoredTable], share: float, seed: int) -> tuple[list[int], list[int]]:
    """Row numbers of a random training and test side, `share` of the groups on the first, no group on both."""
    groups = sorted({s.group for s in scored})
    order = np.random.default_rng(seed).permutation(len(groups))
    chosen = {groups[i] for i in order[: max(1, min(len(groups) - 1, round(share * len(groups))))]}
    inside = [i for i, s in enumerate(scored) if s.group in chosen]
    return inside, [i for i, s in enumerate(scored) if s.group not in chosen]


def head_agreement(truth: npt.NDArray[np.float64], predicted: npt.NDArray[np.float64], seed: int = 0) -> HeadAgreement:
    """How predicted scores agree with people's, with 95 % intervals from 1,000 bootstrap samples of the pictures."""
    rng = np.random.default_rng(seed)
    draws = [rng.integers(0, len(truth), len(truth)) for _ in range(BOOTSTRAP)]
    values: list[Any] = []
    for measure in (metrics.srcc, metrics.lcc, metrics.acc):
        samples = [measure(truth[d], predicted[d]) for d in draws]
        low, high = np.nanquantile(samples, (0.025, 0.975))
        values += [measure(truth, predicted), (float(low), float(high))]
    return HeadAgreement(*values)


def train_head(features: Tensor, scores: Tensor, recipe: HolisticRecipe, seed: int) -> HolisticHead:
    """A head fitted to scores with L1 loss (paper 5.2), full batches, Adam. features [N, F], scores [N] in [0, 10].

    Raises RecipeError where the weights are not finite in the end.
    """
    torch.manual_seed(seed)
    head = HolisticHead(recipe.train.hidden)
    optimizer = torch.optim.Adam(head.parameters(), lr=recipe.train.lr, weight_decay=recipe.train.weight_decay)
    for _ in range(recipe.train.steps):
        optimizer.zero_grad()
        loss: Tensor = torch.nn.functional.l1_loss(head(features), scores)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    if not all(bool(torch.isfinite(part).all()) for part in head.parameters()):
        raise RecipeError(f"train.lr={recipe.train.lr:g}: the head's weights are not finite; lower it")
    return head.eval()


def fine_tune(
    recipe: HolisticRecipe,
    *,
    report: Callable[[str], None] = print,
    progress: Callable[[Iterable[ScoredTable], int], Iterable[ScoredTable]] | None = None,
) -> list[dict[str, Any]]:
    """Train and test a head on each random split; write the head of all pictures to the recipe's folder.

    Returns a row per split: seed, agreement with fine-tuning, without, and of the constant-residual predictor
    |0.5 - mean Y'| beside them. A picture that cannot be read is left out and reported.
    """
    scored = read_scores(Path(recipe.data.table), Path(recipe.data.pictures))
    assessor = Assessor(recipe.data.weights or None)
    kept, features, trivial = [], [], []
    for item in progress(scored, len(scored)) if progress else scored:
        try:
            assessment = assessor.assess(item.path)
        except ImageError as error:
            report(f"left out: {error}")
            continue
        kept.append(item)
        features.append(torch.from_numpy(map_features(assessment.residual))[None])
        trivial.append(constant_score(assessment.image))
    if len(kept) < 10:
        raise DatasetError(f"{recipe.data.table}: only {len(kept)} pictures can be read; ten or more are needed")
    inputs, truth = torch.cat(features), np.array([s.score for s in kept])
    targets = torch.tensor(truth, dtype=torch.float32)
    rows = []
    for seed in range(recipe.train.splits):
        inside, outside = split_groups(kept, recipe.train.share, seed)
        head = train_head(inputs[inside], targets[inside], recipe, seed)
        with torch.inference_mode():
            predicted = head(inputs[outside]).double().numpy()
            plain = HolisticHead(recipe.train.hidden).eval()(inputs[outside]).double().numpy()
        tests = {"with": predicted, "without": plain, "constant": np.array(trivial)[outside]}
        row: dict[str, Any] = {"seed": seed, "train": len(inside), "test": len(outside)}
        row |= {name: asdict(head_agreement(truth[outside], values)) for name, values in tests.items()}
        rows.append(row)
        report(
            f"split {seed}: SRCC {row['with']['srcc']:.3f} with fine-tuning, {row['without']['srcc']:.3f} without, "
            f"{row['constant']['srcc']:.3f} constant map"
        )
    folder = Path(recipe.output.folder)
    folder.mkdir(parents=True, exist_ok=True)
    head = train_head(inputs, targets, recipe, 0)
    layers = {"hidden": head.correct[0], "last": head.correct[-1]}
    arrays = {
        f"{name}_{part}": getattr(layer, part).detach().numpy() for name, layer in layers.items() for part in PARTS
    }
    write_file(folder / HEAD_FILE, head_bytes(arrays, trained_on=assessor.weights.sha256))
    write_file(folder / "recipe.json", recipe.model_dump_json(indent=1))
    return rows


def constant_score(image: npt.NDArray[Any]) -> float:
    """The trivial holistic score 10 * (1 - |0.5 - mean Y'|), of a constant map; image [H, W, 3]."""
    from luxel.photometry import lightness

    return float(10 * (1 - abs(0.5 - lightness(image).mean(dtype=np.float64))))
