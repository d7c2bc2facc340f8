"""Retinexformer: an estimate of the illumination guides attention among channels in a small U-shaped transformer."""

from typing import cast

import torch
from torch import Tensor, nn

from luxel.benchmark.blocks.channel_attention import channel_attention
from luxel.benchmark.blocks.features import FeatureNetwork, Features, Width
from luxel.benchmark.blocks.heads import LastConvolution, PooledScore
from luxel.benchmark.blocks.layers import ChannelNorm, LocalFeedForward
from luxel.benchmark.facts import BenchmarkTask, Cost, Facts

FACTS = Facts(
    name="retinexformer",
    title="Retinexformer",
    family="enhancement",
    tasks=("pixel", "score"),
    kind="exact",
    costs={"pixel": Cost(1_604_982, 16_609_443_840), "score": Cost(1_630_478, 16_585_876_608)},
    note="one stage of width 40 with 1, 2, 2 blocks, the setting of the low-light sets",
    reference="Retinexformer: One-stage Retinex-based Transformer for Low-light Image Enhancement, ICCV 2023",
    licence="MIT",
    multiple=4,
    official_params=1_605_701,
    paper_params="5M",
    paper_mae=0.10,
    paper_ssim=0.42,
    paper_psnr=23.8,
    paper_lcc=0.71,
    paper_srcc=0.67,
    lr=5e-4,
)


class Retinexformer(FeatureNetwork):
    """The last features at full resolution and the bottleneck's at stride 4, four times as wide.

    blocks: attention blocks at stride 1 (before and after), 2 (before and after) and 4.
    """

    def __init__(self, width: int = 40, blocks: tuple[int, int, int] = (1, 2, 2)) -> None:
        super().__init__()
        self.widths = (Width(1, width), Width(4, 4 * width))
        self.estimator = IlluminationEstimator(width)
        self.embed = nn.Conv2d(3, width, 3, padding=1, bias=False)
        shallow = (width, 2 * width)
        self.down = nn.ModuleList(_Level(c, n, width) for c, n in zip(shallow, blocks[:2], strict=True))
        self.shrink, self.shrink_light = (
            nn.ModuleList(nn.Conv2d(c, 2 * c, 4, 2, 1, bias=False) for c in shallow) for _ in range(2)
        )
        self.middle = _Level(4 * width, blocks[2], width)
        self.grow = nn.ModuleList(nn.ConvTranspose2d(2 * c, c, 2, 2) for c in shallow)
        self.fuse = nn.ModuleList(nn.Conv2d(2 * c, c, 1, bias=False) for c in shallow)
        self.up = nn.ModuleList(_Level(c, n, width) for c, n in zip(shallow, blocks[:2], strict=True))

    def forward(self, image: Tensor) -> Features:
        return self.restore(*self.light_up(image))

    def light_up(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """The image lit by the estimated illumination, [B, 3, H, W], and the illumination's features, [B, C, H, W]."""
        light, illumination = self.estimator(image)
        return image + image * illumination, light

    def restore(self, lit: Tensor, light: Tensor) -> Features:
        """Features of what corrects a lit image, which has noise and casts. See `light_up`."""
        x = self.embed(lit)
        kept = []
        for level, shrink, shrink_light in zip(self.down, self.shrink, self.shrink_light, strict=True):
            x = level(x, light)
            kept.append((x, light))
            x, light = shrink(x), shrink_light(light)
        middle = x = self.middle(x, light)
        for level, grow, fuse in reversed(list(zip(self.up, self.grow, self.fuse, strict=True))):
            skipped, light = kept.pop()
            x = level(fuse(torch.cat([grow(x), skipped], 1)), light)
        return Features((x, middle))


class IlluminationEstimator(nn.Module):
    """Features of the illumination [B, C, H, W] and the map [B, 3, H, W] by which the picture is lit up."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(4, width, 1), nn.Conv2d(width, width, 5, padding=2, groups=4))
        self.map = nn.Conv2d(width, 3, 1)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        light = self.features(torch.cat([image, image.mean(1, keepdim=True)], 1))
        return light, self.map(light)


class GuidedAttention(nn.Module):
    """IG-MSA: attention among channels whose values are multiplied by the illumination's features.

    x, light: [B, C, H, W]. Two depthwise convolutions of the unmodulated values tell where a pixel is.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Conv2d(channels, channels, 1, bias=False) for _ in range(3))
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.project = nn.Conv2d(channels, channels, 1)
        self.position = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
            nn.GELU(),
            nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
        )
        for layer in (self.query, self.key, self.value, self.project):
            nn.init.trunc_normal_(layer.weight, std=0.02)
        nn.init.zeros_(cast(Tensor, self.project.bias))

    def forward(self, x: Tensor, light: Tensor) -> Tensor:
        value = self.value(x)
        mixed = channel_attention(self.query(x), self.key(x), value * light, self.temperature)
        return cast(Tensor, self.project(mixed) + self.position(value))


class _Level(nn.Module):
    """Blocks of guided attention and feed-forward at one resolution; as many heads as `channels` has `head_width`s."""

    def __init__(self, channels: int, blocks: int, head_width: int) -> None:
        super().__init__()
        self.attention = nn.ModuleList(GuidedAttention(channels, channels // head_width) for _ in range(blocks))
        self.feed = nn.ModuleList(
            nn.Sequential(ChannelNorm(channels), LocalFeedForward(channels, bias=False)) for _ in range(blocks)
        )

    def forward(self, x: Tensor, light: Tensor) -> Tensor:
        for attention, feed in zip(self.attention, self.feed, strict=True):
            x = x + attention(x, light)
            x = x + feed(x)
        return x


def network(*, tiny: bool = False) -> FeatureNetwork:
    """Retinexformer with random weights."""
    return Retinexformer(8, (1, 1, 1)) if tiny else Retinexformer()


def head(network: FeatureNetwork, task: BenchmarkTask) -> nn.Module:
    """Its last convolution for the map; for the score the means of the last features and of the bottleneck's."""
    return LastConvolution(network, kernel=3) if task == "pixel" else PooledScore(network)
