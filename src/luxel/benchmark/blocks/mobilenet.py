"""MobileNetV2 (Sandler et al., CVPR 2018)."""

from typing import cast

from torch import Tensor, nn

from luxel.benchmark.blocks.backbones import Backbone, initialise

STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
"""Expansion, width, blocks and first stride of every stage."""


class InvertedResidual(nn.Module):
    """1x1 expansion, depthwise 3x3, 1x1 without activation; beside a shortcut where shapes allow."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, expansion: int) -> None:
        super().__init__()
        width = in_channels * expansion
        self.conv = nn.Sequential()
        if expansion != 1:
            self.conv.append(_convolution(in_channels, width, 1))
        self.conv.append(_convolution(width, width, 3, stride=stride, groups=width))
        self.conv.append(nn.Conv2d(width, out_channels, 1, bias=False))
        self.conv.append(nn.BatchNorm2d(out_channels))
        self.residual = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        y = cast(Tensor, self.conv(x))
        return x + y if self.residual else y


class MobileNetV2(Backbone):
    """MobileNetV2 with random weights: 2,223,872 parameters without its output layer.

    image: [B, 3, H, W]. Returns the map [B, channels, H / 32, W / 32]. classes: width of the output layer `logits`
    uses; None builds none.
    """

    def __init__(
        self,
        stages: tuple[tuple[int, int, int, int], ...] = STAGES,
        *,
        first: int = 32,
        channels: int = 1280,
        classes: int | None = None,
    ) -> None:
        super().__init__()
        self.channels = channels
        self.features = nn.Sequential(_convolution(3, first, 3, stride=2))
        in_channels = first
        for expansion, width, blocks, stride in stages:
            for i in range(blocks):
                self.features.append(InvertedResidual(in_channels, width, stride if i == 0 else 1, expansion))
                in_channels = width
        self.features.append(_convolution(in_channels, channels, 1))
        if classes is not None:
            self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(channels, classes))
        initialise(self)

    def forward(self, image: Tensor) -> Tensor:
        return cast(Tensor, self.features(image))

    def logits(self, image: Tensor) -> Tensor:
        """What the output layer says, [B, classes]."""
        return cast(Tensor, self.classifier(self.forward(image).mean((2, 3))))


def _convolution(
    in_channels: int, out_channels: int, kernel: int, *, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU6(),
    )
