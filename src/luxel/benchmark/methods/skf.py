"""SKF, re-created in part: a low-light network (SNR) whose decoder asks another network what it is looking at.

As published: the host and the blocks that fuse both. Ours: that other network, a ResNet-18 in the place of HRNet-W48.
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from luxel.benchmark.blocks.baseline import IMAGENET_MEAN, IMAGENET_STD
from luxel.benchmark.blocks.channel_attention import channel_attention
from luxel.benchmark.blocks.features import FeatureNetwork, Features, Width
from luxel.benchmark.blocks.heads import LastConvolution, PooledScore
from luxel.benchmark.blocks.layers import ChannelNorm, ResidualBlock, lightness
from luxel.benchmark.blocks.resnet import BasicBlock, ResNet, resnet18
from luxel.benchmark.facts import BenchmarkTask, Cost, Facts

FACTS = Facts(
    name="skf",
    title="SKF",
    family="enhancement",
    tasks=("pixel", "score"),
    kind="re-creation",
    costs={"pixel": Cost(50_622_983, 35_071_721_472), "score": Cost(50_639_047, 35_033_989_248)},
    note=(
        "the host is SNR-SKF as published (39,407,689 parameters, without 41,820 it declares and never uses); its "
        "semantic encoder is a ResNet-18 in the place of HRNet-W48; a picture without a trusted token attends to all"
    ),
    reference="Learning Semantic-Aware Knowledge Guidance for Low-Light Image Enhancement, CVPR 2023",
    licence="MIT",
    multiple=16,
    official_params=39_407_689,
    paper_params="22M",
    paper_mae=0.07,
    paper_ssim=0.44,
    paper_psnr=21.68,
    paper_lcc=0.68,
    paper_srcc=0.66,
    lr=3e-4,
)

SLOPE = 0.1
PATCH = 4
"""Side of a token, in pixels of the map at stride 4."""

TRUSTED = 0.5
"""Mean signal-to-noise ratio above which others may attend to a token."""


class SemanticEncoder(nn.Module):
    """What is in the picture, at strides 4, 8 and 16, from a ResNet; its map at stride 32 joins the one at 16.

    image: [B, 3, H, W] in [0, 1]. Returns three maps with the channels of `channels`. As in the method, the backbone is
    frozen once it has been given weights; from random weights it trains.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, backbone: ResNet) -> None:
        super().__init__()
        self.backbone = backbone
        one, two, three, four = backbone.channels
        self.channels = (one, two, three + four)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        one, two, three, four = self.backbone((image - self.mean) / self.std)
        return one, two, torch.cat([three, F.interpolate(four, three.shape[-2:])], 1)


class SKF(FeatureNetwork):
    """The last features at full resolution, and the mixture of the short-range and long-range branches at stride 4.

    semantic: any network with three maps, finest first, and their `channels`; the maps may have any size.
    semantic_channels: those channels. layers, heads, head_width, hidden: of the long-range branch's transformer.
    """

    def __init__(
        self,
        semantic: nn.Module,
        semantic_channels: Sequence[int],
        *,
        width: int = 64,
        layers: int = 6,
        heads: int = 8,
        head_width: int = 64,
        hidden: int = 2048,
    ) -> None:
        super().__init__()
        self.widths = (Width(1, width), Width(4, width))
        self.semantic = semantic
        self.enter = nn.ModuleList(
            nn.Sequential(nn.Conv2d(c, width, 3, stride, 1), nn.LeakyReLU(SLOPE))
            for c, stride in ((3, 1), (width, 2), (width, 2))
        )
        self.middle = ResidualBlock(width)
        self.short_range = nn.Sequential(*(ResidualBlock(width) for _ in range(6)))
        self.long_range = nn.ModuleList(
            TokenLayer(width * PATCH**2, heads=heads, head_width=head_width, hidden=hidden) for _ in range(layers)
        )
        self.leave = ResidualBlock(width)
        self.fusions = nn.ModuleList(SemanticFusion(width, c) for c in semantic_channels)
        self.up = nn.ModuleList(
            nn.Sequential(nn.Conv2d(2 * width, 4 * width, 3, padding=1), nn.PixelShuffle(2), nn.LeakyReLU(SLOPE))
            for _ in range(2)
        )
        self.last = nn.Sequential(nn.Conv2d(2 * width, width, 3, padding=1), nn.LeakyReLU(SLOPE))

    def forward(self, image: Tensor) -> Features:
        meaning = self.semantic(image)
        kept = []
        x = image
        for enter in self.enter:
            x = enter(x)
            kept.append(x)
        x = self.middle(x)
        signal = F.interpolate(signal_to_noise(image), x.shape[-2:])
        mixed = self._long_range(x, signal) * (1 - signal) + self.short_range(x) * signal
        x = self.leave(mixed)
        for i, grow in ((2, self.up[1]), (1, self.up[0]), (0, self.last)):
            x = grow(torch.cat([self.fusions[i](x, meaning[i]), kept[i]], 1))
        return Features((x, mixed))

    def _long_range(self, x: Tensor, signal: Tensor) -> Tensor:
        trusted = F.avg_pool2d(signal, PATCH).flatten(1) > TRUSTED
        trusted = trusted | ~trusted.any(1, keepdim=True)
        patches = F.pixel_unshuffle(x, PATCH)
        tokens = patches.flatten(2).mT
        for layer in self.long_range:
            tokens = layer(tokens, trusted)
        return F.pixel_shuffle(tokens.mT.reshape(patches.shape), PATCH)


