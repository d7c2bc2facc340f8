"""The head of the controls: a score that is taken of the network's own map (5.2, with fine-tuning)."""

from typing import cast

import torch
from torch import Tensor, nn

from luxel.benchmark.blocks.features import Features

SHARE_BEYOND = 0.1
"""|r| beyond which a pixel counts as wrongly exposed."""

STEEPNESS = 40.0
"""Of the sigmoid that counts pixels: a share counted by a step would have no gradient."""


class ScoreOfMap(nn.Module):
    """Holistic score with fine-tuning (5.2): `10 (1 - mean |r|)`, corrected by a small MLP on what the map says.

    The MLP sees mean |r|, mean r, the deviation, and the shares beyond 0.1 on either side.

    draw: head of the map; takes the network's features, returns [B, 1, H, W] in [-1, 1].
    Returns [B].
    """

    def __init__(self, draw: nn.Module) -> None:
        super().__init__()
        self.draw = draw
        self.layers = nn.Sequential(nn.Linear(5, 32), nn.ReLU(), nn.Linear(32, 1))

    def forward(self, features: Features) -> Tensor:
        r = cast(Tensor, self.draw(features)).flatten(1)
        measures = [r.abs().mean(1), r.mean(1), r.std(1)]
        measures += [torch.sigmoid(STEEPNESS * (sign * r - SHARE_BEYOND)).mean(1) for sign in (1, -1)]
        without = 10 * (1 - measures[0])  # the score without fine-tuning
        return cast(Tensor, without + self.layers(torch.stack(measures, 1))[:, 0])
