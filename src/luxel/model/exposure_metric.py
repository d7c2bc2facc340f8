"""Mean exposure residual of a stream of pictures, as a torchmetrics metric (paper 5.3 (1), Fig. 8)."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from luxel.model.exposure_loss import ExposureLoss
from luxel.residual import DEFAULT_THRESHOLD, SCORE_BEST, SCORE_OVER, SCORE_UNDER


class ExposureResidual(Metric):
    """How well exposed the images seen so far are, by luxel's network; lower is better.

    It keeps six sums, never an image, and adds up over processes.

    weights: a .safetensors file written by luxel; None for the shipped weights.
    threshold: |r| above which a pixel counts as over- or underexposed, in (0, 1), in lightness.
    options: what torchmetrics.Metric takes.
    Raises WeightsError for weights that cannot be used.
    Source: paper 5.3 (1), Fig. 8.

    >>> import torch, luxel
    >>> metric = luxel.ExposureResidual()
    >>> for batch in (torch.full((2, 3, 64, 64), 0.1), torch.full((1, 3, 48, 80), 0.1)):
    ...     metric.update(batch)
    >>> means = metric.compute()
    >>> sorted(means), bool(means["under"] > 0.9)
    (['over', 'residual', 'score', 'under'], True)
    """

    is_differentiable = False
    higher_is_better = False
    full_state_update = False

    residual: Tensor
    score: Tensor
    over: Tensor
    under: Tensor
    count: Tensor

    def __init__(
        self, weights: str | Path | None = None, *, threshold: float = DEFAULT_THRESHOLD, **options: Any
    ) -> None:
        super().__init__(**options)
        self.threshold = threshold
        self.exposure = ExposureLoss(weights, reduction="none")
        for name in ("residual", "score", "over", "under", "count"):
            # Double precision: millions of small shares must not drown in a large sum.
            self.add_state(name, torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    @torch.inference_mode()
    def update(self, images: Tensor) -> None:
        """Adds a batch of images.

        images: [B, 3, H, W], sRGB-encoded, in [0, 1]; batches may differ in size.
        """
        maps = self.exposure.residual(images).flatten(1)
        self.residual += maps.abs().mean(1).sum().double()
        under, over = maps.clamp(min=0).mean(1), (-maps).clamp(min=0).mean(1)
        scores = (SCORE_BEST - SCORE_UNDER * under - SCORE_OVER * over).clamp(0, 10)
        self.score += scores.sum().double()
        self.over += (maps < -self.threshold).float().mean(1).sum().double()
        self.under += (maps > self.threshold).float().mean(1).sum().double()
        self.count += len(images)

    def compute(self) -> dict[str, Tensor]:
        """The means over all images added, a dict of scalars; nan before the first.

        "residual" is the mean absolute residual, "score" `luxel.residual.people_score`, "over" and "under" the shares
        of the image with r < -threshold and r > threshold.
        """
        residual = self.residual / self.count
        return {
            "residual": residual,
            "score": self.score / self.count,
            "over": self.over / self.count,
            "under": self.under / self.count,
        }
