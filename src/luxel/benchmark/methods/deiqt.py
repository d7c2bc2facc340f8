"""DEIQT: a vision transformer and a panel of six learned queries, each with its own opinion of the picture."""

from typing import cast

import torch
from torch import Tensor, nn

from luxel.benchmark.blocks.features import FeatureNetwork, Features, Width
from luxel.benchmark.blocks.heads import MIDDLE_SCORE, PixelDecoder
from luxel.benchmark.blocks.transformer import EPS, VisionTransformer
from luxel.benchmark.facts import BenchmarkTask, Cost, Facts

FACTS = Facts(
    name="deiqt",
    title="DEIQT",
    family="quality",
    tasks=("pixel", "score"),
    kind="exact",
    costs={"pixel": Cost(22_170_401, 5_788_271_616), "score": Cost(24_043_776, 4_669_620_480)},
    note="a ViT-S/16; the panel's opinion is read as the distance from the middle score",
    reference="Data-Efficient Image Quality Assessment with Attention-Panel Decoder, AAAI 2023",
    licence="none stated",
    size=224,
    values="imagenet",
    official_params=24_043_776,
    paper_params="363.5M",
    paper_mae=0.08,
    paper_ssim=0.39,
    paper_lcc=0.63,
    paper_srcc=0.54,
    lr=3e-4,
)

PANEL = 6
"""Members of the panel."""


class DEIQT(FeatureNetwork):
    """The patches' map at stride 16, and the class token as the vector."""

    def __init__(self, *, channels: int = 384, layers: int = 12, heads: int = 6) -> None:
        super().__init__()
        self.heads = heads
        self.transformer = VisionTransformer(channels=channels, layers=layers, heads=heads)
        self.widths, self.vector = (Width(16, channels),), channels

    def forward(self, image: Tensor) -> Features:
        token, grid = self.transformer(image)
        return Features((grid,), token)


class PanelScore(nn.Module):
    """Score head: learned queries, each with the class token added, ask the patches; mean of their opinions.

    One pre-norm decoder layer: queries attend to each other, then to the patches, then a feed-forward. One linear layer
    without a bias turns each query into an opinion. Returns [B]. Source: the attention-panel decoder of DEIQT.
    """

    def __init__(self, network: FeatureNetwork, *, heads: int) -> None:
        super().__init__()
        channels = network.vector
        self.panel = nn.Parameter(torch.empty(PANEL, channels))
        self.decoder = nn.TransformerDecoderLayer(
            channels,
            heads,
            4 * channels,
            dropout=0.0,
            activation="gelu",
            layer_norm_eps=EPS,
            batch_first=True,
            norm_first=True,
        )
        self.opinion = nn.Linear(channels, 1, bias=False)
        nn.init.trunc_normal_(self.panel, std=0.02)
        nn.init.normal_(self.opinion.weight, std=1e-2)

    def forward(self, features: Features) -> Tensor:
        assert features.vector is not None, "the network promises a vector"
        queries = self.panel + features.vector[:, None]
        members = self.decoder(queries, features.maps[-1].flatten(2).mT)
        return MIDDLE_SCORE + cast(Tensor, self.opinion(members)).mean((1, 2))


def network(*, tiny: bool = False) -> FeatureNetwork:
    """DEIQT's vision transformer with random weights."""
    return DEIQT(channels=16, layers=2, heads=2) if tiny else DEIQT()


def head(network: FeatureNetwork, task: BenchmarkTask) -> nn.Module:
    """The decoder for the map; the method's own panel for the score, with as many heads as the transformer."""
    if task == "pixel":
        return PixelDecoder(network, width=min(256, network.vector))
    return PanelScore(network, heads=cast(DEIQT, network).heads)
