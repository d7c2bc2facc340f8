"""Measure the runs of an experiment and the rows that enhance nothing, all by one evaluator."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from luxel import __version__
from luxel.enhance.enhancer import Enhancer
from luxel.enhance.experiment import load_enhancer, run_weight, training_pairs
from luxel.enhance.measuring import OutputMeasures, measure, rounded
from luxel.enhance.pairs import Pair, find_pairs, read_pairs
from luxel.enhance.recipe import EnhanceRecipe, EnhanceRun, plan
from luxel.enhance.rows import EnhancementRow, write_row
from luxel.enhance.scenes import sharing_a_scene
from luxel.enhance.training import step_generator
from luxel.enhance.trivial import TRIVIAL, Lookup
from luxel.errors import LuxelError
from luxel.images import write
from luxel.model.exposure_loss import ExposureLoss
from luxel.photometry import FloatArray
from luxel.train.loop import Report

WORKING_SIZE = 256
"""Short side at which luxel's map of an output is made."""

Enhance = Callable[[Pair], FloatArray]
"""From a pair to the output [H, W, 3] in [0, 1]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """How rows are measured.

    folder: of the experiment.
    device: of enhancers and of luxel's map.
    report: gets a line for training pairs that the recipe leaves out.
    warn: gets a line for each file and run that is left out because it cannot be used.
    only: names of rows to measure, such as control.seed0 or lookup; all if empty.
    images: folder to which every output is written, IMAGES/ROW/NAME.png; None for none.
    on_row: gets the row's name, and how many rows are done and wanted.
    """

    folder: Path
    device: torch.device
    report: Report
    warn: Report
    only: Sequence[str] = ()
    images: Path | None = None
    on_row: Callable[[str, int, int], None] = lambda name, done, wanted: None


def evaluate_experiment(recipe: EnhanceRecipe, evaluation: Evaluation) -> list[EnhancementRow]:
    """OutputMeasures every finished run, the trivial rows and the lookup, and stores the rows.

    recipe: of the experiment; its data may lie elsewhere by now.
    Raises DatasetError: no test pairs; LuxelError: unknown names of rows, damaged checkpoints, a full disk.
    """
    test_files = find_pairs(Path(recipe.data.folder), "test", warn=evaluation.warn)
    test = read_pairs(test_files, warn=evaluation.warn)
    train = training_pairs(recipe, report=evaluation.report, warn=evaluation.warn)
    shared = set(sharing_a_scene(train, test))
    names = tuple(pair.name for pair in test)

    def row(name: str, **facts: Any) -> EnhancementRow:
        return EnhancementRow(
            **{"name": name, "arm": name, "method": "trivial", "version": __version__, "images": names, **facts}
        )

    wanted: list[tuple[EnhancementRow, Enhance]] = [(row(name), trivial) for name, trivial in TRIVIAL.items()]
    wanted.append((row("lookup", train_pairs=len(train), shared_scenes=len(shared)), Lookup(train)))
    clean = [pair for pair in train if pair.name not in shared]
    if shared and clean:
        wanted.append((row("lookup, scene-clean", train_pairs=len(clean), shared_scenes=0), Lookup(clean)))
    for run, enhancer in _finished(recipe, evaluation):
        facts: dict[str, Any] = {
            "arm": run.arm,
            "method": recipe.method,
            "seed": run.seed,
            "steps": recipe.train.steps,
            "weight": run_weight(recipe, evaluation.folder, run),
            "train_pairs": len(train),
            "shared_scenes": len(shared),
        }
        wanted.append((row(run.name, **facts), _enhance_with(enhancer, run.seed, evaluation.device)))
    if unknown := set(evaluation.only) - {row.name for row, _ in wanted}:
        raise LuxelError(
            f"--run {min(unknown)}: not a row, or not finished; {', '.join(row.name for row, _ in wanted)}"
        )
    wanted = [(row, enhance) for row, enhance in wanted if not evaluation.only or row.name in evaluation.only]
    exposure = ExposureLoss(reduction="none", working_size=WORKING_SIZE).to(evaluation.device)
    done = []
    for number, (facts_of_row, enhance) in enumerate(wanted):
        evaluation.on_row(facts_of_row.name, number, len(wanted))
        measures = tuple(_measured(facts_of_row.name, enhance, pair, exposure, evaluation) for pair in test)
        done.append(replace(facts_of_row, measures=measures))
        write_row(evaluation.folder, done[-1])
    return done


def _finished(recipe: EnhanceRecipe, evaluation: Evaluation) -> Iterator[tuple[EnhanceRun, Enhancer]]:
    """The runs that give an enhancer and are finished."""
    for run in plan(recipe):
        if run.stage != "main" or (evaluation.only and run.name not in evaluation.only):
            continue
        enhancer = load_enhancer(evaluation.folder, recipe, run)
        if enhancer is None:
            evaluation.warn(f"{run.name}: not finished, left out; luxel enhance train resumes it")
        else:
            yield run, enhancer


def _enhance_with(enhancer: Enhancer, seed: int, device: torch.device) -> Enhance:
    enhancer.to(device)

    def enhance(pair: Pair) -> FloatArray:
        low = torch.from_numpy(pair.low).permute(2, 0, 1)[None].to(device).float() / 255
        # What is random belongs to the seed and the image, so that a measure can be repeated.
        with torch.inference_mode():
            output = enhancer.enhance(low, step_generator(seed, int(pair.name), device))
        return output[0].permute(1, 2, 0).float().cpu().numpy()

    return enhance


def _measured(
    name: str, enhance: Enhance, pair: Pair, exposure: ExposureLoss, evaluation: Evaluation
) -> OutputMeasures:
    output = enhance(pair)
    image = rounded(output)
    if evaluation.images is not None:
        path = evaluation.images / name / f"{pair.name}.png"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LuxelError(f"{path.parent}: cannot be made ({error.strerror}); choose another --images") from error
        write(path, image)
    batch = torch.from_numpy(image).permute(2, 0, 1)[None].to(evaluation.device).float() / 255
    with torch.inference_mode():
        residual = exposure.residual(batch)[0, 0].cpu().numpy()
    return measure(output, pair.high, residual)
