"""Prediction Module: from the bands of both modules to the residual (paper 3.3, Fig. 4c)."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from luxel.model.wavelet import LearnedSplit, Wavelet


class Prediction(nn.Module):
    """tanh(MLP(DWT^-1(A_o, Z_o))) at the last level of the inverse.

    low: [B, C, h, w] and high: [B, 3C, h, w] to the residual [B, 1, 2h, 2w] in [-1, 1].

    channels: C. width: hidden units of the MLP, which sees the C features of one pixel and nothing else.
    """

    def __init__(self, channels: int, *, width: int) -> None:
        super().__init__()
        self.hidden = nn.Conv2d(channels, width, 1)
        self.last = nn.Conv2d(width, 1, 1)
        # The first prediction is close to zero, "ideal everywhere", so early steps do not fight a random map.
        nn.init.normal_(self.last.weight, std=1e-2)
        nn.init.constant_(cast(Tensor, self.last.bias), 0)

    def forward(self, low: Tensor, high: Tensor, inverse: Wavelet | LearnedSplit) -> Tensor:
        if isinstance(inverse, Wavelet) and inverse.by_cells:
            return torch.tanh(self.of_cells(low, high, inverse))
        return torch.tanh(self.of_pixels(inverse.merge(low, high)))

    def of_pixels(self, merged: Tensor) -> Tensor:
        """The MLP on pixels, [B, C, H, W] to [B, 1, H, W]."""
        mapped: Tensor = self.last(F.relu(self.hidden(merged)))
        return mapped

    def of_cells(self, low: Tensor, high: Tensor, inverse: Wavelet) -> Tensor:
        """The same for the four pixels of a cell at once, so that nothing but the map itself is made at full size.

        The inverse and the first layer are both linear, so their matrices multiply.
        """
        width, channels = self.hidden.weight.shape[:2]
        cells = inverse.cell_inverse(channels, low).view(channels, 4, 4 * channels)
        first = torch.einsum("kc,cpn->kpn", self.hidden.weight[..., 0, 0], cells).reshape(4 * width, 4 * channels)
        bias = cast(Tensor, self.hidden.bias).repeat_interleave(4)
        x = F.relu(F.conv2d(torch.cat([low, high], dim=1), first[..., None, None], bias))
        unit = torch.eye(4, dtype=low.dtype, device=low.device)
        last = torch.einsum("k,pq->pkq", self.last.weight[0, :, 0, 0], unit).reshape(4, 4 * width)
        mapped = F.conv2d(x, last[..., None, None], cast(Tensor, self.last.bias).repeat(4))
        return F.pixel_shuffle(mapped, 2)
