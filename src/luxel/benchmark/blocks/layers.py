"""Small blocks that several of the enhancement baselines share."""

from typing import Literal, cast

import torch
from torch import Tensor, nn

from luxel.photometry import LIGHTNESS_WEIGHTS


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of every pixel on its own: [B, C, H, W] to the same shape."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class LocalFeedForward(nn.Sequential):
    """Feed-forward of a transformer block that sees neighbours: 1x1, GELU, depthwise 3x3, GELU, 1x1.

    [B, C, H, W] to the same shape. expansion: hidden channels per channel. Source: Uformer (CVPR 2022), LeFF.
    """

    def __init__(self, channels: int, *, expansion: int = 4, bias: bool) -> None:
        hidden = channels * expansion
        super().__init__(
            nn.Conv2d(channels, hidden, 1, bias=bias),
            nn.GELU(),
            nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden, bias=bias),
            nn.GELU(),
            nn.Conv2d(hidden, channels, 1, bias=bias),
        )


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with an activation between, added to the input: [B, C, H, W] to the same shape.

    slope: of the leaky ReLU; 0 makes it a ReLU. reflect: pad by mirroring instead of by zeros.
    """

    def __init__(self, channels: int, *, slope: float = 0.0, reflect: bool = False, bias: bool = True) -> None:
        super().__init__()
        mode: Literal["reflect", "zeros"] = "reflect" if reflect else "zeros"
        self.layers = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, padding_mode=mode, bias=bias),
            nn.LeakyReLU(slope),
            nn.Conv2d(channels, channels, 3, padding=1, padding_mode=mode, bias=bias),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + cast(Tensor, self.layers(x))


def mean_and_deviation(x: Tensor) -> Tensor:
    """Mean plus standard deviation of every channel, what gates of exposure networks look at.

    [B, C, H, W] to [B, C, 1, 1]. The root has a finite slope where a channel is constant.
    """
    mean = x.mean((2, 3), keepdim=True)
    return mean + torch.sqrt((x - mean).square().mean((2, 3), keepdim=True) + 1e-10)


def lightness(image: Tensor) -> Tensor:
    """Y' of pictures: [B, 3, H, W] in [0, 1] to [B, 1, H, W] in [0, 1]."""
    return (image * image.new_tensor(LIGHTNESS_WEIGHTS).view(1, 3, 1, 1)).sum(1, keepdim=True)
