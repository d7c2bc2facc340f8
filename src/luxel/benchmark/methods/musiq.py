"""MUSIQ: a transformer over the patches of a picture at its own size and two smaller ones, placed by a hash."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from luxel.benchmark.blocks.features import FeatureNetwork, Features, Width
from luxel.benchmark.blocks.heads import PixelDecoder, VectorScore
from luxel.benchmark.blocks.transformer import EPS, EncoderBlock, initialise
from luxel.benchmark.facts import BenchmarkTask, Cost, Facts

FACTS = Facts(
    name="musiq",
    title="MUSIQ",
    family="quality",
    tasks=("pixel", "score"),
    kind="exact",
    costs={"pixel": Cost(27_630_657, 10_496_993_280), "score": Cost(27_125_825, 9_490_360_704)},
    note="all pictures of a batch have one size, so that no patch needs a mask; the smaller sizes are made bilinearly",
    reference="MUSIQ: Multi-scale Image Quality Transformer, ICCV 2021",
    licence="Apache-2.0",
    multiple=32,
    values="signed",
    official_params=27_125_825,
    paper_params="298M",
    paper_mae=0.15,
    paper_ssim=0.24,
    paper_lcc=0.64,
    paper_srcc=0.60,
    lr=3e-4,
)

PATCH = 32
CELLS = 10
"""Rows and columns of the table of position codes, whatever the size of the picture."""

GROUPS = 32
"""Of every group norm."""


class MUSIQ(FeatureNetwork):
    """The patches of the picture's own size as a map at stride 32, and the class token as the vector.

    sides: longer sides of the smaller copies, in pixels; a smaller picture is enlarged to them. stem: channels of the
    convolutions a patch passes first.
    """

    def __init__(
        self,
        *,
        channels: int = 384,
        layers: int = 14,
        heads: int = 6,
        stem: int = 64,
        sides: tuple[int, ...] = (224, 384),
    ) -> None:
        super().__init__()
        self.sides = sides
        self.widths, self.vector = (Width(PATCH, channels),), channels
        self.stem = PatchStem(stem)
        self.embed = nn.Linear(self.stem.out_channels, channels)
        self.positions = nn.Parameter(torch.empty(CELLS, CELLS, channels))
        self.scales = nn.Parameter(torch.empty(1 + len(sides), channels))
        self.class_token = nn.Parameter(torch.empty(1, 1, channels))
        self.blocks = nn.Sequential(*(EncoderBlock(channels, heads=heads, hidden=3 * channels) for _ in range(layers)))
        self.norm = nn.LayerNorm(channels, EPS)
        for codes in (self.positions, self.scales, self.class_token):
            nn.init.trunc_normal_(codes, std=0.02)
        initialise(self)
        self.embed.reset_parameters()  # 0.02 is too much for so many inputs: it would drown the codes

    def forward(self, image: Tensor) -> Features:
        copies = [image, *(resized(image, side) for side in self.sides)]
        grids = [self._grid(copy, scale) for copy, scale in zip(copies, self.scales, strict=True)]
        tokens = torch.cat([self.class_token.expand(len(image), -1, -1), *(grid.flatten(1, 2) for grid in grids)], 1)
        tokens = self.norm(self.blocks(tokens))
        rows, columns = grids[0].shape[1:3]
        own = tokens[:, 1 : 1 + rows * columns].mT.unflatten(2, (rows, columns))
        return Features((own,), tokens[:, 0])

    def _grid(self, image: Tensor, scale: Tensor) -> Tensor:
        """Tokens of one copy, [B, rows, columns, D]; a last patch that is cut off is filled with zeros."""
        image = F.pad(image, (0, -image.shape[3] % PATCH, 0, -image.shape[2] % PATCH))
        b, c, h, w = image.shape
        rows, columns = h // PATCH, w // PATCH
        patches = image.reshape(b, c, rows, PATCH, columns, PATCH).permute(0, 2, 4, 1, 3, 5)
        embedded = self.embed(self.stem(patches.reshape(-1, c, PATCH, PATCH)).flatten(1))
        down, across = (hashed(many, device=image.device) for many in (rows, columns))
        place = self.positions[down][:, across]
        return cast(Tensor, embedded.view(b, rows, columns, -1) + place + scale)


def resized(image: Tensor, side: int) -> Tensor:
    """The picture [B, 3, H, W] with its longer side `side` pixels long, its aspect kept."""
    h, w = image.shape[-2:]
    size = (max(1, round(h * side / max(h, w))), max(1, round(w * side / max(h, w))))
    return F.interpolate(image, size, mode="bilinear", align_corners=False, antialias=True)


def hashed(many: int, *, device: torch.device | None = None) -> Tensor:
    """Which of the `CELLS` cells each of many patches in a row falls into, [many]."""
    return torch.arange(many, device=device) * CELLS // many


class StandardConv(nn.Conv2d):
    """Convolution without a bias, the weights of each filter standardised to mean 0 and variance 1, padded to `same`.

    [B, C, H, W] to [B, D, H / stride, W / stride]; an odd padding has its extra pixel at the bottom and right.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> None:
        super().__init__(in_channels, out_channels, kernel, stride, bias=False)
        both = kernel - stride
        self.around = (both // 2, both - both // 2) * 2

    def forward(self, x: Tensor) -> Tensor:
        variance, mean = torch.var_mean(self.weight, (1, 2, 3), correction=0, keepdim=True)
        weight = (self.weight - mean) * torch.rsqrt(variance + 1e-10)
        return F.conv2d(F.pad(x, self.around), weight, stride=self.stride)


class PatchStem(nn.Module):
    """A patch [N, 3, 32, 32] to [N, 4 * width, 8, 8]: a convolution, a pool and one bottleneck of a ResNet.

    out_channels: numbers a patch becomes.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.out_channels = 4 * width * (PATCH // 4) ** 2
        self.enter = nn.Sequential(StandardConv(3, width, 7, 2), _norm(width), nn.ReLU())
        self.shortcut = nn.Sequential(StandardConv(width, 4 * width, 1), _norm(4 * width))
        self.bottleneck = nn.Sequential(
            StandardConv(width, width, 1),
            _norm(width),
            nn.ReLU(),
            StandardConv(width, width, 3),
            _norm(width),
            nn.ReLU(),
            StandardConv(width, 4 * width, 1),
            _norm(4 * width),
        )

    def forward(self, patches: Tensor) -> Tensor:
        x = F.max_pool2d(F.pad(self.enter(patches), (0, 1, 0, 1)), 3, 2)
        return F.relu(self.bottleneck(x) + self.shortcut(x))


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(GROUPS, channels, EPS)


def network(*, tiny: bool = False) -> FeatureNetwork:
    """MUSIQ with random weights."""
    return MUSIQ(channels=16, layers=2, heads=2, stem=32, sides=(64, 96)) if tiny else MUSIQ()


def head(network: FeatureNetwork, task: BenchmarkTask) -> nn.Module:
    """The decoder for the map; the method's linear layer on the class token for the score."""
    if task == "pixel":
        return PixelDecoder(network, width=min(256, network.vector))
    return VectorScore(network)
