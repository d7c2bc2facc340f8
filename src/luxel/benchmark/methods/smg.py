"""SMG, re-created in part: an edge map of the dark picture (structure) guides the network that enhances it.

As published: the appearance net, the guided enhancer and the blocks of the structure generator's encoder. Ours: that
generator's decoder, a U-Net in the place of StyleGAN2, and its five levels instead of seven.
"""

import math
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from luxel.benchmark.blocks.features import FeatureNetwork, Features, Width
from luxel.benchmark.blocks.heads import LastConvolution, PooledScore
from luxel.benchmark.blocks.layers import ChannelNorm, LocalFeedForward, ResidualBlock, lightness
from luxel.benchmark.blocks.window_attention import WindowAttention
from luxel.benchmark.facts import BenchmarkTask, Cost, Facts
from luxel.model.structure import DIRECTIONS, directional_gradients

FACTS = Facts(
    name="smg",
    title="SMG",
    family="enhancement",
    tasks=("pixel", "score"),
    kind="re-creation",
    costs={"pixel": Cost(8_331_667, 26_183_693_056), "score": Cost(8_350_339, 26_182_663_040)},
    note=(
        "appearance and guided enhancer are the published ones; the structure generator keeps its encoder's blocks, on "
        "five levels instead of seven, with a U-Net decoder in the place of StyleGAN2, and has no edge labels to learn "
        "from; the published whole has 17.9 M parameters"
    ),
    reference="Low-Light Image Enhancement via Structure Modeling and Guidance, CVPR 2023",
    licence="none stated",
    multiple=32,
    paper_params="575M",
    paper_mae=0.09,
    paper_ssim=0.46,
    paper_psnr=24.17,
    paper_lcc=0.69,
    paper_srcc=0.67,
    lr=3e-4,
)

SLOPE = 0.1
KERNEL = 3
BLUR = (1.0, 3.0, 3.0, 1.0)


class SMG(FeatureNetwork):
    """The guided enhancer's last features at full resolution, and the appearance net's bottleneck at stride 4."""

    def __init__(self, structure: nn.Module, *, appearance_width: int = 32, guided_width: int = 16) -> None:
        super().__init__()
        self.widths = (Width(1, guided_width), Width(4, 4 * appearance_width))
        self.structure = structure
        self.appearance = ShortUNet(3, appearance_width)
        self.draw = nn.Conv2d(appearance_width, 3, 1)
        self.guided = ShortUNet(6, guided_width, guided=True)

    def forward(self, image: Tensor) -> Features:
        edges = self.structure(lightness(image))
        appearance, bottleneck = self.appearance(image)
        enhanced = image + self.draw(appearance)
        features, _ = self.guided(torch.cat([enhanced, image], 1), edges)
        return Features((features, bottleneck))


class ShortUNet(nn.Module):
    """Two levels down, a residual block, two levels up by pixel shuffle; each level up may be guided by an edge map.

    image: [B, in_channels, H, W]. edges: [B, 1, H, W] or None. Returns [B, C, H, W] and the bottleneck [B, 4C, H / 4,
    W / 4].
    """

    def __init__(self, in_channels: int, width: int, *, guided: bool = False) -> None:
        super().__init__()
        one, two, four = width, 2 * width, 4 * width
        self.down = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a, b, 3, stride, 1), nn.ReLU())
            for a, b, stride in ((in_channels, one, 1), (one, two, 2), (two, four, 2))
        )
        self.bottleneck = ResidualBlock(four, reflect=True)
        self.up = nn.ModuleList(
            nn.Sequential(nn.Conv2d(2 * a, 4 * b, 3, padding=1), nn.PixelShuffle(2), nn.ReLU())
            for a, b in ((four, two), (two, one))
        )
        self.guides = nn.ModuleList(Guidance(c) for c in (two, one) if guided)
        self.last = nn.Sequential(nn.Conv2d(two, one, 3, padding=1), nn.ReLU())

    def forward(self, image: Tensor, edges: Tensor | None = None) -> tuple[Tensor, Tensor]:
        kept = []
        x = image
        for down in self.down:
            x = down(x)
            kept.append(x)
        bottleneck = x = self.bottleneck(x)
        for i, up in enumerate(self.up):
            x = up(torch.cat([x, kept.pop()], 1))
            if edges is not None:
                x = self.guides[i](x, edges)
        return self.last(torch.cat([x, kept.pop()], 1)), bottleneck


