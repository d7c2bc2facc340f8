"""Structure Feature Module: what the picture's edges and textures say about its exposure (paper 3.1, Eq. 2-4)."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from luxel.model.attention import RegionAttention

DIRECTIONS = ((0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1))
"""The set D of Eq. (2) as (row, column) steps: +x, -x, +y, -y and the four diagonals."""


def replicate_border(z: Tensor) -> Tensor:
    """A map with its outermost pixels repeated once on every side, [B, C, H, W] to [B, C, H + 2, W + 2]."""
    # As F.pad(mode="replicate"), whose backward torch.compile gets wrong for channels-last maps (torch 2.13).
    z = torch.cat([z[..., :1], z, z[..., -1:]], dim=-1)
    return torch.cat([z[..., :1, :], z, z[..., -1:, :]], dim=-2)


def directional_gradients(z: Tensor) -> Tensor:
    """First differences of features to the neighbour in each of the eight directions, Eq. (2).

    z: [B, C, H, W]. Returns [B, 8C, H, W], direction by direction; zero where the neighbour lies outside the picture.
    """
    h, w = z.shape[-2:]
    padded = replicate_border(z)
    return torch.cat([padded[..., 1 + r : 1 + r + h, 1 + c : 1 + c + w] - z for r, c in DIRECTIONS], dim=1)


class GradientEmbedding(nn.Conv2d):
    """The eight gradient maps of Eq. (2) mixed to as many channels as they were made of, [B, C, H, W] to the same.

    This 1x1 convolution of `directional_gradients(z)`, computed as one 3x3 convolution of z: differences are linear,
    and eight times the channels at the finest size would be a fifth of a training step.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(len(DIRECTIONS) * channels, channels, 1)

    def forward(self, z: Tensor) -> Tensor:
        return F.conv2d(replicate_border(z), self.difference_kernel(), self.bias)

    def difference_kernel(self) -> Tensor:
        """The weights of each direction at its neighbour, minus their sum at the centre: [C, C, 3, 3]."""
        mixing = self.weight.view(self.out_channels, len(DIRECTIONS), -1)  # [C, direction, C]
        taps = {(0, 0): -mixing.sum(1), **dict(zip(DIRECTIONS, mixing.unbind(1), strict=True))}
        rows = (torch.stack([taps[r, c] for c in (-1, 0, 1)], dim=-1) for r in (-1, 0, 1))
        return torch.stack(list(rows), dim=-2)


class LongRangeEncoder(nn.Module):
    """LRE, Z_l of Eq. (3): a transformer block, [B, C, H, W] to the same shape."""

    def __init__(self, channels: int, *, grid: int) -> None:
        super().__init__()
        self.attention = RegionAttention(channels, grid=grid)
        self.mlp = nn.Sequential(nn.Conv2d(channels, 2 * channels, 1), nn.ReLU(), nn.Conv2d(2 * channels, channels, 1))

    def forward(self, z: Tensor) -> Tensor:
        x = self.attention(z)
        encoded: Tensor = x + self.mlp(x)
        return encoded


class ShortRangeEncoder(nn.Module):
    """SRE, Z_s of Eq. (3): a 3x3 convolution block, [B, C, H, W] to the same shape."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolve = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        return z + F.relu(self.convolve(z))


class StructureStage(nn.Module):
    """One layer z_i with its four encoders and the fusion Z_f of Eq. (3) and (4).

    z: [B, C, H, W] to [B, fused, H, W]: the feature half and the gradient half, stacked.
    """

    def __init__(self, channels: int, fused: int, *, grid: int) -> None:
        super().__init__()
        self.embed_gradients = GradientEmbedding(channels)
        self.long_range = LongRangeEncoder(channels, grid=grid)
        self.short_range = ShortRangeEncoder(channels)
        self.gradient_long_range = LongRangeEncoder(channels, grid=grid)
        self.gradient_short_range = ShortRangeEncoder(channels)
        self.fuse = nn.Sequential(nn.Conv2d(2 * channels, channels, 1), nn.ReLU(), nn.Conv2d(channels, fused // 2, 1))
        self.gradient_fuse = nn.Sequential(
            nn.Conv2d(2 * channels, channels, 1), nn.ReLU(), nn.Conv2d(channels, fused // 2, 1)
        )

    def forward(self, z: Tensor) -> Tensor:
        gradient = self.embed_gradients(z)  # Eq. (2)
        feature_pair = torch.cat([self.long_range(z), self.short_range(z)], dim=1)  # Eq. (3)
        gradient_pair = torch.cat([self.gradient_long_range(gradient), self.gradient_short_range(gradient)], dim=1)
        return torch.cat([self.fuse(feature_pair), self.gradient_fuse(gradient_pair)], dim=1)  # Eq. (4)


class StructureModule(nn.Module):
    """Structure features Z_o of the high bands of both levels.

    high_2: [B, 9, h, w], level 2. high_1: [B, 9, 2h, 2w], level 1. Returns the features for the inverse at both levels,
    [B, 3 * channels, h, w] and [B, 3 * channels, 2h, 2w].

    The first layer works at h and w; stage i of Eq. (3) at 1 / 2^i of them, where 16 times fewer queries than at the
    band size ask for attention. Their features and the first layer's are stacked at the band size (Eq. 4).

    channels: features per pixel after the inverse transform.
    widths: channels of the first layer and of each stage; its length is N + 1 of Eq. (4). h and w must divide by 2^N.
    fused: channels that each stage gives to the stack.
    grid: regions a side that the long-range encoders look at.
    """

    def __init__(self, channels: int, *, widths: tuple[int, ...], fused: int = 8, grid: int = 4) -> None:
        super().__init__()
        self.widths = widths
        # Two convolutions added: one of both levels' bands stacked, were level 1 rearranged to cells first.
        self.from_level_2 = nn.Conv2d(9, widths[0], 1)
        self.from_level_1 = nn.Conv2d(9, widths[0], 2, stride=2, bias=False)
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Conv2d(fine, coarse, 3, stride=2, padding=1), nn.ReLU())
            for fine, coarse in pairwise(widths)
        )
        self.stages = nn.ModuleList(StructureStage(width, fused, grid=grid) for width in widths[1:])
        stacked = widths[0] + (len(widths) - 1) * fused
        self.fuse = nn.Conv2d(stacked, 3 * channels, 1)
        self.fuse_fine = nn.Conv2d(stacked, 12 * channels, 1)

    def forward(self, high_2: Tensor, high_1: Tensor) -> tuple[Tensor, Tensor]:
        z = F.relu(self.from_level_2(high_2) + self.from_level_1(high_1))
        features = [z]
        for layer, stage in zip(self.layers, self.stages, strict=True):
            z = layer(z)
            features.append(F.interpolate(stage(z), size=high_2.shape[-2:], mode="bilinear"))
        stacked = torch.cat(features, dim=1)  # Eq. (4)
        return self.fuse(stacked), F.pixel_shuffle(self.fuse_fine(stacked), 2)
