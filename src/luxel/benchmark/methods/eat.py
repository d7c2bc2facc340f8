"""EAT: a DAT-Base whose deformable attention looks where a learned reference, not a uniform grid, sends it."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from luxel.benchmark.blocks.features import FeatureNetwork, Features, Width
from luxel.benchmark.blocks.heads import DistributionScore
from luxel.benchmark.blocks.layers import ChannelNorm
from luxel.benchmark.blocks.window_attention import WindowAttention
from luxel.benchmark.facts import BenchmarkTask, Cost, Facts

FACTS = Facts(
    name="eat",
    title="EAT",
    family="aesthetics",
    tasks=("score",),
    kind="exact",
    costs={"score": Cost(86_878_166, 15_722_308_608)},
    note="the reference points are those of each picture, where the authors take the mean over the batch",
    reference="EAT: An Enhancer for Aesthetics-Oriented Transformers, ACM Multimedia 2023",
    licence="Apache-2.0 by a badge, no licence file",
    size=224,
    values="imagenet",
    official_params=86_878_166,
    paper_params="87M",
    paper_lcc=0.74,
    paper_srcc=0.71,
    lr=3e-4,
)

WINDOW = 7
SHIFT = 4
"""By which every second layer of the first two stages moves its windows, in pixels of the map."""

REACH = 2.0
"""Largest offset from a reference point, in half pixels of the map."""

HELD_BACK = 0.25
"""Factor of offsets that do not point away from the middle on both axes, as the reference does."""


class EAT(FeatureNetwork):
    """The last map at stride 32 after a layer norm, and its mean as the vector.

    width: channels of the first of four stages, doubled by each further one, as are its heads. depths: layers of the
    stages. groups: of the deformable attention of the last two. drop_path: how often the last layer is left out of a
    picture in training; the first never is.
    """

    def __init__(
        self,
        *,
        width: int = 128,
        depths: tuple[int, int, int, int] = (2, 2, 18, 2),
        heads: int = 4,
        groups: tuple[int, int] = (4, 8),
        drop_path: float = 0.5,
    ) -> None:
        super().__init__()
        drops = iter(torch.linspace(0, drop_path, sum(depths), device="cpu").tolist())
        self.stages = nn.Sequential()
        for stage, depth in enumerate(depths):
            channels, many = width * 2**stage, heads * 2**stage
            in_channels, patch = (3, 4) if stage == 0 else (channels // 2, 2)
            self.stages.append(nn.Conv2d(in_channels, channels, patch, patch, bias=stage == 0))
            self.stages.append(ChannelNorm(channels))
            for layer in range(depth):
                attention: nn.Module
                if layer % 2 == 0 or stage < 2:
                    attention = WindowAttention(channels, heads=many, window=WINDOW, shift=layer % 2 * SHIFT)
                else:
                    side, kernel = ((14, 5), (7, 3))[stage - 2]
                    attention = DeformableAttention(
                        channels, heads=many, groups=groups[stage - 2], side=side, kernel=kernel
                    )
                self.stages.append(AttentionLayer(channels, attention, drop=next(drops)))
        self.norm = ChannelNorm(channels)
        self.widths, self.vector = (Width(32, channels),), channels

    def forward(self, image: Tensor) -> Features:
        x = self.norm(self.stages(image))
        return Features((x,), x.mean((2, 3)))


class DeformableAttention(nn.Module):
    """Every pixel attends to the same few points of the picture, which the picture itself chooses.

    x: [B, C, side, side] to the same shape. groups: parts of the channels that have offsets of their own. kernel: of
    the depthwise convolution that finds them. As many points as pixels: a point of reference for each pixel, from a
    learned projection of this picture alone, plus an offset of up to `REACH` half pixels, which is held back unless it
    leads outwards where the reference is. Sources: DAT (CVPR 2022), section 3.2; EAT's learned reference.
    """

    centres: Tensor

    def __init__(self, channels: int, *, heads: int, groups: int, side: int, kernel: int) -> None:
        super().__init__()
        self.heads, self.groups, self.side = heads, groups, side
        grouped = channels // groups
        self.query, self.key, self.value, self.project = (nn.Conv2d(channels, channels, 1) for _ in range(4))
        self.reference = nn.Conv2d(channels, 2, 1)
        self.offset = nn.Sequential(
            nn.Conv2d(grouped, grouped, kernel, padding=kernel // 2, groups=grouped),
            ChannelNorm(grouped),
            nn.GELU(),
            nn.Conv2d(grouped, 2, 1, bias=False),
        )
        self.bias = nn.Parameter(torch.empty(heads, 2 * side - 1, 2 * side - 1))
        nn.init.trunc_normal_(self.bias, std=0.01)
        along = (2 * torch.arange(side) + 1) / side - 1
        self.register_buffer("centres", torch.cartesian_prod(along, along), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        b, c = x.shape[:2]
        query = self.query(x)
        points = self.points(x, query)  # [B * groups, pixels, 2]
        sampled = F.grid_sample(
            x.reshape(b * self.groups, -1, self.side, self.side),
            points.flip(-1).view(-1, self.side, self.side, 2),
            align_corners=True,
        ).reshape(b, c, self.side, self.side)
        apart = (self.centres[:, None] - points[:, None]) / 2  # [B * groups, pixels, points, 2]
        tables = self.bias.view(self.groups, -1, *self.bias.shape[1:]).repeat(b, 1, 1, 1)
        bias = F.grid_sample(tables, apart.flip(-1), align_corners=True).reshape(b, self.heads, *apart.shape[1:3])
        query, key, value = (
            y.reshape(b, self.heads, -1, self.side**2).mT for y in (query, self.key(sampled), self.value(sampled))
        )
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=bias.to(query.dtype))
        return cast(Tensor, self.project(mixed.mT.reshape(x.shape)))

    def points(self, x: Tensor, query: Tensor) -> Tensor:
        """Where it looks, [B * groups, pixels, 2] as row and column; -1 and 1 are the outer rows and columns."""
        reference = torch.tanh(self.reference(x)).repeat_interleave(self.groups, 0)
        offset = torch.tanh(self.offset(query.reshape(len(reference), -1, self.side, self.side))) * REACH / self.side
        agree = (offset * reference > 0).all(1, keepdim=True)
        offset = offset * torch.where(agree, 1.0, HELD_BACK)
        return (reference + offset).flatten(2).mT


class AttentionLayer(nn.Module):
    """Attention and a feed-forward four times as wide, each behind a layer norm and added to its input.

    x: [B, C, H, W] to the same shape. drop: share of pictures for which, in training, either is left out.
    """

    def __init__(self, channels: int, attention: nn.Module, *, drop: float) -> None:
        super().__init__()
        self.drop = drop
        self.attention = nn.Sequential(ChannelNorm(channels), attention)
        self.feed = nn.Sequential(
            ChannelNorm(channels), nn.Conv2d(channels, 4 * channels, 1), nn.GELU(), nn.Conv2d(4 * channels, channels, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        for branch in cast(Sequence[nn.Module], (self.attention, self.feed)):
            x = x + self._kept(branch(x))
        return x

    def _kept(self, change: Tensor) -> Tensor:
        if not self.training or self.drop == 0:
            return change
        kept = torch.empty(len(change), 1, 1, 1, device=change.device).bernoulli_(1 - self.drop)
        return change * (kept / (1 - self.drop)).to(change.dtype)


def network(*, tiny: bool = False) -> FeatureNetwork:
    """EAT with random weights."""
    return EAT(width=8, depths=(2, 2, 2, 2), heads=1, groups=(2, 4)) if tiny else EAT()


def head(network: FeatureNetwork, task: BenchmarkTask) -> nn.Module:
    """The method's ten bins, without a dropout."""
    return DistributionScore(network.vector, dropout=0.0)
