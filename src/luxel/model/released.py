"""The network whose weights the paper's authors released, for comparison only.

It is a simplification of P-IEANet and never part of the product: 256 x 256 pixels only, dense trained kernels in the
place of Haar wavelets, attention across the batch axis. The architecture was worked out from the names and shapes in
the checkpoint and checked against known outputs; `docs/paper-map.md` says where P-IEANet differs. Needs torch.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from luxel.errors import LuxelError, WeightsError
from luxel.model.torch_files import read_torch
from luxel.photometry import FloatArray

SIDE = 256
"""The only height and width the network takes."""

MAX_BATCH = 3
"""Pictures predicted at once: attention on a GPU takes at most 65,535 sequences, and every four pixels are one."""

UNUSED: dict[str, tuple[int, ...]] = {
    "Low.conv.weight": (3, 3, 2, 2),
    "Low.conv.bias": (3,),
    "fusion.blur_conv.0.weight": (3, 3, 3, 3),
    "fusion.blur_conv.0.bias": (3,),
    "fusion.blur_conv.2.weight": (1, 3, 3, 3),
    "fusion.blur_conv.2.bias": (1,),
}
"""Weights in the checkpoint that take no part in the output: name -> shape."""

GRADIENT_OFFSETS = ((-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (1, -1), (-1, 1), (1, 1))
"""(row, column) of the neighbour each gradient path subtracts, in the order of the checkpoint's paths 1 to 8."""


