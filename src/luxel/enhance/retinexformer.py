"""Retinexformer as the enhancer that it was published as: the lit image plus three channels of correction."""

from typing import cast

import torch
from torch import Tensor, nn

from luxel.benchmark.methods.retinexformer import Retinexformer
from luxel.enhance.enhancer import Enhancer, Terms, pad_to_multiple
from luxel.enhance.recipe import RetinexformerSection

STRIDE = 4


class RetinexformerEnhancer(Enhancer):
    """Loss: mean absolute error to the ground truth, of the output as it is, not clipped.

    Source: Retinexformer, ICCV 2023, Eq. 4 to 6. 1,605,701 parameters by default, as published.
    """

    def __init__(self, section: RetinexformerSection) -> None:
        super().__init__()
        self.network = Retinexformer(section.width, section.blocks)
        self.correct = nn.Conv2d(section.width, 3, 3, padding=1, bias=False)

    def forward(self, low: Tensor) -> Tensor:
        """Enhanced images, not clipped: [B, 3, H, W] with H and W multiples of 4 to the same shape."""
        lit, light = self.network.light_up(low)
        return lit + cast(Tensor, self.correct(self.network.restore(lit, light).maps[0]))

    def terms(self, low: Tensor, high: Tensor, generator: torch.Generator) -> Terms:
        output = self(low)
        fidelity = nn.functional.l1_loss(output, high)
        return Terms(fidelity, output.clamp(0, 1), low.new_ones(len(low)))

    def enhance(self, low: Tensor, generator: torch.Generator) -> Tensor:
        padded, (rows, columns) = pad_to_multiple(low, STRIDE)
        return cast(Tensor, self(padded)).clamp(0, 1)[..., rows, columns]
