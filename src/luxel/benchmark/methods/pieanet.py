"""P-IEANet as luxel re-creates it, with widths of its own, as a row beside the others."""

from torch import Tensor, nn

from luxel.benchmark.blocks.features import FeatureNetwork, Features, Width
from luxel.benchmark.blocks.heads import PooledScore
from luxel.benchmark.facts import BenchmarkTask, Facts
from luxel.model.network import CHANNELS, PIEANet, build

FACTS = Facts(
    name="pieanet",
    title="P-IEANet",
    family="exposure",
    tasks=("pixel", "score"),
    kind="re-creation",
    note="the paper's network with the widths of luxel's own weights; the authors' release has 0.62 M parameters",
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


BAND_STRIDE = 4
"""Of the bands that the two modules see, after two levels of the wavelet."""


class PIEANetMap(FeatureNetwork):
    """P-IEANet whole: the residual map itself, and the deepest features of its lightness module.

    Without the lightness module they are the deepest of the structure module.
    """

    def __init__(self, network: PIEANet) -> None:
        super().__init__()
        self.network = network
        if network.lightness is not None:
            channels, halvings = network.lightness.widths[-1], len(network.lightness.widths) - 1
        else:
            assert network.structure is not None, "an ablation leaves one of the two modules"
            channels, halvings = network.structure.widths[-1], len(network.structure.widths) - 1
        self.widths = (Width(1, 1), Width(BAND_STRIDE * 2**halvings, channels))

    def forward(self, image: Tensor) -> Features:
        lightness, structure = self.network.lightness, self.network.structure
        layer = lightness.stages[-1] if lightness is not None else structure.layers[-1] if structure else None
        assert layer is not None, "an ablation leaves one of the two modules"
        deepest: list[Tensor] = []
        hook = layer.register_forward_hook(lambda module, given, made: deepest.append(made))
        try:
            residual = self.network(image)
        finally:
            hook.remove()
        return Features((residual, deepest[0]))


class _AsItIs(nn.Module):
    """The map is the output."""

    def forward(self, features: Features) -> Tensor:
        return features.maps[0]


def network(*, tiny: bool = False) -> FeatureNetwork:
    """P-IEANet with random weights."""
    if tiny:
        return PIEANetMap(build(channels=4, structure_widths=(4, 8), lightness_widths=(4, 8)))
    return PIEANetMap(build(channels=CHANNELS))


def head(network: FeatureNetwork, task: BenchmarkTask) -> nn.Module:
    """Nothing for the map; for the score the means of the map and of the deepest features."""
    return _AsItIs() if task == "pixel" else PooledScore(network)
