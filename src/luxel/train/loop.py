"""The training loop, top to bottom: batches, loss, step, average, check, checkpoint."""

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from luxel.errors import RecipeError
from luxel.jobs.atomic import write_file
from luxel.model.losses import gradient_loss, pixel_loss, ssim_loss
from luxel.model.network import PIEANet, build
from luxel.model.weights import load_into
from luxel.samples.built import BuiltStore
from luxel.samples.scenes import SceneStore
from luxel.samples.validation import Measures, Predictor, mean_measures, measure, validation_pictures
from luxel.train.checkpoint import load_checkpoint, save_checkpoint
from luxel.train.data import batches, open_stores, phase_of
from luxel.train.event_log import EventLog
from luxel.train.optimizer import make_optimizer
from luxel.train.recipe import Recipe

Report = Callable[[str], None]

COMPILERS = ("g++", "clang++", "c++", "cl")
"""C++ compilers that torch.compile finds by itself."""


@dataclass
class TrainingProgress:
    """Where a run stands: everything that, with the weights and the optimiser, makes a resumed run the same run."""

    step: int = 0
    best_mae: float = math.inf
    best_step: int = 0
    checks_without_gain: int = 0
    history: list[dict[str, float]] = field(default_factory=list)


def precision_for(recipe: Recipe, device: torch.device) -> str:
    """Fabric's precision name: bf16 where asked for, or where "auto" finds hardware for it; else 32-bit."""
    wanted = recipe.train.precision
    if wanted == "32":
        return "32-true"
    if wanted == "bf16":
        return "bf16-mixed"
    if device.type == "cuda":
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"
    fast_on_cpu = device.type == "cpu" and _cpu_has_bf16()
    return "bf16-mixed" if fast_on_cpu else "32-true"


def _cpu_has_bf16() -> bool:
    # Emulated bf16 on a CPU without the instructions is ten times slower than 32-bit, so ask for the instructions.
    flags = Path("/proc/cpuinfo")
    return flags.is_file() and any(name in flags.read_text() for name in ("avx512_bf16", "amx_bf16"))


