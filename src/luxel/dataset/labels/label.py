"""Pixel labels: residual, the refinement rules of paper 4.2, and how far each pixel can be trusted.

The automatic label of a frame is `reference - frame` in lightness, then two rules, then a confidence:

1. Light sources and saturated logos, clipped in every exposure, are severely overexposed wherever a frame clips them.
2. Isolated pixels that jump away from all their neighbours get their neighbourhood's value.
3. Confidence is low where the source never shows the light: clipped in every exposure, lost in noise, or moving.

Every threshold is a field of `LabelRules`. What a rule touched is kept per pixel in `Flag` bits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntFlag

import cv2
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from luxel.dataset.reference.bracket import frame
from luxel.dataset.reference.reference import BLACK
from luxel.photometry import LIGHTNESS_WEIGHTS, ByteArray, FloatArray, Mask, lightness, luminance
from luxel.residual import residual_map

_NEARLY_ALL = 0.85  # red and green: warm lamps leave blue unclipped


class Flag(IntFlag):
    """What is special about a pixel of a label; bits of the flags PNG.

    SEVERE: rule 1 set it. CLEANED: rule 2 set it. CLIPPED, DARK, MOVING: confidence is lowered for that reason.
    EXPERT: an expert's layer changed it.
    """

    SEVERE = 1
    CLEANED = 2
    CLIPPED = 4
    DARK = 8
    MOVING = 16
    EXPERT = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelRules:
    """Thresholds of the label rules.

    clipped: 8-bit channel value from which a frame's pixel counts as clipped. saturated: (max - min) / max of a pixel's
    channels from which its colour is strong enough for a lit sign. severe: residual given to light sources
    and logos (paper Fig. 7 shows -0.9). source_share: largest share of the picture that one of them covers; larger
    clipped areas are sky or windows, whose label stays measured but gets a low confidence. bars: clipped areas that are
    parted by less than this share of the short side count as one, so that the parts of a large window or of a softbox
    are not taken for many lamps; a few bright panes of coloured glass still are. jump: how far, in residual, an
    anomalous pixel lies from the median of its 5 x 5 neighbourhood. speck: largest number of connected pixels that
    still count as isolated; wires and letters are longer. noise_floor: lightness, in 1/255, of the brightest frame at
    which a pixel is noise (first) and at which it is signal (second). over, dark, moving: confidence where the light is
    clipped in every exposure, where it is noise in every exposure, and where the frames disagree. by_rule: confidence
    of a value that rule 1 or 2 set.
    """

    clipped: int = 250
    saturated: float = 0.6
    severe: float = -0.9
    source_share: float = 0.01
    bars: float = 0.01
    jump: float = 0.35
    speck: int = 2
    noise_floor: tuple[float, float] = (4.0, 16.0)
    over: float = 0.1
    dark: float = 0.2
    moving: float = 0.1
    by_rule: float = 0.5


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the exposures of a scene prove about its light; float32 [H, W] in [0, 1] and bool [H, W].

    over: share of the lightness whose channels end above the range in every exposure. dark: 1 where even the brightest
    exposure shows noise only. sources: light sources and saturated logos (rule 1). moving: the frames disagree.
    """

    over: FloatArray
    dark: FloatArray
    sources: Mask
    moving: Mask


@dataclass(frozen=True, slots=True)
class Label:
    """The label of one frame.

    residual: float32 [H, W] in [-1, 1]. confidence: float32 [H, W] in [0, 1]. flags: uint8 [H, W], bits of `Flag`.
    """

    residual: FloatArray
    confidence: FloatArray
    flags: ByteArray


def clipped_share(image: ByteArray, clipped: int) -> FloatArray:
    """How much of a pixel's lightness is in clipped channels: uint8 [H, W, 3] to float32 [H, W] in [0, 1].

    clipped: channel value from which a channel counts.
    """
    return np.asarray((image >= clipped) @ np.asarray(LIGHTNESS_WEIGHTS, dtype=np.float32))


def light_sources(darkest: ByteArray, *, white_only: bool = False, rules: LabelRules = LabelRules()) -> Mask:
    """Light sources and saturated logos: small connected areas that the darkest exposure clips.

    darkest: uint8 [H, W, 3], sRGB-encoded. Lamps clip nearly all of their lightness; coloured signs may clip one
    channel only, but then the colour is strong: a pale blue sky whose blue clips is neither. white_only: in a single
    exposure a strong colour is as often a red flower, so only white counts. Returns bool [H, W].
    """
    share = clipped_share(darkest, rules.clipped)
    if white_only:
        return _single_spots(share > 1 - 1e-3, rules)
    most, least = darkest.max(axis=-1).astype(np.float32), darkest.min(axis=-1).astype(np.float32)
    coloured = (most >= rules.clipped) & (most - least >= rules.saturated * most)
    return _single_spots((share >= _NEARLY_ALL) | coloured, rules)


def _single_spots(mask: Mask, rules: LabelRules) -> Mask:
    """The parts of a mask that cover less than `source_share` together with all parts that only bars part from them."""
    side = 2 * round(rules.bars * min(mask.shape) / 2) + 1
    joined, _ = ndimage.label(cv2.dilate(mask.astype(np.uint8), np.ones((side, side), np.uint8)))
    small = np.bincount(joined[mask], minlength=int(joined.max()) + 1) < rules.source_share * mask.size
    return np.asarray(mask & small[joined])


