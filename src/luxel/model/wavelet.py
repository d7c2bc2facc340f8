"""Orthonormal discrete wavelet transform of feature maps as fixed convolutions (Eq. 1, Fig. 4d)."""

from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from luxel.errors import LuxelError, MissingExtraError

HAAR_LOW_PASS = (0.5**0.5, 0.5**0.5)


class FrequencySplit(Protocol):
    """What the network needs of a transform: split a picture into low and high parts, and merge features back."""

    def split(self, image: Tensor) -> tuple[Tensor, Tensor]: ...

    def merge(self, low: Tensor, high: Tensor) -> Tensor: ...


def low_pass_filter(wavelet: str) -> tuple[float, ...]:
    """Decomposition low-pass filter of an orthogonal wavelet, in the order it is laid over the samples.

    wavelet: "haar" (built in) or any orthogonal PyWavelets name such as "db2", "sym4" (paper Table 5).
    Returns an even number of taps with unit energy. Raises LuxelError for unknown or non-orthogonal names.
    """
    if wavelet == "haar":
        return HAAR_LOW_PASS
    try:
        import pywt
    except ImportError:
        raise MissingExtraError(f"wavelet {wavelet!r}", "train") from None
    if wavelet not in pywt.wavelist(kind="discrete"):
        raise LuxelError(f"wavelet {wavelet!r}: not known to PyWavelets; try haar, db2 or sym4")
    family = pywt.Wavelet(wavelet)
    if not family.orthogonal:
        raise LuxelError(f"wavelet {wavelet!r}: not orthogonal, so it has no exact inverse here; try haar, db2 or sym4")
    return tuple(reversed(family.dec_lo))  # a torch convolution does not flip its kernel


class Wavelet(nn.Module):
    """Four fixed kernels that take a map apart and put it together again without loss.

    Rows of a kernel run down the picture. The bands are approximation, horizontal, vertical and diagonal detail
    (differences across x, across y, across both). Signals are periodic at the border, so any orthogonal filter
    reconstructs exactly; for Haar (2 taps) no pixel crosses the border. Nothing here is trained.
    """

    kernels: Tensor

    def __init__(self, wavelet: str = "haar") -> None:
        super().__init__()
        self.wavelet = wavelet
        low = torch.tensor(low_pass_filter(wavelet), dtype=torch.float64)
        # Quadrature mirror: reversed low pass with alternating signs.
        high = low.flip(0) * torch.tensor([(-1.0) ** k for k in range(len(low))], dtype=torch.float64)
        bands = [torch.outer(low, low), torch.outer(low, high), torch.outer(high, low), torch.outer(high, high)]
        self.register_buffer("kernels", torch.stack(bands)[:, None].float(), persistent=False)  # [4, 1, L, L]

    def split(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Low and high bands of a picture (Eq. 1).

        image: [B, C, H, W], H and W even. Returns low [B, C, H/2, W/2] and high [B, 3C, H/2, W/2], the three details
        of a channel side by side. The energy of the four bands equals that of the picture.
        """
        b, c, h, w = image.shape
        taps = self.kernels.shape[-1]
        if taps > 2:
            image = F.pad(image, (0, taps - 2, 0, taps - 2), mode="circular")
        # One dense convolution: runtimes are slow with groups of one channel, and the zeros cost little for three.
        kernels = self.kernels.to(image.dtype)[:, 0]
        dense = torch.einsum("ij,bkl->ibjkl", torch.eye(c, dtype=image.dtype, device=image.device), kernels)
        bands = F.conv2d(image, dense.reshape(4 * c, c, taps, taps), stride=2)
        bands = bands.view(b, c, 4, h // 2, w // 2)
        return bands[:, :, 0], bands[:, :, 1:].reshape(b, 3 * c, h // 2, w // 2)

    def merge(self, low: Tensor, high: Tensor) -> Tensor:
        """Inverse of `split`: features [B, C, h, w] and [B, 3C, h, w] to [B, C, 2h, 2w]."""
        b, c, h, w = low.shape
        if self.by_cells:
            cells = F.conv2d(torch.cat([low, high], dim=1), self.cell_inverse(c, low)[..., None, None])
            return F.pixel_shuffle(cells, 2)
        bands = torch.cat([low.unsqueeze(2), high.view(b, c, 3, h, w)], dim=2).view(b, 4 * c, h, w)
        merged = F.conv_transpose2d(bands, self.kernels.to(low.dtype).repeat(c, 1, 1, 1), stride=2, groups=c)
        extra = self.kernels.shape[-1] - 2
        # Fold what runs over the right and lower border back to the left and upper one.
        merged = torch.cat([merged[..., :extra] + merged[..., -extra:], merged[..., extra:-extra]], dim=-1)
        return torch.cat([merged[..., :extra, :] + merged[..., -extra:, :], merged[..., extra:-extra, :]], dim=-2)

    @property
    def by_cells(self) -> bool:
        """Whether the inverse is a matrix on the bands of one cell of 2 x 2 pixels, as Haar's is."""
        return self.kernels.shape[-1] == 2

    def cell_inverse(self, channels: int, like: Tensor) -> Tensor:
        """The inverse transform of a cell as a matrix, for wavelets that are `by_cells`.

        Returns [4C, 4C] in the type of `like`: columns are the C low bands, then the 3C high ones; rows are the four
        pixels of channel 0, row by row, then those of channel 1 and so on.
        """
        kernels = self.kernels.to(like.dtype).view(4, 4)  # [band, pixel]
        unit = torch.eye(channels, dtype=like.dtype, device=like.device)
        low = torch.einsum("ij,p->ipj", unit, kernels[0]).reshape(4 * channels, channels)
        high = torch.einsum("ij,bp->ipjb", unit, kernels[1:]).reshape(4 * channels, 3 * channels)
        return torch.cat([low, high], dim=1)


class LearnedSplit(nn.Module):
    """The ablation "w/o DWT" (Table 3): the same shapes from trained strided convolutions instead of fixed kernels."""

    def __init__(self, image_channels: int, channels: int) -> None:
        super().__init__()
        self.analysis = nn.Conv2d(image_channels, 4 * image_channels, 2, stride=2)
        self.synthesis = nn.ConvTranspose2d(4 * channels, channels, 2, stride=2)

    def split(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """[B, C, H, W] to [B, C, H/2, W/2] and [B, 3C, H/2, W/2]."""
        c = image.shape[1]
        bands = self.analysis(image)
        return bands[:, :c], bands[:, c:]

    def merge(self, low: Tensor, high: Tensor) -> Tensor:
        """[B, C, h, w] and [B, 3C, h, w] to [B, C, 2h, 2w]."""
        merged: Tensor = self.synthesis(torch.cat([low, high], dim=1))
        return merged
