"""MLSP: pooled features of every level of a frozen Inception-ResNet-v2, and a head that is trained on them."""

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from luxel.benchmark.blocks.features import FeatureNetwork, Features
from luxel.benchmark.blocks.heads import start_in_middle
from luxel.benchmark.blocks.inception import MIN_SIDE, Convolution, InceptionResNetV2
from luxel.benchmark.facts import BenchmarkTask, Cost, Facts

FACTS = Facts(
    name="mlsp",
    title="MLSP",
    family="aesthetics",
    tasks=("score",),
    kind="exact",
    costs={"score": Cost(91_344_545, 8_727_568_480)},
    note="narrow features; counted with the backbone's batch norm gains, 30,272 parameters fixed in the original",
    reference="Effective Aesthetics Prediction with Multi-level Spatially Pooled Features, CVPR 2019",
    licence="MIT",
    values="signed",
    official_params=91_344_545,
    paper_params="24M",
    paper_lcc=0.71,
    paper_srcc=0.68,
    lr=5e-4,
)

CHANNELS = 16_928
"""Of the 43 concatenations together."""
LAYERS = (2048, 1024, 256)
WIDTH = 1024
WIDE_GRID = 5


class MLSP(FeatureNetwork):
    """The backbone's 43 concatenations, each pooled to grid x grid, as the vector [B, channels * grid * grid].

    The backbone is frozen as published once it has been given weights; from random weights it trains with the head. Its
    layers after the last concatenation are there so that a published file loads whole, and never train. Pictures with
    a side below 75 px are enlarged.
    """

    widths = ()

    def __init__(self, backbone: InceptionResNetV2, *, grid: int = 1) -> None:
        super().__init__()
        self.backbone, self.grid = backbone, grid
        self.channels = sum(backbone.inner_channels)
        self.vector = self.channels * grid**2
        for unused in backbone.after_concatenations():
            unused.requires_grad_(False)

    def forward(self, image: Tensor) -> Features:
        h, w = image.shape[-2:]
        if min(h, w) < MIN_SIDE:
            scale = MIN_SIDE / min(h, w)
            size = (math.ceil(h * scale), math.ceil(w * scale))
            image = F.interpolate(image, size, mode="bilinear", align_corners=False)
        pooled = [F.adaptive_avg_pool2d(x, self.grid) for x in self.backbone.concatenations(image)]
        return Features((), torch.cat(pooled, 1).flatten(1))


class NarrowHead(nn.Module):
    """Three linear layers with ReLU, batch norm and dropout, and a last one. Returns [B].

    in_channels: width of the vector, layers: of the three. 37,038,081 parameters at full width.
    """

    def __init__(self, in_channels: int, *, layers: tuple[int, int, int] = LAYERS) -> None:
        super().__init__()
        self.layers = nn.Sequential()
        for out_channels, dropout in zip(layers, (0.25, 0.25, 0.5), strict=True):
            self.layers.extend(
                [nn.Linear(in_channels, out_channels), nn.ReLU(), nn.BatchNorm1d(out_channels), nn.Dropout(dropout)]
            )
            in_channels = out_channels
        self.layers.append(start_in_middle(nn.Linear(in_channels, 1)))

    def forward(self, features: Features) -> Tensor:
        assert features.vector is not None, "the network promises a vector"
        return cast(Tensor, self.layers(features.vector))[:, 0]


class WideHead(nn.Module):
    """An Inception block over the grid, pooled, then the narrow head. Returns [B].

    channels: of the grid, width: of each of the block's three branches. 63,817,729 parameters at full width.
    """

    def __init__(self, channels: int, grid: int, *, width: int = WIDTH, layers: tuple[int, int, int] = LAYERS) -> None:
        super().__init__()
        self.shape = (channels, grid, grid)
        self.point = Convolution(channels, width, 1)
        self.enter = Convolution(channels, width, 1)
        self.row = Convolution(width, width // 2, (1, 3))
        self.column = Convolution(width, width // 2, (3, 1))
        self.pool = nn.Sequential(nn.AvgPool2d(3, 1, 1, count_include_pad=False), Convolution(channels, width, 1))
        self.narrow = NarrowHead(3 * width, layers=layers)

    def forward(self, features: Features) -> Tensor:
        assert features.vector is not None, "the network promises a vector"
        x = features.vector.view(-1, *self.shape)
        entered = self.enter(x)
        branches = [self.point(x), self.row(entered), self.column(entered), self.pool(x)]
        pooled = torch.cat([branch.mean((2, 3)) for branch in branches], 1)
        return cast(Tensor, self.narrow(Features((), pooled)))


def network(*, tiny: bool = False, wide: bool = False) -> FeatureNetwork:
    """MLSP with random weights, its backbone `backbone`. wide: features on a grid of 5 x 5 instead of their means."""
    backbone = (
        InceptionResNetV2(divide=16, repeats=(1, 1, 2), freezes=True) if tiny else InceptionResNetV2(freezes=True)
    )
    return MLSP(backbone, grid=WIDE_GRID if wide else 1)


def head(network: FeatureNetwork, task: BenchmarkTask) -> nn.Module:
    """The head of its features, narrow or wide; it narrows with a tiny build."""
    assert isinstance(network, MLSP), "the head reads MLSP's grid"
    first, second, third, width = (max(8, n * network.channels // CHANNELS) for n in (*LAYERS, WIDTH))
    if network.grid == 1:
        return NarrowHead(network.vector, layers=(first, second, third))
    return WideHead(network.channels, network.grid, width=width, layers=(first, second, third))
