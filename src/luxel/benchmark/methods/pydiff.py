"""PyDiff: a diffusion model at coarse, then at full resolution; here its U-Net draws the map in a single pass."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from luxel.benchmark.blocks.diffusion import Denoiser
from luxel.benchmark.blocks.features import FeatureNetwork
from luxel.benchmark.blocks.heads import LastConvolution, PooledScore
from luxel.benchmark.blocks.sr3 import NoiseCode, OnePass, SR3UNet
from luxel.benchmark.facts import BenchmarkTask, Cost, Facts

FACTS = Facts(
    name="pydiff",
    title="PyDiff",
    family="enhancement",
    tasks=("pixel", "score"),
    kind="denoiser",
    costs={"pixel": Cost(97_808_641, 188_857_495_552), "score": Cost(97_882_049, 188_819_820_672)},
    note="the U-Net of the diffusion, trained as a regression: one pass, no noisy input, the noise level fixed, no "
    "corrector of a sampled image's cast; histogram and positions are those of the padded image",
    reference="Pyramid Diffusion Models for Low-light Image Enhancement, IJCAI 2023",
    licence="custom, for non-commercial research only",
    multiple=16,
    values="signed",
    official_params=97_811_523 + 78_092,
    paper_params="374M",
    paper_mae=0.07,
    paper_ssim=0.50,
    paper_lcc=0.70,
    paper_srcc=0.68,
    lr=2e-4,
)

CONDITION = 10
"""Channels of the condition."""

SCHEDULE = (2000, 1e-6, 1e-2)
"""Steps of the published diffusion and the variances that the first and the last add."""

STRIDES = (2, 2, 1, 1)
"""How much smaller the picture is in each step of the published sampling."""


class PyDiff(OnePass):
    """The last features, at full resolution, and the middle ones."""

    def condition(self, image: Tensor) -> Tensor:
        """See `condition`."""
        return condition(image)


class Corrector(nn.Module):
    """PyDiff's global corrector: takes from a sampled picture the cast that its every channel may have.

    image: [B, 3, H, W] in [-1, 1]; level: [B], the noise level it was sampled from. Returns the same shape. Every layer
    sees one pixel; what a vector of the whole picture says scales and shifts it, and the noise level shifts it. The
    published count fixes these layers; their order is as in CSRNet (ECCV 2020), from which they come.
    """

    def __init__(self, *, width: int = 64, vector: int = 32) -> None:
        super().__init__()
        self.vector = nn.Sequential(
            nn.Conv2d(3, vector, 7, 2, 3),
            nn.ReLU(),
            nn.Conv2d(vector, vector, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(vector, vector, 3, 2, 1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.noise = nn.Sequential(
            NoiseCode(width), nn.Linear(width, 4 * width), nn.SiLU(), nn.Linear(4 * width, width)
        )
        widths = (3, width, width, 3)
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 1) for a, b in pairwise(widths))
        self.scales = nn.ModuleList(nn.Linear(vector, n) for n in widths[1:])
        self.shifts = nn.ModuleList(nn.Linear(vector, n) for n in widths[1:])
        self.noise_shifts = nn.ModuleList(nn.Linear(width, n) for n in widths[1:])

    def forward(self, image: Tensor, level: Tensor) -> Tensor:
        vector, noise = self.vector(image), self.noise(level)
        x = image
        for i, layer in enumerate(self.layers):
            scale = 1 + self.scales[i](vector)
            shift = self.shifts[i](vector) + self.noise_shifts[i](noise)
            x = layer(x) * scale[..., None, None] + shift[..., None, None]
            x = x.relu() if i < len(self.layers) - 1 else x
        return x


def condition(image: Tensor) -> Tensor:
    """The condition, [B, 10, H, W]: the image, the image after histogram equalisation, positions.

    image: [B, 3, H, W] in [-1, 1]. Positions are twice the sine and cosine of row and column, each from 0 to 1.
    """
    b, _, h, w = image.shape
    rows = torch.linspace(0, 1, h, device=image.device, dtype=image.dtype)[:, None].expand(h, w)
    columns = torch.linspace(0, 1, w, device=image.device, dtype=image.dtype).expand(h, w)
    positions = 2 * torch.stack([rows.sin(), rows.cos(), columns.sin(), columns.cos()])
    return torch.cat([image, equalised(image), positions.expand(b, -1, -1, -1)], 1)


@torch.no_grad()
def equalised(image: Tensor) -> Tensor:
    """Every channel of every picture with its values spread so that all are as frequent: histogram equalisation.

    image: [B, C, H, W] in [-1, 1], taken in 256 steps. Returns the same shape and range; a constant channel as it was.
    """
    b, c, h, w = image.shape
    steps = ((image + 1) * 127.5).round().clamp(0, 255).long().reshape(b * c, h * w)
    counts = torch.zeros(b * c, 256, dtype=torch.long, device=image.device)
    counts.scatter_add_(1, steps, torch.ones_like(steps))
    below = counts.cumsum(1)
    darkest = counts.gather(1, steps.amin(1, keepdim=True))
    spread = ((below - darkest).clamp_min(0) * 255 / (h * w - darkest).clamp_min(1)).round()
    found = torch.where(darkest == h * w, steps, spread.gather(1, steps))
    return (found / 127.5 - 1).reshape(image.shape).to(image.dtype)


def unet(in_channels: int, *, tiny: bool = False) -> SR3UNet:
    """PyDiff's U-Net with random weights."""
    if tiny:
        return SR3UNet(in_channels, width=8, multipliers=(1, 1, 1, 2, 2), blocks=1, dropout=0.2, groups=4)
    return SR3UNet(in_channels, multipliers=(1, 2, 4, 8, 8), dropout=0.2)


def published(*, tiny: bool = False) -> tuple[Denoiser, Corrector]:
    """PyDiff as the authors publish it, an enhancer: what `sample` denoises with, and corrects with."""
    return Denoiser(unet(CONDITION + 3, tiny=tiny), 3), Corrector()


def network(*, tiny: bool = False) -> FeatureNetwork:
    """PyDiff's U-Net with random weights, for a single pass."""
    return PyDiff(unet(CONDITION, tiny=tiny))


def head(network: FeatureNetwork, task: BenchmarkTask) -> nn.Module:
    """Its last convolution for the map; for the score the means of the last features and of the middle ones."""
    return LastConvolution(network, kernel=3) if task == "pixel" else PooledScore(network)
