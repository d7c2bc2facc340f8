"""MSLT: a learned Laplacian pyramid whose low band a bilateral grid recolours and whose high bands a mask corrects."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from luxel.benchmark.blocks.features import FeatureNetwork, Features, Width
from luxel.benchmark.blocks.heads import LastConvolution, start_in_middle
from luxel.benchmark.blocks.layers import mean_and_deviation
from luxel.benchmark.facts import BenchmarkTask, Cost, Facts

FACTS = Facts(
    name="mslt",
    title="MSLT",
    family="enhancement",
    tasks=("pixel", "score"),
    kind="exact",
    costs={"pixel": Cost(8_101, 30_572_160), "score": Cost(13_858, 30_381_184)},
    note=(
        "without the 3,305 of 11,402 parameters that the published network declares and never uses; no ReLU after its "
        "low band, since a residual has a sign; a 1x1 convolution from its three channels to the map"
    ),
    reference="Image Exposure Correction via Multi-scale Linear Transformation (MSLTNet), WACV 2024",
    licence="MIT",
    official_params=8_097,
    paper_params="8M",
    paper_mae=0.10,
    paper_ssim=0.33,
    paper_psnr=21.02,
    paper_lcc=0.75,
    paper_srcc=0.70,
    lr=1e-3,
)

LEVELS = 3
THUMBNAIL = 48
"""Side of the picture the grid is made from."""

GRID = (12, 6, 16, 16)
"""Coefficients of a 3x4 affine transform of colours, by guide, row and column."""


class MSLT(FeatureNetwork):
    """The picture rebuilt in three channels, and the mean of the grid net's features as the vector."""

    widths = (Width(1, 3),)

    def __init__(self, grid_width: int = 40) -> None:
        super().__init__()
        self.vector = grid_width
        self.shrink = nn.ModuleList(nn.Conv2d(3, 3, 3, 2, 1) for _ in range(LEVELS))
        self.smooth = nn.ModuleList(nn.Conv2d(3, 3, 3, padding=1) for _ in range(LEVELS))
        self.low = BilateralTransform(grid_width)
        self.mask = nn.Sequential(nn.Conv2d(9, 9, 1), nn.LeakyReLU(), nn.Conv2d(9, 3, 1))
        self.finer_mask = nn.Sequential(nn.Conv2d(3, 3, 1), nn.LeakyReLU(), nn.Conv2d(3, 3, 1))

    def forward(self, image: Tensor) -> Features:
        levels = [image]
        for shrink in self.shrink:
            levels.append(shrink(levels[-1]))
        bands = [fine - self._grown(i, levels[i + 1], fine) for i, fine in enumerate(levels[:-1])]
        low, grid = self.low(levels[-1])
        masks = self._masks(bands, levels[-1], low)
        x = low
        for i in reversed(range(LEVELS)):
            x = self._grown(i, x, bands[i]) + bands[i] * masks[i]
        return Features((x,), grid.mean((2, 3)))

    def _grown(self, level: int, coarse: Tensor, fine: Tensor) -> Tensor:
        return F.interpolate(self.smooth[level](coarse), fine.shape[-2:], mode="bilinear", align_corners=False)

    def _masks(self, bands: list[Tensor], before: Tensor, after: Tensor) -> list[Tensor]:
        """What every high band is multiplied by: seen at the coarsest of them, refined at the others."""
        coarsest = bands[-1]
        size = coarsest.shape[-2:]
        mask = self.mask(torch.cat([coarsest, F.interpolate(before, size), F.interpolate(after, size)], 1))
        return [self.finer_mask(F.interpolate(mask, band.shape[-2:])) for band in bands[:-1]] + [mask]


