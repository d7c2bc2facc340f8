"""Attention inside square windows, as in Swin (ICCV 2021): EAT's and SMG's local layers share it."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class WindowAttention(nn.Module):
    """Multi-head attention among the pixels of a window, with a learned bias for every displacement.

    x: [B, C, H, W], any H and W. Returns the same shape; no residual. channels: C, a multiple of `heads`. window: side
    in pixels. shift: how far the grid of windows is moved down and to the right, below `window`; a side that fits in
    one window is not moved. Sides are padded to whole windows. No pixel sees padding, nor one that is its neighbour
    only because the moved grid wraps round. Source: Swin Transformer, section 3.2.
    """

    places: Tensor

    def __init__(self, channels: int, *, heads: int, window: int, shift: int = 0) -> None:
        super().__init__()
        self.heads, self.window, self.shift = heads, window, shift
        self.query_key_value = nn.Linear(channels, 3 * channels)
        self.project = nn.Linear(channels, channels)
        self.bias = nn.Parameter(torch.empty(heads, (2 * window - 1) ** 2))
        nn.init.normal_(self.bias, std=0.02)
        side = torch.arange(window)
        pixels = torch.cartesian_prod(side, side)
        rows, columns = (pixels[:, None] - pixels + window - 1).unbind(2)
        self.register_buffer("places", rows * (2 * window - 1) + columns, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        h, w = x.shape[-2:]
        window = self.window
        x = F.pad(x, (0, -w % window, 0, -h % window))
        padded_h, padded_w = x.shape[-2:]
        shifts = tuple(-self.shift if side > window else 0 for side in (padded_h, padded_w))
        x = x.roll(shifts, (2, 3)) if any(shifts) else x

        b, c = x.shape[:2]
        tokens = x.reshape(b, c, padded_h // window, window, padded_w // window, window)
        tokens = tokens.permute(0, 2, 4, 3, 5, 1).reshape(b, -1, window**2, c)
        query_key_value = self.query_key_value(tokens).unflatten(3, (3, self.heads, -1))
        query, key, value = query_key_value.permute(3, 0, 1, 4, 2, 5)  # [B, windows, heads, pixels, C / heads]
        bias = self.bias[:, self.places]
        if any(shifts) or (padded_h, padded_w) != (h, w):
            seen = visible((h, w), (padded_h, padded_w), window=window, shifts=shifts, device=x.device)
            bias = bias.masked_fill(~seen[:, None], -torch.inf)
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=bias.to(query.dtype))
        tokens = cast(Tensor, self.project(mixed.transpose(2, 3).flatten(3)))

        tokens = tokens.reshape(b, padded_h // window, padded_w // window, window, window, c)
        x = tokens.permute(0, 5, 1, 3, 2, 4).reshape(b, c, padded_h, padded_w)
        x = x.roll(tuple(-shift for shift in shifts), (2, 3)) if any(shifts) else x
        return x[..., :h, :w]


def visible(
    size: tuple[int, int],
    padded: tuple[int, int],
    *,
    window: int,
    shifts: tuple[int, ...],
    device: torch.device | None = None,
) -> Tensor:
    """Which pixels of a window may look at which: bool [windows, pixels, pixels].

    size: sides of the map; padded: with whole windows. shifts: by which the padded map was rolled, 0 or negative.
    Pixels see each other on the same side of both seams; padding sees padding, so that no row is empty.
    """
    sides = []
    for length, whole, shift in zip(size, padded, shifts, strict=True):
        place = torch.arange(whole, device=device)
        wrapped = (place >= whole + shift).long()
        outside = (place.roll(shift) >= length).long()
        sides.append(2 * wrapped + outside)
    rows, columns = sides
    windows = (4 * rows[:, None] + columns).view(padded[0] // window, window, padded[1] // window, window)
    windows = windows.transpose(1, 2).reshape(-1, window**2)
    return windows[:, :, None] == windows[:, None]
