"""The exposure residual as a training loss for enhancement networks (paper 5.3 (2), Table 4)."""

from pathlib import Path

import torch
from torch import Tensor, nn

from luxel.errors import LuxelError
from luxel.model.weights import load_model

SMALLEST_SIDE = 8


class ExposureLoss(nn.Module):
    """Mean absolute exposure residual of pictures, by a frozen P-IEANet: lower is better exposed.

    images: [B, 3, H, W], sRGB-encoded, in [0, 1] (a network under training may stray a little outside; values are
    clipped for the network, gradients pass through), H and W >= 8. Returns a scalar in [0, 1], or with
    reduction="none" one value per picture [B]. Differentiable to `images`; the network's own weights never get a
    gradient and stay in eval mode. Computed in the network's own precision (float32) whatever
    autocast says. Raises LuxelError for wrong shapes.

    loss = ExposureLoss()
    total = pixel_loss + 0.1 * loss(enhanced)
    """

    def __init__(self, weights: str | Path | None = None, *, reduction: str = "mean") -> None:
        super().__init__()
        if reduction not in ("mean", "none"):
            raise LuxelError(f'ExposureLoss: reduction {reduction!r} is unknown; use "mean" or "none"')
        self.reduction = reduction
        self.network = load_model(weights).requires_grad_(False)

    def train(self, mode: bool = True) -> "ExposureLoss":
        """Set training mode on everything but the frozen network."""
        super().train(mode)
        self.network.eval()
        return self

    def residual(self, images: Tensor) -> Tensor:
        """The residual maps [B, 1, H, W] in [-1, 1], differentiable to `images`."""
        if images.dim() != 4 or images.shape[1] != 3 or min(images.shape[-2:]) < SMALLEST_SIDE:
            raise LuxelError(f"ExposureLoss: images of shape {tuple(images.shape)}; give [B, 3, H, W] with H, W >= 8")
        with torch.autocast(images.device.type, enabled=False):
            full = images.to(next(self.network.parameters()).dtype)
            # Clip forward, identity backward: a pixel beyond white must still be pulled back.
            clipped = full + (full.clamp(0, 1) - full).detach()
            maps: Tensor = self.network(clipped)
        return maps

    def forward(self, images: Tensor) -> Tensor:
        error = self.residual(images).abs().mean(dim=(1, 2, 3))
        return error.mean() if self.reduction == "mean" else error
