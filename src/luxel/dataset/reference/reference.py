"""The ideal reference of a scene: fuse its bracket, then bring its blocks to their zones (paper 4.2).

The rules are few. Their numbers were fitted to what the authors' released checkpoint implies of IEA40K's own references
on development scenes and photographs (`docs/paper-map.md`, `luxel evaluate --implied`):

1. The fused bracket is blended with the frame at EV 0: the experts kept a third of the photograph's own tones.
2. The scene's mean lightness becomes `target`, and every block keeps `1 - strength` of its distance from the mean.
3. Small light sources (clipped in the darkest frame) and small true blacks (empty in the brightest) are left alone.
4. The change is smoothed along edges, so that it has neither seams at block borders nor halos at edges; detail stays.

What is decided for each block is kept (`Reference.shift`, and with its reason in `zone_decisions`), so that a person
can change any of it and `rebuild` makes the picture again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from luxel.dataset.reference.bracket import FUSION_EVS
from luxel.dataset.reference.fusion import fuse, fuse_linear
from luxel.dataset.reference.superpixels import block_mean, blocks
from luxel.filters.guided import guided_filter
from luxel.photometry import FloatArray, as_unit_float, lightness, to_srgb

BLACK = 0.0015
"""Linear light below which even the brightest frame shows nothing but quantisation, at EV 0."""

MAX_CHROMA = 1.5
"""Largest factor on the colour differences of a brightened pixel."""

HDR_CEILING = 2.0 ** -FUSION_EVS[0]
"""Linear light that saturates even the darkest fused frame."""

PHOTO_CEILING = 1.0
"""Linear light of a clipped pixel in an sRGB photograph."""

CLIPPED_CODE, BLACK_CODE = 250, 5
"""8-bit codes from which a channel of a real frame is clipped, and up to which it is black: JPEG blurs both ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneRules:
    """How blocks are brought to their zones.

    own_tones: share of the frame at EV 0 in the preliminary reference, in [0, 1]; the fused bracket has the rest.
    target: mean lightness Y' of the reference.
    strength: share by which a block comes nearer to the mean of the picture, in [0, 1].
    small: largest share of the picture that still counts as a light source or a black spot.
    radius: of the edge-aware smoothing, a share of the short side.
    smoothness: of the edge-aware smoothing, in lightness squared.
    """

    own_tones: float = 0.31
    target: float = 0.47
    strength: float = 0.38
    small: float = 0.01
    radius: float = 1 / 32
    smoothness: float = 0.1

    def guide(self, y: npt.NDArray[np.float32]) -> FloatArray:
        """The map whose edges the pull follows, from the lightness of the fused picture: here that lightness itself."""
        return y


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference picture and the decisions it was made by.

    image: float32 [H, W, 3], sRGB-encoded, in [0, 1]. fused: the preliminary reference (fused bracket and frame at EV 0
    blended), same form. labels: int32 [H, W]
    blocks. shift: float32 [n] change of lightness decided for each block. untouched: bool [H, W], the small light
    sources and true blacks that no decision moves.
    """

    image: FloatArray
    fused: FloatArray
    labels: npt.NDArray[np.int32]
    shift: FloatArray
    untouched: npt.NDArray[np.bool_]


def small_spots(mask: npt.NDArray[np.bool_], largest: float) -> npt.NDArray[np.bool_]:
    """The connected parts of a mask that cover less than `largest` of the picture; bool [H, W] to bool [H, W]."""
    labels, _ = ndimage.label(mask)
    small = np.bincount(labels.ravel()) < largest * mask.size
    small[0] = False
    return np.asarray(small[labels])


def decide_zones(
    fused: npt.NDArray[np.float32], labels: npt.NDArray[np.int32], rules: ZoneRules = ZoneRules()
) -> FloatArray:
    """Change of lightness for every block (rule 2): (target - mean) + strength (mean - block mean).

    fused: float32 [H, W, 3], the preliminary reference, sRGB-encoded. labels: int32 [H, W].
    Returns float32 [n], in lightness.
    """
    y = lightness(fused)
    mean = np.float32(y.mean(dtype=np.float64))
    shift = (np.float32(rules.target) - mean) + np.float32(rules.strength) * (mean - block_mean(y, labels))
    return np.asarray(shift, dtype=np.float32)


def apply_zones(
    fused: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int32],
    shift: npt.NDArray[np.float32],
    untouched: npt.NDArray[np.bool_],
    rules: ZoneRules = ZoneRules(),
) -> FloatArray:
    """The fused picture with its blocks' lightness changed (rules 3 and 4).

    fused: float32 [H, W, 3], sRGB-encoded. labels: int32 [H, W]. shift: float32 [n], in lightness.
    untouched: bool [H, W], pixels to leave alone. Returns float32 [H, W, 3], sRGB-encoded, in [0, 1].
    """
    y = lightness(fused)
    free = 1 - ndimage.gaussian_filter(untouched.astype(np.float32), 1)
    change = shift[labels] * free
    radius = max(1, round(rules.radius * min(y.shape)))
    pull = guided_filter(rules.guide(y), change.astype(np.float32), radius=radius, eps=rules.smoothness)
    # Once more after the smoothing, which draws small spots along with what is around them.
    wanted = np.clip(y + pull * free, 0, 1)
    # Colour differences grow with lightness, as in a longer exposure, but not without bound: in near-black pixels they
    # are quantisation, not colour.
    chroma = np.minimum(wanted / np.maximum(y, 1e-3), MAX_CHROMA)
    changed = wanted[..., None] + (fused - y[..., None]) * chroma[..., None]
    return np.asarray(np.clip(changed, 0, 1), dtype=np.float32)


def make_reference(linear: npt.ArrayLike, rules: ZoneRules = ZoneRules(), *, ceiling: float = HDR_CEILING) -> Reference:
    """Reference of a scene from its linear light.

    linear: [H, W, 3] linear light, sRGB primaries, 1.0 = saturation at EV 0. ceiling: the light at which the source
    itself ends: where the darkest fused frame clips for HDR, 1.0 for a photograph taken back to linear light.
    """
    light = np.asarray(linear, dtype=np.float32)
    fused = blend_own_tones(fuse_linear(light), to_srgb(light), rules)
    labels = blocks(fused)
    shift = decide_zones(fused, labels, rules)
    lamps = small_spots(light.min(axis=-1) >= 0.98 * ceiling, rules.small)
    blacks = small_spots(light.max(axis=-1) <= BLACK, rules.small)
    untouched = lamps | blacks
    return Reference(apply_zones(fused, labels, shift, untouched, rules), fused, labels, shift, untouched)


def blend_own_tones(
    fused: npt.NDArray[np.float32], own: npt.NDArray[np.float32], rules: ZoneRules = ZoneRules()
) -> FloatArray:
    """The preliminary reference: the fused bracket with a share of the scene's own tones at EV 0 (rule 1).

    fused, own: float32 [H, W, 3], sRGB-encoded, in [0, 1]. Returns the same form.
    """
    share = np.float32(rules.own_tones)
    return np.asarray((1 - share) * fused + share * own, dtype=np.float32)


def make_bracket_reference(
    frames: Sequence[npt.NDArray[np.uint8]], evs: Sequence[float], rules: ZoneRules = ZoneRules()
) -> Reference:
    """Reference of a real bracket by the same rules.

    frames: aligned exposures, uint8 [H, W, 3], sRGB-encoded, darkest first. What the darkest frame clips is a light
    source, what the brightest leaves black is black, if it is small.
    evs: stops of the frames, 0 = metered; the frame nearest to 0 gives the scene's own tones.
    Raises DatasetError as `fuse` does.
    """
    nearest = frames[int(np.argmin(np.abs(np.asarray(evs))))] if frames else None
    fused = fuse(frames)
    if nearest is not None:
        fused = blend_own_tones(fused, as_unit_float(nearest), rules)
    labels = blocks(fused)
    lamps = small_spots(frames[0].min(axis=-1) >= CLIPPED_CODE, rules.small)
    blacks = small_spots(frames[-1].max(axis=-1) <= BLACK_CODE, rules.small)
    shift, untouched = decide_zones(fused, labels, rules), lamps | blacks
    return Reference(apply_zones(fused, labels, shift, untouched, rules), fused, labels, shift, untouched)


def rebuild(reference: Reference, shift: npt.ArrayLike, rules: ZoneRules = ZoneRules()) -> Reference:
    """The reference with other decisions: the same fused picture and blocks, `shift` for each block.

    shift: [n], in lightness. Raises ValueError if there is not one number for every block.
    """
    changes = np.asarray(shift, dtype=np.float32)
    if changes.shape != reference.shift.shape:
        raise ValueError(f"{changes.size} shifts for {reference.shift.size} blocks")
    image = apply_zones(reference.fused, reference.labels, changes, reference.untouched, rules)
    return Reference(image, reference.fused, reference.labels, changes, reference.untouched)
