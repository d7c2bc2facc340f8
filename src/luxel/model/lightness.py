"""Lightness Feature Module: how much light there is, over channels and over pixels (paper 3.2, Eq. 5, 6)."""

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from luxel.model.attention import RegionAttention

KERNEL_SIZES = (3, 5, 7)
"""The set K of Eq. (6)."""

ATTENDED = 16
"""Channels that the pixel attention sees."""


class LightnessChannelAttention(nn.Module):
    """LCA, Eq. (5): weigh channels by their mean over the picture, F_c = A_c * L_c, [B, C, H, W] to the same shape."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(4, channels // 4)
        self.mlp = nn.Sequential(
            nn.Conv2d(channels, hidden, 1), nn.ReLU(), nn.Conv2d(hidden, channels, 1), nn.Sigmoid()
        )

    def forward(self, lightness: Tensor) -> Tensor:
        weighted: Tensor = lightness * self.mlp(lightness.mean(dim=(2, 3), keepdim=True))
        return weighted


class LightnessPixelAttention(nn.Module):
    """LPA, Eq. (6): the pixel weights A_p in [0, 1] of F_c, [B, C, H, W] to [B, 1, H, W].

    Attention and convolutions see `ATTENDED` mixtures of the channels: a 7 x 7 convolution of all of them to one weight
    was a tenth of the network's time.
    """

    def __init__(self, channels: int, *, grid: int, kernel_sizes: Sequence[int] = KERNEL_SIZES) -> None:
        super().__init__()
        self.mix = nn.Conv2d(channels, ATTENDED, 1)
        self.attention = RegionAttention(ATTENDED, grid=grid)
        self.convolutions = nn.ModuleList(nn.Conv2d(ATTENDED, 1, k, padding=k // 2) for k in kernel_sizes)
        self.weights = nn.Parameter(torch.ones(len(kernel_sizes)))

    def forward(self, f_c: Tensor) -> Tensor:
        kernel, bias = self.summed_kernel()
        x = F.relu(self.attention(self.mix(f_c)))
        return F.conv2d(x, kernel, bias, padding=kernel.shape[-1] // 2).sigmoid()

    def summed_kernel(self) -> tuple[Tensor, Tensor]:
        """The sum over k of w_k Conv_k as one convolution: convolutions are linear, so their kernels add up."""
        largest = max(c.kernel_size[0] for c in self._convolutions())
        kernels, biases = [], []
        for weight, convolution in zip(self.weights, self._convolutions(), strict=True):
            margin = (largest - convolution.kernel_size[0]) // 2
            kernels.append(weight * F.pad(convolution.weight, (margin, margin, margin, margin)))
            biases.append(weight * cast(Tensor, convolution.bias))
        return torch.stack(kernels).sum(0), torch.stack(biases).sum(0)

    def _convolutions(self) -> list[nn.Conv2d]:
        return [cast(nn.Conv2d, convolution) for convolution in self.convolutions]


class LightnessAttention(nn.Module):
    """LCA and LPA side by side and their merge A_o = MLP(F_c, F_p), added to the input; [B, C, H, W] to the same."""

    def __init__(self, channels: int, *, grid: int) -> None:
        super().__init__()
        self.channel = LightnessChannelAttention(channels)
        self.pixel = LightnessPixelAttention(channels, grid=grid)
        self.merge = nn.Sequential(nn.Conv2d(2 * channels, channels, 1), nn.ReLU(), nn.Conv2d(channels, channels, 1))

    def forward(self, l_c: Tensor) -> Tensor:
        f_c = self.channel(l_c)  # Eq. (5)
        f_p = l_c * self.pixel(f_c)  # Eq. (6)
        merged: Tensor = l_c + self.merge(torch.cat([f_c, f_p], dim=1))
        return merged


class ResidualConvolution(nn.Module):
    """Two 3x3 convolutions added to their input, [B, C, H, W] to the same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolve = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU(), nn.Conv2d(channels, channels, 3, padding=1)
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.convolve(x)
        return y


class LightnessModule(nn.Module):
    """Lightness features A_o of the low band.

    low: [B, 3, h, w] to [B, channels, h, w]. Light is judged at several scales: stages halve the size, each with
    convolutions and, from the second on, the paper's attention pair; their features are added back from coarse to fine.

    widths: channels of each stage. h and w must divide by 2^(len(widths)-1).
    """

    def __init__(self, channels: int, *, widths: tuple[int, ...], grid: int = 4) -> None:
        super().__init__()
        self.widths = widths
        c_in = (3, *widths[:-1])
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Conv2d(c_in[i], width, 3, stride=1 if i == 0 else 2, padding=1), nn.ReLU())
            for i, width in enumerate(widths)
        )
        self.stages = nn.ModuleList(
            nn.Sequential(ResidualConvolution(width), LightnessAttention(width, grid=grid) if i else nn.Identity())
            for i, width in enumerate(widths)
        )
        self.laterals = nn.ModuleList(nn.Conv2d(coarse, fine, 1) for fine, coarse in pairwise(widths))
        self.smooth = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.ReLU()) for width in widths[:-1]
        )
        self.out = nn.Conv2d(widths[0], channels, 1)

    def forward(self, low: Tensor) -> Tensor:
        x, features = low, []
        for layer, stage in zip(self.layers, self.stages, strict=True):
            x = stage(layer(x))
            features.append(x)
        for fine, lateral, smooth in zip(features[-2::-1], reversed(self.laterals), reversed(self.smooth), strict=True):
            x = fine + smooth(fine + F.interpolate(lateral(x), size=fine.shape[-2:], mode="bilinear"))
        a_o: Tensor = self.out(x)
        return a_o
