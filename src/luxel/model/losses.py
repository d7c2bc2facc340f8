"""Training losses on residual maps."""

from typing import Literal

from torch import Tensor
from torch.nn import functional as F

PixelLoss = Literal["l1", "l2", "smooth_l1"]

SMOOTH_L1_BETA = 0.1
"""Residual below which smooth L1 is quadratic: the default threshold of "over" and "under"."""


def pixel_loss(prediction: Tensor, residual: Tensor, kind: PixelLoss = "l1") -> Tensor:
    """Mean distance of two maps, scalar. prediction, residual: [B, 1, H, W]. "l1" is Eq. (7); the others Table 6."""
    if kind == "l1":
        return F.l1_loss(prediction, residual)
    if kind == "l2":
        return F.mse_loss(prediction, residual)
    return F.smooth_l1_loss(prediction, residual, beta=SMOOTH_L1_BETA)


def gradient_loss(prediction: Tensor, residual: Tensor) -> Tensor:
    """L1 distance of the horizontal and vertical first differences of two maps, scalar: rewards edges in place.

    prediction, residual: [B, 1, H, W]. Ours, not the paper's.
    """
    error = prediction - residual
    across = (error[..., :, 1:] - error[..., :, :-1]).abs().mean()
    down = (error[..., 1:, :] - error[..., :-1, :]).abs().mean()
    return across + down
