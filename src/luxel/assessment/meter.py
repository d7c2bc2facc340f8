"""Photographers' numbers, in linear light: zones, clipping, compensation, the bracket a scene needs, raw headroom."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from luxel.assessment.assessor import Assessment
from luxel.assessment.ev import advice_text
from luxel.images import read_linear
from luxel.images.colour.rendering import auto_exposure
from luxel.images.formats.raw_levels import RawLevels, read_raw_levels
from luxel.photometry import FloatArray, as_unit_float, lightness, luminance, to_linear
from luxel.zones import ROMAN, zone_histogram, zone_of

CLIPPED = 1.0 / 255.0
"""How near to an end of the range a value counts as clipped: one 8-bit step, which is what JPEG rounding moves."""

FRAME_STOPS = 2.0
"""Stops of the scene that one frame of a bracket serves: one to either side of its own exposure."""

MAX_NEED = 6.0
"""Stops; what a pixel needs is counted up to here. A black or white pixel tells no more than the side."""

TAIL = 0.01
"""Share of the pixels left aside at each end of the bracket and of the scene's range."""

SAMPLES = 1_000_000
"""Pixels looked at for quantiles, on an even grid."""

_STRIP_ROWS = 128
_RAW_NOTE, _PREVIEW_NOTE = "RAW rendering", "embedded preview"  # how notes of `luxel.images.read` begin
_SCENE_NOTE = "scene light exposed"


@dataclass(frozen=True, slots=True)
class Bracket:
    """Exposures that together would hold a scene, relative to the image's own, in stops (+1: twice the light).

    low: stops that all but the outer 1 % of the pixels need at the dark end.
    high: stops that all but the outer 1 % of the pixels need at the bright end.
    open_low: whether pixels at the low end are clipped, so that the scene needs at least this much.
    open_high: whether pixels at the high end are clipped, so that the scene needs at least this much.
    """

    low: float
    high: float
    open_low: bool
    open_high: bool

    @property
    def stops(self) -> float:
        """How many stops the needs of the scene lie apart."""
        return self.high - self.low

    @property
    def frames(self) -> tuple[float, ...]:
        """Exposures in stops, one for every two stops of the scene; one is enough where needs hardly differ."""
        count = max(1, int(np.ceil(self.stops / FRAME_STOPS - 1e-6)))
        return tuple(round(self.low + self.stops * (i + 0.5) / count, 2) for i in range(count))


