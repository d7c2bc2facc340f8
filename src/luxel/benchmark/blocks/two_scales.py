"""A ResNet that sees the picture at full and at half scale, as ARNIQA and Re-IQA do."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from luxel.benchmark.blocks.features import FeatureNetwork, Features, Width
from luxel.benchmark.blocks.heads import PixelDecoder
from luxel.benchmark.blocks.resnet import STRIDES, Bottleneck, ResNet, resnet50


class TwoScales(nn.Module):
    """Features of a ResNet at both scales.

    image: [B, 3, H, W], H and W multiples of 32. Returns the four maps of the backbone, the deepest of the half scale
    enlarged and concatenated to the last, and the mean of the deepest map at either scale as the vector [B, 2 C].
    """

    def __init__(self, backbone: ResNet) -> None:
        super().__init__()
        self.backbone = backbone
        channels = (*backbone.channels[:3], 2 * backbone.channels[3])
        self.widths = tuple(Width(stride, c) for stride, c in zip(STRIDES, channels, strict=True))
        self.vector = 2 * backbone.channels[3]

    def forward(self, image: Tensor) -> Features:
        h, w = image.shape[-2:]
        half = F.interpolate(image, (h // 2, w // 2), mode="bilinear", align_corners=False, antialias=True)
        maps = cast(tuple[Tensor, ...], self.backbone(image))
        deepest, of_half = maps[-1], cast(tuple[Tensor, ...], self.backbone(half))[-1]
        enlarged = F.interpolate(of_half, deepest.shape[-2:], mode="bilinear", align_corners=False)
        vector = torch.cat([deepest.mean((2, 3)), of_half.mean((2, 3))], 1)
        return Features((*maps[:3], torch.cat([deepest, enlarged], 1)), vector)


def decoder(network: FeatureNetwork) -> PixelDecoder:
    """The map head over such maps: 256 wide, or as the finest map where a tiny build has less."""
    return PixelDecoder(network, width=min(256, network.widths[0].channels))


def build(*, tiny: bool) -> TwoScales:
    """A ResNet-50 at two scales, with random weights."""
    return TwoScales(ResNet(Bottleneck, (1, 1, 1, 1), width=4) if tiny else resnet50())
