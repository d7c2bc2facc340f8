"""P-IEANet: a picture in, its exposure residual map out (paper Fig. 4)."""

from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from luxel.model.lightness import LightnessModule
from luxel.model.structure import StructureModule
from luxel.model.wavelet import LearnedSplit, Wavelet

MULTIPLE = 32
"""Sides are padded to a multiple of this inside the network: one wavelet level and four halvings."""

CHANNELS = 8
PREDICTION_WIDTH = 32
STRUCTURE_WIDTHS = (8, 16, 32, 96)
LIGHTNESS_WIDTHS = (8, 16, 32, 80, 192)

Ablation = Literal["none", "dwt", "structure", "lightness"]


class PIEANet(nn.Module):
    """The network in the order of Fig. 4: wavelet split, structure and lightness modules, inverse, prediction.

    image: [B, 3, H, W] sRGB-encoded, in [0, 1], any H and W >= 8. Returns the residual map [B, 1, H, W] in [-1, 1];
    positive is underexposed. An image's map does not depend on the rest of its batch, and the network keeps no state.

    split: the wavelet (or what replaces it in an ablation). structure, lightness: the two feature modules; None leaves
    one out (Table 3). channels: C, the features per pixel after the inverse transform. prediction_width: hidden units
    of the MLP that turns a pixel's features, and the pixel itself, into its residual.
    """

    def __init__(
        self,
        *,
        split: Wavelet | LearnedSplit,
        structure: StructureModule | None,
        lightness: LightnessModule | None,
        channels: int,
        prediction_width: int = PREDICTION_WIDTH,
    ) -> None:
        super().__init__()
        self.split = split
        self.structure = structure
        self.lightness = lightness
        self.channels = channels
        self.prediction_width = prediction_width
        last = nn.Conv2d(prediction_width, 1, 1)
        self.predict = nn.Sequential(nn.Conv2d(channels + 3, prediction_width, 1), nn.ReLU(), last)
        # The first prediction is close to zero, "ideal everywhere", so early steps do not fight a random map.
        nn.init.normal_(last.weight, std=1e-2)
        nn.init.constant_(cast(Tensor, last.bias), 0)

    def forward(self, image: Tensor) -> Tensor:
        h, w = image.shape[-2:]
        # Sides written as multiples, not as remainders: so the exporter sees that halves of them are whole.
        padded_h, padded_w = MULTIPLE * ((h + MULTIPLE - 1) // MULTIPLE), MULTIPLE * ((w + MULTIPLE - 1) // MULTIPLE)
        image = F.pad(image, (0, padded_w - w, 0, padded_h - h), mode="replicate")
        image = image * 2 - 1
        low, high = self.split.split(image)  # Eq. (1)
        b, _, bh, bw = low.shape
        a_o = low.new_zeros(b, self.channels, bh, bw) if self.lightness is None else self.lightness(low)  # Eq. (5, 6)
        z_o = low.new_zeros(b, 3 * self.channels, bh, bw) if self.structure is None else self.structure(high)  # (2-4)
        # The bands pass both modules beside their features; merged, they are the picture itself.
        features = torch.cat([self.split.merge(a_o, z_o), image], dim=1)
        residual = torch.tanh(self.predict(features))  # 3.3
        return residual[..., :h, :w]


def build(
    *,
    wavelet: str = "haar",
    without: Ablation = "none",
    channels: int = CHANNELS,
    structure_widths: tuple[int, ...] = STRUCTURE_WIDTHS,
    lightness_widths: tuple[int, ...] = LIGHTNESS_WIDTHS,
    prediction_width: int = PREDICTION_WIDTH,
) -> PIEANet:
    """P-IEANet with random weights, as shipped or as one of the paper's ablations.

    wavelet: "haar" or another orthogonal wavelet (Table 5). without: leave the transform, the structure module or the
    lightness module out (Table 3).
    """
    return PIEANet(
        split=LearnedSplit(3, channels) if without == "dwt" else Wavelet(wavelet),
        structure=None if without == "structure" else StructureModule(channels, widths=structure_widths),
        lightness=None if without == "lightness" else LightnessModule(channels, widths=lightness_widths),
        channels=channels,
        prediction_width=prediction_width,
    )


def parameter_count(module: nn.Module | None) -> int:
    """Number of trainable parameters of a module (0 for None)."""
    return 0 if module is None else sum(p.numel() for p in module.parameters() if p.requires_grad)
