"""The U-Net of SR3 (TPAMI 2022) that PyDiff and GSAD share: it knows how noisy its input is and attends deep inside."""

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from luxel.benchmark.blocks.features import FeatureNetwork, Features, Width

NO_NOISE = 1.0
"""The noise level of a picture that is all signal."""


class SR3UNet(nn.Module):
    """A U-Net of residual blocks that all know the noise level.

    x: [B, in_channels, H, W], H and W multiples of `stride`. level: [B], the noise level, sqrt of alpha bar: 1
    without noise. Returns the last features [B, width, H, W], which one convolution turns into an output, and the
    middle ones [B, channels, H / stride, W / stride].

    width: channels at full resolution. multipliers: of the width, one per level, each half as large as the one before.
    blocks: residual blocks per level on the way down; one more on the way up. attention: the levels that attend, from
    0, beside the middle. scaled: whether the noise level scales features, too, beside shifting them. groups: of every
    group norm, a divisor of all widths.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        width: int = 64,
        multipliers: tuple[int, ...],
        blocks: int = 2,
        attention: tuple[int, ...] = (3,),
        scaled: bool = False,
        dropout: float = 0.0,
        groups: int = 32,
    ) -> None:
        super().__init__()
        self.width, self.channels, self.stride = width, width * multipliers[-1], 2 ** (len(multipliers) - 1)

        def block(in_channels: int, out_channels: int, attends: bool) -> Block:
            return Block(
                in_channels, out_channels, noise=width, scaled=scaled, attends=attends, dropout=dropout, groups=groups
            )

        self.noise = nn.Sequential(
            NoiseCode(width), nn.Linear(width, 4 * width), nn.SiLU(), nn.Linear(4 * width, width)
        )
        self.enter = nn.Conv2d(in_channels, width, 3, padding=1)
        kept, x = [width], width
        self.down = nn.ModuleList()
        for i, multiplier in enumerate(multipliers):
            for _ in range(blocks):
                self.down.append(block(x, width * multiplier, i in attention))
                x = width * multiplier
                kept.append(x)
            if i < len(multipliers) - 1:
                self.down.append(nn.Conv2d(x, x, 3, 2, 1))
                kept.append(x)
        self.middle = nn.ModuleList([block(x, x, True), block(x, x, False)])
        self.up = nn.ModuleList()
        for i, multiplier in reversed(list(enumerate(multipliers))):
            for _ in range(blocks + 1):
                self.up.append(block(x + kept.pop(), width * multiplier, i in attention))
                x = width * multiplier
            if i > 0:
                self.up.append(nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(x, x, 3, padding=1)))
        self.last = nn.Sequential(nn.GroupNorm(groups, x), nn.SiLU())

    def forward(self, x: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
        noise = self.noise(level)
        kept = [self.enter(x)]
        for layer in self.down:
            kept.append(layer(kept[-1], noise) if isinstance(layer, Block) else layer(kept[-1]))
        middle = kept[-1]
        for layer in self.middle:
            middle = layer(middle, noise)
        x = middle
        for layer in self.up:
            x = layer(torch.cat([x, kept.pop()], 1), noise) if isinstance(layer, Block) else layer(x)
        return self.last(x), middle


class OnePass(FeatureNetwork):
    """The U-Net as a network of the benchmark, which sees the picture but no noisy version of what it shall draw.

    Maps: the last features, at full resolution, and the middle ones.
    """

    def __init__(self, unet: SR3UNet) -> None:
        super().__init__()
        self.unet = unet
        self.widths = (Width(1, unet.width), Width(unet.stride, unet.channels))

    def forward(self, image: Tensor) -> Features:
        return Features(self.unet(self.condition(image), image.new_full((len(image),), NO_NOISE)))

    def condition(self, image: Tensor) -> Tensor:
        """The condition of the U-Net, [B, in_channels, H, W]: the image."""
        return image


class Block(nn.Module):
    """Two convolutions behind group norms, the noise level taking part between them; self-attention where it `attends`.

    x: [B, in_channels, H, W]; noise: its code [B, noise]. Returns [B, out_channels, H, W].
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        noise: int,
        scaled: bool,
        attends: bool,
        dropout: float,
        groups: int,
    ) -> None:
        super().__init__()
        self.scaled = scaled
        self.first = nn.Sequential(
            nn.GroupNorm(groups, in_channels), nn.SiLU(), nn.Conv2d(in_channels, out_channels, 3, padding=1)
        )
        self.noise = nn.Linear(noise, out_channels * (2 if scaled else 1))
        self.second = nn.Sequential(
            nn.GroupNorm(groups, out_channels),
            nn.SiLU(),
            nn.Dropout(dropout),
            nn.Conv2d(out_channels, out_channels, 3, padding=1),
        )
        self.pass_by = nn.Identity() if in_channels == out_channels else nn.Conv2d(in_channels, out_channels, 1)
        self.attention = SpatialAttention(out_channels, groups=groups) if attends else nn.Identity()

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        inner, shift = self.first(x), self.noise(noise)[..., None, None]
        if self.scaled:
            scale, shift = shift.chunk(2, 1)
            inner = inner * (1 + scale)
        return cast(Tensor, self.attention(self.second(inner + shift) + self.pass_by(x)))


class SpatialAttention(nn.Module):
    """Every pixel attends to all, with one head; added to the input: [B, C, H, W] to the same shape."""

    def __init__(self, channels: int, *, groups: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(groups, channels)
        self.query_key_value = nn.Conv2d(channels, 3 * channels, 1, bias=False)
        self.project = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.query_key_value(self.norm(x)).flatten(2).mT.unsqueeze(1).chunk(3, 3)
        mixed = F.scaled_dot_product_attention(query, key, value)[:, 0]
        return x + cast(Tensor, self.project(mixed.mT.reshape(x.shape)))


class NoiseCode(nn.Module):
    """Sines and cosines of a noise level at `width` / 2 frequencies, from 1 down to nearly 1e-4.

    level: [B]. Returns [B, width] in [-1, 1], all sines first. Source: WaveGrad (ICLR 2021).
    """

    frequencies: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        steps = torch.arange(width // 2) / (width // 2)
        self.register_buffer("frequencies", torch.exp(-math.log(1e4) * steps), persistent=False)

    def forward(self, level: Tensor) -> Tensor:
        angles = level[:, None] * self.frequencies
        return torch.cat([angles.sin(), angles.cos()], 1)
