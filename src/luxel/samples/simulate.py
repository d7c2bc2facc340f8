"""From linear light to the picture a camera would have written: exposure, noise, white balance, tone, 8 bits, JPEG."""

from dataclasses import dataclass, replace
from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import Image

from luxel.photometry import FloatArray, to_srgb


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """One exposure's settings.

    ev: stops. shot: noise variance per unit of linear light at the sensor; read: standard deviation of the noise floor,
    both with 1.0 = saturation. white_balance: gains of R, G, B after the sensor. contrast: strength of an S-shaped tone
    curve, 0 = plain sRGB. jpeg: quality 1 ... 95, or None for no compression.
    """

    ev: float
    shot: float = 0.0
    read: float = 0.0
    white_balance: tuple[float, float, float] = (1.0, 1.0, 1.0)
    contrast: float = 0.0
    jpeg: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraRules:
    """What random cameras are like.

    max_ev: EV lies within this many stops; 4.5 gives each of the nine levels a stop of its own to be the middle of.
    noise: False for cameras without any. contrast: standard deviation of the tone curve's strength. jpeg_share: share
    of pictures that go through JPEG compression.
    """

    max_ev: float = 4.5
    noise: bool = True
    contrast: float = 0.12
    jpeg_share: float = 0.4


def random_camera(rng: np.random.Generator, rules: CameraRules = CameraRules(), *, ev: float | None = None) -> Camera:
    """A plausible camera: EV uniform within the rules unless given, noise from clean to high ISO, mild colour, tone."""
    gain = 10 ** rng.uniform(-5.0, -2.7)  # shot-noise scale from base ISO to about ISO 6400
    warm, tint = rng.normal(0, 0.06), rng.normal(0, 0.02)
    camera = Camera(
        ev=float(rng.uniform(-rules.max_ev, rules.max_ev)) if ev is None else ev,
        shot=float(gain),
        read=float(gain * rng.uniform(0.3, 1.5) ** 2),
        white_balance=(float(np.exp(warm)), float(np.exp(tint)), float(np.exp(-warm))),
        contrast=float(np.clip(rng.normal(0, rules.contrast), -0.25, 0.35)),
        jpeg=int(rng.integers(60, 96)) if rng.random() < rules.jpeg_share else None,
    )
    return camera if rules.noise else replace(camera, shot=0.0, read=0.0)


def tone_curve(encoded: npt.NDArray[np.float32], contrast: float) -> FloatArray:
    """An S-shaped (contrast > 0) or flat (< 0) tone curve that keeps 0, 0.5 and 1 in place.

    encoded: sRGB-encoded float in [0, 1]; contrast in (-0.5, 0.5). Returns the same shape, still monotone.
    """
    return (encoded + np.float32(contrast) * (encoded - 0.5) * encoded * (1 - encoded) * 4).astype(np.float32)


def capture(linear: npt.NDArray[np.float32], camera: Camera, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """The 8-bit picture of a scene.

    linear: [H, W, 3] linear light, sRGB primaries, 1.0 = saturation at EV 0; may exceed 1.
    Returns uint8 [H, W, 3], sRGB-encoded. Noise is added before clipping, so clipped stays clean and lifted shadows
    stay noisy, as on a sensor; white balance follows clipping, so a blown highlight can take a tint, as in cameras.
    """
    light = linear * np.float32(2.0**camera.ev)
    if camera.shot or camera.read:
        variance = np.float32(camera.shot) * np.clip(light, 0, 1) + np.float32(camera.read) ** 2
        light = light + np.sqrt(variance) * rng.standard_normal(light.shape, dtype=np.float32)
    balanced = np.clip(light, 0, 1) * np.asarray(camera.white_balance, dtype=np.float32)
    encoded = to_srgb(balanced)
    if camera.contrast:
        encoded = tone_curve(encoded, camera.contrast)
    image = np.rint(encoded * 255).astype(np.uint8)
    return image if camera.jpeg is None else through_jpeg(image, camera.jpeg)


def through_jpeg(image: npt.NDArray[np.uint8], quality: int) -> npt.NDArray[np.uint8]:
    """A picture after JPEG compression and decoding in memory; uint8 [H, W, 3] to the same."""
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))
