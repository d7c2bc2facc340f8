"""The labels that the authors' released checkpoint implies: our nearest stand-in for IEA40K's own.

The checkpoint was trained on the real residual maps. Run on the nine frames of one scene it makes nine estimates of the
same reference, frame lightness plus map. Their mean over the frames, weighing clipped and black pixels down, is the
**implied reference**, and `implied reference - frame` are the **implied labels**.

They serve twice: development scenes are measured against them, and training scenes can take them as their target
(`ImpliedScenes`): the low frequencies of what is implied with the detail of the scene's own reference.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from luxel.dataset.reference.bracket import LEVELS, frame
from luxel.errors import DatasetError, LuxelError
from luxel.filters.guided import guided_filter
from luxel.jobs.atomic import writing_file
from luxel.photometry import FloatArray, as_unit_float, lightness
from luxel.residual_files import read_npy
from luxel.samples.scenes import SceneStore
from luxel.samples.store import Store

Predict = Callable[[FloatArray], FloatArray]
"""Images [n, h, w, 3] float32, sRGB-encoded, in [0, 1], to their residual maps [n, h, w]."""

SIDE = 256
"""Height and width of what the released checkpoint takes; pictures are squashed to it."""

EVERY_LEVEL = tuple(LEVELS.values())

DETAIL_RADIUS, DETAIL_EPS = 4, 1e-2
"""Guided filter that parts the low frequencies, taken from the implied reference, from the detail of the scene's own.
At 256 x 256 it keeps 99.8 % of the correlation of the gradients and comes within 0.007 of what is implied."""

MIN_WEIGHT = 0.02
"""Weight of a pixel that its frame shows as black or white: such a frame says little about it, but not nothing."""

_VERSION = 1
"""Part of the name of every stored implied reference; another way of computing them needs another number."""


def implied_reference(
    predict: Predict, linear: npt.NDArray[np.float32], evs: Sequence[float] = EVERY_LEVEL
) -> FloatArray:
    """Lightness of the reference that a network's maps of a scene's exposures imply.

    predict: images [n, h, w, 3] float32, sRGB-encoded, in [0, 1], to their residual maps [n, h, w].
    linear: [h, w, 3] linear light, 1.0 = saturation at EV 0.
    evs: exposures, in stops; N4 ... P4 unless given.
    Returns float32 [h, w]: the mean of frame lightness plus map over the exposures, weighed by 4 Y' (1 - Y') of each.

    >>> light = np.full((4, 4, 3), 0.18, np.float32)
    >>> float(implied_reference(lambda images: 0.5 - lightness(images), light).mean())
    0.5
    """
    images = np.stack([as_unit_float(frame(linear, ev)) for ev in evs])
    y = lightness(images).astype(np.float64)
    weight = MIN_WEIGHT + 4 * y * (1 - y)
    return np.asarray((weight * (y + predict(images))).sum(axis=0) / weight.sum(axis=0), dtype=np.float32)


def stored_implied_reference(
    predict: Predict, linear: npt.NDArray[np.float32], folder: Path, evs: Sequence[float] = EVERY_LEVEL
) -> FloatArray:
    """`implied_reference` by the released checkpoint at 256 x 256, computed once and kept in a folder.

    predict: as in `implied_reference`.
    linear: [256, 256, 3] linear light.
    folder: created if missing; one .npy file a scene, named by its pixels and exposures.
    evs: exposures, in stops.
    Returns float32 [256, 256]. The checkpoint takes about a second a frame on one core.
    Raises LuxelError when the folder cannot be written.
    """
    path = _stored_name(linear, folder, evs)
    with suppress(LuxelError):  # not there yet, or damaged: made again
        return read_npy(path, kind=LuxelError).astype(np.float32)
    reference = implied_reference(predict, linear, evs)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with writing_file(path) as file:
            np.save(file, reference)
    except OSError as error:
        raise LuxelError(f"{path}: cannot be written ({error.strerror}); free some space or choose another") from error
    return reference


def with_detail(implied: npt.NDArray[np.float32], reference: npt.NDArray[np.float32]) -> FloatArray:
    """The low frequencies of an implied reference with the detail of a scene's own.

    implied: [h, w] lightness, of any size; brought to the other's size bilinearly.
    reference: [H, W] lightness of the scene's own reference, in [0, 1].
    Returns float32 [H, W] in [0, 1]: `reference + guided_filter(implied - reference)`, guided by the reference.
    """
    height, width = reference.shape
    low = cv2.resize(implied, (width, height), interpolation=cv2.INTER_LINEAR)
    change = guided_filter(reference, low - reference, radius=DETAIL_RADIUS, eps=DETAIL_EPS)
    return np.asarray(np.clip(reference + change, 0, 1), dtype=np.float32)


class ImpliedScenes(SceneStore):
    """Some scenes of a store with `with_detail` as their reference; otherwise the same store.

    folder: of the store. chosen: indices of its scenes. stored: files with the implied reference of each.
    """

    def __init__(self, folder: Path, chosen: Sequence[int], stored: Sequence[Path]) -> None:
        super().__init__(folder)
        self.chosen, self.stored = list(chosen), list(stored)
        self.entries = [self.entries[i] for i in chosen]
        self.kinds = [self.kinds[i] for i in chosen]
        self.names = [self.names[i] for i in chosen]

    def __reduce__(self) -> tuple[type[Store], tuple[Any, ...]]:
        return ImpliedScenes, (self.folder, self.chosen, self.stored)

    def window(self, i: int, rows: slice, columns: slice) -> tuple[FloatArray, FloatArray]:
        """A window of scene i: linear light [h, w, 3] and reference lightness [h, w], float32."""
        linear, reference = super().window(i, slice(None), slice(None))
        implied = read_npy(self.stored[i], kind=DatasetError).astype(np.float32)
        return linear[rows, columns], with_detail(implied, reference)[rows, columns]


def implied_scenes(
    store: SceneStore,
    predict: Predict,
    cache: Path,
    *,
    count: int = 0,
    evs: Sequence[float] = EVERY_LEVEL,
    progress: Callable[[Iterable[int], int], Iterable[int]] | None = None,
) -> ImpliedScenes:
    """Scenes of a store whose references follow what the released checkpoint implies.

    store: rendered scenes.
    predict: images [n, 256, 256, 3] float32, sRGB-encoded, in [0, 1], to their maps [n, 256, 256].
    cache: folder of implied references; what is already there is not computed again.
    count: number of scenes, in an order that never changes; 0 for all of them.
    evs: exposures behind each implied reference, in stops. On ten photographs -3, 0 and 3 gave a mean that differs from
        that of all nine levels by 0.0043.
    progress: wraps the stream of scenes, given their number.
    Raises DatasetError if the store has fewer scenes.
    """
    chosen = _spread(store)[: count or None]
    if len(chosen) < count:
        raise DatasetError(f"data.implied_scenes={count}: only {len(chosen)} are there; give a smaller number")
    stored = []
    for i in progress(chosen, len(chosen)) if progress else chosen:
        linear, _ = store.window(i, slice(None), slice(None))
        small = np.asarray(cv2.resize(linear, (SIDE, SIDE), interpolation=cv2.INTER_AREA), dtype=np.float32)
        stored_implied_reference(predict, small, cache, evs)
        stored.append(_stored_name(small, cache, evs))
    return ImpliedScenes(store.folder, chosen, stored)


def _spread(store: SceneStore) -> list[int]:
    """Indices of a store's scenes: a panorama after every seven photographs, in a fixed random order.

    Every panorama comes with one view first; the others follow when all have had theirs.
    """
    rng, kinds = np.random.default_rng(1), np.array(store.kinds)
    photos = [int(i) for i in rng.permutation(np.flatnonzero(kinds == "photo"))]
    first_views: dict[str, int] = {}
    later_views = []
    for i in rng.permutation(np.flatnonzero(kinds != "photo")):
        if first_views.setdefault(store.names[i].split("@")[0], int(i)) != i:
            later_views.append(int(i))
    others, order = [*first_views.values(), *later_views], []
    while photos or others:
        order += photos[:7] + others[:1]
        photos, others = photos[7:], others[1:]
    return order


def _stored_name(linear: npt.NDArray[np.float32], folder: Path, evs: Sequence[float]) -> Path:
    assert linear.shape[:2] == (SIDE, SIDE)
    digest = hashlib.sha256(np.ascontiguousarray(linear, dtype=np.float32).tobytes())
    if tuple(evs) != EVERY_LEVEL:
        digest.update(json.dumps([float(ev) for ev in evs]).encode())
    return folder / f"implied-{_VERSION}-{digest.hexdigest()[:16]}.npy"
