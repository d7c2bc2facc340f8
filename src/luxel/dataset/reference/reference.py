"""The ideal reference of a scene: fuse its bracket, then bring its blocks to their zones (paper 4.2).

The rules are few. Their numbers were fitted to what the authors' released checkpoint implies of IEA40K's own references
on development scenes and photographs (`docs/paper-map.md`, `luxel evaluate --implied`):

1. The fused bracket is blended with the frame at EV 0: the experts kept a third of the photograph's own tones.
2. The scene's mean lightness goes most of the way to `target` (a dark scene stays a little darker), and every block
   keeps `1 - strength` of its distance from the mean.
3. Small light sources (clipped in the darkest frame) are left alone. Small blacks are not: the implied references lift
   them with what is around them.
4. The change is smoothed along edges, so that it has neither seams at block borders nor halos at edges; detail stays.

What is decided for each block is kept (`Reference.shift`, and with its reason in `zone_decisions`), so that a person
can change any of it and `with_shifts` makes the image again. Fusing and finding blocks (`Preliminary`) come first and
are done once; decisions are made on them and then applied once.
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

CLIPPED_CODE = 250
"""8-bit code from which a channel of a real frame is clipped: JPEG blurs that end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneRules:
    """How blocks are brought to their zones.

    own_tones: share of the frame at EV 0 in the preliminary reference, in [0, 1]; the fused bracket has the rest.
    target: mean lightness Y' that references are drawn to.
    pull: share of the way to it that the mean goes, in [0, 1].
    strength: share by which a block comes nearer to the mean of the picture, in [0, 1].
    small: largest share of the picture that still counts as a light source.
    radius: of the edge-aware smoothing, a share of the short side.
    smoothness: of the edge-aware smoothing, in lightness squared.
    """

    own_tones: float = 0.29
    target: float = 0.482
    pull: float = 0.8
    strength: float = 0.34
    small: float = 0.01
    radius: float = 1 / 32
    smoothness: float = 0.1

    def guide(self, y: npt.NDArray[np.float32]) -> FloatArray:
        """The map whose edges the pull follows, float32 [H, W]: here the lightness of the fused image itself.

        y: [H, W] float32, lightness of the fused image, in [0, 1].
        """
        return y


@dataclass(frozen=True, slots=True, eq=False)
class Preliminary:
    """What a reference is made from, before anything is decided.

    fused: float32 [H, W, 3], sRGB-encoded, in [0, 1]; fused bracket and frame at EV 0 blended.
    labels: int32 [H, W], number of the block of every pixel, 0 ... n-1.
    untouched: bool [H, W], the small light sources that no decision moves.
    """

    fused: FloatArray
    labels: npt.NDArray[np.int32]
    untouched: npt.NDArray[np.bool_]

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return int(self.labels.max()) + 1


@dataclass(frozen=True, slots=True, eq=False)
class Reference(Preliminary):
    """A reference image, with what it was made from.

    fused: float32 [H, W, 3], sRGB-encoded, in [0, 1]; fused bracket and frame at EV 0 blended.
    labels: int32 [H, W], number of the block of every pixel, 0 ... n-1.
    untouched: bool [H, W], the small light sources that no decision moves.
    image: float32 [H, W, 3], sRGB-encoded, in [0, 1].
    shift: float32 [n], change of lightness Y' decided for each block.
    """

    image: FloatArray
    shift: FloatArray


def small_spots(mask: npt.NDArray[np.bool_], largest: float) -> npt.NDArray[np.bool_]:
    """The connected parts of a mask that cover less than `largest` of the image, bool [H, W].

    mask: bool [H, W].
    largest: share of the image, in [0, 1].

    >>> mask = np.zeros((10, 10), bool)
    >>> mask[0, 0] = mask[5:, :] = True
    >>> int(small_spots(mask, 0.1).sum())
    1
    """
    labels, _ = ndimage.label(mask)
    small = np.bincount(labels.ravel()) < largest * mask.size
    small[0] = False
    return np.asarray(small[labels])


def decide_zones(
    fused: npt.NDArray[np.float32], labels: npt.NDArray[np.int32], rules: ZoneRules = ZoneRules()
) -> FloatArray:
    """Change of lightness for every block (rule 2), float32 [n]: pull (target - mean) + strength (mean - block mean).

    fused: float32 [H, W, 3], the preliminary reference, sRGB-encoded, in [0, 1].
    labels: int32 [H, W], number of the block of every pixel.
    rules: `target`, `pull` and `strength` of it count.

    >>> halves = np.repeat([[0.2, 0.6]], 4, axis=0)[..., None].repeat(3, axis=2).astype(np.float32)
    >>> decide_zones(halves, np.array([[0, 1]] * 4, np.int32)).round(3).tolist()[0] > 0  # the dark half is lifted
    True
    """
    y = lightness(fused)
    mean = np.float32(y.mean(dtype=np.float64))
    whole = np.float32(rules.pull) * (np.float32(rules.target) - mean)
    shift = whole + np.float32(rules.strength) * (mean - block_mean(y, labels))
    return np.asarray(shift, dtype=np.float32)


