"""GSAD as the conditional diffusion model that it was published as, in its two stages.

Stage one trains the denoiser together with the uncertainty of its prediction. Stage two begins from it: a frozen copy's
uncertainty weighs the error of the noise, and the singular values of clusters of patches hold the global structure.
Images are in [-1, 1] inside. Source: Global Structure-Aware Diffusion Process for Low-Light Image Enhancement, NeurIPS
2023, Eq. 7 to 12; what the paper leaves open is written down where it is decided.
"""

import copy
from typing import cast

import torch
from torch import Tensor, nn

from luxel.benchmark.blocks.diffusion import Drawn, draw, noise_levels, remove_noise, sample
from luxel.benchmark.blocks.sr3 import SR3UNet
from luxel.benchmark.methods.gsad import UncertainDenoiser
from luxel.enhance.enhancer import Enhancer, Terms, pad_to_multiple
from luxel.enhance.recipe import GsadSection
from luxel.enhance.structure import cluster, patches, singular_value_distance


class Gsad(Enhancer):
    """What both stages share: denoiser, noise schedule, sampling.

    17,434,182 parameters by default, as published. The output of a training step is the clean image that the predicted
    noise implies, and its exposure counts by kappa = alpha bar squared, as its structure does: where nearly all is
    noise there is no image to judge.
    """

    levels: Tensor
    sampling: Tensor

    def __init__(self, section: GsadSection) -> None:
        super().__init__()
        self.section = section
        unet = SR3UNet(
            6,
            width=section.width,
            multipliers=section.multipliers,
            blocks=section.blocks,
            attention=(len(section.multipliers) - 2,),
            scaled=True,
            groups=section.groups,
        )
        self.denoiser = UncertainDenoiser(unet, 3)
        for name in ("noise", "sampling"):
            schedule = getattr(section, name)
            levels = noise_levels(schedule.steps, schedule.first, schedule.last)
            self.register_buffer("levels" if name == "noise" else name, levels, persistent=False)

    def drawn(self, high: Tensor, generator: torch.Generator) -> Drawn:
        """Noisy versions of ground truths in [-1, 1], all between the same two levels, as published."""
        return draw(high, self.levels, generator, one_step=True)

    def enhance(self, low: Tensor, generator: torch.Generator) -> Tensor:
        padded, (rows, columns) = pad_to_multiple(2 * low - 1, self.denoiser.unet.stride)
        strides = (1,) * self.section.sampling.steps
        out = sample(self.denoiser, padded, self.sampling, channels=3, strides=strides, generator=generator)
        return to_unit(out)[..., rows, columns]


class GsadUncertaintyStage(Gsad):
    """Stage one, from orthogonal weights: the error of the noise counts less where the network is uncertain."""

    def __init__(self, section: GsadSection) -> None:
        super().__init__(section)
        for module in self.denoiser.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.orthogonal_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def terms(self, low: Tensor, high: Tensor, generator: torch.Generator) -> Terms:
        condition, clean = 2 * low - 1, 2 * high - 1
        drawn = self.drawn(clean, generator)
        fidelity = self.denoiser.uncertainty_loss(condition, drawn)
        with torch.no_grad():  # never trained on; the log shows how well exposed the outputs are
            noise = self.denoiser(condition, drawn.noisy, drawn.level)
        return Terms(fidelity, to_unit(implied_clean(drawn, noise)), kappa(drawn.level))


class GsadStructureStage(Gsad):
    """Stage two, from the weights of stage one.

    Every image has clusters of its own; the published code takes those of a batch's first image for all.
    """

    def __init__(self, section: GsadSection, first: GsadUncertaintyStage) -> None:
        super().__init__(section)
        self.denoiser.load_state_dict(first.denoiser.state_dict())
        self.denoiser.uncertain.requires_grad_(False)  # only the frozen copy's is used
        self.frozen = copy.deepcopy(first.denoiser).requires_grad_(False)

    def terms(self, low: Tensor, high: Tensor, generator: torch.Generator) -> Terms:
        condition, clean = 2 * low - 1, 2 * high - 1
        drawn = self.drawn(clean, generator)
        noise = cast(Tensor, self.denoiser(condition, drawn.noisy, drawn.level))
        pixel = (self._error_weights(condition, drawn) * (noise - drawn.noise)).abs().mean()
        implied = implied_clean(drawn, noise)
        fidelity = self.section.pixel_weight * pixel
        if self.section.structure_weight:
            earlier = posterior_sample(implied, drawn, generator)
            fidelity = fidelity + self.section.structure_weight * self._structure(earlier, clean, drawn.level)
        return Terms(fidelity, to_unit(implied), kappa(drawn.level))

    @torch.no_grad()
    def _error_weights(self, condition: Tensor, drawn: Drawn) -> Tensor:
        """Weights of the noise's error in [0.5, 1], per image and channel: 1 where stage one was least certain."""
        features = self.frozen.features(condition, drawn.noisy, drawn.level)
        uncertainty = cast(Tensor, self.frozen.uncertain(features))
        low, high = uncertainty.amin((2, 3), keepdim=True), uncertainty.amax((2, 3), keepdim=True)
        return 0.5 + 0.5 * (uncertainty - low) / (high - low).clamp(min=1e-8)

    def _structure(self, image: Tensor, clean: Tensor, level: Tensor) -> Tensor:
        """The structure term of images [B, 3, H, W] in [-1, 1] against the clean ones, a scalar."""
        wanted = patches(clean, self.section.patch)
        clusters = cluster(wanted, self.section.clusters)
        distance = singular_value_distance(patches(image, self.section.patch), wanted, clusters, self.section.clusters)
        return (kappa(level) * distance).mean() / self.section.clusters


def kappa(level: Tensor) -> Tensor:
    """How much an image at a level [B] counts: alpha bar squared, in [0, 1]."""
    return level**4


def implied_clean(drawn: Drawn, noise: Tensor) -> Tensor:
    """The clean image [B, 3, H, W] in [-1, 1] that a predicted noise implies."""
    return remove_noise(drawn.noisy, drawn.level, noise).clamp(-1, 1)


def posterior_sample(clean: Tensor, drawn: Drawn, generator: torch.Generator) -> Tensor:
    """An image one step of the schedule nearer to the clean one, drawn from the posterior.

    clean: [B, 3, H, W], as predicted. Source: DDPM (NeurIPS 2020), Eq. 6 and 7, for levels that are roots of alpha bar.
    """
    level, before = (x.view(-1, 1, 1, 1) for x in (drawn.level, drawn.before))
    kept = (level / before) ** 2  # alpha
    noise_now, noise_before = 1 - level**2, 1 - before**2
    mean = before * (1 - kept) / noise_now * clean + kept.sqrt() * noise_before / noise_now * drawn.noisy
    deviation = (noise_before / noise_now * (1 - kept)).clamp(min=0).sqrt()
    fresh = torch.randn(clean.shape, generator=generator, device=clean.device)
    return mean + deviation * fresh


def to_unit(image: Tensor) -> Tensor:
    """From [-1, 1] to [0, 1], clipped."""
    return ((image + 1) / 2).clamp(0, 1)
