"""Perspective views of equirectangular HDR panoramas: what a camera standing there would see."""

import cv2
import numpy as np
import numpy.typing as npt

from luxel.photometry import FloatArray

USABLE_ELEVATION = 56.0
"""Degrees above and below the horizon that the development panoramas show; beyond, their poles are flattened."""

ASPECTS = (1.0, 4 / 3, 3 / 2, 16 / 9, 3 / 4, 2 / 3)
"""Width over height of rendered views, as cameras and phones have them."""


def render_view(
    panorama: npt.NDArray[np.float32],
    *,
    yaw: float,
    pitch: float,
    fov: float,
    height: int,
    width: int,
) -> FloatArray:
    """A pinhole view of a panorama.

    panorama: [h, 2h, 3] float32 linear light, equirectangular, row 0 at the zenith. yaw, pitch: degrees, pitch > 0
    looks up. fov: horizontal field of view in degrees. Returns float32 [height, width, 3] linear light, same scale.
    Bilinear; columns wrap around.
    """
    ph, pw = panorama.shape[:2]
    focal = 0.5 * width / np.tan(np.radians(fov) / 2)
    x = np.arange(width, dtype=np.float32) + 0.5 - width / 2
    y = np.arange(height, dtype=np.float32)[:, None] + 0.5 - height / 2
    up, forward = -y / focal, 1.0
    tilt = np.radians(pitch)
    z3 = forward * np.cos(tilt) - up * np.sin(tilt)
    y3 = forward * np.sin(tilt) + up * np.cos(tilt)
    x3 = np.broadcast_to(x / focal, (height, width))
    longitude = np.arctan2(x3, z3) + np.radians(yaw)
    latitude = np.arctan2(y3, np.hypot(x3, z3))
    columns = ((longitude / (2 * np.pi) + 0.5) % 1.0 * pw - 0.5).astype(np.float32)
    rows = np.clip((0.5 - latitude / np.pi) * ph - 0.5, 0, ph - 1).astype(np.float32)
    # Two columns more on each side let bilinear sampling cross the seam.
    wrapped = np.concatenate([panorama[:, -2:], panorama, panorama[:, :2]], axis=1)
    view = cv2.remap(wrapped, columns + 2, np.broadcast_to(rows, columns.shape).copy(), cv2.INTER_LINEAR)
    return np.maximum(np.asarray(view, dtype=np.float32), 0)


def random_view(
    panorama: npt.NDArray[np.float32], rng: np.random.Generator, *, height: int, width: int
) -> tuple[FloatArray, dict[str, float]]:
    """A view in a random direction that stays within the usable elevation, and how it was taken.

    Field of view 40 to 90 degrees (a short telephoto to a wide lens), any yaw, pitch around the horizon.
    Returns the view as `render_view` does, and its yaw, pitch and fov in degrees.
    """
    fov = float(rng.uniform(40, 90))
    vertical = 2 * np.degrees(np.arctan(np.tan(np.radians(fov) / 2) * height / width))
    reach = max(0.0, USABLE_ELEVATION - vertical / 2)
    camera = {
        "yaw": float(rng.uniform(-180, 180)),
        "pitch": float(np.clip(rng.normal(0, 15), -reach, reach)),
        "fov": fov,
    }
    return render_view(panorama, **camera, height=height, width=width), camera