def apply_zones(
    fused: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int32],
    shift: npt.NDArray[np.float32],
    untouched: npt.NDArray[np.bool_],
    rules: ZoneRules = ZoneRules(),
) -> FloatArray:
    """The fused image with its blocks' lightness changed (rules 3 and 4): float32 [H, W, 3], sRGB-encoded, in [0, 1].

    fused: float32 [H, W, 3], sRGB-encoded, in [0, 1].
    labels: int32 [H, W], number of the block of every pixel.
    shift: float32 [n], change of lightness of each block.
    untouched: bool [H, W], pixels to leave alone.
    rules: of the smoothing.

    >>> fused, labels = np.full((32, 32, 3), 0.25, np.float32), np.zeros((32, 32), np.int32)
    >>> lifted = apply_zones(fused, labels, np.float32([0.1]), np.zeros((32, 32), bool))
    >>> round(float(lifted.mean()), 2)
    0.35
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


def preliminary_of_light(
    linear: npt.ArrayLike, rules: ZoneRules = ZoneRules(), *, ceiling: float = HDR_CEILING
) -> Preliminary:
    """Fused image, blocks and untouched spots of a scene's linear light.

    linear: [H, W, 3] linear light, sRGB primaries, 1.0 = saturation at EV 0.
    rules: `own_tones` and `small` of it count.
    ceiling: linear light at which the source itself ends: where the darkest fused frame clips for HDR, 1.0 for a
        photograph taken back to linear light.

    >>> ramp = np.linspace(0.001, 1, 64 * 96, dtype=np.float32).reshape(64, 96, 1).repeat(3, axis=2)
    >>> preliminary_of_light(ramp, ceiling=PHOTO_CEILING).fused.shape
    (64, 96, 3)
    """
    light = np.asarray(linear, dtype=np.float32)
    fused = blend_own_tones(fuse_linear(light), to_srgb(light), rules)
    return Preliminary(fused, blocks(fused), small_spots(light.min(axis=-1) >= 0.98 * ceiling, rules.small))


def preliminary_of_bracket(
    frames: Sequence[npt.NDArray[np.uint8]], evs: Sequence[float], rules: ZoneRules = ZoneRules()
) -> Preliminary:
    """Fused image, blocks and untouched spots of a real bracket.

    What the darkest frame clips is a light source, if it is small.

    frames: aligned exposures, uint8 [H, W, 3], sRGB-encoded, darkest first.
    evs: stops of the frames, 0 = metered; the frame nearest to 0 gives the scene's own tones.
    rules: `own_tones` and `small` of it count.
    Raises DatasetError as `fuse` does.

    >>> frames = [np.full((64, 96, 3), value, np.uint8) for value in (60, 110, 180)]
    >>> preliminary_of_bracket(frames, [-2, 0, 2]).labels.shape
    (64, 96)
    """
    fused = fuse(frames)
    nearest = frames[int(np.argmin(np.abs(np.asarray(evs))))]
    fused = blend_own_tones(fused, as_unit_float(nearest), rules)
    return Preliminary(fused, blocks(fused), small_spots(frames[0].min(axis=-1) >= CLIPPED_CODE, rules.small))


def blend_own_tones(
    fused: npt.NDArray[np.float32], own: npt.NDArray[np.float32], rules: ZoneRules = ZoneRules()
) -> FloatArray:
    """The fused bracket with a share of the scene's own tones at EV 0 (rule 1), float32 [H, W, 3], sRGB-encoded.

    fused: float32 [H, W, 3], sRGB-encoded, in [0, 1].
    own: the frame at EV 0, same form.
    rules: `own_tones` of it is the share.

    >>> fused, own = np.full((4, 4, 3), 0.5, np.float32), np.zeros((4, 4, 3), np.float32)
    >>> round(float(blend_own_tones(fused, own, ZoneRules(own_tones=0.5)).mean()), 3)
    0.25
    """
    share = np.float32(rules.own_tones)
    return np.asarray((1 - share) * fused + share * own, dtype=np.float32)


def with_shifts(preliminary: Preliminary, shift: npt.ArrayLike, rules: ZoneRules = ZoneRules()) -> Reference:
    """The reference in which every block's lightness is changed by its shift.

    preliminary: fused image and blocks, or another reference of them.
    shift: [n], change of lightness Y' of each block.
    rules: of the smoothing.
    Raises ValueError if there is not one number for every block.

    >>> fused, labels = np.full((32, 32, 3), 0.25, np.float32), np.zeros((32, 32), np.int32)
    >>> plain = Preliminary(fused, labels, np.zeros((32, 32), bool))
    >>> round(float(with_shifts(plain, [0.1]).image.mean()), 2)
    0.35
    """
    changes = np.asarray(shift, dtype=np.float32)
    if changes.shape != (preliminary.blocks,):
        raise ValueError(f"{changes.size} shifts for {preliminary.blocks} blocks")
    fused, labels, untouched = preliminary.fused, preliminary.labels, preliminary.untouched
    return Reference(fused, labels, untouched, apply_zones(fused, labels, changes, untouched, rules), changes)


def make_reference(linear: npt.ArrayLike, rules: ZoneRules = ZoneRules(), *, ceiling: float = HDR_CEILING) -> Reference:
    """The reference of a scene's linear light by the plain rules.

    linear: [H, W, 3] linear light, sRGB primaries, 1.0 = saturation at EV 0.
    rules: how blocks are brought to their zones.
    ceiling: linear light at which the source itself ends, as in `preliminary_of_light`.

    >>> import numpy as np
    >>> ramp = np.repeat(np.linspace(0.001, 1, 64 * 96, dtype=np.float32).reshape(64, 96, 1), 3, axis=2)
    >>> reference = make_reference(ramp, ceiling=PHOTO_CEILING)
    >>> reference.image.shape, bool(abs(reference.image.mean() - ZoneRules().target) < 0.03)
    ((64, 96, 3), True)
    """
    preliminary = preliminary_of_light(linear, rules, ceiling=ceiling)
    return with_shifts(preliminary, decide_zones(preliminary.fused, preliminary.labels, rules), rules)