class ChannelAttention(nn.Module):
    """Weighs every channel by what its mean over the pixels says; [B, 64, H, W] -> same."""

    def __init__(self, channels: int = 64, hidden: int = 8) -> None:
        super().__init__()
        self.ca = nn.Sequential(
            nn.Conv2d(channels, hidden, 1), nn.ReLU(inplace=True), nn.Conv2d(hidden, channels, 1), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        return x * cast(Tensor, self.ca(x.mean(dim=(2, 3), keepdim=True)))


class PixelAttention(nn.Module):
    """Weighs every pixel by what its channels say; [B, 64, H, W] -> same."""

    def __init__(self, channels: int = 64, hidden: int = 8) -> None:
        super().__init__()
        self.pa = nn.Sequential(
            nn.Conv2d(channels, hidden, 1), nn.ReLU(inplace=True), nn.Conv2d(hidden, 1, 1), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        return x * cast(Tensor, self.pa(x))


class AttentionBlock(nn.Module):
    """Two convolutions and both attentions inside one residual connection; [B, 64, H, W] -> same."""

    def __init__(self, channels: int = 64) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.calayer = ChannelAttention(channels)
        self.palayer = PixelAttention(channels)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.conv2(F.relu(self.conv1(x)) + x)
        return x + cast(Tensor, self.palayer(self.calayer(inner)))


class Group(nn.Module):
    """Two blocks and a convolution inside one residual connection; [B, 64, H, W] -> same."""

    def __init__(self, channels: int = 64) -> None:
        super().__init__()
        self.gp = nn.Sequential(
            AttentionBlock(channels), AttentionBlock(channels), nn.Conv2d(channels, channels, 3, padding=1)
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + cast(Tensor, self.gp(x))


class ImageBranch(nn.Module):
    """The branch that sees the picture itself; [B, 3, H, W] -> [B, 1, H, W]."""

    def __init__(self, channels: int = 64, groups: int = 3) -> None:
        super().__init__()
        self.pre = nn.Conv2d(3, channels, 3, padding=1)
        self.groups = nn.ModuleList(Group(channels) for _ in range(groups))
        self.group_weights = nn.Sequential(
            nn.Conv2d(groups * channels, 4, 1), nn.ReLU(inplace=True), nn.Conv2d(4, groups * channels, 1), nn.Sigmoid()
        )
        self.palayer = PixelAttention(channels)
        self.post = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), nn.Conv2d(channels, 1, 3, padding=1))
        self.post_2 = nn.Conv2d(3, 1, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        outputs = [self.pre(image)]
        for group in self.groups:
            outputs.append(group(outputs[-1]))
        stacked = torch.stack(outputs[1:], dim=1)
        weights = self.group_weights(stacked.mean(dim=(3, 4)).flatten(1)[:, :, None, None])
        merged = (stacked * weights.reshape(*stacked.shape[:3], 1, 1)).sum(dim=1)
        return cast(Tensor, self.post_2(image + self.post(self.palayer(merged))))


class BatchTransformer(nn.Module):
    """A width-9 transformer over the batch axis, then 9 -> 3 channels; [B, 9, h, w] -> [B, 3, h, w].

    The block is reinterpreted, not transposed, as [B, h * w, 9], and torch takes the first axis as the sequence: every
    picture attends to the others of its batch. That is the released behaviour, kept here to reproduce its figures.
    """

    def __init__(self, width: int = 9) -> None:
        super().__init__()
        # The encoder nn.Transformer would make itself, but without its nested tensors, which need batch_first.
        encoder = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(width, nhead=1, dim_feedforward=16), 1, nn.LayerNorm(width), False
        )
        self.transformer = nn.Transformer(
            width, nhead=1, num_decoder_layers=1, dim_feedforward=16, custom_encoder=encoder
        )
        self.conv = nn.Conv2d(width, 3, 1)

    def forward(self, x: Tensor, *, alone: bool = False) -> Tensor:
        # A picture that attends to itself alone is a sequence of one; the pictures then are only more pixels.
        tokens = x.reshape(1, -1, x.shape[1]) if alone else x.reshape(x.shape[0], -1, x.shape[1])
        return cast(Tensor, self.conv(self.transformer(tokens, tokens).reshape(x.shape)))


class CornerConv(nn.Module):
    """A 2 x 2 convolution that keeps the size by one row and column of zeros at the top left."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.conv(F.pad(x, (1, 0, 1, 0))))


class EncoderPath(nn.Module):
    """Convolution and transformer side by side, fused to three channels; [B, 9, h, w] -> [B, 3, h, w]."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = CornerConv(9)
        self.transformer = BatchTransformer(9)
        self.fusion = CornerConv(6)

    def forward(self, x: Tensor, *, alone: bool = False) -> Tensor:
        return cast(Tensor, self.fusion(torch.cat([self.conv(x), self.transformer(x, alone=alone)], dim=1)))


class HighPassBranch(nn.Module):
    """The branch that sees local differences; [B, 3, 256, 256] -> [B, 3, 128, 128]."""

    def __init__(self) -> None:
        super().__init__()
        self.bands = nn.ModuleList(nn.Conv2d(3, 3, 2, stride=2) for _ in range(3))
        self.paths = nn.ModuleList(EncoderPath() for _ in range(1 + len(GRADIENT_OFFSETS)))

    def forward(self, image: Tensor, *, alone: bool = False) -> Tensor:
        high = torch.cat([band(image) for band in self.bands], dim=1)
        inputs = [high, *(_gradient(high, *offset) for offset in GRADIENT_OFFSETS)]
        outputs = [path(features, alone=alone) for path, features in zip(self.paths, inputs, strict=True)]
        return torch.stack(outputs).sum(dim=0)


class ReleasedNetwork(nn.Module):
    """The authors' released network; images [B, 3, 256, 256] in [0, 1], B >= 2 -> residual [B, 1, 256, 256].

    The output for one image depends on the others of its batch (see `BatchTransformer`), unless `alone` is set: then
    every image gets what it would get in a batch of copies of itself.
    """

    def __init__(self) -> None:
        super().__init__()
        self.image_branch = ImageBranch()
        self.high_pass = HighPassBranch()
        self.tail = nn.Sequential(
            nn.Conv2d(3, 3, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(3, 6, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(6, 1, 3, padding=1),
            nn.ReLU(inplace=True),
        )

    def forward(self, images: Tensor, *, alone: bool = False) -> Tensor:
        bands = self.high_pass(images, alone=alone)
        structure = F.interpolate(bands, size=(SIDE, SIDE), mode="bilinear", align_corners=False)
        return cast(Tensor, self.image_branch(images) + self.tail(structure))


@dataclass(frozen=True, slots=True)
class Released:
    """A loaded checkpoint, ready to predict."""

    network: ReleasedNetwork
    unused: tuple[str, ...]
    """Names of the checkpoint's weights that take no part in the output."""

    def predict(self, image: npt.NDArray[np.floating]) -> FloatArray:
        """Residual map of one picture as the authors' script makes it: at 256 x 256, paired with itself.

        image: [H, W, 3] float, sRGB-encoded, in [0, 1], any size; brought to 256 x 256 through 8 bit by Pillow's
        bilinear filter, the map back to [H, W] bilinearly. Returns float32 [H, W]; the network does not bound it, but
        trained values lie in [-1, 1]. Raises LuxelError for another shape or type.
        """
        array = np.asarray(image)
        if array.ndim != 3 or array.shape[2] != 3 or array.size == 0 or array.dtype.kind != "f":
            raise LuxelError(
                f"released network: image of shape {array.shape} and type {array.dtype}; give [H, W, 3] float in [0, 1]"
            )
        small = np.asarray(
            Image.fromarray(np.rint(np.clip(array, 0.0, 1.0) * 255.0).astype(np.uint8)).resize(
                (SIDE, SIDE), Image.Resampling.BILINEAR
            ),
            dtype=np.float32,
        )
        batch = torch.from_numpy(small / 255.0).permute(2, 0, 1).expand(2, -1, -1, -1)
        with torch.inference_mode():
            residual = self.network(batch.contiguous())[:1]
            full = F.interpolate(residual, size=array.shape[:2], mode="bilinear", align_corners=False)
        return np.asarray(full[0, 0].numpy(), dtype=np.float32)

    def predict_alone(self, images: npt.NDArray[np.floating]) -> FloatArray:
        """The same maps as `predict`, of pictures that already are 256 x 256 and in [0, 1], at half the cost.

        images: [n, 256, 256, 3] float, sRGB-encoded, in [0, 1]; how many there are changes no map.
        Returns float32 [n, 256, 256]. Runs on the device that the network is on.
        """
        device = next(self.network.parameters()).device
        batch = torch.from_numpy(np.ascontiguousarray(images, dtype=np.float32)).permute(0, 3, 1, 2)
        with torch.inference_mode():
            maps = [self.network(part.to(device), alone=True)[:, 0].cpu() for part in torch.split(batch, MAX_BATCH)]
        return np.asarray(torch.cat(maps).numpy(), dtype=np.float32)


def load_released(path: str | Path, *, device: str = "cpu") -> Released:
    """The released network with its weights, in evaluation mode.

    device: where it runs, "cpu" or "cuda".
    path: the authors' `wavelet_epoch_2_*.pth`, a state dict of 624,263 float32 parameters. Only tensors are read
    (`weights_only=True`). Every weight the network uses must be there in its shape, and nothing beyond those and
    `UNUSED`. Raises WeightsError.
    """
    place = Path(path)
    if not place.is_file():
        raise WeightsError(f"{place}: no such file; give the authors' released checkpoint (*.pth)")
    state = read_torch(place, remedy="give the authors' *.pth")
    if not isinstance(state, dict):
        raise WeightsError(f"{place}: holds a {type(state).__name__}, not a state dict; give the authors' *.pth")
    unused = {name: state.pop(name) for name in UNUSED if name in state}
    wrong = [name for name, shape in UNUSED.items() if name not in unused or tuple(unused[name].shape) != shape]
    if wrong:
        raise WeightsError(f"{place}: {wrong[0]} is missing or of another shape; give the authors' *.pth")
    network = ReleasedNetwork()
    try:
        network.load_state_dict({our_name(name): weight for name, weight in state.items()}, strict=True)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise WeightsError(
            f"{place}: not the released network's weights ({reason}); give the authors' *.pth"
        ) from error
    return Released(network.eval().to(device), tuple(unused))


_RENAMED = (
    (r"^ffa_group\.(pre|post_2)\.0\.", r"image_branch.\1."),
    (r"^ffa_group\.g([123])\.", lambda found: f"image_branch.groups.{int(found[1]) - 1}."),
    # The checkpoint counts the pooling layer in front of this attention as its layer 0.
    (r"^ffa_group\.ca\.([13])\.", lambda found: f"image_branch.group_weights.{int(found[1]) - 1}."),
    (r"^ffa_group\.", "image_branch."),
    (r"^High_([123])\.conv\.", lambda found: f"high_pass.bands.{int(found[1]) - 1}."),
    (r"^encoder\.(conv|transformer|fusion)(\d)\.", r"high_pass.paths.\2.\1."),
    (r"^fusion\.tail_conv\.", "tail."),
)


def our_name(name: str) -> str:
    """The parameter name in `ReleasedNetwork` of a name in the checkpoint; unknown names come back unchanged."""
    for pattern, replacement in _RENAMED:
        renamed, count = re.subn(pattern, replacement, name)
        if count:
            return renamed
    return name


def _gradient(x: Tensor, row: int, column: int) -> Tensor:
    """Centre minus one neighbour over the inner pixels, brought back to the size of x; [B, C, h, w] -> same."""
    height, width = x.shape[2:]
    inner = x[:, :, 1:-1, 1:-1]
    neighbour = x[:, :, 1 + row : height - 1 + row, 1 + column : width - 1 + column]
    return F.interpolate(inner - neighbour, size=(height, width), mode="nearest")
