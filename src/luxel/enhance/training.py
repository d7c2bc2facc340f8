"""The training of one run, top to bottom: batch, fidelity, exposure, step, checkpoint."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import nn

from luxel.enhance.batches import make_batch
from luxel.enhance.enhancer import Enhancer
from luxel.enhance.pairs import Pair
from luxel.enhance.recipe import EnhanceRecipe, EnhanceRun, EnhanceTrainSection, ExposureSection
from luxel.errors import RecipeError
from luxel.jobs.atomic import write_file
from luxel.model.exposure_loss import ExposureLoss
from luxel.train.checkpoint import load_checkpoint, save_checkpoint
from luxel.train.event_log import EventLog


@dataclass
class RunProgress:
    """Where a run stands.

    step: finished steps.
    history: every `output.log_every` steps, of that step's batch: fidelity, exposure (mean |r| of the outputs),
        exposure_shift (mean r with its sign: below 0 they are too bright), the exposure's weight and the learning rate.
    """

    step: int = 0
    history: list[dict[str, float]] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """What a run is trained by.

    recipe: of the experiment.
    run: which of its runs.
    folder: of this run: checkpoint.pt, history.json and TensorBoard's log.
    steps: of the whole run.
    device: of the enhancer and of luxel's network.
    weight: of the exposure loss, with the run's multiple in it; 0 for none.
    resume: continue from the folder's checkpoint if there is one.
    stop_at: stop after this step, as if interrupted.
    on_step: gets step and fidelity.
    """

    recipe: EnhanceRecipe
    run: EnhanceRun
    folder: Path
    steps: int
    device: torch.device
    weight: float = 0.0
    resume: bool = True
    stop_at: int | None = None
    on_step: Callable[[int, float], None] = lambda step, loss: None


def train_run(enhancer: Enhancer, pairs: Sequence[Pair], training: Training) -> RunProgress:
    """Trains an enhancer in place and leaves its checkpoint; a resumed run ends with the same weights.

    enhancer: with its starting weights, which a checkpoint replaces.
    pairs: of training.
    training: what it is trained by.
    Raises RecipeError: a loss that is not finite; LuxelError: a damaged checkpoint, a full disk.
    """
    recipe, run, device = training.recipe, training.run, training.device
    enhancer.to(device).train()
    exposure = ExposureLoss(reduction="none", margin=recipe.exposure.margin).to(device)
    parameters = [p for p in enhancer.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(parameters, lr=recipe.train.cycles[0].first)
    progress, checkpoint = RunProgress(), training.folder / "checkpoint.pt"
    if training.resume and checkpoint.is_file():
        state = load_checkpoint(checkpoint)
        enhancer.load_state_dict(state["enhancer"])
        optimizer.load_state_dict(state["optimizer"])
        progress = RunProgress(**state["progress"])

    def save() -> None:
        state = {"enhancer": enhancer.state_dict(), "optimizer": optimizer.state_dict(), "progress": asdict(progress)}
        save_checkpoint(checkpoint, state)
        write_file(training.folder / "history.json", json.dumps(progress.history, indent=1))

    log = EventLog(training.folder / "log")
    end = training.steps if training.stop_at is None else min(training.stop_at, training.steps)
    while progress.step < end:
        step = progress.step
        batch = make_batch(pairs, recipe.data, run.seed, step)
        generator = step_generator(run.seed, step, device)
        terms = enhancer.terms(batch.low.to(device), batch.high.to(device), generator)
        weight = training.weight * ramp(step / training.steps, recipe.exposure)
        loss, logged = terms.fidelity, (step + 1) % recipe.output.log_every == 0
        # An average of two scenes is not well exposed for either: mixed batches have no exposure term.
        if weight and not batch.mixed:
            loss = loss + weight * terms.exposure(exposure(terms.output))
        value = float(loss.detach())
        if not math.isfinite(value):
            raise RecipeError(
                f"{run.name}: step {step + 1}: the loss is {value}; lower train.cycles and give another output.folder"
            )
        rate = learning_rate(step / training.steps, recipe.train)
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if recipe.train.clip_norm:
            nn.utils.clip_grad_norm_(parameters, recipe.train.clip_norm)
        optimizer.step()
        progress.step += 1

        training.on_step(progress.step, float(terms.fidelity.detach()))
        if logged:
            with torch.no_grad():
                maps = exposure.residual(terms.output.detach())
            seen = {
                "fidelity": float(terms.fidelity.detach()),
                "exposure": float(maps.abs().mean()),
                "exposure_shift": float(maps.mean()),
                "exposure_weight": weight,
                "lr": rate,
            }
            progress.history.append({"step": progress.step, **seen})
            log.write(progress.step, {f"train/{name}": number for name, number in seen.items()})
        if progress.step % recipe.output.checkpoint_every == 0:
            save()
    save()
    enhancer.eval()
    return progress


def learning_rate(done: float, train: EnhanceTrainSection) -> float:
    """Learning rate of a moment of training. done: share of the steps, in [0, 1)."""
    total, begin = sum(cycle.share for cycle in train.cycles), 0.0
    for cycle in train.cycles:
        length = cycle.share / total
        if done < begin + length or cycle is train.cycles[-1]:
            along = min(1.0, (done - begin) / length)
            return cycle.last + (cycle.first - cycle.last) * 0.5 * (1 + math.cos(math.pi * along))
        begin += length
    raise AssertionError("a recipe has at least one cycle")


def ramp(done: float, exposure: ExposureSection) -> float:
    """Share of its weight that the exposure loss has: 0 until `begin`, then on a line to 1 at `full`.

    >>> [ramp(done, ExposureSection(begin=0.1, full=0.2)) for done in (0.0, 0.1, 0.5)]
    [0.0, 0.0, 1.0]
    """
    if done < exposure.begin:
        return 0.0
    length = exposure.full - exposure.begin
    return 1.0 if length <= 0 else min(1.0, (done - exposure.begin) / length)


def step_generator(seed: int, step: int, device: torch.device) -> torch.Generator:
    """What is random in a step of a run, the same whatever came before it."""
    return torch.Generator(device).manual_seed((seed * 1_000_003 + step) % 2**63)


def rule_weight(enhancer: Enhancer, pairs: Sequence[Pair], training: Training, *, batches: int = 32) -> float:
    """The weight of the exposure loss by the rule: `share` times the control's loss over the exposure of its outputs.

    enhancer: the trained control.
    pairs: of training.
    training: of the control.
    batches: how many are measured; they are numbered from beyond the training, and not mixed.
    At this weight the exposure term begins as `share` (10 %) of the method's own loss.
    Raises RecipeError where the outputs have no residual.
    """
    recipe, run, device = training.recipe, training.run, training.device
    exposure = ExposureLoss(reduction="none", margin=recipe.exposure.margin).to(device)
    enhancer.to(device).eval()
    fidelity = found = 0.0
    with torch.no_grad():
        for step in range(training.steps, training.steps + batches):
            batch = make_batch(pairs, recipe.data, run.seed, step, mixup=False)
            generator = step_generator(run.seed, step, device)
            terms = enhancer.terms(batch.low.to(device), batch.high.to(device), generator)
            fidelity += float(terms.fidelity)
            found += float(terms.exposure(exposure(terms.output)))
    if not found > 0:
        raise RecipeError("exposure.weight: the control's outputs have no residual; give exposure.weight a number")
    return recipe.exposure.share * fidelity / found
