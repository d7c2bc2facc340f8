"""GSAD: a diffusion model that keeps the structure of the picture; here its U-Net draws the map in a single pass."""

from typing import cast

import torch
from torch import Tensor, nn

from luxel.benchmark.blocks.diffusion import Denoiser, Drawn
from luxel.benchmark.blocks.features import FeatureNetwork
from luxel.benchmark.blocks.heads import LastConvolution, PooledScore
from luxel.benchmark.blocks.sr3 import OnePass, SR3UNet
from luxel.benchmark.facts import BenchmarkTask, Cost, Facts

FACTS = Facts(
    name="gsad",
    title="GSAD",
    family="enhancement",
    tasks=("pixel", "score"),
    kind="denoiser",
    costs={"pixel": Cost(17_355_713, 63_254_806_528), "score": Cost(17_396_353, 63_217_098_880)},
    note="the U-Net of the diffusion, trained as a regression: one pass, no noisy input, the noise level fixed, no "
    "uncertainty of the noise",
    reference="Global Structure-Aware Diffusion Process for Low-Light Image Enhancement, NeurIPS 2023",
    licence="none stated",
    multiple=16,
    values="signed",
    official_params=17_434_182,
    paper_params="67M",
    paper_mae=0.08,
    paper_ssim=0.41,
    paper_psnr=19.37,
    paper_lcc=0.71,
    paper_srcc=0.68,
    lr=3e-4,
)

SCHEDULE = (500, 1e-4, 2e-2)
"""Steps of the published diffusion and the variances that the first and the last add."""


class UncertainDenoiser(Denoiser):
    """A denoiser that says, too, how much its prediction may be off."""

    def __init__(self, unet: SR3UNet, channels: int) -> None:
        super().__init__(unet, channels)
        self.uncertain = nn.Sequential()
        for out_channels in (unet.width, unet.width, channels):
            self.uncertain.append(nn.Conv2d(unet.width, out_channels, 3, padding=1))
            self.uncertain.append(nn.ELU())

    def uncertainty_loss(self, condition: Tensor, drawn: Drawn) -> Tensor:
        """Mean error of the predicted noise, less where the network is uncertain, and what uncertainty costs; a scalar.

        The cost is divided by the number of values, as in the authors' code, which makes it small. Source: GSAD,
        the first of two stages.
        """
        features = self.features(condition, drawn.noisy, drawn.level)
        uncertainty = cast(Tensor, self.uncertain(features))
        error = (cast(Tensor, self.leave(features)) - drawn.noise).abs()
        return (error * torch.exp(-uncertainty)).mean() + 2 * uncertainty.mean() / uncertainty.numel()


def unet(in_channels: int, *, tiny: bool = False) -> SR3UNet:
    """GSAD's U-Net with random weights."""
    if tiny:
        return SR3UNet(in_channels, width=8, multipliers=(1, 1, 1, 2, 2), blocks=1, scaled=True, groups=4)
    return SR3UNet(in_channels, multipliers=(1, 1, 2, 2, 4), scaled=True)


def published(*, tiny: bool = False) -> UncertainDenoiser:
    """GSAD as the authors publish it, an enhancer: what `sample` denoises with."""
    return UncertainDenoiser(unet(6, tiny=tiny), 3)


def network(*, tiny: bool = False) -> FeatureNetwork:
    """GSAD's U-Net with random weights, for a single pass."""
    return OnePass(unet(3, tiny=tiny))


def head(network: FeatureNetwork, task: BenchmarkTask) -> nn.Module:
    """Its last convolution for the map; for the score the means of the last features and of the middle ones."""
    return LastConvolution(network, kernel=3) if task == "pixel" else PooledScore(network)
