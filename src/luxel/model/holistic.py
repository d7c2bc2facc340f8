"""A holistic score from a residual map, "with fine-tuning" (paper 5.2): a small head trained on people's scores."""

import torch
from torch import Tensor, nn

from luxel.assessment.head import FEATURES, GRID, LEVELS
from luxel.model.attention import area_pool
from luxel.residual import DEFAULT_THRESHOLD


def map_features(residual: Tensor) -> Tensor:
    """`luxel.assessment.head.map_features` for torch, on maps as they are.

    residual: [B, 1, H, W] in [-1, 1]. Returns [B, FEATURES]: means over an 8 x 8 grid, a soft histogram, mean |r|, mean
    r, over and under areas at the default threshold.
    """
    r = residual.flatten(1)
    width = (LEVELS[1] - LEVELS[0]) / 2
    histogram = torch.stack([torch.exp(-(((r - level) / width) ** 2)).mean(1) for level in LEVELS], dim=1)
    areas = [(r < -DEFAULT_THRESHOLD).float().mean(1), (r > DEFAULT_THRESHOLD).float().mean(1)]
    totals = torch.stack([r.abs().mean(1), r.mean(1), *areas], dim=1)
    return torch.cat([area_pool(residual, GRID).flatten(1), histogram, totals], dim=1)


class HolisticHead(nn.Module):
    """Score in [0, 10] from `map_features`: [B, FEATURES] to [B].

    The head corrects the score without fine-tuning, 10 * (1 - mean |r|), so that untrained it is that score.
    """

    def __init__(self, hidden: int = 32) -> None:
        super().__init__()
        last = nn.Linear(hidden, 1)
        self.correct = nn.Sequential(nn.Linear(FEATURES, hidden), nn.ReLU(), nn.Dropout(0.1), last)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, features: Tensor) -> Tensor:
        plain = 10 * (1 - features[:, FEATURES - 4])
        corrected: Tensor = plain + self.correct(features)[:, 0]
        return corrected
