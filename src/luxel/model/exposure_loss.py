"""The exposure residual as a training loss for enhancement networks (paper 5.3 (2), Table 4)."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from luxel.errors import LuxelError
from luxel.model.network import PIEANet
from luxel.model.weights import load_model

MIN_SIDE = 8

RANGE_TOLERANCE = 1e-3
"""How far images may leave [0, 1] without a warning: rounding (of half precision, one step of it)."""

FARTHEST = (-1.0, 2.0)
"""Images with values beyond these are rejected: they are not pictures in [0, 1]."""

_REMEDY = "clamp or sigmoid the output of the enhancer, and divide 8-bit values by 255"


class ExposureLoss(nn.Module):
    """Mean absolute exposure residual of pictures, by a frozen P-IEANet: lower is better exposed.

    What minimises it: any picture whose residual map is zero, that is any picture with the ideal lightness, whatever
    it shows; a uniform grey one has a low loss too. So it must remain a regulariser beside a fidelity term that holds
    the content (L1 to a target, a perceptual loss, consistency with the input); on its own it removes contrast.

    Parameters of the constructor:

    weights: an .onnx or .safetensors file written by luxel; None for the shipped weights.
    reduction: "mean" for a scalar over the batch; "none" for one value per picture, [B].
    margin: in [0, 1); residuals up to it cost nothing, the loss is mean max(|r| - margin, 0).
    working_size: pixels of the short side (>= 8) to which larger images are shrunk before the network, bilinearly with
        antialiasing and differentiably; None judges them at their own size.

    Parameter of the call:

    images: [B, 3, H, W], sRGB-encoded, in [0, 1], H and W >= 8. Values a little outside are clipped for the network
        while gradients pass through; beyond rounding there is one warning per instance.

    Returns float32, in [0, 1]. Differentiable to `images`. Raises LuxelError for wrong shapes and for values below -1
    or above 2, such as 0-255 pictures.

    The frozen network is not part of the module's state: `state_dict()` is empty, `parameters()` yields nothing, and it
    stays in eval mode. It follows `.to(device)`, `.cuda()` and `.cpu()`. It stays float32 whatever `.half()`,
    `.to(dtype)` and autocast say; images of another type are converted.

    >>> import torch, luxel
    >>> exposure = luxel.ExposureLoss(margin=0.05, working_size=256)
    >>> enhancer = torch.nn.Sequential(torch.nn.Conv2d(3, 3, 3, padding=1), torch.nn.Sigmoid())
    >>> optimizer = torch.optim.Adam(enhancer.parameters())
    >>> dark, target = torch.rand(2, 3, 64, 64) * 0.2, torch.rand(2, 3, 64, 64)
    >>> enhanced = enhancer(dark)
    >>> total = torch.nn.functional.l1_loss(enhanced, target) + 0.1 * exposure(enhanced)
    >>> total.backward()
    >>> optimizer.step()
    """

    def __init__(
        self,
        weights: str | Path | None = None,
        *,
        reduction: str = "mean",
        margin: float = 0.0,
        working_size: int | None = None,
    ) -> None:
        super().__init__()
        if reduction not in ("mean", "none"):
            raise LuxelError(f'ExposureLoss: reduction {reduction!r} is unknown; use "mean" or "none"')
        if not 0.0 <= margin < 1.0:
            raise LuxelError(f"ExposureLoss: margin {margin} is outside [0, 1)")
        if working_size is not None and working_size < MIN_SIDE:
            raise LuxelError(f"ExposureLoss: working_size {working_size} is below {MIN_SIDE}")
        self.reduction = reduction
        self.margin = margin
        self.working_size = working_size
        # In a tuple, so that the module does not register it: nobody wants these weights in a checkpoint.
        self._held = (load_model(weights).requires_grad_(False),)
        self._warned = False

    @property
    def network(self) -> PIEANet:
        """The frozen network."""
        return self._held[0]

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Move the network to the device that `fn` moves tensors to; the type stays."""
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        here = next(self.network.parameters()).device
        there = fn(torch.empty(0, device=here)).device
        if there != here:
            self.network.to(there)
        return self

    def train(self, mode: bool = True) -> Self:
        """Sets training mode on everything but the frozen network; returns the module.

        mode: True for training, False for evaluation.
        """
        super().train(mode)
        self.network.eval()
        return self

    def residual(self, images: Tensor) -> Tensor:
        """The residual maps [B, 1, H, W] in [-1, 1], differentiable to `images`; with working_size, maps at that.

        images: [B, 3, H, W], sRGB-encoded, in [0, 1], H and W >= 8.
        Raises LuxelError for wrong shapes and for values below -1 or above 2.
        """
        if images.dim() != 4 or images.shape[1] != 3 or min(images.shape[-2:]) < MIN_SIDE:
            raise LuxelError(f"ExposureLoss: images of shape {tuple(images.shape)}; give [B, 3, H, W] with H, W >= 8")
        self._check_range(images)
        with torch.autocast(images.device.type, enabled=False):
            full = images.to(next(self.network.parameters()).dtype)
            # Clip forward, identity backward: a pixel beyond white must still be pulled back.
            clipped = full + (full.clamp(0, 1) - full).detach()
            maps: Tensor = self.network(self._shrunk(clipped))
        return maps

    def forward(self, images: Tensor) -> Tensor:
        """The loss, float32: a scalar, or [B] with reduction "none".

        images: [B, 3, H, W], sRGB-encoded, in [0, 1], H and W >= 8.
        Raises LuxelError for wrong shapes and for values below -1 or above 2.
        """
        error = (self.residual(images).abs() - self.margin).clamp(min=0).mean(dim=(1, 2, 3))
        return error.mean() if self.reduction == "mean" else error

    def _check_range(self, images: Tensor) -> None:
        """Reject values far outside [0, 1]; warn once of values a little outside."""
        if images.numel() == 0 or images.is_meta:
            return
        low, high = (float(end) for end in torch.stack(torch.aminmax(images.detach())).tolist())
        found = f"ExposureLoss: images reach from {low:.4g} to {high:.4g}, outside [0, 1]"
        if low < FARTHEST[0] or high > FARTHEST[1]:
            raise LuxelError(f"{found}; {_REMEDY}")
        tolerance = RANGE_TOLERANCE
        if images.is_floating_point():
            tolerance = max(tolerance, torch.finfo(images.dtype).eps)
        if not self._warned and (low < -tolerance or high > 1 + tolerance):
            self._warned = True
            # Up to the line that calls the loss, past forward and the two calls of torch around it.
            warnings.warn(f"{found}, and are clipped; {_REMEDY}", stacklevel=6)

    def _shrunk(self, images: Tensor) -> Tensor:
        """Images whose short side is at most working_size."""
        height, width = images.shape[-2:]
        short = min(height, width)
        if self.working_size is None or short <= self.working_size:
            return images
        size = [round(side * self.working_size / short) for side in (height, width)]
        return F.interpolate(images, size=size, mode="bilinear", align_corners=False, antialias=True)
