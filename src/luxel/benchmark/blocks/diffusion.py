"""Gaussian diffusion at continuous noise levels, as PyDiff and GSAD are published: what to train on, how to sample.

The benchmark runs both in a single pass instead; this is for those who want them as the generative models they are.
A level is the share of the signal that is left, sqrt of alpha bar: 1 without noise, towards 0 in noise alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from luxel.benchmark.blocks.sr3 import SR3UNet

Denoise = Callable[[Tensor, Tensor, Tensor], Tensor]
"""The noise [B, C, H, W] in a noisy picture, from the condition [B, K, H, W], that picture and its level [B]."""

Correction = Callable[[Tensor, Tensor], Tensor]
"""A better clean picture from a predicted one and the level [B] it was predicted at."""


class Denoiser(nn.Module):
    """An SR3 U-Net that predicts the noise in a picture of `channels` channels. See `Denoise`.

    unet: takes the channels of the condition and those of the noisy picture.
    """

    def __init__(self, unet: SR3UNet, channels: int) -> None:
        super().__init__()
        self.unet = unet
        self.leave = nn.Conv2d(unet.width, channels, 3, padding=1)

    def forward(self, condition: Tensor, noisy: Tensor, level: Tensor) -> Tensor:
        return cast(Tensor, self.leave(self.features(condition, noisy, level)))

    def features(self, condition: Tensor, noisy: Tensor, level: Tensor) -> Tensor:
        """The U-Net's last features, [B, width, H, W]."""
        return cast(Tensor, self.unet(torch.cat([condition, noisy], 1), level)[0])


@dataclass(frozen=True, slots=True)
class Drawn:
    """A training example: noisy pictures [B, C, H, W], their levels [B], and the noise in them [B, C, H, W].

    before: the level [B] one step of the schedule nearer to the clean picture.
    """

    noisy: Tensor
    level: Tensor
    noise: Tensor
    before: Tensor


def noise_levels(steps: int, first: float, last: float) -> Tensor:
    """The level after each of 0 to `steps` steps of rising noise, [steps + 1], falling from 1.

    first, last: the variance that the first and the last step add; those between lie on a line.
    """
    kept = torch.cumprod(1 - torch.linspace(first, last, steps, dtype=torch.float64), 0).sqrt()
    return F.pad(kept, (1, 0), value=1.0).float()


def add_noise(clean: Tensor, level: Tensor, noise: Tensor) -> Tensor:
    """Pictures at a level: [B, C, H, W] with levels [B] to the same shape."""
    level = level.view(-1, 1, 1, 1)
    return level * clean + (1 - level**2).sqrt() * noise


def remove_noise(noisy: Tensor, level: Tensor, noise: Tensor) -> Tensor:
    """What `add_noise` began from."""
    level = level.view(-1, 1, 1, 1)
    return (noisy - (1 - level**2).sqrt() * noise) / level


def draw(clean: Tensor, levels: Tensor, generator: torch.Generator | None = None, *, one_step: bool = False) -> Drawn:
    """Noisy versions of pictures [B, C, H, W], each at a level drawn between two neighbours of `levels`.

    one_step: all of a batch between the same two neighbours.
    """
    b, levels = len(clean), levels.to(clean.device)
    step = torch.randint(1, len(levels), (1 if one_step else b,), generator=generator, device=clean.device).expand(b)
    share = torch.rand(b, generator=generator, device=clean.device)
    level = levels[step] + share * (levels[step - 1] - levels[step])
    noise = torch.randn(clean.shape, generator=generator, device=clean.device)
    return Drawn(add_noise(clean, level, noise), level, noise, levels[step - 1])


def training_loss(
    denoise: Denoise, condition: Tensor, clean: Tensor, levels: Tensor, generator: torch.Generator | None = None
) -> Tensor:
    """Mean absolute error of the predicted noise, a scalar. condition: [B, K, H, W]; clean: [B, C, H, W] in [-1, 1]."""
    drawn = draw(clean, levels, generator)
    return F.l1_loss(denoise(condition, drawn.noisy, drawn.level), drawn.noise)


@torch.no_grad()
def sample(
    denoise: Denoise,
    condition: Tensor,
    levels: Tensor,
    *,
    channels: int,
    strides: Sequence[int],
    eta: float = 1.0,
    correct: Correction | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Pictures [B, channels, H, W] in [-1, 1], drawn from noise given the condition [B, K, H, W].

    levels: as trained with. strides: how much smaller the picture is in each step of sampling, noisiest first, one per
    step; H and W must divide by each, and then by the denoiser's own stride. eta: 0 adds no noise between steps (DDIM),
    1 as much as ancestral sampling does. correct: better clean pictures than the predicted ones. Sources: DDIM (ICLR
    2021), Eq. 12 and 16; PyDiff for the strides.
    """
    b, _, h, w = condition.shape

    def fresh(like: Tensor) -> Tensor:
        return torch.randn(like.shape, generator=generator, device=like.device)

    path = levels[torch.linspace(len(levels) - 1, 0, len(strides) + 1).round().long()].to(condition.device)
    x = fresh(condition.new_empty(b, channels, h // strides[0], w // strides[0]))
    for level, following, stride, next_stride in zip(path, path[1:], strides, (*strides[1:], 1), strict=False):
        given = condition if stride == 1 else F.interpolate(condition, x.shape[-2:], mode="area")
        clean = remove_noise(x, level.expand(b), denoise(given, x, level.expand(b))).clamp(-1, 1)
        if correct is not None:
            clean = correct(clean, level.expand(b)).clamp(-1, 1)
        if next_stride != stride:  # noise does not survive a change of size: all of it is drawn again
            clean = F.interpolate(clean, (h // next_stride, w // next_stride), mode="bilinear")
            x = add_noise(clean, following.expand(b), fresh(clean))
            continue
        noise = (x - level * clean) / (1 - level**2).sqrt()
        deviation = eta * ((1 - following**2) / (1 - level**2) * (1 - (level / following) ** 2)).sqrt()
        x = following * clean + (1 - following**2 - deviation**2).clamp_min(0).sqrt() * noise + deviation * fresh(x)
    return x
