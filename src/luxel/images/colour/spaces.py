"""Colours to sRGB without a profile: primaries and curves, white behind transparency, CMYK and Lab by formula."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Literal

import numpy as np

from luxel.photometry import Array, to_linear, to_srgb

Primaries = tuple[float, float, float, float, float, float, float, float]
"""Chromaticities x, y of red, green, blue and white."""
Transfer = Literal["sRGB", "Adobe RGB"]
"""The tone curve of display-encoded samples."""

SRGB: Primaries = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290)
DISPLAY_P3: Primaries = (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.3127, 0.3290)
BT2020: Primaries = (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, 0.3127, 0.3290)
ADOBE_RGB: Primaries = (0.64, 0.33, 0.21, 0.71, 0.15, 0.06, 0.3127, 0.3290)
ADOBE_GAMMA = 563 / 256

STRIP_PIXELS = 1 << 17
"""Pixels worked on at a time: temporary arrays stay in the cache and out of the peak memory."""

_LINEAR_LEVELS = (1 << 18) - 1  # steps of the encoding table; the steepest part of sRGB errs by 1.6 of 65535
_WORST_CONDITION = 1e4  # of a matrix of primaries: sRGB has 4, ACES AP0 6
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def strips(samples: Array, pixels: int = STRIP_PIXELS) -> Iterator[slice]:
    """Row slices of at most about `pixels` pixels that cover `samples` [H, W, ...]."""
    rows = max(1, pixels // max(1, samples.shape[1]))
    for start in range(0, samples.shape[0], rows):
        yield slice(start, start + rows)


def rgb_to_xyz(primaries: Primaries) -> Array:
    """[3, 3] float64: linear RGB in `primaries` to XYZ with Y of white 1; row 1 holds the weights of luminance.

    Primaries on an axis of the diagram (the XYZ axes themselves) are allowed. Source: SMPTE RP 177.
    Raises ValueError if they are not finite or span no colour space.
    """
    if not np.isfinite(primaries).all():
        raise ValueError(f"chromaticities {_written(primaries)} are not finite")
    columns = np.array([[x, y, 1 - x - y] for x, y in zip(*[iter(primaries[:6])] * 2, strict=True)]).T
    x, y = primaries[6:]
    if y <= 0 or np.linalg.cond(columns) > _WORST_CONDITION:
        raise ValueError(f"chromaticities {_written(primaries)} span no colour space")
    white = np.array([x / y, 1.0, (1 - x - y) / y])
    return np.asarray(columns * np.linalg.solve(columns, white))


def _written(primaries: Primaries) -> str:
    return "(" + ", ".join(f"{value:.4g}" for value in primaries) + ")"


def matrix_to_srgb(primaries: Primaries) -> Array:
    """[3, 3] float64: linear light in `primaries` to linear light in sRGB primaries, white kept white.

    White points are adapted by Bradford. Source: SMPTE RP 177 (primaries to matrix), ICC.1 annex E (Bradford).
    Raises ValueError if the primaries span no colour space.
    """
    source, target = rgb_to_xyz(primaries), rgb_to_xyz(SRGB)
    cone = _BRADFORD @ source @ np.ones(3)
    if cone.min() <= 0:
        raise ValueError(f"chromaticities {_written(primaries)} have an impossible white point")
    gain = (_BRADFORD @ target @ np.ones(3)) / cone
    return np.asarray(np.linalg.solve(target, np.linalg.solve(_BRADFORD, np.diag(gain) @ _BRADFORD @ source)))


@lru_cache(maxsize=2)
def _encoding_table(top: int) -> Array:
    """sRGB code values 0..top of linear light in `_LINEAR_LEVELS` equal steps."""
    light = np.linspace(0.0, 1.0, _LINEAR_LEVELS + 1, dtype=np.float32)
    return (to_srgb(light) * np.float32(top) + np.float32(0.5)).astype(np.uint8 if top == 255 else np.uint16)


def re_encode(samples: Array, curves: Sequence[Array], matrix: Array) -> Array:
    """Display-encoded RGB to sRGB, in place: a curve for each channel to linear light, a matrix, the sRGB encoding.

    samples: [H, W, 3] uint8 or uint16, changed and returned. curves: three float32 arrays, the linear light of every
    code value. matrix: [3, 3] to linear sRGB. Colours outside sRGB are clipped. Correct to 1 code value at 8 bit and
    to 2 of 65535 at 16 bit.
    """
    encode = _encoding_table(int(np.iinfo(samples.dtype).max))
    weights = (matrix * _LINEAR_LEVELS).astype(np.float32)
    for rows in strips(samples):
        block = samples[rows]
        light = weights @ np.stack([np.take(curves[c], block[..., c].ravel()) for c in range(3)])
        light += np.float32(0.5)
        index = np.clip(light, 0, _LINEAR_LEVELS, out=light).astype(np.int32)
        for c in range(3):
            block[..., c] = np.take(encode, index[c]).reshape(block.shape[:2])
    return samples


def primaries_to_srgb(samples: Array, primaries: Primaries, transfer: Transfer) -> Array:
    """Display-encoded RGB in other primaries to sRGB, in place.

    samples: [H, W, 3] uint8 or uint16. transfer: its tone curve. Returns the same array.
    """
    codes = np.linspace(0.0, 1.0, int(np.iinfo(samples.dtype).max) + 1, dtype=np.float32)
    curve = to_linear(codes) if transfer == "sRGB" else (codes**ADOBE_GAMMA).astype(np.float32)
    return re_encode(samples, [curve] * 3, matrix_to_srgb(primaries))


def encode_camera_light(samples: Array, stops: float = 0.0) -> Array:
    """Linear camera light to sRGB, in place.

    samples: uint16, full scale is saturation; changed and returned.
    stops: brighten by this first; what exceeds saturation then is clipped.
    """
    light = np.linspace(0.0, 1.0, 65536, dtype=np.float32) * np.float32(2.0**stops)
    table = (to_srgb(np.minimum(light, 1)) * np.float32(65535) + np.float32(0.5)).astype(np.uint16)
    for rows in strips(samples):
        samples[rows] = np.take(table, samples[rows])
    return samples


def over_white(samples: Array, alpha: Literal["straight", "premultiplied"], model: str = "rgb") -> Array:
    """The colour channels composited over white, in the encoding of the file, in place.

    samples: [H, W, n + 1] display-encoded uint8, uint16 or float32 whose last channel is alpha.
    alpha: whether the colours are stored as they are or multiplied by it.
    model: says what white is: full scale in "grey" and "rgb", no ink in "cmyk", full L* without a* and b* in "lab".
    Returns a view [H, W, n].
    """
    for rows in strips(samples):
        colour, cover = samples[rows][..., :-1], samples[rows][..., -1:]
        if model in ("grey", "rgb"):
            _over(colour, cover, alpha, white=True)
        elif model == "cmyk":
            _over(colour, cover, alpha, white=False)
        else:
            _over(colour[..., :1], cover, alpha, white=True)
            if alpha == "straight":  # signed: rounded towards zero by less than one code value
                signed = colour[..., 1:].view(np.int8 if samples.dtype == np.uint8 else np.int16)
                top = int(np.iinfo(samples.dtype).max)
                signed[:] = np.rint(signed.astype(np.float64) * cover / top)
    return samples[..., :-1]


def _over(colour: Array, cover: Array, alpha: str, *, white: bool) -> None:
    """Composite in place. white: the background is full scale, else 0."""
    if colour.dtype.kind == "f":
        colour[:] = (colour if alpha == "premultiplied" else colour * cover) + (1 - cover) * white
        return
    top = int(np.iinfo(colour.dtype).max)
    # Fits in 32 bits at 16 bit: the mean of colour and background, weighted by alpha, is at most top^2.
    wide = cover.astype(np.uint32)
    behind = (top - wide) * np.uint32(white)
    if alpha == "premultiplied":
        colour[:] = np.minimum(colour + behind, top)
    else:
        colour[:] = (colour * wide + behind * np.uint32(top) + np.uint32(top // 2)) // np.uint32(top)


def cmyk_to_rgb(samples: Array) -> Array:
    """CMYK without a profile, by the formula R = (1 - C)(1 - K): what most programs show.

    samples: [H, W, 4] uint8 or uint16, 0 means no ink. Returns [H, W, 3] of the same type.
    """
    top = np.uint32(np.iinfo(samples.dtype).max)
    rgb = np.empty((*samples.shape[:2], 3), samples.dtype)
    for rows in strips(samples):
        paper = top - samples[rows].astype(np.uint32)
        rgb[rows] = (paper[..., :3] * paper[..., 3:] + top // 2) // top
    return rgb


def lab_to_rgb(samples: Array) -> Array:
    """CIELab as TIFF stores it (D50; L* over the full unsigned scale, a* and b* signed) to sRGB.

    samples: [H, W, 3] uint8 (a*, b* in units) or uint16 (a*, b* in 1/256). Returns [H, W, 3] of the same type,
    clipped to sRGB. Source: TIFF 6.0 section 23; CIE 15; white adapted from D50 to D65 by Bradford.
    """
    top = int(np.iinfo(samples.dtype).max)
    signed = samples.view(np.int8 if top == 255 else np.int16)
    white = np.array([0.9642, 1.0, 0.8251], np.float32)
    x, y = 0.34567, 0.35850
    to_d65 = matrix_to_srgb((*SRGB[:6], x, y)) @ np.linalg.inv(rgb_to_xyz((*SRGB[:6], x, y)))
    rgb = np.empty_like(samples)
    for rows in strips(samples):
        lightness = samples[rows][..., 0] * np.float32(100 / top)
        ab = signed[rows][..., 1:].astype(np.float32) / np.float32(1 if top == 255 else 256)
        fy = (lightness + 16) / 116
        f = np.stack([fy + ab[..., 0] / 500, fy, fy - ab[..., 1] / 200], axis=-1)
        xyz = np.where(f > 6 / 29, f**3, (f - 4 / 29) * (3 * (6 / 29) ** 2)) * white
        rgb[rows] = to_srgb(xyz @ to_d65.T.astype(np.float32)) * np.float32(top) + np.float32(0.5)
    return rgb


def upright(pixels: Array, orientation: int) -> Array:
    """The picture as a person sees it. pixels: [H, W, ...]. orientation: EXIF 1 to 8. Returns a view.

    Source: EXIF 2.32, tag 0x0112.
    """
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    rows, columns = flips(orientation)
    if rows:
        pixels = pixels[::-1]
    if columns:
        pixels = pixels[:, ::-1]
    return pixels


def flips(orientation: int) -> tuple[bool, bool]:
    """Whether `upright` turns the order of rows, and of columns, after exchanging the two from orientation 5 on."""
    return orientation in (3, 4, 7, 8), orientation in (2, 3, 6, 7)
