"""An experiment: all runs of a recipe in one folder, control first, then those whose weight follows from it.

FOLDER/
  recipe.json                 the recipe as it was run
  exposure_weight.json        the weight of the exposure loss and what it came from
  control.seed0/              checkpoint.pt, history.json, log/: one folder for each run
  rows/NAME.json              what `luxel enhance evaluate` measured
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from luxel.enhance.enhancer import Enhancer
from luxel.enhance.gsad import GsadStructureStage, GsadUncertaintyStage
from luxel.enhance.pairs import Pair, find_pairs, left_out_numbers, read_pairs
from luxel.enhance.recipe import EnhanceRecipe, EnhanceRun, RetinexformerSection, changed_keys, plan, stored_recipe
from luxel.enhance.retinexformer import RetinexformerEnhancer
from luxel.enhance.scenes import sharing_a_scene
from luxel.enhance.training import RunProgress, Training, rule_weight, train_run
from luxel.errors import LuxelError, RecipeError
from luxel.jobs.atomic import write_file
from luxel.jobs.records import read_json
from luxel.train.checkpoint import load_checkpoint
from luxel.train.loop import Report

WEIGHT_FILE = "exposure_weight.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watching:
    """Who is informed. report: gets a line for each event. on_step: gets the run's name, step and loss."""

    report: Report = lambda line: None
    on_step: Callable[[str, int, float], None] = lambda name, step, loss: None


def open_device(name: str) -> torch.device:
    """The device of a name such as cpu, cuda:1, mps; "auto" takes an accelerator where there is one.

    Raises LuxelError for a device that is not here.
    """
    if name == "auto":
        name = torch.accelerator.current_accelerator().type if torch.accelerator.is_available() else "cpu"  # type: ignore[union-attr]
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()  # also fails where tensors hold no numbers
    except (RuntimeError, AssertionError) as error:  # torch without CUDA raises AssertionError
        raise LuxelError(f"--device {name}: cannot be used ({str(error).splitlines()[0]}); try --device cpu") from error
    return device


def make_enhancer(recipe: EnhanceRecipe, run: EnhanceRun) -> Enhancer:
    """The enhancer of a run with the starting weights of its seed, the same for all weights of the exposure loss."""
    torch.manual_seed(run.seed)
    if recipe.gsad is None:
        return RetinexformerEnhancer(recipe.retinexformer or RetinexformerSection())
    first = GsadUncertaintyStage(recipe.gsad)
    return first if run.stage == "uncertainty" else GsadStructureStage(recipe.gsad, first)


def run_steps(recipe: EnhanceRecipe, run: EnhanceRun) -> int:
    """Steps of a run."""
    return recipe.gsad.uncertainty_steps if recipe.gsad and run.stage == "uncertainty" else recipe.train.steps


def starting_enhancer(folder: Path, recipe: EnhanceRecipe, run: EnhanceRun) -> Enhancer:
    """The enhancer that a run begins from: GSAD's second stage from its first, everything else from its seed.

    Raises RecipeError where the first stage is not trained yet.
    """
    if recipe.gsad is None or run.stage == "uncertainty":
        return make_enhancer(recipe, run)
    needed = EnhanceRun(run.seed, stage="uncertainty")
    first = load_enhancer(folder, recipe, needed)
    if not isinstance(first, GsadUncertaintyStage):
        raise RecipeError(f"{run.name}: begins from {needed.name}, which is not trained yet; train that first")
    return GsadStructureStage(recipe.gsad, first)


def load_enhancer(folder: Path, recipe: EnhanceRecipe, run: EnhanceRun) -> Enhancer | None:
    """The trained enhancer of a run, None where the run is not finished. Raises LuxelError for a damaged checkpoint."""
    path = folder / run.name / "checkpoint.pt"
    if not path.is_file():
        return None
    state = load_checkpoint(path)
    if state["progress"]["step"] < run_steps(recipe, run):
        return None
    enhancer = make_enhancer(recipe, run)
    enhancer.load_state_dict(state["enhancer"])
    return enhancer.eval()


def training_pairs(recipe: EnhanceRecipe, *, report: Report, warn: Report) -> list[Pair]:
    """The training pairs of a recipe.

    report: gets a line for what is left out because the recipe says so. warn: gets one for what cannot be used.
    Raises DatasetError: no pairs.
    """
    folder = Path(recipe.data.folder)
    files = find_pairs(folder, "train", warn=warn)
    if recipe.data.left_out:
        numbers = left_out_numbers(Path(recipe.data.left_out))
        kept = [file for file in files if file.number not in numbers]
        report(f"{recipe.data.left_out}: {len(files) - len(kept)} of {len(files)} training pairs left out")
        files = kept
    pairs = read_pairs(files, warn=warn)
    if recipe.data.scene_clean:
        test = read_pairs(find_pairs(folder, "test"))
        shared = set(sharing_a_scene(pairs, test))
        report(f"data.scene_clean: {len(shared)} of {len(pairs)} training pairs left out: {', '.join(sorted(shared))}")
        pairs = [pair for pair in pairs if pair.name not in shared]
    if not pairs:
        raise RecipeError(f"data.folder={folder}: no training pair is left")
    return pairs


