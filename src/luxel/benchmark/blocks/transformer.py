"""The pre-norm transformer that DEIQT, MUSIQ and the levels of Q-Align share: its block, and a ViT of such blocks."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

EPS = 1e-6
"""Of every layer norm of a vision transformer."""

SIDE, PATCH = 224, 16
"""Sides of the ViT's picture and of its patches, in pixels."""

SCALE = 1e-4
"""Where the ViT's LayerScale starts."""


class EncoderBlock(nn.Module):
    """Self-attention and feed-forward, each behind a layer norm and added to its input: [B, N, D] to the same shape.

    heads: a divisor of D. hidden: width of the feed-forward, which has a GELU. layer_scale: where learned factors per
    channel start (LayerScale); None leaves them out. Sources: ViT (ICLR 2021), Eq. 2 and 3; CaiT (ICCV 2021).
    """

    def __init__(self, channels: int, *, heads: int, hidden: int, layer_scale: float | None = None) -> None:
        super().__init__()
        self.attention = nn.Sequential(nn.LayerNorm(channels, EPS), SelfAttention(channels, heads))
        self.feed = nn.Sequential(
            nn.LayerNorm(channels, EPS), nn.Linear(channels, hidden), nn.GELU(), nn.Linear(hidden, channels)
        )
        if layer_scale is not None:
            self.attention.append(LayerScale(channels, layer_scale))
            self.feed.append(LayerScale(channels, layer_scale))

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + cast(Tensor, self.attention(tokens))
        return tokens + cast(Tensor, self.feed(tokens))


class SelfAttention(nn.Module):
    """Multi-head attention of every token to all: [B, N, D] to the same shape."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query_key_value = nn.Linear(channels, 3 * channels)
        self.project = nn.Linear(channels, channels)

    def forward(self, tokens: Tensor) -> Tensor:
        query, key, value = self.query_key_value(tokens).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value)
        return cast(Tensor, self.project(mixed.transpose(1, 2).flatten(2)))


class LayerScale(nn.Module):
    """A learned factor for every channel: [B, N, D] to the same shape."""

    def __init__(self, channels: int, start: float) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.full((channels,), start))

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens * self.factor


class VisionTransformer(nn.Module):
    """A ViT as of DeiT III (ECCV 2022): position codes on the patches only, the class token put before them after that.

    image: [B, 3, 224, 224]. Returns the class token [B, D] and the map of the patches [B, D, 14, 14], both after a last
    layer norm.
    """

    def __init__(self, *, channels: int = 384, layers: int = 12, heads: int = 6) -> None:
        super().__init__()
        self.channels = channels
        self.patches = nn.Conv2d(3, channels, PATCH, PATCH)
        self.positions = nn.Parameter(torch.empty(1, (SIDE // PATCH) ** 2, channels))
        self.class_token = nn.Parameter(torch.empty(1, 1, channels))
        self.blocks = nn.Sequential(
            *(EncoderBlock(channels, heads=heads, hidden=4 * channels, layer_scale=SCALE) for _ in range(layers))
        )
        self.norm = nn.LayerNorm(channels, EPS)
        nn.init.normal_(self.positions, std=0.02)
        nn.init.normal_(self.class_token, std=0.02)
        initialise(self)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        grid = self.patches(image)
        tokens = grid.flatten(2).mT + self.positions
        tokens = torch.cat([self.class_token.expand(len(tokens), -1, -1), tokens], 1)
        tokens = self.norm(self.blocks(tokens))
        return tokens[:, 0], tokens[:, 1:].mT.unflatten(2, grid.shape[-2:])


def initialise(module: nn.Module) -> None:
    """Starts every linear layer as transformers do: normal weights of deviation 0.02 and no bias."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=0.02)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
