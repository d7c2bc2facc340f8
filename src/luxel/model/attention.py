"""Self-attention whose cost grows linearly with the number of pixels: every pixel looks at a small grid of regions."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def area_weights(size: int, bins: int, like: Tensor) -> Tensor:
    """Weights [bins, size] that average `size` samples into `bins` equal stretches, fractions of a sample included.

    The same as adaptive average pooling where `size` divides by `bins`, and smooth in size elsewhere; written as
    arithmetic on positions so that it exports with dynamic shapes.
    """
    position = torch.arange(size, device=like.device, dtype=like.dtype)[None]
    edge = torch.arange(bins, device=like.device, dtype=like.dtype)[:, None] * (size / bins)
    overlap = torch.minimum(position + 1, edge + size / bins) - torch.maximum(position, edge)
    return overlap.clamp(min=0) * (bins / size)


def area_pool(x: Tensor, bins: int) -> Tensor:
    """Mean of each cell of a bins x bins grid laid over the map: [B, C, H, W] to [B, C, bins, bins]."""
    rows = area_weights(x.shape[-2], bins, x)
    columns = area_weights(x.shape[-1], bins, x)
    return rows @ x @ columns.transpose(0, 1)


class RegionAttention(nn.Module):
    """Self-attention of every pixel to the means of a grid of regions, added to its input.

    Queries come from pixels, keys and values from `grid * grid` region means, so the cost is linear in pixels and the
    whole picture is in view. Keys have unit length, which keeps the scores bounded without a normalisation layer or
    batch statistics. [B, C, H, W] to [B, C, H, W].
    """

    def __init__(self, channels: int, *, grid: int) -> None:
        super().__init__()
        # About 16 channels a head, and as many heads as divide the channels.
        self.heads = next(n for n in range(max(1, channels // 16), 0, -1) if channels % n == 0)
        self.grid = grid
        self.query = nn.Conv2d(channels, channels, 1)
        self.key_value = nn.Conv2d(channels, 2 * channels, 1)
        self.project = nn.Conv2d(channels, channels, 1)
        self.temperature = nn.Parameter(torch.full((self.heads, 1, 1), 4.0))

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        regions = self.key_value(area_pool(x, self.grid))
        key, value = regions.view(b, 2, self.heads, c // self.heads, self.grid**2).unbind(1)
        query = self.query(x).view(b, self.heads, c // self.heads, h * w)
        scores = (F.normalize(key, dim=2) * self.temperature).transpose(2, 3) @ query
        mixed = (value @ scores.softmax(dim=2)).view(b, c, h, w)
        attended: Tensor = x + self.project(mixed)
        return attended