def rising(values: npt.ArrayLike, low: float, high: float) -> FloatArray:
    """Smooth step: 0 up to `low`, 1 from `high`, monotone between; any shape to float32 of the same shape."""
    t = np.clip((np.asarray(values, dtype=np.float32) - np.float32(low)) / np.float32(high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), dtype=np.float32)


def gather_evidence(
    frames: Sequence[ByteArray],
    evs: Sequence[float],
    moving: Mask,
    *,
    linear: npt.NDArray[np.float32] | None = None,
    ceiling: float = 1.0,
    photo: bool = False,
    rules: LabelRules = LabelRules(),
) -> Evidence:
    """What a scene's exposures prove, from its frames or, where exposures were simulated, from its linear light.

    frames: uint8 [H, W, 3] each, sRGB-encoded. evs: their stops, any order. moving: bool [H, W]. linear: float32
    [H, W, 3] that the frames were made from, or None for real exposures. ceiling: linear light at which the source
    itself ends, 1.0 for a single exposure. photo: the linear light was taken back from one 8-bit photograph, so its
    shadows are quantisation.
    """
    brightest = frames[int(np.argmax(evs))]
    darkest = frames[int(np.argmin(evs))] if linear is None else frame(linear / np.float32(ceiling), 0)
    if photo and linear is not None:
        dark = 1 - rising(luminance(linear), BLACK / 2, 2 * BLACK)
    else:
        low, high = rules.noise_floor
        dark = 1 - rising(lightness(brightest) * 255, low, high)
    sources = light_sources(darkest, white_only=linear is not None and ceiling <= 1, rules=rules)
    return Evidence(clipped_share(darkest, rules.clipped), dark, sources, moving)


def mark_severe(
    residual: npt.NDArray[np.float32], frame: ByteArray, sources: Mask, rules: LabelRules = LabelRules()
) -> tuple[FloatArray, Mask]:
    """Rule 1: light sources and logos are severely overexposed where this frame clips them.

    residual: float32 [H, W]. frame: uint8 [H, W, 3]. sources: bool [H, W]. Returns the residual, never above what it
    was, and where the rule applied, bool [H, W]. Without the rule such a pixel, white in frame and reference alike,
    would read as ideal. Source: paper 4.2, "areas with logos as severely overexposed".
    """
    where = sources & (frame.max(axis=-1) >= rules.clipped)
    return np.where(where, np.minimum(residual, np.float32(rules.severe)), residual).astype(np.float32), where


def clean_anomalies(
    residual: npt.NDArray[np.float32], keep: Mask, rules: LabelRules = LabelRules()
) -> tuple[FloatArray, Mask]:
    """Rule 2: isolated anomalous pixels get the median of their 5 x 5 neighbourhood.

    residual: float32 [H, W]. keep: bool [H, W], pixels that another rule has set. Returns the residual and where the
    rule applied, bool [H, W]. Source: paper 4.2, "discrete anomalous pixel labeling".
    """
    median = cv2.medianBlur(np.ascontiguousarray(residual), 5)
    jumps = (np.abs(residual - median) > rules.jump) & ~keep
    if not jumps.any():
        return residual, jumps
    # Long or large jumps are edges and thin objects, diagonal ones too, hence eight neighbours.
    parts, _ = ndimage.label(jumps, structure=np.ones((3, 3)))
    isolated = jumps & (np.bincount(parts.ravel())[parts] <= rules.speck)
    return np.where(isolated, median, residual).astype(np.float32), isolated


def confidence_of(evidence: Evidence, by_rule: Mask, rules: LabelRules = LabelRules()) -> FloatArray:
    """Confidence of every pixel of a frame's label.

    by_rule: bool [H, W], pixels that rule 1 or 2 set. Returns float32 [H, W] in [0, 1]: the product of one factor each
    for clipped, dark and moving, or `rules.by_rule` where a rule decided.
    """
    confidence = (1 - (1 - rules.over) * evidence.over) * (1 - (1 - rules.dark) * evidence.dark)
    confidence = np.where(evidence.moving, confidence * np.float32(rules.moving), confidence)
    return np.where(by_rule, np.float32(rules.by_rule), confidence).astype(np.float32)


def label_frame(
    reference: npt.ArrayLike, frame: ByteArray, evidence: Evidence, rules: LabelRules = LabelRules()
) -> Label:
    """The automatic label of one frame.

    reference: [H, W, 3] sRGB-encoded, float in [0, 1] or uint8. frame: uint8 [H, W, 3] of the same size.
    """
    residual = residual_map(reference, frame)
    residual, severe = mark_severe(residual, frame, evidence.sources, rules)
    residual, cleaned = clean_anomalies(residual, severe, rules)
    flags = np.zeros(residual.shape, dtype=np.uint8)
    for flag, where in (
        (Flag.SEVERE, severe),
        (Flag.CLEANED, cleaned),
        (Flag.CLIPPED, evidence.over >= 0.5),
        (Flag.DARK, evidence.dark >= 0.5),
        (Flag.MOVING, evidence.moving),
    ):
        flags[where] |= int(flag)
    return Label(residual, confidence_of(evidence, severe | cleaned, rules), flags)
