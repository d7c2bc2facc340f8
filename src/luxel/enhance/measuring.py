"""The one evaluator of Table 4: what an enhanced image is worth beside its ground truth, plain and with GT mean.

An output is rounded to 8 bit once, at the end; PSNR is over RGB, SSIM per channel with an 11 x 11 Gaussian, range 255.
"GT mean" is the literature's word for giving the output the ground truth's mean lightness first: exposure is then free,
so a better exposed output gains nothing.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from luxel.compare.detail import kept_detail
from luxel.errors import LuxelError
from luxel.metrics import ssim
from luxel.photometry import ByteArray, FloatArray, lightness


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputMeasures:
    """What one output is worth.

    mse, gt_mean_mse: mean square error over RGB, range 1, of the output in 8 bit; with the ground truth's mean.
    ssim, gt_mean_ssim: mean of three channels, in [-1, 1].
    lightness_error: mean |Y'(output) - Y'(ground truth)| over pixels, in [0, 1].
    lightness_shift: mean of the same difference with its sign, in [-1, 1]; above 0 the output is brighter.
    detail: share of the ground truth's detail that is kept, in [0, 1], see `compare.detail.kept_detail`.
    residual: mean |r| of luxel's map of the output, in [0, 1]; None where it was not assessed.
    residual_shift: mean of that map with its sign, in [-1, 1]: above 0 underexposed; None likewise.
    """

    mse: float
    ssim: float
    gt_mean_mse: float
    gt_mean_ssim: float
    lightness_error: float
    lightness_shift: float
    detail: float
    residual: float | None = None
    residual_shift: float | None = None

    @property
    def psnr(self) -> float:
        """In dB; infinite for an output equal to its ground truth."""
        return decibels(self.mse)

    @property
    def gt_mean_psnr(self) -> float:
        """As `psnr`, with the ground truth's mean lightness."""
        return decibels(self.gt_mean_mse)


COLUMNS = ("psnr", "ssim", "gt_mean_psnr", "gt_mean_ssim", "lightness_error", "lightness_shift", "detail")
"""What every row has, in the order of tables."""


def decibels(mse: float) -> float:
    """PSNR of a mean square error of range 1, in dB; infinite for 0.

    >>> decibels(0.01), decibels(0.0)
    (20.0, inf)
    """
    return math.inf if mse == 0.0 else -10.0 * math.log10(mse)


def measure(output: FloatArray, truth: ByteArray, residual: FloatArray | None = None) -> OutputMeasures:
    """What an output is worth.

    output: [H, W, 3] float, sRGB-encoded; values outside [0, 1] are clipped.
    truth: [H, W, 3] uint8, the ground truth, of the same size, at least 11 x 11 pixels.
    residual: luxel's map of the output, of any size, in [-1, 1].
    Raises LuxelError for sizes that differ and for values that are not finite.

    >>> truth = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    >>> perfect = measure(truth / np.float32(255), truth)
    >>> perfect.psnr, perfect.ssim, perfect.lightness_error
    (inf, 1.0, 0.0)
    """
    if output.shape != truth.shape:
        raise LuxelError(f"output of shape {output.shape} for a ground truth of {truth.shape}; give one size")
    if not np.isfinite(output).all():
        raise LuxelError("the output has values that are nan or infinite; train with a lower learning rate")
    plain = rounded(output)
    equalised = rounded(with_mean_of(output, truth))
    difference = lightness(plain).astype(np.float64) - lightness(truth)
    return OutputMeasures(
        mse=_mse(plain, truth),
        ssim=_ssim(plain, truth),
        gt_mean_mse=_mse(equalised, truth),
        gt_mean_ssim=_ssim(equalised, truth),
        lightness_error=float(np.abs(difference).mean()),
        lightness_shift=float(difference.mean()),
        detail=kept_detail(truth, plain),
        residual=None if residual is None else float(np.abs(residual).mean(dtype=np.float64)),
        residual_shift=None if residual is None else float(residual.mean(dtype=np.float64)),
    )


def with_mean_of(output: FloatArray, truth: ByteArray) -> FloatArray:
    """The output times one factor, so that its mean lightness is the ground truth's before it is clipped.

    output: [H, W, 3] float in [0, 1]; a black one stays black.
    truth: [h, w, 3] uint8.
    Returns float32, >= 0, not clipped.
    """
    clipped = np.clip(output, 0, 1)
    mean = float(lightness(clipped).mean(dtype=np.float64))
    wanted = float(lightness(truth).mean(dtype=np.float64))
    return np.asarray(clipped * np.float32(wanted / mean if mean > 0 else 1.0))


def rounded(image: FloatArray) -> ByteArray:
    """An image in 8 bit: [..., 3] float to uint8, clipped to [0, 1], rounded to the nearest code."""
    return np.asarray(np.rint(np.clip(image, 0, 1) * 255), dtype=np.uint8)


def mean_of(column: str, measures: Sequence[OutputMeasures]) -> float:
    """Mean of a measure over images, nan where one of them has no value.

    column: of `COLUMNS`, or another field of `OutputMeasures`.
    measures: one for each image.
    """
    values = [getattr(one, column) for one in measures]
    return float("nan") if not values or None in values else float(np.mean(values))


FIELDS = tuple(field.name for field in fields(OutputMeasures))


def _mse(one: ByteArray, other: ByteArray) -> float:
    return float(np.mean(np.square(one.astype(np.float64) - other)) / 255**2)


def _ssim(one: ByteArray, other: ByteArray) -> float:
    planes: list[tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]] = [(one[..., c], other[..., c]) for c in range(3)]
    return float(np.mean([ssim(truth, output, data_range=255) for output, truth in planes]))