@dataclass(frozen=True, slots=True)
class Light:
    """The numbers of one picture.

    zones: shares of pixels in zone 0 ... X, in [0, 1]; a picture for display ends in zone VII, where white is, scene
    light does not.
    clipped_high: shares of pixels at the top of the range, of R, G and B, in [0, 1].
    clipped_low: shares of pixels at the bottom of the range, of R, G and B, in [0, 1].
    ev: compensation in stops (`Assessment.ev`), in [-6, 6]; None where nothing can be said.
    bracket: the exposures the scene needs, in stops.
    scene_stops: range of the scene's luminance in stops without the outer 1 % at each end, where the file holds light
    (EXR, HDR, float TIFF, RAW).
    raw: sensor levels of RAW.
    ev_bound: "exact", "at least" or "at most" (`luxel.assessment.ev.Advice`).
    ev_reason: why there is no number, or why it is a bound or was limited.
    """

    zones: tuple[float, ...]
    clipped_high: tuple[float, float, float]
    clipped_low: tuple[float, float, float]
    ev: float | None
    bracket: Bracket
    scene_stops: float | None = None
    raw: RawLevels | None = None
    ev_bound: str = "exact"
    ev_reason: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain JSON values."""
        return {
            "zones": dict(zip(ROMAN, self.zones, strict=True)),
            "clipped_high": dict(zip("RGB", self.clipped_high, strict=True)),
            "clipped_low": dict(zip("RGB", self.clipped_low, strict=True)),
            "ev": self.ev,
            "ev_bound": self.ev_bound,
            "ev_reason": self.ev_reason,
            "bracket": {
                "low": self.bracket.low,
                "high": self.bracket.high,
                "stops": self.bracket.stops,
                "at_least": self.bracket.open_low or self.bracket.open_high,
                "frames": list(self.bracket.frames),
            },
            "scene_stops": self.scene_stops,
            "raw": None
            if self.raw is None
            else {"headroom": self.raw.headroom, "stops": self.raw.stops, "saturated": self.raw.saturated},
        }

    def lines(self) -> list[str]:
        """The numbers for people, one line each."""
        bracket = self.bracket
        more = "at least " if bracket.open_low or bracket.open_high else ""
        frames = ", ".join(f"{ev:+.1f}" for ev in bracket.frames)
        plural = "s" if len(bracket.frames) > 1 else ""
        lines = [
            "zones      " + "  ".join(f"{name} {share:.0%}" for name, share in zip(ROMAN, self.zones, strict=True)),
            f"clipped    highlights {_by_channel(self.clipped_high)}   shadows {_by_channel(self.clipped_low)}",
            f"advice     {advice_text(self.ev, self.ev_bound)} EV" + (f"   {self.ev_reason}" if self.ev_reason else ""),
            f"bracket    {more}{bracket.stops:.1f} stops: {len(bracket.frames)} frame{plural} at {frames} EV",
        ]
        if self.scene_stops is not None:
            lines.append(f"scene      {self.scene_stops:.1f} stops of luminance")
        if self.raw is not None:
            room = "  ".join(f"{name} {stops:.1f}" for name, stops in self.raw.headroom.items())
            full = "  ".join(f"{name} {share:.1%}" for name, share in self.raw.saturated.items())
            lines.append(f"raw        headroom {self.raw.stops:.1f} EV ({room})   saturated {full}")
        return lines


def measure(assessment: Assessment, *, max_megapixels: float = 200.0) -> Light:
    """The numbers of an assessed image; its file is read again where it holds light or sensor values.

    assessment: of the image.
    max_megapixels: the limit with which its file was read, 10^6 pixels.
    Raises ImageError if that file cannot be read any more.

    >>> from luxel import assess
    >>> light = measure(assess(np.full((64, 96, 3), 118, np.uint8)))
    >>> round(light.zones[5], 2), light.clipped_high
    (1.0, (0.0, 0.0, 0.0))
    """
    image = assessment.image
    scene, raw = _from_file(assessment, max_megapixels)
    high, low = clipped_shares(image)
    return Light(
        zones=_zones(image) if scene is None or raw is not None else _scene_zones(scene),
        clipped_high=high,
        clipped_low=low,
        ev=assessment.ev,
        ev_bound=assessment.ev_bound,
        ev_reason=assessment.ev_reason,
        bracket=needed_bracket(image, assessment.residual, threshold=assessment.threshold),
        scene_stops=None if scene is None else _range(scene),
        raw=raw,
    )


def clipped_shares(image: npt.NDArray[Any]) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Shares of pixels at the top and at the bottom of the range, each for R, G and B, in [0, 1].

    A value counts within one 8-bit step of the end.

    image: [H, W, 3] sRGB-encoded, uint8, uint16 or float in [0, 1].

    >>> clipped_shares(np.full((2, 2, 3), 255, np.uint8))
    ((1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    """
    high, low = np.zeros(3), np.zeros(3)
    full = float(np.iinfo(image.dtype).max) if image.dtype.kind == "u" else 1.0
    for strip in _strips(image):
        high += np.count_nonzero(strip >= full * (1 - CLIPPED), axis=(0, 1))
        low += np.count_nonzero(strip <= full * CLIPPED, axis=(0, 1))
    pixels = image.shape[0] * image.shape[1]
    top, bottom = ([float(count / pixels) for count in counts] for counts in (high, low))
    return (top[0], top[1], top[2]), (bottom[0], bottom[1], bottom[2])