def learning_rate(step: int, recipe: Recipe) -> float:
    """Learning rate of a step: linear warm-up, then the recipe's schedule ("cosine" ends at zero)."""
    t = recipe.train
    warm = min(1.0, (step + 1) / t.warmup) if t.warmup else 1.0
    if t.schedule == "cosine":
        return t.lr * warm * 0.5 * (1 + math.cos(math.pi * step / t.steps))
    if t.schedule == "step" and t.decay_every:
        return t.lr * warm * t.decay ** (step // t.decay_every)
    return t.lr * warm


def predictor(network: nn.Module, device: torch.device) -> Predictor:
    """The network as a function of one picture, uint8 [H, W, 3] to float32 [H, W]."""

    def predict(image: np.ndarray[Any, np.dtype[np.uint8]]) -> np.ndarray[Any, np.dtype[np.float32]]:
        batch = torch.tensor(image).to(device).permute(2, 0, 1)[None].float() / 255
        with torch.inference_mode():
            return np.asarray(network(batch)[0, 0].float().cpu().numpy())

    return predict


def validate(network: nn.Module, store: SceneStore | BuiltStore, device: torch.device, limit: int | None) -> Measures:
    """Mean measures of a network on the validation pictures (all, or about `limit` spread over them)."""
    predict = predictor(network.eval(), device)
    return mean_measures(measure(p.residual, predict(p.image)) for p in validation_pictures(store, limit=limit))


def train(
    recipe: Recipe,
    *,
    cache: Path = Path("runs/cache"),
    resume: bool = True,
    report: Report = print,
    render_progress: Any = None,
    on_step: Callable[[int, float], None] | None = None,
    stop_at: int | None = None,
) -> TrainingProgress:
    """Train a network by a recipe and leave checkpoint, averaged weights, log and resolved recipe in its folder.

    cache: where rendered scenes are kept. resume: continue from the folder's checkpoint if there is one; a resumed run
    ends with the same weights as one that was never stopped (same machine, same thread count). report: gets a line per
    event. on_step: gets step and loss. stop_at: stop after this step, as if interrupted.
    Raises RecipeError: a recipe that cannot be used, a loss that is not finite; LuxelError: a full disk.
    """
    folder = Path(recipe.output.folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RecipeError(f"output.folder={folder}: cannot be made ({error.strerror}); give another") from error
    write_file(folder / "recipe.json", recipe.model_dump_json(by_alias=True, indent=1), error=RecipeError)
    if recipe.train.threads:
        torch.set_num_threads(recipe.train.threads)
    fabric = Fabric(accelerator="auto", devices=1)
    fabric = Fabric(accelerator="auto", devices=1, precision=precision_for(recipe, fabric.device))  # type: ignore[arg-type]
    fabric.seed_everything(recipe.train.seed, verbose=False)

    training_data, validation_store = open_stores(recipe.data, cache, render_progress)
    # Channels last: bf16 convolutions on a CPU that has the instructions are a third faster so, others no slower.
    network = make_network(recipe)
    nn.utils.convert_conv2d_weight_memory_format(network, torch.channels_last)
    average = make_network(recipe).requires_grad_(False).to(fabric.device)
    average.load_state_dict(network.state_dict())
    optimizer = make_optimizer(network, recipe.train)
    # Static shapes: crops change with the phase only, and each phase is worth its own kernels.
    if recipe.train.compile:
        if not any(map(shutil.which, COMPILERS)):
            raise RecipeError(
                f"train.compile: none of {', '.join(COMPILERS)} is installed; install one, or --set train.compile=false"
            )
        network.compile(dynamic=False)
    model, optimizer = fabric.setup(network, optimizer)

    progress, checkpoint = TrainingProgress(), folder / "checkpoint.pt"
    if resume and checkpoint.is_file():
        state = load_checkpoint(checkpoint)
        if ("muon" in state["optimizer"]) != (recipe.train.optimizer == "muon"):
            raise RecipeError(
                f"train.optimizer={recipe.train.optimizer}: {checkpoint} was made with another optimiser; continue with"
                " that one, or give another output.folder"
            )
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        progress = TrainingProgress(**state["progress"])
        report(f"resumed at step {progress.step} from {checkpoint}")

    def save() -> None:
        state = {"network": network.state_dict(), "average": average.state_dict(), "optimizer": optimizer.state_dict()}
        save_checkpoint(checkpoint, {**state, "progress": asdict(progress)})

    log = EventLog(folder / "log")
    stream = batches(training_data, recipe, start=progress.step)
    end = recipe.train.steps if stop_at is None else min(stop_at, recipe.train.steps)
    while progress.step < end:
        image, residual, confidence = fabric.to_device(next(stream))
        rate = learning_rate(progress.step, recipe)
        for group in optimizer.param_groups:
            group["lr"] = rate
        model.train()
        # Whole pictures come in many sizes (16 in the shipped training set), and each would be compiled for a minute.
        whole = phase_of(progress.step, recipe).crop == "whole"
        with torch.compiler.set_stance("force_eager" if whole else "default"):
            prediction = model((image.float() / 255).contiguous(memory_format=torch.channels_last))
        loss = pixel_loss(prediction, residual, recipe.train.loss, confidence)  # Eq. (7)
        if recipe.train.gradient_weight:
            loss = loss + recipe.train.gradient_weight * gradient_loss(prediction, residual, confidence)
        if recipe.train.ssim_weight:
            loss = loss + recipe.train.ssim_weight * ssim_loss(prediction, residual, confidence)
        value = _finite(float(loss.detach()), "loss", progress.step + 1)
        optimizer.zero_grad()
        fabric.backward(loss)
        fabric.clip_gradients(model, optimizer, max_norm=recipe.train.clip_norm)
        optimizer.step()
        progress.step += 1
        update_average(average, network, recipe.train.ema, progress.step)

        if on_step:
            on_step(progress.step, value)
        if progress.step % recipe.output.log_every == 0:
            log.write(progress.step, {"train/loss": value, "train/lr": rate})
        if progress.step % recipe.validate_.every == 0 or progress.step == recipe.train.steps:
            measures = validate(average, validation_store, fabric.device, recipe.validate_.pictures)
            _finite(measures.mae, "validation MAE", progress.step)
            log.write(progress.step, {f"validation/{k}": v for k, v in asdict(measures).items()})
            progress.history.append({"step": progress.step, "loss": value, **asdict(measures)})
            report(f"step {progress.step}: MAE {measures.mae:.4f} SSIM {measures.ssim:.4f} sign {measures.sign:.4f}")
            if measures.mae < progress.best_mae:
                progress.best_mae, progress.best_step, progress.checks_without_gain = measures.mae, progress.step, 0
                save_checkpoint(folder / "best.pt", {"average": average.state_dict(), "progress": asdict(progress)})
            else:
                progress.checks_without_gain += 1
            write_file(folder / "history.json", json.dumps(progress.history, indent=1))
            save()
            if recipe.validate_.early_stop_after and progress.checks_without_gain >= recipe.validate_.early_stop_after:
                report(f"stopped early: no better than MAE {progress.best_mae:.4f} of step {progress.best_step}")
                break
        elif progress.step % recipe.output.checkpoint_every == 0:
            save()
    save()
    return progress


def _finite(value: float, name: str, step: int) -> float:
    """The value of a step. Raises RecipeError where it is not finite: nothing that follows from it is stored."""
    if not math.isfinite(value):
        raise RecipeError(
            f"step {step}: the {name} is {value}; lower train.lr or raise train.warmup, and give another output.folder"
        )
    return value


def make_network(recipe: Recipe) -> PIEANet:
    """The network of a recipe, with its starting weights."""
    m = recipe.model
    network = build(
        wavelet=m.wavelet,
        without=m.without,
        channels=m.channels,
        structure_widths=m.structure_widths,
        lightness_widths=m.lightness_widths,
        prediction_width=m.prediction_width,
    )
    if m.start != "random":
        load_into(network, None if m.start == "shipped" else Path(m.start))
    return network


@torch.no_grad()
def update_average(average: nn.Module, network: nn.Module, decay: float, step: int) -> None:
    """Exponential moving average of weights, short at first so that it does not remember the start."""
    decay = min(decay, (1 + step) / (10 + step))
    slow: list[Tensor] = list(average.parameters())
    torch._foreach_lerp_(slow, [p.detach() for p in network.parameters()], 1 - decay)
