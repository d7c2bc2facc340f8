"""P-IEANet as luxel re-creates it, with widths of its own, as a row beside the others."""

from typing import cast

import torch
from torch import Tensor, nn

from luxel.benchmark.blocks.features import FeatureNetwork, Features, Width
from luxel.benchmark.facts import Facts, Task
from luxel.model.network import CHANNELS, PIEANet, build

FACTS = Facts(
    name="pieanet",
    title="P-IEANet",
    family="exposure",
    tasks=("pixel", "score"),
    exact=False,
    note="the paper's network with the widths luxel ships; the authors' release has 0.62 M parameters",
    reference="Rethinking No-reference Image Exposure Assessment from Holism to Pixel, NeurIPS 2024",
    licence="none stated",
    paper_params="2.7M",
    paper_mae=0.03,
    paper_ssim=0.75,
    paper_psnr=28.04,
    paper_lcc=0.78,
    paper_srcc=0.73,
    lr=2e-3,
)


class PIEANetMap(FeatureNetwork):
    """P-IEANet whole; its one feature map is the residual map itself."""

    widths = (Width(1, 1),)

    def __init__(self, network: PIEANet) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Features:
        return Features((self.network(image),))


class _AsItIs(nn.Module):
    """The map is the output."""

    def forward(self, features: Features) -> Tensor:
        return features.maps[0]


class ScoreOfMap(nn.Module):
    """Holistic score with fine-tuning (5.2): a small MLP on what the map says of the picture. Returns [B].

    It sees mean |r|, mean r, deviation, and the shares beyond 0.1 on either side, softened so that a gradient passes.
    """

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(5, 32), nn.ReLU(), nn.Linear(32, 1))

    def forward(self, features: Features) -> Tensor:
        r = features.maps[0].flatten(1)
        soft = 40.0
        measures = [r.abs().mean(1), r.mean(1), r.std(1)]
        measures += [torch.sigmoid(soft * (sign * r - 0.1)).mean(1) for sign in (1, -1)]
        without = 10 * (1 - measures[0])  # the score without fine-tuning: the MLP corrects it
        return cast(Tensor, without + self.layers(torch.stack(measures, 1))[:, 0])


def network(*, tiny: bool = False) -> FeatureNetwork:
    """P-IEANet with random weights."""
    if tiny:
        return PIEANetMap(build(channels=4, structure_widths=(4, 8), lightness_widths=(4, 8)))
    return PIEANetMap(build(channels=CHANNELS))


def head(network: FeatureNetwork, task: Task) -> nn.Module:
    """Nothing for the map; the MLP for the score."""
    return _AsItIs() if task == "pixel" else ScoreOfMap()