def needed_bracket(image: npt.NDArray[Any], residual: npt.NDArray[Any], *, threshold: float) -> Bracket:
    """The exposures that together would bring every pixel to its ideal lightness.

    A pixel with |r| > threshold needs log2(linear(Y' + r) / linear(Y')) stops, within +-6; the others need 0. The
    bracket runs from the 1 % to the 99 % quantile of the needs, so that what one compensation corrects is not counted
    as spread.

    image: [H, W, 3] sRGB-encoded, uint8, uint16 or float in [0, 1].
    residual: [H, W] in [-1, 1], in lightness.
    threshold: |r| above which a pixel needs another exposure, in lightness.

    >>> image, residual = np.full((8, 8, 3), 118, np.uint8), np.zeros((8, 8), np.float32)
    >>> needed_bracket(image, residual, threshold=0.2).frames
    (0.0,)
    """
    step = max(1, int(np.ceil((residual.size / SAMPLES) ** 0.5)))
    seen = lightness(as_unit_float(image[::step, ::step]))
    r = np.asarray(residual[::step, ::step], dtype=np.float32)
    wanted = np.clip(seen + r, 0, 1)
    # Half an 8-bit step of light stands for black, which has no stops.
    floor = float(to_linear(CLIPPED / 2))
    needs = np.log2(np.maximum(to_linear(wanted), floor) / np.maximum(to_linear(seen), floor))
    needs = np.where(np.abs(r) > threshold, np.clip(needs, -MAX_NEED, MAX_NEED), 0.0)
    low, high = (float(q) for q in np.quantile(needs, (TAIL, 1 - TAIL)))
    white, black = seen >= 1 - CLIPPED, seen <= CLIPPED
    return Bracket(
        low,
        high,
        open_low=low < 0 and bool(np.mean(white & (r < -threshold)) >= TAIL),
        open_high=high > 0 and bool(np.mean(black & (r > threshold)) >= TAIL),
    )


def _from_file(assessment: Assessment, max_megapixels: float) -> tuple[FloatArray | None, RawLevels | None]:
    """Scene light and sensor levels of the picture's file, as far as it holds them; its notes say what it is."""
    if assessment.path is None:
        return None, None
    raw, preview, scene = (
        any(note.startswith(begin) for note in assessment.notes) for begin in (_RAW_NOTE, _PREVIEW_NOTE, _SCENE_NOTE)
    )
    light = read_linear(assessment.path, max_megapixels=max_megapixels) if raw or scene else None
    levels = read_raw_levels(assessment.path, max_megapixels=max_megapixels) if raw or preview else None
    return light, levels


def _strips(image: npt.NDArray[Any]) -> Iterator[npt.NDArray[Any]]:
    for top in range(0, len(image), _STRIP_ROWS):
        yield image[top : top + _STRIP_ROWS]


def _zones(image: npt.NDArray[Any]) -> tuple[float, ...]:
    """Zone histogram of a display picture, strip by strip."""
    total = np.zeros(len(ROMAN))
    for strip in _strips(image):
        total += zone_histogram(as_unit_float(strip)).astype(np.float64) * len(strip)
    return tuple(float(share) for share in total / len(image))


def _scene_zones(light: FloatArray) -> tuple[float, ...]:
    """Zone histogram of scene light, exposed as `luxel.images.read` exposes it, but not clipped."""
    gain = np.float32(2.0 ** auto_exposure(light))
    total = np.zeros(len(ROMAN))
    for strip in _strips(light):
        zones = np.rint(zone_of(luminance(strip) * gain)).astype(np.intp)
        total += np.bincount(zones.ravel(), minlength=len(ROMAN))
    return tuple(float(share) for share in total / (light.shape[0] * light.shape[1]))


def _range(light: FloatArray) -> float | None:
    """Stops between the 1 % and the 99 % quantile of luminance; None where more than 1 % has no light at all."""
    step = max(1, int(np.ceil((light.shape[0] * light.shape[1] / SAMPLES) ** 0.5)))
    low, high = np.quantile(luminance(light[::step, ::step]), (TAIL, 1 - TAIL))
    return float(np.log2(high / low)) if low > 0 else None


def _by_channel(shares: tuple[float, float, float]) -> str:
    return "  ".join(f"{name} {share:.1%}" for name, share in zip("RGB", shares, strict=True))
