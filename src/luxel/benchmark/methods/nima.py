"""NIMA: an ImageNet trunk that predicts the distribution of the votes a picture would get."""

from typing import cast

from torch import Tensor, nn

from luxel.benchmark.blocks.features import FeatureNetwork, Features
from luxel.benchmark.blocks.heads import DistributionScore
from luxel.benchmark.blocks.inception import InceptionResNetV2
from luxel.benchmark.facts import Cost, Facts, Task

FACTS = Facts(
    name="nima",
    title="NIMA",
    family="aesthetics",
    tasks=("score",),
    kind="exact",
    costs={"score": Cost(54_321_834, 6_467_440_480)},
    note="on Inception-ResNet-v2, the trunk whose count is the 56 M the paper prints; the whole picture, not a crop",
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
    """Mean of the trunk's last map as the vector."""

    widths = ()

    def __init__(self, trunk: InceptionResNetV2) -> None:
        super().__init__()
        self.trunk = trunk
        self.vector = trunk.channels

    def forward(self, image: Tensor) -> Features:
        return Features((), cast(Tensor, self.trunk(image)).mean((2, 3)))


def network(*, tiny: bool = False) -> FeatureNetwork:
    """NIMA with random weights; its trunk is `trunk`."""
    return NIMA(InceptionResNetV2(divide=16, repeats=(1, 1, 2)) if tiny else InceptionResNetV2())


def head(network: FeatureNetwork, task: Task) -> nn.Module:
    """Its distribution over ten bins, read as an expectation."""
    return DistributionScore(network.vector)
