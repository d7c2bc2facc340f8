"""ICC profiles to sRGB, through LittleCMS: relative colorimetric, at the depth of the picture."""

import io
from functools import lru_cache
from typing import Literal

import imagecodecs
import numpy as np
from PIL import ImageCms

from luxel.images.colour.spaces import re_encode, strips
from luxel.photometry import Array

_SPACES = {"grey": b"GRAY", "rgb": b"RGB ", "cmyk": b"CMYK"}
_STRIP_PIXELS = 1 << 21  # LittleCMS prepares its tables again for every call
_SAME_AS_SRGB = 1 / 255  # many files hold one of a dozen sRGB profiles that differ by rounding


class BrokenProfileError(Exception):
    """The profile cannot be used; the caller notes it and takes the samples as sRGB."""


def description(profile: bytes) -> str:
    """The name the profile gives itself, on one line of at most 60 characters. Raises BrokenProfileError."""
    try:
        text = ImageCms.ImageCmsProfile(io.BytesIO(profile)).profile.profile_description
    except OSError as error:
        raise BrokenProfileError(str(error)) from error
    except ValueError:  # bytes that are not text: the name is damaged, the colours need not be
        text = None
    return " ".join("".join(c if c.isprintable() else " " for c in text or "without a name").split())[:60]


def convert(samples: Array, colour: Literal["grey", "rgb", "cmyk"], profile: bytes) -> tuple[Array, str | None]:
    """Display-encoded samples in the colours of `profile` to sRGB, and the name of the profile, or None if it is sRGB.

    samples: [H, W] grey, [H, W, 3] or [H, W, 4], uint8, uint16 or float32 in [0, 1]; RGB is changed in place.
    Returns [H, W] or [H, W, 3] of the same type. Intent: relative colorimetric; CMYK also with black point
    compensation, without which the darkest ink would read as dark grey. Raises BrokenProfileError.
    """
    if profile[16:20] != _SPACES[colour] or profile[36:40] != b"acsp":
        raise BrokenProfileError(f"it is not a {colour} profile")
    name = description(profile)
    if colour == "grey":
        return _convert_grey(samples, profile, name)
    if colour == "cmyk":
        rgb = np.empty((*samples.shape[:2], 3), samples.dtype)
        for rows in strips(samples, _STRIP_PIXELS):
            rgb[rows] = _transform(np.ascontiguousarray(samples[rows]), profile, "cmyk")
        return rgb, name
    steps = np.linspace(0, 1, 9, dtype=np.float32)
    grid = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(27, 27, 3)
    if np.abs(_transform(grid, profile, "rgb") - grid).max() <= _SAME_AS_SRGB:
        return samples, None
    shaper = _matrix_shaper(profile) if samples.dtype == np.uint16 else None
    if shaper is not None:
        return re_encode(samples, *shaper), name
    for rows in strips(samples, _STRIP_PIXELS):
        samples[rows] = _transform(np.ascontiguousarray(samples[rows]), profile, "rgb")
    return samples, name


def is_linear(profile: bytes) -> bool:
    """Whether the tone curve of an RGB or grey profile is a straight line: half the value is half the light.

    Raises BrokenProfileError.
    """
    space = "grey" if profile[16:20] == b"GRAY" else "rgb"
    half = np.full((1, 1) if space == "grey" else (1, 1, 3), 0.5, np.float32)
    return bool(abs(_transform(half, profile, space, linear_profile()).mean() - 0.5) < 0.01)


def light_matrix(profile: bytes) -> Array:
    """[3, 3] from the linear light of an RGB profile to linear light in sRGB primaries. Raises BrokenProfileError."""
    return np.asarray(_transform(np.eye(3, dtype=np.float32)[None], profile, "rgb", linear_profile())[0].T)


def _convert_grey(samples: Array, profile: bytes, name: str) -> tuple[Array, str | None]:
    if samples.dtype == np.float32:
        rgb = np.empty_like(samples)
        for rows in strips(samples, _STRIP_PIXELS):
            rgb[rows] = _transform(np.ascontiguousarray(samples[rows]), profile, "grey").mean(axis=-1)
        return rgb, name
    top = int(np.iinfo(samples.dtype).max)
    codes = np.linspace(0, 1, top + 1, dtype=np.float32)
    curve = _transform(codes[None], profile, "grey")[0].mean(axis=-1)
    if np.abs(curve - codes).max() <= _SAME_AS_SRGB:
        return samples, None
    return np.take((np.clip(curve, 0, 1) * top + 0.5).astype(samples.dtype), samples), name


def _matrix_shaper(profile: bytes) -> tuple[list[Array], Array] | None:
    """The curves for uint16 and the matrix of a profile that is only those, or None if it is a table.

    Ten times as fast as LittleCMS at full 16-bit precision, whose own shortcut is wrong by up to 1 of 100.
    """
    matrix = light_matrix(profile)
    codes = np.linspace(0, 1, 65536, dtype=np.float32)
    curves: list[Array] = []
    for c in range(3):
        ramp = np.zeros((1, codes.size, 3), np.float32)
        ramp[0, :, c] = codes
        column = matrix[:, c]
        light = _transform(ramp, profile, "rgb", linear_profile())[0]
        curves.append((light @ (column / (column @ column))).astype(np.float32))
    probe = np.random.default_rng(0).integers(0, 65536, (1, 64, 3))
    direct = _transform((probe / 65535).astype(np.float32), profile, "rgb", linear_profile())
    added = np.stack([curves[c][probe[..., c]] for c in range(3)], axis=-1) @ matrix.T
    return (curves, matrix) if np.abs(direct - added).max() < 1e-3 else None


@lru_cache(maxsize=1)
def srgb_profile() -> bytes:
    """An sRGB profile, for output and for tagging float TIFF."""
    return bytes(imagecodecs.cms_profile("srgb"))


@lru_cache(maxsize=1)
def linear_profile() -> bytes:
    """Linear light in sRGB primaries, as a profile."""
    return bytes(
        imagecodecs.cms_profile(
            "rgb",
            whitepoint=[0.3127, 0.3290, 1.0],
            primaries=[0.64, 0.33, 1.0, 0.30, 0.60, 1.0, 0.15, 0.06, 1.0],
            gamma=1.0,
        )
    )


def _transform(samples: Array, profile: bytes, space: str, target: bytes | None = None) -> Array:
    flags = imagecodecs.CMS.FLAGS.BLACKPOINTCOMPENSATION if space == "cmyk" else 0
    if samples.dtype != np.uint8:
        flags |= imagecodecs.CMS.FLAGS.NOOPTIMIZE  # the optimised 16-bit path resamples the curves
    try:
        return np.asarray(
            imagecodecs.cms_transform(
                samples,
                profile,
                target or srgb_profile(),
                colorspace="gray" if space == "grey" else space,
                outcolorspace="rgb",
                intent=imagecodecs.CMS.INTENT.RELATIVE_COLORIMETRIC,
                flags=flags,
            )
        )
    except (imagecodecs.CmsError, ValueError, TypeError) as error:
        raise BrokenProfileError(str(error)) from error
