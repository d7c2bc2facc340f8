"""ARNIQA: a ResNet-50 at two scales, trained by its authors to tell degradations apart, with a linear regressor."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from luxel.benchmark.blocks import two_scales
from luxel.benchmark.blocks.features import FeatureNetwork, Features
from luxel.benchmark.blocks.heads import VectorScore
from luxel.benchmark.blocks.two_scales import TwoScales, decoder
from luxel.benchmark.facts import BenchmarkTask, Cost, Facts

FACTS = Facts(
    name="arniqa",
    title="ARNIQA",
    family="quality",
    tasks=("pixel", "score"),
    kind="exact",
    costs={"pixel": Cost(25_308_033, 7_941_652_480), "score": Cost(23_512_129, 6_672_879_616)},
    note="without the projector of 4,458,624 parameters, which serves pretraining only",
    reference="ARNIQA: Learning Distortion Manifold for Image Quality Assessment, WACV 2024",
    licence="Apache-2.0",
    multiple=32,
    values="imagenet",
    official_params=27_966_656,
    paper_params="106M",
    paper_mae=0.11,
    paper_ssim=0.50,
    paper_lcc=0.70,
    paper_srcc=0.68,
    lr=5e-4,
)


class ARNIQA(FeatureNetwork):
    """Four maps of a ResNet at strides 4 to 32, and its features at both scales, each of length 1, as the vector."""

    def __init__(self, expert: TwoScales) -> None:
        super().__init__()
        self.expert = expert
        self.widths, self.vector = expert.widths, expert.vector

    def forward(self, image: Tensor) -> Features:
        features = cast(Features, self.expert(image))
        assert features.vector is not None, "two scales always have a vector"
        scales = [F.normalize(vector, dim=1) for vector in features.vector.chunk(2, 1)]
        return Features(features.maps, torch.cat(scales, 1))


def network(*, tiny: bool = False) -> FeatureNetwork:
    """ARNIQA with random weights; its backbone is `expert.backbone`."""
    return ARNIQA(two_scales.build(tiny=tiny))


def head(network: FeatureNetwork, task: BenchmarkTask) -> nn.Module:
    """The decoder for the map; one linear layer for the score, in the place of the method's ridge regressor."""
    return decoder(network) if task == "pixel" else VectorScore(network)
