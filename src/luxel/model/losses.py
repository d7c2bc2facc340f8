"""Training losses on residual maps."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from luxel.filters.gaussian import gaussian_weights
from luxel.metrics import RESIDUAL_RANGE, SSIM_K1, SSIM_K2, SSIM_SIGMA, SSIM_WINDOW

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


def ssim_loss(prediction: Tensor, residual: Tensor, confidence: Tensor | None = None) -> Tensor:
    """One minus the mean structural similarity of two maps, scalar, by the definition of `luxel.metrics.ssim`.

    prediction, residual: [B, 1, H, W] in [-1, 1], H, W >= 11. confidence: as in `pixel_loss`; a window weighs as its
    least certain pixel. Ours, not the paper's.
    """
    weights = torch.from_numpy(gaussian_weights(SSIM_SIGMA, SSIM_WINDOW // 2)).to(prediction)
    moments = (prediction, residual, prediction**2, residual**2, prediction * residual)
    smoothed = F.conv2d(torch.cat(moments), weights.view(1, 1, -1, 1))
    mean_p, mean_r, square_p, square_r, product = F.conv2d(smoothed, weights.view(1, 1, 1, -1)).chunk(len(moments))
    c1, c2 = (SSIM_K1 * RESIDUAL_RANGE) ** 2, (SSIM_K2 * RESIDUAL_RANGE) ** 2
    variances = square_p - mean_p**2 + square_r - mean_r**2
    covariance = product - mean_p * mean_r
    similarity = (2 * mean_p * mean_r + c1) * (2 * covariance + c2)
    similarity = similarity / ((mean_p**2 + mean_r**2 + c1) * (variances + c2))
    if confidence is None:
        return 1 - similarity.mean()
    return _mean(1 - similarity, -F.max_pool2d(-confidence, SSIM_WINDOW, stride=1))


def _mean(loss: Tensor, weight: Tensor) -> Tensor:
    # A batch without one certain pixel contributes no loss, rather than dividing by zero.
    return (loss * weight).sum() / weight.sum().clamp(min=1.0)
