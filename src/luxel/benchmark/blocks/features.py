"""The contract between a baseline's network and its task head: features in, map or score out.

A network knows nothing of the task; a head knows nothing of the network but the widths it declares.
"""

from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Width:
    """A feature map a network promises: its stride against the input and its channels."""

    stride: int
    channels: int


@dataclass(frozen=True, slots=True)
class Features:
    """What a network makes of a batch.

    maps: [B, C, H / stride, W / stride] each, in the order of the network's `widths`. vector: [B, D] or None, features
    of the whole picture for networks that have their own.
    """

    maps: tuple[Tensor, ...]
    vector: Tensor | None = None


class FeatureNetwork(nn.Module):
    """A baseline up to its task head.

    widths: the maps it returns, finest first. vector: D of the vector it returns, 0 if none. `forward` takes a picture
    [B, 3, H, W] in the range, size and multiple its facts name, and returns `Features`.
    """

    widths: tuple[Width, ...]
    vector: int = 0

    def forward(self, image: Tensor) -> Features:
        """Features of a batch of pictures."""
        raise NotImplementedError
