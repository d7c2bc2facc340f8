"""Inception-ResNet-v2 (Szegedy et al., AAAI 2017) with its 43 inner concatenations exposed."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from luxel.benchmark.blocks.backbones import Backbone, initialise

Kernel = int | tuple[int, int]
ConvolutionStep = tuple[int, Kernel] | tuple[int, Kernel, int]
"""Width, kernel, and stride if not 1. Convolutions keep the size of the map; those of stride 2 are not padded."""
Branches = tuple[tuple[ConvolutionStep, ...], ...]

MIXED_5B: Branches = (((96, 1),), ((48, 1), (64, 5)), ((64, 1), (96, 3), (96, 3)))
BLOCK_35: Branches = (((32, 1),), ((32, 1), (32, 3)), ((32, 1), (48, 3), (64, 3)))
MIXED_6A: Branches = (((384, 3, 2),), ((256, 1), (256, 3), (384, 3, 2)))
BLOCK_17: Branches = (((192, 1),), ((128, 1), (160, (1, 7)), (192, (7, 1))))
MIXED_7A: Branches = (((256, 1), (384, 3, 2)), ((256, 1), (288, 3, 2)), ((256, 1), (288, 3), (320, 3, 2)))
BLOCK_8: Branches = (((192, 1),), ((192, 1), (224, (1, 3)), (256, (3, 1))))

MIN_SIDE = 75
"""Side in pixels below which its unpadded convolutions leave nothing."""


class Convolution(nn.Module):
    """Convolution without bias, batch norm, ReLU."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: Kernel, *, stride: int = 1, padded: bool = True
    ) -> None:
        super().__init__()
        sides = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = (sides[0] // 2, sides[1] // 2) if padded else 0
        self.conv = nn.Conv2d(in_channels, out_channels, sides, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(out_channels, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)))


class Mixed(nn.Module):
    """Branches of convolutions and one that pools, concatenated."""

    def __init__(self, in_channels: int, branches: Branches, pooling: nn.Module, pooled: int) -> None:
        super().__init__()
        self.out_channels = _add_branches(self, in_channels, branches) + pooled
        self.add_module(f"branch{len(branches)}", pooling)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.children()], 1)


class Residual(nn.Module):
    """Branches concatenated, projected back by a 1x1 and added to what entered. Returns the concatenation and the sum.

    scale: of the projection. activated: whether a ReLU follows the sum.
    """

    def __init__(self, in_channels: int, branches: Branches, *, scale: float, activated: bool = True) -> None:
        super().__init__()
        self.scale, self.activated = scale, activated
        self.inner = _add_branches(self, in_channels, branches)
        self.branches = len(branches)
        self.conv2d = nn.Conv2d(self.inner, in_channels, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        inner = torch.cat([self.get_submodule(f"branch{i}")(x) for i in range(self.branches)], 1)
        y = x + self.scale * self.conv2d(inner)
        return inner, F.relu(y) if self.activated else y


class InceptionResNetV2(Backbone):
    """Inception-ResNet-v2 with random weights: 54,306,464 parameters without its output layer.

    image: [B, 3, H, W] in [-1, 1], H and W >= 75. Returns the map [B, channels, h, w], about 1/32 of the sides.
    divide: by how much every width is divided, repeats: residual blocks of each kind, both for tests.
    """

    def __init__(self, *, divide: int = 1, repeats: tuple[int, int, int] = (10, 20, 10), freezes: bool = False) -> None:
        super().__init__(freezes=freezes)

        def thin(branches: Branches) -> Branches:
            return tuple(tuple((step[0] // divide, *step[1:]) for step in steps) for steps in branches)

        stem = [width // divide for width in (32, 32, 64, 80, 192)]
        self.conv2d_1a = Convolution(3, stem[0], 3, stride=2, padded=False)
        self.conv2d_2a = Convolution(stem[0], stem[1], 3, padded=False)
        self.conv2d_2b = Convolution(stem[1], stem[2], 3)
        self.conv2d_3b = Convolution(stem[2], stem[3], 1)
        self.conv2d_4a = Convolution(stem[3], stem[4], 3, padded=False)
        pooled = 64 // divide
        pooling = nn.Sequential(nn.AvgPool2d(3, 1, 1, count_include_pad=False), Convolution(stem[4], pooled, 1))
        self.mixed_5b = Mixed(stem[4], thin(MIXED_5B), pooling, pooled)
        width = self.mixed_5b.out_channels
        self.repeat = nn.Sequential(*(Residual(width, thin(BLOCK_35), scale=0.17) for _ in range(repeats[0])))
        self.mixed_6a = Mixed(width, thin(MIXED_6A), nn.MaxPool2d(3, 2), width)
        width = self.mixed_6a.out_channels
        self.repeat_1 = nn.Sequential(*(Residual(width, thin(BLOCK_17), scale=0.1) for _ in range(repeats[1])))
        self.mixed_7a = Mixed(width, thin(MIXED_7A), nn.MaxPool2d(3, 2), width)
        width = self.mixed_7a.out_channels
        self.repeat_2 = nn.Sequential(*(Residual(width, thin(BLOCK_8), scale=0.2) for _ in range(repeats[2] - 1)))
        self.block8 = Residual(width, thin(BLOCK_8), scale=1.0, activated=False)
        self.channels = 1536 // divide
        self.conv2d_7b = Convolution(width, self.channels, 1)
        initialise(self)

    @property
    def inner_channels(self) -> tuple[int, ...]:
        """Channels of the maps `concatenations` returns; 16,928 in all at full width."""
        return tuple(m.out_channels if isinstance(m, Mixed) else m.inner for m in self._blocks())

    def forward(self, image: Tensor) -> Tensor:
        return cast(Tensor, self.conv2d_7b(self._run(image)[1]))

    def concatenations(self, image: Tensor) -> list[Tensor]:
        """Every concatenation inside it, in order: after a mixed block, before the projection of a residual one."""
        return self._run(image)[0]

    def after_concatenations(self) -> list[nn.Module]:
        """The layers no concatenation depends on."""
        return [self.block8.conv2d, self.conv2d_7b]

    def _run(self, image: Tensor) -> tuple[list[Tensor], Tensor]:
        x = self.conv2d_2b(self.conv2d_2a(self.conv2d_1a(image)))
        x = self.conv2d_4a(self.conv2d_3b(F.max_pool2d(x, 3, 2)))
        x = F.max_pool2d(x, 3, 2)
        inner = []
        for block in self._blocks():
            if isinstance(block, Mixed):
                x = block(x)
                inner.append(x)
            else:
                concatenation, x = block(x)
                inner.append(concatenation)
        return inner, x

    def _blocks(self) -> list[Mixed | Residual]:
        blocks = [
            self.mixed_5b,
            *self.repeat,
            self.mixed_6a,
            *self.repeat_1,
            self.mixed_7a,
            *self.repeat_2,
            self.block8,
        ]
        return cast(list[Mixed | Residual], blocks)


def _add_branches(module: nn.Module, in_channels: int, branches: Branches) -> int:
    """Add branch0, branch1, ... to a module; returns their channels together."""
    for i, steps in enumerate(branches):
        layers: list[nn.Module] = []
        width = in_channels
        for out_channels, kernel, *rest in steps:
            stride = rest[0] if rest else 1
            layers.append(Convolution(width, out_channels, kernel, stride=stride, padded=stride == 1))
            width = out_channels
        module.add_module(f"branch{i}", layers[0] if len(layers) == 1 else nn.Sequential(*layers))
    return sum(steps[-1][0] for steps in branches)
