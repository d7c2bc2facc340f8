"""Source files to light and frames (paper A.1): short side 512, aspect kept, nine exposures clipped as by a sensor."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from luxel import images
from luxel.dataset.reference.bracket import LEVELS, frame, metered
from luxel.dataset.reference.reference import HDR_CEILING, PHOTO_CEILING
from luxel.dataset.sources.panorama import render_view
from luxel.dataset.sources.scan import FrameSource, SceneSource
from luxel.errors import DatasetError, ImageError
from luxel.photometry import ByteArray, FloatArray, as_unit_float, luminance, to_linear, to_srgb

SHORT_SIDE = 512
"""Short side of the pictures of IEA40K in pixels (paper A.1)."""

MAX_ENLARGED = 2.5
"""Largest factor by which a view of a panorama may be finer than the panorama itself."""

_LIGHT_FORMATS = ("EXR", "HDR", "RAW")


@dataclass(frozen=True, slots=True, eq=False)
class SceneLight:
    """The light of a scene of one file.

    linear: float32 [H, W, 3], sRGB primaries, 1.0 = saturation at EV 0. ceiling: the light at which the source itself
    ends: saturation for camera RAW and photographs, far above it for HDR. notes: what was done.
    """

    linear: FloatArray
    ceiling: float
    notes: tuple[str, ...]


def fit_short_side(linear: npt.NDArray[np.float32], short_side: int) -> FloatArray:
    """Linear light averaged down so that the short side is `short_side`; smaller pictures are left as they are."""
    h, w = linear.shape[:2]
    scale = short_side / min(h, w)
    if scale >= 1:
        return linear
    size = (max(1, round(w * scale)), max(1, round(h * scale)))
    return np.asarray(cv2.resize(linear, size, interpolation=cv2.INTER_AREA), dtype=np.float32)


def develop_light(source: SceneSource, *, short_side: int = SHORT_SIDE, max_megapixels: float = 200.0) -> SceneLight:
    """Linear light of a scene of one file, averaged down to the short side; never enlarged, except panorama views.

    Camera RAW and photographs are at EV 0 as they were taken. HDR light has no exposure of its own: EV 0 is what a
    meter sets (`bracket.metered`). Raises ImageError as the readers do, DatasetError for a bracket or a black picture.
    """
    if source.kind == "bracket":
        raise DatasetError(f"{source.scene_id}: is a bracket of {len(source.frames)} frames; align its frames instead")
    file = source.frames[0].file
    if source.kind == "photo":
        encoded = as_unit_float(images.read(file, max_megapixels=max_megapixels).pixels)
        note = "exposures simulated from an sRGB photograph: what it clipped stays clipped"
        return SceneLight(fit_short_side(to_linear(encoded), short_side), PHOTO_CEILING, (note,))
    linear = images.read_linear(file, max_megapixels=max_megapixels)
    if source.kind == "raw":
        note = "exposures simulated from camera RAW: white balance of the camera, EV 0 as it was taken"
        return SceneLight(fit_short_side(linear, short_side), PHOTO_CEILING, (note,))
    notes = ["exposures simulated from HDR light: EV 0 is log-average luminance at 18 % grey"]
    if source.kind == "panorama":
        linear, enlarged = _view(linear, source, short_side)
        if enlarged > 1:
            notes.append(f"view enlarged {enlarged:.2f} times over the panorama's own resolution")
    else:
        linear = fit_short_side(linear, short_side)
    if not float(luminance(linear).max()) > 0:
        raise DatasetError(f"{file}: holds no light at all; leave it out")
    return SceneLight(metered(linear), HDR_CEILING, tuple(notes))


def _view(panorama: npt.NDArray[np.float32], source: SceneSource, short_side: int) -> tuple[FloatArray, float]:
    """The view of a panorama, and how much finer it is than the panorama."""
    view = source.view
    if view is None:
        raise DatasetError(f"{source.scene_id}: a panorama needs a view (yaw, pitch, fov, aspect)")
    aspect = view["aspect"]
    # Pixels of the panorama across the view, at its centre.
    own_width = panorama.shape[1] / np.pi * np.tan(np.radians(view["fov"]) / 2)
    own_short = own_width * min(1.0, 1 / aspect)
    side = min(short_side, int(own_short * MAX_ENLARGED))
    height, width = round(side * max(1.0, 1 / aspect)), round(side * max(1.0, aspect))
    rendered = render_view(panorama, yaw=view["yaw"], pitch=view["pitch"], fov=view["fov"], height=height, width=width)
    return rendered, side / own_short


def simulate_frames(linear: npt.ArrayLike) -> tuple[list[ByteArray], list[float], list[str]]:
    """The nine exposures N4 ... N1, P0, P1 ... P4 of linear light: frames uint8 [H, W, 3], stops, names."""
    return [frame(linear, ev) for ev in LEVELS.values()], [float(ev) for ev in LEVELS.values()], list(LEVELS)


def develop_frame(source: FrameSource, *, max_megapixels: float = 200.0) -> ByteArray:
    """One frame of a bracket as taken: uint8 [H, W, 3], sRGB-encoded, upright as its bracket lies, full size.

    Light (RAW, EXR, HDR) is clipped at saturation and sRGB-encoded, never exposed again: the frame is its exposure.
    Raises ImageError as the readers do.
    """
    if source.format in _LIGHT_FORMATS:
        pixels = np.rint(to_srgb(images.read_linear(source.file, max_megapixels=max_megapixels)) * 255)
    else:
        pixels = images.read(source.file, max_megapixels=max_megapixels).pixels
        if pixels.dtype != np.uint8:
            pixels = np.rint(as_unit_float(pixels) * 255)
    return np.ascontiguousarray(np.rot90(pixels, source.turn), dtype=np.uint8)


def develop_bracket(
    source: SceneSource, sides: Sequence[int], *, max_megapixels: float = 200.0
) -> tuple[list[FrameSource], list[list[ByteArray]], list[tuple[str, str]]]:
    """The frames of a bracket that can be used: readable, and of the size that most of them have.

    sides: short sides in pixels; each frame is read once and averaged down to each of them. Returns the frames' facts,
    for each side their pictures uint8 [h, w, 3], and file and reason of every frame left out.
    """
    read: list[tuple[FrameSource, tuple[int, int], list[ByteArray]]] = []
    dropped = []
    for facts in source.frames:
        try:
            image = develop_frame(facts, max_megapixels=max_megapixels)
        except ImageError as error:
            dropped.append((facts.file.name, str(error).removeprefix(f"{facts.file}: ")))
            continue
        height, width = image.shape[:2]
        read.append((facts, (width, height), [shrink_encoded(image, side) for side in sides]))
    common = Counter(size for _, size, _ in read).most_common(1)[0][0] if read else (0, 0)
    kept = [(facts, shrunk) for facts, size, shrunk in read if size == common]
    dropped += [
        (facts.file.name, f"is {size[0]} x {size[1]} pixels, the bracket is {common[0]} x {common[1]}")
        for facts, size, _ in read
        if size != common
    ]
    return [facts for facts, _ in kept], [[shrunk[i] for _, shrunk in kept] for i in range(len(sides))], dropped


def shrink_encoded(image: ByteArray, short_side: int) -> ByteArray:
    """A frame averaged down in linear light, as a sensor with larger pixels sees it; smaller ones stay as they are.

    image: uint8 [H, W, 3], sRGB-encoded. Returns uint8 [h, w, 3].
    """
    if min(image.shape[:2]) <= short_side:
        return image
    return np.rint(to_srgb(fit_short_side(to_linear(as_unit_float(image)), short_side)) * 255).astype(np.uint8)