class TokenLayer(nn.Module):
    """Pre-norm transformer layer that only attends to trusted tokens.

    tokens: [B, N, D]. trusted: [B, N] bool, at least one in every row.
    """

    def __init__(self, channels: int, *, heads: int, head_width: int, hidden: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.query_key_value = nn.Linear(channels, 3 * heads * head_width, bias=False)
        self.project = nn.Linear(heads * head_width, channels, bias=False)
        self.feed = nn.Sequential(
            nn.LayerNorm(channels, eps=1e-6), nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels)
        )

    def forward(self, tokens: Tensor, trusted: Tensor) -> Tensor:
        b, n, _ = tokens.shape
        query_key_value = self.query_key_value(self.norm(tokens)).view(b, n, 3, self.heads, -1)
        query, key, value = query_key_value.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=trusted[:, None, None])
        x = tokens + self.project(mixed.transpose(1, 2).flatten(2))
        return cast(Tensor, x + self.feed(x))


class SemanticFusion(nn.Module):
    """The image's features, rearranged among channels as what is seen there asks.

    x: [B, C, H, W]. meaning: [B, S, any, any]. Returns [B, C, H, W].
    """

    def __init__(self, channels: int, semantic: int, *, heads: int = 2, expansion: float = 2.66) -> None:
        super().__init__()
        hidden = int(channels * expansion)
        self.lift = nn.Conv2d(semantic, channels, 1)
        self.norm1, self.norm2 = ChannelNorm(channels), ChannelNorm(channels)
        self.query = nn.Sequential(
            nn.Conv2d(channels, channels, 1, bias=False), nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        )
        self.key_value = nn.Sequential(
            nn.Conv2d(channels, 2 * channels, 1, bias=False),
            nn.Conv2d(2 * channels, 2 * channels, 3, padding=1, groups=2 * channels, bias=False),
        )
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.project = nn.Conv2d(channels, channels, 1, bias=False)
        self.feed = nn.Conv2d(channels, hidden, 1, bias=False)
        self.feed_meaning = nn.Conv2d(channels, hidden, 1, bias=False)
        self.feed_out = nn.Conv2d(hidden, channels, 1, bias=False)

    def forward(self, x: Tensor, meaning: Tensor) -> Tensor:
        meaning = self.norm1(self.lift(F.interpolate(meaning, x.shape[-2:])))
        x = self.norm1(x)
        key, value = self.key_value(x).chunk(2, 1)
        mixed = channel_attention(self.query(meaning), key, value, self.temperature)
        x = x + self.project(mixed)
        gate = F.gelu(self.feed_meaning(self.norm2(meaning)))
        return cast(Tensor, x + self.feed_out(F.gelu(self.feed(self.norm2(x))) * gate))


def signal_to_noise(image: Tensor) -> Tensor:
    """How far every pixel's lightness stands out of its noise, the least noisy pixel of the picture being 1.

    image: [B, 3, H, W] in [0, 1]. Returns [B, 1, H, W] in [0, 1]; all 0 for a black picture. Noise is what a 5x5 mean
    takes away. Source: SNR-Aware Low-light Image Enhancement (CVPR 2022), section 3.2.
    """
    light = lightness(image)
    smooth = F.avg_pool2d(F.pad(light, (2, 2, 2, 2), mode="reflect"), 5, 1)
    ratio = smooth / ((light - smooth).abs() + 1e-4)
    return (ratio / (ratio.amax((2, 3), keepdim=True) + 1e-4)).clamp(0, 1)


def network(*, tiny: bool = False) -> FeatureNetwork:
    """SKF with random weights; its backbone is `semantic.backbone`."""
    if tiny:
        semantic = SemanticEncoder(ResNet(BasicBlock, (1, 1, 1, 1), width=4, freezes=True))
        return SKF(semantic, semantic.channels, width=8, layers=2, heads=2, head_width=16, hidden=32)
    semantic = SemanticEncoder(resnet18(freezes=True))
    return SKF(semantic, semantic.channels)


def head(network: FeatureNetwork, task: BenchmarkTask) -> nn.Module:
    """Its last convolution for the map; for the score the means of the last features and of the mixture."""
    return LastConvolution(network, kernel=3) if task == "pixel" else PooledScore(network)