class BilateralTransform(nn.Module):
    """An affine transform of colours for every pixel, read from a grid by its place and a guide.

    image: [B, 3, H, W]. Returns the new picture [B, 3, H, W] and the grid net's features [B, C, 48, 48].
    """

    def __init__(self, grid_width: int) -> None:
        super().__init__()
        self.grid_features = GridFeatures(grid_width)
        self.grid = nn.Conv2d(grid_width, GRID[0] * GRID[1] * GRID[2] * GRID[3] // THUMBNAIL**2, 1)
        self.guide = PixelNet(1)
        # its ReLU would be shut, and the guide never learn, if it started below 0 everywhere
        nn.init.constant_(cast(Tensor, self.guide.leave.bias), 0.5)
        self.colours = nn.Sequential(nn.Conv2d(3, 3, 1), nn.PReLU())
        self.tune = PixelNet(3)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        thumbnail = F.interpolate(image, (THUMBNAIL, THUMBNAIL), mode="bicubic", align_corners=True)
        features = self.grid_features(thumbnail)
        grid = self.grid(features).reshape(-1, *GRID)
        affine = sliced(grid, self.guide(image).relu())
        affine = affine.view(-1, 3, 4, *image.shape[-2:])
        recoloured = (affine[:, :, :3] * self.colours(image)[:, None]).sum(2) + affine[:, :, 3]
        return self.tune(recoloured), features


class GridFeatures(nn.Module):
    """HFD: three times, with the same weights, what a gate keeps is set aside and the rest is worked on.

    [B, 3, H, W] to [B, C, H, W], the sum of all that was kept and of the last rest.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.enter = nn.Conv2d(3, width, 1)
        self.keep = nn.Sequential(nn.Conv2d(width, width, 1), nn.ReLU())
        self.pass_on = nn.Sequential(nn.Conv2d(width, width, 1), ChannelScale(width), nn.ReLU())

    def forward(self, image: Tensor) -> Tensor:
        x = self.enter(image)
        kept = []
        for _ in range(3):
            gated = x * torch.sigmoid(mean_and_deviation(x))
            kept.append(self.keep(gated))
            x = self.pass_on(x - gated)
        return cast(Tensor, sum(kept, x))


class PixelNet(nn.Module):
    """Every pixel by itself from 3 channels over 8 to `out_channels`, scaled by the picture's means in between."""

    def __init__(self, out_channels: int, width: int = 8) -> None:
        super().__init__()
        self.enter, self.scale, self.leave = (
            nn.Conv2d(3, width, 1),
            ChannelScale(width),
            nn.Conv2d(width, out_channels, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.leave(self.scale(self.enter(x))))


class ChannelScale(nn.Module):
    """x (1 + s) with a scale s for each channel from the means of all: [B, C, H, W] to the same shape."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(channels, channels, 1), nn.Conv2d(channels, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x + x * cast(Tensor, self.layers(x.mean((2, 3), keepdim=True)))


class ScoreOfGrid(nn.Module):
    """Score head of the means of grid and rebuilt picture: Linear 128, ReLU, dropout, Linear 1. Returns [B]."""

    def __init__(self, network: FeatureNetwork) -> None:
        super().__init__()
        in_channels = network.vector + network.widths[0].channels
        self.layers = nn.Sequential(
            nn.Linear(in_channels, 128), nn.ReLU(), nn.Dropout(0.1), start_in_middle(nn.Linear(128, 1))
        )

    def forward(self, features: Features) -> Tensor:
        assert features.vector is not None, "the network promises a vector"
        means = torch.cat([features.vector, features.maps[0].mean((2, 3))], 1)
        return cast(Tensor, self.layers(means))[:, 0]


def sliced(grid: Tensor, guide: Tensor) -> Tensor:
    """Coefficients of every pixel, trilinear between the cells of a bilateral grid.

    grid: [B, C, D, R, S]. guide: [B, 1, H, W], -1 to 1 from the first to the last of the D layers; beyond it the
    coefficients fade to 0. Returns [B, C, H, W]. Source: Deep Bilateral Learning (SIGGRAPH 2017).
    """
    h, w = guide.shape[-2:]
    row = torch.linspace(-1, 1, h, device=guide.device, dtype=guide.dtype).view(1, h, 1).expand_as(guide[:, 0])
    column = torch.linspace(-1, 1, w, device=guide.device, dtype=guide.dtype).view(1, 1, w).expand_as(guide[:, 0])
    place = torch.stack([column, row, guide[:, 0]], -1)[:, None]
    return F.grid_sample(grid, place, align_corners=True)[:, :, 0]


def network(*, tiny: bool = False) -> FeatureNetwork:
    """MSLT with random weights."""
    return MSLT(8 if tiny else 40)


def head(network: FeatureNetwork, task: BenchmarkTask) -> nn.Module:
    """A 1x1 convolution of the rebuilt picture for the map; an MLP on its and the grid's means for the score."""
    return LastConvolution(network, kernel=1) if task == "pixel" else ScoreOfGrid(network)
