"""Train one method on one split by the rules that hold for all of them: budget, batches, mirror, schedule, loss."""

import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from luxel.benchmark.facts import BenchmarkTask
from luxel.benchmark.protocol.data import Frames
from luxel.errors import LuxelError

WARM_UP = 0.05
"""Share of the budget in which the learning rate rises to its peak; from there a cosine takes it to zero."""

CLIP_NORM = 1.0

BatchNorm = nn.modules.batchnorm._BatchNorm
"""Its running means and variances start as the plain mean of the first batches, not at 0 and 1: after the few dozen
steps of a small budget those would still be in them, and a network would be measured with statistics it never had."""

Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Budget:
    """What a method may spend on one split: seconds or images, the other is None.

    On a CPU, seconds are those that one core works, summed over threads: a busy machine then changes nothing but how
    long one waits. On an accelerator they are the clock's.
    """

    seconds: float | None = None
    images: int | None = None

    @classmethod
    def parse(cls, text: str) -> "Budget":
        """From "90s", "2m", "1.5h", or a number of images, "20000". Raises LuxelError for anything else."""
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|m|h|)", text.strip())
        if not found or float(found[1]) <= 0 or (not found[2] and "." in found[1]):
            raise LuxelError(f"budget {text!r}: give a time such as 90s, 2m or 1h, or a number of images such as 20000")
        if not found[2]:
            return cls(images=int(found[1]))
        return cls(seconds=float(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]])

    def __str__(self) -> str:
        return f"{self.images} images" if self.seconds is None else f"{self.seconds:g} s"

    def spent(self, seconds: float, images: int) -> float:
        """Share of the budget that is spent, 0 to 1 and beyond."""
        if self.seconds is not None:
            return seconds / self.seconds
        return images / cast(int, self.images)


@dataclass(frozen=True, slots=True)
class Spent:
    """What training took: seconds as `Budget` counts them, images seen, steps, and the loss of the last tenth."""

    seconds: float
    images: int
    steps: int
    loss: float


def train_method(
    fabric: Fabric,
    model: nn.Module,
    frames: Frames,
    indices: npt.NDArray[np.int64],
    *,
    task: BenchmarkTask,
    lr: float,
    budget: Budget,
    batch: int,
    seed: int,
    loss: Loss = nn.functional.l1_loss,
    on_step: Callable[[float], None] | None = None,
) -> Spent:
    """Trains a model in place on the frames at `indices`.

    AdamW, weight decay 1e-4, gradients clipped to norm 1; mirrored half of the time; loss as given (Eq. 7: L1), or the
    head's own where it has one. Every device takes its share of each batch of `batch` pictures. The same seed gives the
    same batches. Raises LuxelError if the loss stops being a number.
    """
    fabric.seed_everything(seed, verbose=False)
    norms = [(m, m.momentum) for m in model.modules() if isinstance(m, BatchNorm) and m.momentum is not None]
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=lr, weight_decay=1e-4)
    wrapped, optimizer = fabric.setup(model, optimizer)
    own_loss = task == "score" and hasattr(cast(Any, model).head, "loss")
    if own_loss:
        wrapped.mark_forward_method("own_loss")
    wrapped.train()
    scores = torch.from_numpy(frames.scores).float()
    clock = time.process_time if fabric.device.type == "cpu" else time.perf_counter
    started, images, steps, losses = clock(), 0, 0, []
    while (done := _agreed(fabric, budget.spent(clock() - started, images))) < 1 or steps == 0:
        for group in optimizer.param_groups:
            group["lr"] = lr * min(1.0, (done + 1e-3) / WARM_UP) * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
        for norm, momentum in norms:
            norm.momentum = max(momentum, 1 / (steps + 1))
        rng = np.random.default_rng((seed, steps))
        chosen = np.sort(rng.choice(indices, batch, replace=len(indices) < batch))
        mirrored = rng.random(batch) < 0.5
        part = slice(fabric.global_rank, None, fabric.world_size)
        image, residual = _batch(frames, chosen[part], mirrored[part], task)
        target = scores[chosen[part]] if residual is None else residual
        image, target = image.to(fabric.device), target.to(fabric.device)
        value = wrapped.own_loss(image, target) if own_loss else loss(wrapped(image).float(), target)
        if not math.isfinite(float(value.detach())):
            raise LuxelError(f"step {steps}: loss is {float(value.detach())}; use a learning rate below {lr:g}")
        optimizer.zero_grad()
        fabric.backward(value)
        fabric.clip_gradients(wrapped, optimizer, max_norm=CLIP_NORM)
        optimizer.step()
        losses.append(float(value.detach()))
        steps += 1
        images += batch
        if on_step:
            on_step(min(1.0, done))
    model.eval()
    return Spent(clock() - started, images, steps, float(np.mean(losses[-max(1, len(losses) // 10) :])))


def _agreed(fabric: Fabric, done: float) -> float:
    """The first process's clock decides for all, or one would stop while another waits for its gradients."""
    return done if fabric.world_size == 1 else fabric.broadcast(done)


def _batch(
    frames: Frames, chosen: npt.NDArray[np.int64], mirrored: npt.NDArray[np.bool_], task: BenchmarkTask
) -> tuple[Tensor, Tensor | None]:
    """Images [B, 3, S, S] in [0, 1], and for the pixel task their maps [B, 1, S, S], mirrored with them."""
    images = np.array(frames.images[chosen])
    images[mirrored] = images[mirrored, :, ::-1]
    batch = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    if task == "score":
        return batch, None
    residuals = np.array(frames.maps[chosen])
    residuals[mirrored] = residuals[mirrored, :, ::-1]
    return batch, torch.from_numpy(residuals)[:, None].float()
