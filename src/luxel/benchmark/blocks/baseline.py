"""A baseline ready for use: picture in [0, 1] in, map of the picture's size or score out.

Everything a network asks of its input (range, size, multiple) is done here from its facts, and undone for maps, so that
no method's file repeats it.
"""

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from luxel.benchmark.blocks.features import FeatureNetwork, Features
from luxel.benchmark.facts import BenchmarkTask, Facts

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class Baseline(nn.Module):
    """A feature network with a task head.

    image: [B, 3, H, W] sRGB-encoded, in [0, 1], any H and W >= 32. Task "pixel" returns the residual map [B, 1, H, W]
    in [-1, 1]; task "score" returns [B], meant for 0 to 10. Neither depends on the rest of the batch in eval mode.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, facts: Facts, network: FeatureNetwork, head: nn.Module, task: BenchmarkTask) -> None:
        super().__init__()
        self.facts, self.task = facts, task
        self.network, self.head = network, head
        mean, std = {
            "unit": ((0.0,) * 3, (1.0,) * 3),
            "signed": ((0.5,) * 3, (0.5,) * 3),
            "imagenet": (IMAGENET_MEAN, IMAGENET_STD),
        }[facts.values]
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        h, w = image.shape[-2:]
        out = cast(Tensor, self.head(self.features(image)))
        if self.task == "score":
            return out
        if self.facts.size is not None:
            return F.interpolate(out, (h, w), mode="bilinear", align_corners=False)
        return out[..., :h, :w]

    def features(self, image: Tensor) -> Features:
        """Features of pictures [B, 3, H, W] in [0, 1], after everything the network asks of its input."""
        h, w = image.shape[-2:]
        x = (image - self.mean) / self.std
        if self.facts.size is not None:
            side = (self.facts.size, self.facts.size)
            x = F.interpolate(x, side, mode="bilinear", align_corners=False, antialias=True)
        else:
            x = F.pad(x, (0, -w % self.facts.multiple, 0, -h % self.facts.multiple), mode="replicate")
        return cast(Features, self.network(x))

    def own_loss(self, image: Tensor, target: Tensor) -> Tensor:
        """The head's own loss, for heads that have one: image [B, 3, H, W] in [0, 1], target scores [B]; a scalar."""
        return cast(Tensor, cast(Any, self.head).loss(self.features(image), target))
