"""A-Lamp, re-created in small: details from a few chosen patches at native resolution, and how they lie in the picture.

Published neither as code nor with a count. Kept from the paper: several patches chosen by the picture, one VGG-16 for
all of them, statistics that forget their order, a layout beside them. Chosen by us: patches go where gradients are
strong and other patches are not, instead of by a saliency model and an attribute graph; means in place of VGG's fully
connected layers.
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from luxel.benchmark.blocks.features import FeatureNetwork, Features
from luxel.benchmark.blocks.heads import start_in_middle
from luxel.benchmark.blocks.vgg import VGG
from luxel.benchmark.facts import BenchmarkTask, Cost, Facts

FACTS = Facts(
    name="alamp",
    title="A-Lamp",
    family="aesthetics",
    tasks=("score",),
    kind="re-creation",
    costs={"score": Cost(15_789_377, 25_056_797_696)},
    note="compact re-creation: patches by gradient and spread, means of VGG-16's last convolution, a plain layout",
    reference=(
        "A-Lamp: Adaptive Layout-Aware Multi-Patch Deep Convolutional Neural Network for Photo Aesthetic Assessment, "
        "CVPR 2017"
    ),
    licence="no code by the authors",
    values="imagenet",
    paper_params="99M",
    paper_lcc=0.67,
    paper_srcc=0.64,
    lr=1e-4,
)

PATCHES = 5
SIDE = 224
MIN_SIDE = 32
POSITIONS = 9
"""Places a patch can take along each side."""
LIGHT_GRID = 3
PAIRS = PATCHES * (PATCHES - 1) // 2
LAYOUT = 2 * PATCHES + 3 * PAIRS + LIGHT_GRID**2


class ALamp(FeatureNetwork):
    """Mean, maximum, minimum and deviation over the patches of each feature, and the layout, as the vector.

    Patches have 224 px, or half the picture's shorter side where that is less, but at least 32 px.
    """

    widths = ()

    def __init__(self, backbone: VGG) -> None:
        super().__init__()
        self.backbone = backbone
        self.vector = 4 * backbone.channels + LAYOUT

    def forward(self, image: Tensor) -> Features:
        side = max(MIN_SIDE, min(SIDE, min(image.shape[-2:]) // 2))
        corners = choose_patches(image, side)
        patches = cut(image, corners, side)
        details = cast(Tensor, self.backbone(patches.flatten(0, 1))).mean((2, 3)).view(len(image), PATCHES, -1)
        deviation = (details.var(1, correction=0) + 1e-6).sqrt()  # a bare root has no gradient where patches agree
        statistics = [details.mean(1), details.amax(1), details.amin(1), deviation]
        return Features((), torch.cat([*statistics, layout(image, corners, side)], 1))


@torch.no_grad()
def choose_patches(image: Tensor, side: int) -> Tensor:
    """Upper left corners (row, column) of the patches, [B, PATCHES, 2].

    Greedy: first the patch with most gradient; each next one has the largest sum of its gradient, as a share of the
    first one's, and its distance to the nearest patch chosen, as a share of the diagonal. image: [B, C, H, W].
    """
    b, _, h, w = image.shape
    rows = torch.linspace(0, h - side, POSITIONS, device=image.device).round().long()
    columns = torch.linspace(0, w - side, POSITIONS, device=image.device).round().long()
    light = image.float().mean(1)
    energy = F.pad(light.diff(dim=1).abs(), (0, 0, 0, 1)) + F.pad(light.diff(dim=2).abs(), (0, 1))
    sums = F.pad(energy.cumsum(1).cumsum(2), (1, 0, 1, 0))
    below, right = (rows + side)[:, None], columns + side
    inside = sums[:, below, right] - sums[:, rows[:, None], right] - sums[:, below, columns]
    inside = (inside + sums[:, rows[:, None], columns]).flatten(1)
    energies = inside / inside.amax(1, keepdim=True).clamp_min(1e-6)

    candidates = torch.cartesian_prod(rows, columns)
    places = candidates / torch.tensor([h, w], device=image.device)
    distances = torch.cdist(places, places) / 2**0.5
    chosen = [energies.argmax(1)]
    nearest = distances[chosen[0]]
    for _ in range(PATCHES - 1):
        free = torch.ones_like(energies).scatter(1, torch.stack(chosen, 1), 0).bool()
        chosen.append((energies + nearest).masked_fill(~free, -torch.inf).argmax(1))
        nearest = torch.minimum(nearest, distances[chosen[-1]])
    return candidates[torch.stack(chosen, 1)].view(b, PATCHES, 2)


def cut(image: Tensor, corners: Tensor, side: int) -> Tensor:
    """The patches themselves: [B, C, H, W] and corners [B, P, 2] to [B, P, C, side, side]."""
    steps = torch.arange(side, device=image.device)
    rows = (corners[..., 0, None] + steps)[..., :, None]
    columns = (corners[..., 1, None] + steps)[..., None, :]
    item = torch.arange(len(image), device=image.device).view(-1, 1, 1, 1)
    return image.permute(0, 2, 3, 1)[item, rows, columns].permute(0, 1, 4, 2, 3)


def layout(image: Tensor, corners: Tensor, side: int) -> Tensor:
    """How the patches lie, [B, LAYOUT]: centres, distance and direction of every pair, mean light on a 3x3 grid.

    Centres are shares of the picture's height and width.
    """
    size = torch.tensor(image.shape[-2:], device=image.device)
    centres = (corners + side / 2) / size
    first, second = torch.triu_indices(PATCHES, PATCHES, 1, device=image.device)
    steps = centres[:, second] - centres[:, first]
    distances = steps.norm(dim=2, keepdim=True)
    directions = steps / distances.clamp_min(1e-6)
    light = F.adaptive_avg_pool2d(image.mean(1), LIGHT_GRID)
    return torch.cat([x.flatten(1) for x in (centres, distances, directions, light)], 1).to(image.dtype)


class LayoutScore(nn.Module):
    """Two linear layers on details and layout together. Returns [B]."""

    def __init__(self, network: FeatureNetwork, *, width: int = 512) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(network.vector, width), nn.ReLU(), nn.Dropout(0.5), start_in_middle(nn.Linear(width, 1))
        )

    def forward(self, features: Features) -> Tensor:
        assert features.vector is not None, "the network promises a vector"
        return cast(Tensor, self.layers(features.vector))[:, 0]


def network(*, tiny: bool = False) -> FeatureNetwork:
    """A-Lamp with random weights; its backbone is `backbone`."""
    return ALamp(VGG(((8,), (8,), (16,), (16,), (16,))) if tiny else VGG())


def head(network: FeatureNetwork, task: BenchmarkTask) -> nn.Module:
    """Details and layout, merged into a score."""
    return LayoutScore(network)