class Guidance(nn.Module):
    """Features filtered by a kernel of each pixel's own, then scaled and shifted, all as the edge map says; added.

    x: [B, C, H, W]. edges: [B, 1, any, any]. Returns [B, C, H, W].
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.kernels = nn.Sequential(
            nn.Conv2d(1, channels, 3, padding=1),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.LeakyReLU(SLOPE),
            ResidualBlock(channels, slope=SLOPE),
            nn.Conv2d(channels, channels * KERNEL**2, 1),
            nn.LeakyReLU(SLOPE),
        )
        self.modulate = SpatialModulation(channels)
        self.last = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU())

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        edges = F.interpolate(edges, x.shape[-2:])
        filtered = filtered_by_pixel(x, self.kernels(edges))
        return x + cast(Tensor, self.last(self.modulate(filtered, edges)))


class SpatialModulation(nn.Module):
    """SPADE: every channel standardised over the picture, then scaled and shifted pixel by pixel.

    x: [B, C, H, W]. edges: [B, 1, H, W]. Returns [B, C, H, W]. Source: SPADE (CVPR 2019), Eq. 1.
    """

    def __init__(self, channels: int, *, hidden: int = 128) -> None:
        super().__init__()
        self.standardise = nn.GroupNorm(channels, channels, affine=False)
        self.read = nn.Sequential(nn.Conv2d(1, hidden, 3, padding=1), nn.ReLU())
        self.scale = nn.Conv2d(hidden, channels, 3, padding=1)
        self.shift = nn.Conv2d(hidden, channels, 3, padding=1)

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        read = self.read(edges)
        return cast(Tensor, self.standardise(x) * (1 + self.scale(read)) + self.shift(read))


class StructureGenerator(nn.Module):
    """The picture's edges: [B, 1, H, W] in [0, 1] to the same shape in (0, 1).

    widths: channels at strides 1, 2, 4 ...; H and W must divide by the last of these. heads: of the attention at every
    stride but the last. Windows have a side of 8, at the last but one stride of 4.
    """

    def __init__(self, widths: tuple[int, ...], heads: tuple[int, ...]) -> None:
        super().__init__()
        pairs = list(pairwise(widths))
        windows = [8] * (len(pairs) - 1) + [4]
        self.enter = nn.Sequential(nn.Conv2d(1, widths[0], 1), nn.LeakyReLU(SLOPE))
        self.plain = nn.ModuleList(
            nn.Sequential(Shrink(a, b), nn.LeakyReLU(SLOPE), nn.GroupNorm(b, b, affine=False)) for a, b in pairs
        )
        self.structure = nn.ModuleList(
            StructureBlock(a, b, heads=n, window=window)
            for (a, b), n, window in zip(pairs, heads, windows, strict=True)
        )
        self.up = nn.ModuleList(
            nn.Sequential(nn.Conv2d(b + a, a, 3, padding=1), nn.GroupNorm(math.gcd(8, a), a), nn.LeakyReLU(SLOPE))
            for a, b in pairs
        )
        self.last = nn.Conv2d(widths[0], 1, 1)

    def forward(self, light: Tensor) -> Tensor:
        x = self.enter(light)
        kept = [x]
        for plain, structure in zip(self.plain, self.structure, strict=True):
            smooth = plain(x)
            kept.append(smooth + structure(x))
            x = smooth
        x = kept.pop()
        for up in reversed(self.up):
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            x = up(torch.cat([x, kept.pop()], 1))
        return torch.sigmoid(self.last(x))


class StructureBlock(nn.Module):
    """Sum of nine branches, one on the features and one on each of their differences to the eight neighbours.

    [B, A, H, W] to [B, C, H / 2, W / 2].
    """

    def __init__(self, in_channels: int, out_channels: int, *, heads: int, window: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            StructureBranch(in_channels, out_channels, heads=heads, window=window) for _ in range(1 + len(DIRECTIONS))
        )

    def forward(self, x: Tensor) -> Tensor:
        parts = (x, *directional_gradients(x).chunk(len(DIRECTIONS), 1))
        return torch.stack([branch(part) for branch, part in zip(self.branches, parts, strict=True)]).sum(0)


class StructureBranch(nn.Module):
    """A convolution (short range) and a windowed transformer (long range), merged: to half the size."""

    def __init__(self, in_channels: int, out_channels: int, *, heads: int, window: int) -> None:
        super().__init__()
        self.short_range = nn.Sequential(Shrink(in_channels, out_channels), nn.LeakyReLU(SLOPE))
        self.long_range = nn.Sequential(
            nn.Conv2d(in_channels, in_channels, 3, padding=1),
            nn.LeakyReLU(SLOPE),
            WindowBlock(in_channels, heads=heads, window=window, shift=0),
            WindowBlock(in_channels, heads=heads, window=window, shift=window // 2),
            nn.Conv2d(in_channels, in_channels, 4, 2, 1),
            nn.Conv2d(in_channels, out_channels, 3, padding=1),
        )
        self.merge = nn.Sequential(nn.Conv2d(2 * out_channels, out_channels, 1), nn.LeakyReLU(SLOPE))

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.merge(torch.cat([self.short_range(x), self.long_range(x)], 1)))


class WindowBlock(nn.Module):
    """LeWin block: pre-norm attention within windows, then a feed-forward that sees neighbours.

    [B, C, H, W] to the same shape.
    """

    def __init__(self, channels: int, *, heads: int, window: int, shift: int) -> None:
        super().__init__()
        self.norm = ChannelNorm(channels)
        self.attention = WindowAttention(channels, heads=heads, window=window, shift=shift)
        self.feed = nn.Sequential(ChannelNorm(channels), LocalFeedForward(channels, bias=True))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm(x))
        return cast(Tensor, x + self.feed(x))


class Shrink(nn.Module):
    """3x3 convolution of stride 2 after a binomial blur, which keeps it from aliasing: to half the size."""

    blur: Tensor

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        weights = torch.tensor(BLUR)
        kernel = torch.outer(weights, weights) / weights.sum() ** 2
        self.register_buffer("blur", kernel.expand(in_channels, 1, -1, -1), persistent=False)
        self.convolution = nn.Conv2d(in_channels, out_channels, 3, 2)

    def forward(self, x: Tensor) -> Tensor:
        blurred = F.conv2d(F.pad(x, (2, 2, 2, 2), mode="replicate"), self.blur, groups=x.shape[1])
        return cast(Tensor, self.convolution(blurred))


def filtered_by_pixel(x: Tensor, kernels: Tensor) -> Tensor:
    """Every pixel filtered by its own 3x3 kernel, one for each channel; borders are replicated.

    x: [B, C, H, W]. kernels: [B, 9C, H, W], the nine weights of a channel row by row. Returns [B, C, H, W].
    """
    b, c, h, w = x.shape
    weights = kernels.view(b, c, KERNEL**2, h, w)
    padded = F.pad(x, (1, 1, 1, 1), mode="replicate")
    # nine views of one padded map, where unfolding would copy it nine times
    places = [(row, column) for row in range(KERNEL) for column in range(KERNEL)]
    return cast(Tensor, sum(weights[:, :, k] * padded[..., i : i + h, j : j + w] for k, (i, j) in enumerate(places)))


def network(*, tiny: bool = False) -> FeatureNetwork:
    """SMG with random weights."""
    if tiny:
        return SMG(StructureGenerator((4, 4), (1,)), appearance_width=8, guided_width=4)
    return SMG(StructureGenerator((8, 16, 32, 64, 64, 64), (1, 2, 4, 4, 4)))


def head(network: FeatureNetwork, task: BenchmarkTask) -> nn.Module:
    """Its last convolution for the map; for the score the means of the last features and of the bottleneck."""
    return LastConvolution(network, kernel=1) if task == "pixel" else PooledScore(network)
