"""Task heads that several baselines share. The rule is one for all: a map by tanh, a score in [0, 10] by no clamp.

From features of full resolution a map is one convolution away; from an encoder's it takes a decoder. Native score heads
(a distribution, a panel of queries, levels) stand in the file of the method they belong to.
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from luxel.benchmark.blocks.features import FeatureNetwork, Features

MIDDLE_SCORE = 5.0
"""Where a score head starts: the middle of the range 0 to 10."""


class LastConvolution(nn.Module):
    """Map head of a full-resolution network: its last convolution with one output channel, then tanh.

    Takes the first of the features' maps, which must have stride 1. Returns [B, 1, H, W] in [-1, 1].
    """

    def __init__(self, network: FeatureNetwork, *, kernel: int) -> None:
        super().__init__()
        self.convolution = start_near_ideal(nn.Conv2d(network.widths[0].channels, 1, kernel, padding=kernel // 2))

    def forward(self, features: Features) -> Tensor:
        return torch.tanh(self.convolution(features.maps[0]))


class PixelDecoder(nn.Module):
    """Map head of an encoder: from the deepest map, twice the size and half the width until the stride is 1.

    1x1 to 256 channels; while the stride is above 1: bilinear x2, the encoder's map of that stride added through a 1x1
    where it has one, 3x3 convolution, group norm, ReLU, width halved down to 32; last 3x3 to one channel, tanh.
    Returns [B, 1, H, W] in [-1, 1].
    """

    def __init__(self, network: FeatureNetwork, *, width: int = 256, narrowest: int = 32) -> None:
        super().__init__()
        self.strides = [entry.stride for entry in network.widths]
        deepest = network.widths[-1]
        self.enter = nn.Conv2d(deepest.channels, width, 1)
        self.skips = nn.ModuleDict()
        self.steps = nn.ModuleList()
        stride = deepest.stride
        while stride > 1:
            stride //= 2
            if stride in self.strides:
                channels = network.widths[self.strides.index(stride)].channels
                self.skips[str(stride)] = nn.Conv2d(channels, width, 1)
            narrower = max(width // 2, narrowest)
            self.steps.append(
                nn.Sequential(nn.Conv2d(width, narrower, 3, padding=1), nn.GroupNorm(8, narrower), nn.ReLU())
            )
            width = narrower
        self.last = start_near_ideal(nn.Conv2d(width, 1, 3, padding=1))

    def forward(self, features: Features) -> Tensor:
        x = self.enter(features.maps[-1])
        stride = self.strides[-1]
        for step in self.steps:
            stride //= 2
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            if str(stride) in self.skips:
                x = x + self.skips[str(stride)](features.maps[self.strides.index(stride)])
            x = step(x)
        return torch.tanh(self.last(x))


class PooledScore(nn.Module):
    """Score head for networks without one of their own: mean of each chosen map, Linear 128, ReLU, dropout, Linear 1.

    maps: which of the network's maps, by index; all if None. Returns [B].
    """

    def __init__(self, network: FeatureNetwork, *, maps: Sequence[int] | None = None) -> None:
        super().__init__()
        self.maps = list(range(len(network.widths))) if maps is None else list(maps)
        in_channels = sum(network.widths[i].channels for i in self.maps)
        self.layers = nn.Sequential(
            nn.Linear(in_channels, 128), nn.ReLU(), nn.Dropout(0.1), start_in_middle(nn.Linear(128, 1))
        )

    def forward(self, features: Features) -> Tensor:
        pooled = torch.cat([features.maps[i].mean((2, 3)) for i in self.maps], 1)
        return cast(Tensor, self.layers(pooled))[:, 0]


class VectorScore(nn.Module):
    """Score head of an encoder that ends in a vector: one linear layer. Returns [B]."""

    def __init__(self, network: FeatureNetwork) -> None:
        super().__init__()
        self.linear = start_in_middle(nn.Linear(network.vector, 1))

    def forward(self, features: Features) -> Tensor:
        assert features.vector is not None, "the network promises a vector"
        return cast(Tensor, self.linear(features.vector))[:, 0]


class DistributionScore(nn.Module):
    """Score head of the aesthetics methods: dropout, Linear to ten bins, softmax, expectation over scores. Returns [B].

    The bins stand at 0, 10/9, ... 10, so that the expectation covers the range of scores.
    """

    bins: Tensor

    def __init__(self, in_channels: int, *, bins: int = 10, dropout: float = 0.75) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Dropout(dropout), nn.Linear(in_channels, bins))
        self.register_buffer("bins", torch.linspace(0, 10, bins), persistent=False)

    def forward(self, features: Features) -> Tensor:
        assert features.vector is not None, "the network promises a vector"
        return (cast(Tensor, self.layers(features.vector)).softmax(1) * self.bins).sum(1)


def start_near_ideal(layer: nn.Conv2d) -> nn.Conv2d:
    """The layer, its weights set so that the first map is close to zero, "ideal everywhere", as P-IEANet's is."""
    nn.init.normal_(layer.weight, std=1e-2)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def start_in_middle(layer: nn.Linear) -> nn.Linear:
    """The layer, its bias set so that the first score is near the middle of the range."""
    nn.init.normal_(layer.weight, std=1e-2)
    nn.init.constant_(layer.bias, MIDDLE_SCORE)
    return layer
