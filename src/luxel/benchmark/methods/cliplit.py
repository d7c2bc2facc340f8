"""CLIP-LIT: the enhancer of backlit pictures whose last convolution already draws a one-channel illumination map."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from luxel.benchmark.blocks.features import FeatureNetwork, Features, Width
from luxel.benchmark.blocks.heads import LastConvolution, PooledScore
from luxel.benchmark.blocks.layers import ResidualBlock
from luxel.benchmark.facts import BenchmarkTask, Cost, Facts

FACTS = Facts(
    name="cliplit",
    title="CLIP-LIT",
    family="enhancement",
    tasks=("pixel", "score"),
    kind="exact",
    costs={"pixel": Cost(278_790, 18_194_903_552), "score": Cost(291_046, 18_176_041_600)},
    note="the enhancer; CLIP takes part only in the unsupervised training by the authors, not in supervised training",
    reference="Iterative Prompt Learning for Unsupervised Backlit Image Enhancement, ICCV 2023",
    licence="none stated",
    official_params=278_790,
    paper_params="146M",
    paper_mae=0.05,
    paper_ssim=0.60,
    paper_psnr=23.51,
    paper_lcc=0.72,
    paper_srcc=0.69,
    lr=1e-3,
)

SLOPE = 0.2
BINS = (1, 2, 3, 6)
DEVIATION = 0.02
"""Of the normal distribution that every convolution starts from."""


class CLIPLIT(FeatureNetwork):
    """The last 32 channels and the 64 of the middle, both at full resolution."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.widths = (Width(1, width), Width(1, 2 * width))
        self.enter = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1),
            nn.LeakyReLU(SLOPE),
            *_two_blocks(width),
            PyramidPooling(width, width // 4),
            nn.Conv2d(width, 2 * width, 3, padding=1),
            *_two_blocks(2 * width),
        )
        self.leave = nn.Sequential(nn.Conv2d(2 * width, width, 3, padding=1), *_two_blocks(width))
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.normal_(layer.weight, std=DEVIATION)

    def forward(self, image: Tensor) -> Features:
        middle = self.enter(image)
        return Features((self.leave(middle), middle))


class PyramidPooling(nn.Module):
    """Means of the picture's parts on grids of `BINS`, spread over the map and merged into it.

    [B, C, H, W] to the same shape. parts: channels each grid contributes. Source: PSPNet (CVPR 2017).
    """

    def __init__(self, channels: int, parts: int) -> None:
        super().__init__()
        self.grids = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(bins), nn.Conv2d(channels, parts, 1, bias=False), nn.PReLU())
            for bins in BINS
        )
        in_channels = channels + len(BINS) * parts
        self.merge = nn.Sequential(nn.Conv2d(in_channels, channels, 3, padding=1, bias=False), nn.PReLU())

    def forward(self, x: Tensor) -> Tensor:
        size = x.shape[-2:]
        spread = [F.interpolate(grid(x), size, mode="bilinear", align_corners=True) for grid in self.grids]
        return cast(Tensor, self.merge(torch.cat([x, *spread], 1)))


def network(*, tiny: bool = False) -> FeatureNetwork:
    """CLIP-LIT's enhancer with random weights."""
    return CLIPLIT(16 if tiny else 32)


def head(network: FeatureNetwork, task: BenchmarkTask) -> nn.Module:
    """Its last convolution with tanh in the place of ReLU; for the score the means of both maps."""
    return LastConvolution(network, kernel=3) if task == "pixel" else PooledScore(network)


def _two_blocks(channels: int) -> list[nn.Module]:
    return [
        layer
        for _ in range(2)
        for layer in (ResidualBlock(channels, slope=SLOPE, reflect=True, bias=False), nn.LeakyReLU(SLOPE))
    ]
