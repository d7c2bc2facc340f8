"""Re-IQA: two ResNet-50 at two scales, one that learnt content and one that learnt quality, with a linear regressor."""

from typing import cast

import torch
from torch import Tensor, nn

from luxel.benchmark.blocks import two_scales
from luxel.benchmark.blocks.baseline import IMAGENET_MEAN, IMAGENET_STD
from luxel.benchmark.blocks.features import FeatureNetwork, Features, Width
from luxel.benchmark.blocks.heads import VectorScore
from luxel.benchmark.blocks.two_scales import TwoScales, decoder
from luxel.benchmark.facts import BenchmarkTask, Cost, Facts

FACTS = Facts(
    name="reiqa",
    title="Re-IQA",
    family="quality",
    tasks=("pixel", "score"),
    kind="exact",
    costs={"pixel": Cost(50_208_705, 14_882_963_456), "score": Cost(47_024_257, 13_345_759_232)},
    note="without the two projectors of 4.46 M parameters, which serve pretraining only; they are not counted",
    reference="Re-IQA: Unsupervised Learning for Image Quality Assessment in the Wild, CVPR 2023",
    licence="MIT",
    multiple=32,
    official_params=47_016_064,
    paper_params="560M",
    paper_mae=0.08,
    paper_ssim=0.37,
    paper_lcc=0.71,
    paper_srcc=0.65,
    lr=5e-4,
)


class ReIQA(FeatureNetwork):
    """Maps and vectors of both experts, concatenated.

    Takes [0, 1]: the quality expert sees it as it is, the content expert standardised by ImageNet's means.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, content: TwoScales, quality: TwoScales) -> None:
        super().__init__()
        self.content, self.quality = content, quality
        pairs = zip(content.widths, quality.widths, strict=True)
        self.widths = tuple(Width(a.stride, a.channels + b.channels) for a, b in pairs)
        self.vector = content.vector + quality.vector
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)

    def forward(self, image: Tensor) -> Features:
        content = cast(Features, self.content((image - self.mean) / self.std))
        quality = cast(Features, self.quality(image))
        assert content.vector is not None, "two scales always have a vector"
        assert quality.vector is not None, "two scales always have a vector"
        maps = [torch.cat(pair, 1) for pair in zip(content.maps, quality.maps, strict=True)]
        return Features(tuple(maps), torch.cat([content.vector, quality.vector], 1))


def network(*, tiny: bool = False) -> FeatureNetwork:
    """Re-IQA with random weights; its backbones are `content.backbone` and `quality.backbone`."""
    return ReIQA(two_scales.build(tiny=tiny), two_scales.build(tiny=tiny))


def head(network: FeatureNetwork, task: BenchmarkTask) -> nn.Module:
    """The decoder for the map; one linear layer for the score, in the place of the method's ridge regressor."""
    return decoder(network) if task == "pixel" else VectorScore(network)
