"""Training losses on residual maps."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

PixelLoss = Literal["l1", "l2", "smooth_l1"]

SMOOTH_L1_BETA = 0.1
"""Residual below which smooth L1 is quadratic: the default threshold of "over" and "under"."""


def pixel_loss(
    prediction: Tensor, residual: Tensor, kind: PixelLoss = "l1", confidence: Tensor | None = None
) -> Tensor:
    """Mean distance of two maps, scalar. prediction, residual: [B, 1, H, W]. "l1" is Eq. (7); the others Table 6.

    confidence: [B, 1, H, W] in [0, 1], the weight of every pixel in the mean; None counts all alike.
    """
    how = "mean" if confidence is None else "none"
    if kind == "l1":
        loss = F.l1_loss(prediction, residual, reduction=how)
    elif kind == "l2":
        loss = F.mse_loss(prediction, residual, reduction=how)
    else:
        loss = F.smooth_l1_loss(prediction, residual, beta=SMOOTH_L1_BETA, reduction=how)
    return loss if confidence is None else _mean(loss, confidence)


def gradient_loss(prediction: Tensor, residual: Tensor, confidence: Tensor | None = None) -> Tensor:
    """L1 distance of the horizontal and vertical first differences of two maps, scalar: rewards edges in place.

    prediction, residual: [B, 1, H, W]. confidence: as in `pixel_loss`; a difference weighs as its less certain pixel.
    Ours, not the paper's.
    """
    error = prediction - residual
    across = (error[..., :, 1:] - error[..., :, :-1]).abs()
    down = (error[..., 1:, :] - error[..., :-1, :]).abs()
    if confidence is None:
        return across.mean() + down.mean()
    weight_across = torch.minimum(confidence[..., :, 1:], confidence[..., :, :-1])
    weight_down = torch.minimum(confidence[..., 1:, :], confidence[..., :-1, :])
    return _mean(across, weight_across) + _mean(down, weight_down)


def _mean(loss: Tensor, weight: Tensor) -> Tensor:
    # A batch without one certain pixel teaches nothing, rather than dividing by zero.
    return (loss * weight).sum() / weight.sum().clamp(min=1.0)