def begin(recipe: EnhanceRecipe, *, fresh: bool) -> None:
    """Stores the recipe in the experiment's folder.

    recipe: as it will be run.
    fresh: whether runs begin again.
    Raises RecipeError where the folder's runs were trained by a recipe that differs in what they learn.
    """
    folder = Path(recipe.output.folder)
    if not fresh and (folder / "recipe.json").is_file():
        changed = changed_keys(stored_recipe(folder), recipe)
        if changed:
            raise RecipeError(
                f"{folder}: was trained with another {', '.join(changed)}; give another output.folder, or --fresh"
            )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RecipeError(f"output.folder={folder}: cannot be made ({error.strerror}); give another") from error
    write_file(folder / "recipe.json", recipe.model_dump_json(indent=1), error=RecipeError)


def train_experiment(
    recipe: EnhanceRecipe,
    *,
    only: Sequence[str] = (),
    fresh: bool = False,
    device: torch.device,
    watching: Watching,
) -> dict[str, RunProgress]:
    """Trains the runs of a recipe that are not finished; returns where each stands, by name.

    only: names of runs, all if empty.
    fresh: begin again even where there are checkpoints.
    device: of enhancers and of luxel's network.
    watching: who is informed.
    Raises RecipeError: unknown names, a run whose control is not trained yet; DatasetError: no pairs.
    """
    runs = plan(recipe)
    if unknown := set(only) - {run.name for run in runs}:
        raise RecipeError(f"--run {min(unknown)}: not a run of this recipe: {', '.join(run.name for run in runs)}")
    begin(recipe, fresh=fresh)
    if recipe.train.threads:
        torch.set_num_threads(recipe.train.threads)
    pairs = training_pairs(recipe, report=watching.report, warn=watching.report)
    folder, done = Path(recipe.output.folder), {}
    for run in runs:
        if only and run.name not in only:
            continue
        if fresh and run == EnhanceRun(recipe.train.seeds[0]):
            (folder / WEIGHT_FILE).unlink(missing_ok=True)  # it followed from the control that is trained again
        weight = run.multiple * exposure_weight(recipe, pairs, device, watching.report) if run.multiple else 0.0
        training = Training(
            recipe=recipe,
            run=run,
            folder=folder / run.name,
            steps=run_steps(recipe, run),
            weight=weight,
            device=device,
            resume=not fresh,
            on_step=partial(watching.on_step, run.name),
        )
        done[run.name] = train_run(starting_enhancer(folder, recipe, run), pairs, training)
        watching.report(f"{run.name}: step {done[run.name].step}, exposure weight {weight:.4g}")
    return done


def exposure_weight(recipe: EnhanceRecipe, pairs: Sequence[Pair], device: torch.device, report: Report) -> float:
    """The weight that multiples are of: the recipe's, or by the rule from the first seed's control, then kept.

    Raises RecipeError where the control is not trained yet.
    """
    if recipe.exposure.weight:
        return recipe.exposure.weight
    folder, control = Path(recipe.output.folder), EnhanceRun(recipe.train.seeds[0])
    stored = _stored_weight(folder)
    if stored is not None:
        return stored
    enhancer = load_enhancer(folder, recipe, control)
    if enhancer is None:
        raise RecipeError(f"{control.name}: must be trained before the others; or give exposure.weight a number")
    training = Training(
        recipe=recipe, run=control, folder=folder / control.name, steps=recipe.train.steps, device=device
    )
    weight = rule_weight(enhancer, pairs, training)
    write_file(
        folder / WEIGHT_FILE,
        json.dumps({"weight": weight, "share": recipe.exposure.share, "from": control.name}, indent=1),
    )
    report(f"exposure weight {weight:.4g} by the rule, from {control.name}")
    return weight


def run_weight(recipe: EnhanceRecipe, folder: Path, run: EnhanceRun) -> float | None:
    """The exposure loss's weight in a trained run; None where nothing says it any more. Raises RecipeError."""
    if not run.multiple:
        return 0.0
    weight = recipe.exposure.weight or _stored_weight(folder)
    return None if weight is None else run.multiple * weight


def _stored_weight(folder: Path) -> float | None:
    path = folder / WEIGHT_FILE
    if not path.is_file():
        return None
    weight = read_json(path, kind=RecipeError).get("weight")
    if not isinstance(weight, float) or weight <= 0:
        raise RecipeError(f"{path}: its weight is not a number above 0; delete the file to measure it again")
    return weight
