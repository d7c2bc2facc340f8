"""Do two frames show the same scene? A comparison of ranks (`tones`) that different exposures do not disturb."""

from collections.abc import Sequence

import cv2
import numpy as np

from luxel.dataset.align.refinement import corner_motion, refine
from luxel.dataset.align.tones import Similarity, Tones, common_ranks, similarity

COARSE_SIDE = 64
"""Short side at which scenes are compared: a hand's shake is a pixel or two, noise is averaged away."""

SAME_SCENE = 0.45
"""Coarse similarity from which two frames show the same scene. Each frame of the five development brackets that shows
anything reaches 0.79 or more with another, known motions at +4 EV 0.51; 300 pairs of different scenes: median 0.04,
99th percentile 0.27, largest 0.28."""

_FARTHEST = 0.3
"""Largest motion of a corner that `similarity` allows, as a share of the short side."""

_COARSEST = 16


def scene_similarity(a: Tones, b: Tones) -> Similarity:
    """Similarity of two coarse frames after the best shift and turn between them: what says "the same scene".

    a, b: tones at `COARSE_SIDE`, of one size. NaN if they have less than `MIN_COMMON` in common.
    """
    best = similarity(a, b)
    if np.isnan(best.ssim) or best.ssim > 0.95:
        return best
    ranks_a, ranks_b, _ = common_ranks(a, b)
    height, width = ranks_a.shape
    window = cv2.createHanningWindow((width, height), cv2.CV_32F)
    (dx, dy), _ = cv2.phaseCorrelate(ranks_a - 0.5, ranks_b - 0.5, window)
    for x, y in ((0.0, 0.0), (dx, dy)):
        start = np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], dtype=np.float32)
        motion = refine(a, b, start, "rigid", coarsest=_COARSEST)
        if motion is not None and corner_motion(motion, (height, width)) <= _FARTHEST * min(height, width):
            best = max(best, similarity(a, b.warped(motion)), key=lambda s: -1.0 if np.isnan(s.ssim) else s.ssim)
    return best


SimilarityTable = dict[tuple[int, int], Similarity]
"""Similarity of frames i and j, under (i, j) and (j, i); (i, i) is there for every frame."""


def similarity_table(coarse: Sequence[Tones]) -> SimilarityTable:
    """Coarse similarity of every two frames, and of each with itself."""
    table = {}
    for i in range(len(coarse)):
        table[i, i] = Similarity(1.0, float(coarse[i].seen.mean()))
        for j in range(i):
            table[i, j] = table[j, i] = scene_similarity(coarse[i], coarse[j])
    return table


def scene_groups(table: SimilarityTable) -> list[list[int]]:
    """Frames that show one scene, as sorted lists of indices, in the order of their first frames.

    Two frames belong together if their similarity reaches SAME_SCENE, or through frames between them.
    """
    left = sorted({i for i, _ in table})
    groups = []
    while left:
        group, edge = set(), {left[0]}
        while edge:
            group |= edge
            edge = {j for j in left if j not in group and any(table[i, j].ssim >= SAME_SCENE for i in edge)}
        groups.append(sorted(group))
        left = [i for i in left if i not in group]
    return groups
