"""TANet, re-created in part: three readings of a picture (look, theme, colours) merged into a distribution.

As published but for the theme's generated layer: there it is a product over the batch, here each picture has its own.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from luxel.benchmark.blocks.features import FeatureNetwork, Features
from luxel.benchmark.blocks.heads import DistributionScore
from luxel.benchmark.blocks.mobilenet import MobileNetV2
from luxel.benchmark.blocks.resnet import BasicBlock, ResNet, resnet18
from luxel.benchmark.facts import BenchmarkTask, Cost, Facts

FACTS = Facts(
    name="tanet",
    title="TANet",
    family="aesthetics",
    tasks=("score",),
    kind="re-creation",
    costs={"score": Cost(13_881_886, 2_113_598_529)},
    note=(
        "the generated layer is applied per picture, not as a product over the batch, and its PReLU, without effect "
        "there, is left out; MobileNetV2 is torchvision's, without one 1x1 convolution (1,088 parameters)"
    ),
    reference="Rethinking Image Aesthetics Assessment: Models, Datasets and Benchmarks, IJCAI 2022",
    licence="Apache-2.0",
    size=224,
    values="imagenet",
    official_params=13_882_975,
    paper_params="40M",
    paper_lcc=0.75,
    paper_srcc=0.69,
    lr=1e-3,
)

BINS = 10


class TANet(FeatureNetwork):
    """Thirty numbers, ten of each branch, as the vector.

    look: MobileNetV2 and a linear layer. theme: what a scene classifier says of the picture, passed through a linear
    layer whose weights a second path generates from the same; one number, given to all ten bins. colour: a linear layer
    on the similarities of a small picture's colours. The scene classifier is frozen as published once it has been given
    weights (ResNet-18 of Places365); from random weights it trains.
    """

    widths = ()
    vector = 3 * BINS

    def __init__(self, look: MobileNetV2, theme: ResNet, *, themes: int, hidden: int = 100, grid: int = 12) -> None:
        super().__init__()
        self.look, self.theme, self.grid = look, theme, grid
        self.look_bins = nn.Sequential(nn.Dropout(0.75), nn.Linear(look.channels, BINS))
        self.generated_weight = nn.Linear(themes, hidden)
        self.generated_bias = nn.Linear(themes, 1)
        self.target = nn.Sequential(nn.Linear(themes, hidden), nn.BatchNorm1d(hidden), nn.PReLU(), nn.Dropout(0.5))
        self.target_norm = nn.BatchNorm1d(1, affine=False)
        self.colour_bins = nn.Sequential(nn.Dropout(0.75), nn.Linear(grid**4, BINS), nn.Softmax(1))

    def forward(self, image: Tensor) -> Features:
        look = self.look_bins(self.look(image).mean((2, 3)))
        themes = self.theme.logits(image)
        generated = (self.target(themes) * self.generated_weight(themes)).sum(1, keepdim=True)
        theme = self.target_norm(generated + self.generated_bias(themes)).expand(-1, BINS)
        colours = F.adaptive_avg_pool2d(image, self.grid).flatten(2)
        colour = self.colour_bins(self_similarity(colours).flatten(1).relu())
        return Features((), torch.cat([look, theme, colour], 1).relu())


def self_similarity(colours: Tensor) -> Tensor:
    """Cosine of every pair of columns: [B, C, N] to [B, N, N] in [-1, 1]; 0 for columns of zeros."""
    lengths = colours.square().sum(1, keepdim=True)
    directions = colours * torch.rsqrt(lengths + 1e-8)
    return directions.mT @ directions


def network(*, tiny: bool = False) -> FeatureNetwork:
    """TANet with random weights; its backbones are `look` and `theme`."""
    if tiny:
        look = MobileNetV2(((1, 8, 1, 1), (6, 8, 2, 2), (6, 16, 2, 2)), first=8, channels=32)
        theme = ResNet(BasicBlock, (1, 1, 1, 1), width=4, classes=20, freezes=True)
        return TANet(look, theme, themes=20, hidden=10, grid=4)
    return TANet(MobileNetV2(), resnet18(classes=365, freezes=True), themes=365)


def head(network: FeatureNetwork, task: BenchmarkTask) -> nn.Module:
    """Its distribution over ten bins, read as an expectation."""
    return DistributionScore(network.vector)
