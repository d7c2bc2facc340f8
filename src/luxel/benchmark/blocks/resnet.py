"""ResNet-18 and ResNet-50 (He et al., CVPR 2016), with the stride of a bottleneck in its 3x3 as torchvision has it."""

from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F

from luxel.benchmark.blocks.backbones import Backbone, initialise

STRIDES = (4, 8, 16, 32)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut."""

    expansion = 1

    def __init__(self, in_channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = _shortcut(in_channels, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return F.relu(y + self.downsample(x))


class Bottleneck(nn.Module):
    """1x1, 3x3 and a 1x1 four times as wide, beside a shortcut."""

    expansion = 4

    def __init__(self, in_channels: int, width: int, stride: int) -> None:
        super().__init__()
        out_channels = width * self.expansion
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.downsample = _shortcut(in_channels, out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return F.relu(y + self.downsample(x))


class ResNet(Backbone):
    """A ResNet's four stages.

    image: [B, 3, H, W]. Returns the four maps [B, C, H / s, W / s] at the strides s of `STRIDES`, whose channels are
    `channels`. classes: width of the output layer `logits` uses; None builds none.
    """

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        depths: tuple[int, int, int, int],
        *,
        width: int = 64,
        classes: int | None = None,
        freezes: bool = False,
    ) -> None:
        super().__init__(freezes=freezes)
        self.channels = tuple(width * block.expansion * 2**i for i in range(4))
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        in_channels = width
        for i, (depth, out_channels) in enumerate(zip(depths, self.channels, strict=True)):
            stage = nn.Sequential()
            for j in range(depth):
                stage.append(block(in_channels, width * 2**i, stride=2 if i > 0 and j == 0 else 1))
                in_channels = out_channels
            self.add_module(f"layer{i + 1}", stage)
        if classes is not None:
            self.fc = nn.Linear(in_channels, classes)
        initialise(self)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(image))), 3, 2, 1)
        maps = []
        for i in range(4):
            x = self.get_submodule(f"layer{i + 1}")(x)
            maps.append(x)
        return tuple(maps)

    def logits(self, image: Tensor) -> Tensor:
        """What the output layer says, [B, classes]."""
        return cast(Tensor, self.fc(self.forward(image)[-1].mean((2, 3))))


def resnet18(*, classes: int | None = None, freezes: bool = False) -> ResNet:
    """ResNet-18 with random weights: 11,176,512 parameters without its output layer."""
    return ResNet(BasicBlock, (2, 2, 2, 2), classes=classes, freezes=freezes)


def resnet50(*, classes: int | None = None, freezes: bool = False) -> ResNet:
    """ResNet-50 with random weights: 23,508,032 parameters without its output layer."""
    return ResNet(Bottleneck, (3, 4, 6, 3), classes=classes, freezes=freezes)


def _shortcut(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels))
