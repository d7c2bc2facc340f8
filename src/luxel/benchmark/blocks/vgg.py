"""VGG-16 (Simonyan and Zisserman, ICLR 2015)."""

from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F

from luxel.benchmark.blocks.backbones import Backbone, initialise

STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
"""Widths of the 3x3 convolutions between one halving and the next."""


class VGG(Backbone):
    """VGG-16 with random weights: 14,714,688 parameters in its convolutions.

    image: [B, 3, H, W], H and W >= 32. Returns the map [B, channels, H // 32, W // 32]. classes: width of the output
    layer `logits` uses; None builds no fully connected layers.
    """

    def __init__(self, stages: tuple[tuple[int, ...], ...] = STAGES, *, classes: int | None = None) -> None:
        super().__init__()
        self.channels = stages[-1][-1]
        self.features = nn.Sequential()
        in_channels = 3
        for stage in stages:
            for width in stage:
                self.features.append(nn.Conv2d(in_channels, width, 3, padding=1))
                self.features.append(nn.ReLU())
                in_channels = width
            self.features.append(nn.MaxPool2d(2))
        if classes is not None:
            self.classifier = nn.Sequential(
                nn.Linear(in_channels * 49, 4096),
                nn.ReLU(),
                nn.Dropout(),
                nn.Linear(4096, 4096),
                nn.ReLU(),
                nn.Dropout(),
                nn.Linear(4096, classes),
            )
        initialise(self)

    def forward(self, image: Tensor) -> Tensor:
        return cast(Tensor, self.features(image))

    def logits(self, image: Tensor) -> Tensor:
        """What the output layer says, [B, classes]."""
        return cast(Tensor, self.classifier(F.adaptive_avg_pool2d(self.forward(image), 7).flatten(1)))
