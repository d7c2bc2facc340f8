"""NIMA: an ImageNet backbone that predicts the distribution of the votes a picture would get."""

from typing import cast

from torch import Tensor, nn

from luxel.benchmark.blocks.features import FeatureNetwork, Features
from luxel.benchmark.blocks.heads import DistributionScore
from luxel.benchmark.blocks.inception import InceptionResNetV2
from luxel.benchmark.facts import BenchmarkTask, Cost, Facts

FACTS = Facts(
    name="nima",
    title="NIMA",
    family="aesthetics",
    tasks=("score",),
    kind="exact",
    costs={"score": Cost(54_321_834, 6_467_440_480)},
    note="on Inception-ResNet-v2, the backbone whose count is the 56 M the paper prints; the whole picture, not a crop",
    reference="NIMA: Neural Image Assessment, IEEE Transactions on Image Processing 2018",
    licence="no code by the authors",
    size=224,
    values="signed",
    official_params=54_321_834,
    paper_params="56M",
    paper_lcc=0.63,
    paper_srcc=0.60,
    lr=5e-4,
)


class NIMA(FeatureNetwork):
    """Mean of the backbone's last map as the vector."""

    widths = ()

    def __init__(self, backbone: InceptionResNetV2) -> None:
        super().__init__()
        self.backbone = backbone
        self.vector = backbone.channels

    def forward(self, image: Tensor) -> Features:
        return Features((), cast(Tensor, self.backbone(image)).mean((2, 3)))


def network(*, tiny: bool = False) -> FeatureNetwork:
    """NIMA with random weights; its backbone is `backbone`."""
    return NIMA(InceptionResNetV2(divide=16, repeats=(1, 1, 2)) if tiny else InceptionResNetV2())


def head(network: FeatureNetwork, task: BenchmarkTask) -> nn.Module:
    """Its distribution over ten bins, read as an expectation."""
    return DistributionScore(network.vector)
