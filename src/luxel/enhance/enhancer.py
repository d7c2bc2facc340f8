"""What the training loop and the evaluator need of an enhancer, whatever the method."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Terms:
    """What an enhancer makes of a batch in training.

    fidelity: the method's own loss, a scalar.
    output: the enhanced images [B, 3, H, W] in [0, 1], differentiable.
    share: [B] in [0, 1], how much the exposure of each of them counts.
    """

    fidelity: Tensor
    output: Tensor
    share: Tensor

    def exposure(self, losses: Tensor) -> Tensor:
        """The exposure term, a scalar, of the exposure losses [B] of the outputs."""
        return (self.share * losses).mean()


class Enhancer(nn.Module):
    """A dark image in, a well exposed one out. Images are [B, 3, H, W], sRGB-encoded, in [0, 1].

    Everything random comes from the generator that is given, on the device of the images, so that a step is the same
    whenever it is made.
    """

    def terms(self, low: Tensor, high: Tensor, generator: torch.Generator) -> Terms:
        """The terms of a training batch: dark images and their ground truths."""
        raise NotImplementedError

    def enhance(self, low: Tensor, generator: torch.Generator) -> Tensor:
        """Enhanced images, of any size."""
        raise NotImplementedError


def pad_to_multiple(image: Tensor, multiple: int) -> tuple[Tensor, tuple[slice, slice]]:
    """An image [B, C, H, W] mirrored at its borders to sides that divide by `multiple`, and where it lies in there."""
    height, width = image.shape[-2:]
    down, across = -height % multiple, -width % multiple
    top, left = down // 2, across // 2
    mode = "reflect" if max(down - top, 0) < height and max(across - left, 0) < width else "replicate"
    padded = nn.functional.pad(image, (left, across - left, top, down - top), mode=mode)
    return padded, (slice(top, top + height), slice(left, left + width))
