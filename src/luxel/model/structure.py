"""Structure Feature Module: what the picture's edges and textures say about its exposure (paper 3.1, Eq. 2-4)."""

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
    """Structure features Z_o of the high bands.

    high: [B, 9, h, w] to [B, 3 * channels, h, w]. Stage i works at 1 / 2^(i-1) of the band size; every stage's features
    are brought back to the band size and stacked (Eq. 4).

    widths: channels of each stage; its length is N of Eq. (4). h and w must divide by 2^(N-1).
    """

    def __init__(self, channels: int, *, widths: tuple[int, ...], fused: int = 12, grid: int = 4) -> None:
        super().__init__()
        self.widths = widths
        c_in = (9, *widths[:-1])
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Conv2d(c_in[i], width, 3, stride=1 if i == 0 else 2, padding=1), nn.ReLU())
            for i, width in enumerate(widths)
        )
        self.stages = nn.ModuleList(StructureStage(width, fused, grid=grid) for width in widths)
        self.fuse = nn.Conv2d(len(widths) * fused, 3 * channels, 1)

    def forward(self, high: Tensor) -> Tensor:
        z, features = high, []
        for layer, stage in zip(self.layers, self.stages, strict=True):
            z = layer(z)
            features.append(stage(z))
        size = high.shape[-2:]
        stacked = [features[0], *(F.interpolate(f, size=size, mode="bilinear") for f in features[1:])]
        fused: Tensor = self.fuse(torch.cat(stacked, dim=1))  # Eq. (4)
        return fused
