"""Q-Align, re-created without its language model: scores are learned as five levels and read as their expectation."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from luxel.benchmark.blocks.features import FeatureNetwork, Features, Width
from luxel.benchmark.blocks.transformer import VisionTransformer
from luxel.benchmark.facts import BenchmarkTask, Cost, Facts

FACTS = Facts(
    name="qalign",
    title="Q-Align",
    family="aesthetics",
    tasks=("score",),
    kind="re-creation",
    costs={"score": Cost(21_676_421, 4_598_500_224)},
    note=(
        "the five levels, trained by cross-entropy, on a ViT-S/16 of 21.7 M parameters; the published network is a "
        "language model of about 8.2 billion, with which this row is not to be compared"
    ),
    reference="Q-Align: Teaching LMMs for Visual Scoring via Discrete Text-Defined Levels, ICML 2024",
    licence="S-Lab 1.0, non-commercial",
    size=224,
    values="imagenet",
    paper_params="7B",
    paper_lcc=0.75,
    paper_srcc=0.70,
    lr=3e-4,
)

LEVELS = ("bad", "poor", "fair", "good", "excellent")
"""From the lowest fifth of the scores to the highest."""

TOP = 10.0
"""Highest score; the lowest is 0."""


class LevelTransformer(FeatureNetwork):
    """The patches' map at stride 16, and the class token as the vector."""

    def __init__(self, transformer: VisionTransformer) -> None:
        super().__init__()
        self.transformer = transformer
        self.widths, self.vector = (Width(16, transformer.channels),), transformer.channels

    def forward(self, image: Tensor) -> Features:
        token, grid = self.transformer(image)
        return Features((grid,), token)


class LevelScore(nn.Module):
    """Score head: how probable each level is, read as the expectation of the levels' scores 0, 2.5, 5, 7.5, 10.

    Returns [B], in 0 to 10. Source: Q-Align, the conversions between scores and rating levels.
    """

    scores: Tensor

    def __init__(self, network: FeatureNetwork) -> None:
        super().__init__()
        self.linear = nn.Linear(network.vector, len(LEVELS))
        nn.init.normal_(self.linear.weight, std=1e-2)
        nn.init.zeros_(self.linear.bias)
        self.register_buffer("scores", torch.linspace(0, TOP, len(LEVELS)), persistent=False)

    def forward(self, features: Features) -> Tensor:
        return (self.logits(features).softmax(1) * self.scores).sum(1)

    def loss(self, features: Features, target: Tensor) -> Tensor:
        """Cross-entropy against the level of each score: target [B] in 0 to 10; a scalar."""
        return F.cross_entropy(self.logits(features).float(), level(target))

    def logits(self, features: Features) -> Tensor:
        """Of the levels, lowest first, [B, 5]."""
        assert features.vector is not None, "the network promises a vector"
        return cast(Tensor, self.linear(features.vector))


def level(score: Tensor) -> Tensor:
    """Index of the level a score falls into, lowest first: five equal ranges of 0 to 10, each with its upper end."""
    return torch.ceil(score * len(LEVELS) / TOP).long().clamp(1, len(LEVELS)) - 1


def network(*, tiny: bool = False) -> FeatureNetwork:
    """A ViT-S/16 with random weights."""
    return LevelTransformer(VisionTransformer(channels=16, layers=2, heads=2) if tiny else VisionTransformer())


def head(network: FeatureNetwork, task: BenchmarkTask) -> nn.Module:
    """The five levels."""
    return LevelScore(network)
