"""P-IEANet: a picture in, its exposure residual map out (paper Fig. 4)."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from luxel.model.lightness import LightnessModule
from luxel.model.prediction import Prediction
from luxel.model.structure import StructureModule
from luxel.model.wavelet import LearnedSplit, Wavelet

MULTIPLE = 32
"""Sides are padded to a multiple of this inside the network: two wavelet levels and three halvings."""

CHANNELS = 4
PREDICTION_WIDTH = 16
STRUCTURE_WIDTHS = (16, 32, 64)
LIGHTNESS_WIDTHS = (16, 32, 80, 224)

BANDS = 3
"""Bands of an image on one level that a module passes through: its three colours."""

Ablation = Literal["none", "dwt", "structure", "lightness"]


class PIEANet(nn.Module):
    """The network in the order of Fig. 4: wavelet split, structure and lightness modules, inverse, prediction.

    image: [B, 3, H, W] sRGB-encoded, in [0, 1], any H and W >= 8. Returns the residual map [B, 1, H, W] in [-1, 1];
    positive is underexposed. An image's map does not depend on the rest of its batch, and the network keeps no state.

    The transform has two levels (Eq. 1 has the scale m), so that no feature is computed above a quarter of the size.
    Each module passes its own bands through beside its features; what the prediction sees comes out of the inverse
    alone, tanh(MLP(DWT^-1(A_o, Z_o))) (3.3).

    splits: the wavelet of level 1 and 2 (or what replaces it in an ablation).
    structure, lightness: the two feature modules; None leaves one out together with its bands (Table 3).
    channels: C, the features per pixel after the inverse transform, without the three of the bands.
    prediction_width: hidden units of the MLP.
    """

    def __init__(
        self,
        *,
        splits: tuple[Wavelet | LearnedSplit, Wavelet | LearnedSplit],
        structure: StructureModule | None,
        lightness: LightnessModule | None,
        channels: int,
        prediction_width: int = PREDICTION_WIDTH,
    ) -> None:
        super().__init__()
        self.fine, self.coarse = splits
        self.structure = structure
        self.lightness = lightness
        self.channels = channels
        self.prediction_width = prediction_width
        self.predict = Prediction(BANDS + channels, width=prediction_width)

    def forward(self, image: Tensor) -> Tensor:
        h, w = image.shape[-2:]
        # Sides written as multiples, not as remainders: so the exporter sees that halves of them are whole.
        padded_h, padded_w = MULTIPLE * ((h + MULTIPLE - 1) // MULTIPLE), MULTIPLE * ((w + MULTIPLE - 1) // MULTIPLE)
        image = F.pad(image, (0, padded_w - w, 0, padded_h - h), mode="replicate")
        low, high_1 = self.fine.split(image * 2 - 1)  # Eq. (1), m = 1
        low, high_2 = self.coarse.split(low)  # Eq. (1), m = 2
        a_o = self.lightness_features(low)
        z_2, z_1 = self.structure_features(high_2, high_1)
        residual: Tensor = self.predict(self.coarse.merge(a_o, z_2), z_1, self.fine)  # 3.3
        return residual[..., :h, :w]

    def lightness_features(self, low: Tensor) -> Tensor:
        """A_o of Eq. (5, 6): the low band and the features of the lightness module, [B, 3 + C, h, w]."""
        if self.lightness is None:
            b, _, h, w = low.shape
            return low.new_zeros(b, BANDS + self.channels, h, w)
        return torch.cat([low, self.lightness(low)], dim=1)

    def structure_features(self, high_2: Tensor, high_1: Tensor) -> tuple[Tensor, Tensor]:
        """Z_o of Eq. (2-4) for both levels: the high bands and the features of the structure module.

        high_2: [B, 9, h, w]. high_1: [B, 9, 2h, 2w]. Returns [B, 3 (3 + C), h, w] and [B, 3 (3 + C), 2h, 2w].
        """
        if self.structure is None:
            b, _, h, w = high_2.shape
            count = 3 * (BANDS + self.channels)
            return high_2.new_zeros(b, count, h, w), high_2.new_zeros(b, count, 2 * h, 2 * w)
        z_2, z_1 = self.structure(high_2, high_1)
        return torch.cat([high_2, z_2], dim=1), torch.cat([high_1, z_1], dim=1)


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

    def split() -> Wavelet | LearnedSplit:
        return LearnedSplit(BANDS, BANDS + channels) if without == "dwt" else Wavelet(wavelet)

    return PIEANet(
        splits=(split(), split()),
        structure=None if without == "structure" else StructureModule(channels, widths=structure_widths),
        lightness=None if without == "lightness" else LightnessModule(channels, widths=lightness_widths),
        channels=channels,
        prediction_width=prediction_width,
    )


def parameter_count(module: nn.Module | None) -> int:
    """Number of trainable parameters of a module (0 for None)."""
    return 0 if module is None else sum(p.numel() for p in module.parameters() if p.requires_grad)
