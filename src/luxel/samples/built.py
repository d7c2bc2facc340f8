"""Training samples and validation pictures from built datasets, decoded once into a memory-mapped store.

A store (`luxel.samples.store`) has the planes `image.u8`, `residual.u16` (`luxel.residual_files`) and `confidence.u8`;
its index has scene, level and kind of each frame.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from luxel.dataset.folder.manifest import FrameRow, row_file
from luxel.dataset.iea40k.layout import read_frame, read_rows
from luxel.errors import DatasetError
from luxel.photometry import FloatArray, lightness
from luxel.residual_files import decode_residual, encode_residual
from luxel.samples.draw import SampleRules, mirror_and_turn, of_one_size, random_window, whole_size
from luxel.samples.simulate import through_jpeg
from luxel.samples.store import Plane, Store, StoreLayout, writing_store

_VERSION = 1


@dataclass(frozen=True, slots=True)
class BuiltFrame:
    """One frame, or a window of it.

    image: uint8 [H, W, 3], sRGB-encoded. residual: float32 [H, W] in [-1, 1]. confidence: float32 [H, W] in [0, 1].
    """

    image: npt.NDArray[np.uint8]
    residual: FloatArray
    confidence: FloatArray


def frames_of(datasets: Sequence[Path], split: str, *, leave_out: Collection[str] = ()) -> list[tuple[Path, FrameRow]]:
    """The frames of built datasets, in either layout, that their manifests put in a split: (folder, row).

    split: "train", "val" or "test"; in the released layout it is the list that a frame came in. leave_out: names of
    source files, without folder and suffix, whose scenes are left out. Raises DatasetError for a folder that is not a
    dataset, no frame in the split, and a picture that one dataset puts in this split and another in another.
    """
    chosen: list[tuple[Path, FrameRow]] = []
    elsewhere: dict[str, str] = {}
    for folder in datasets:
        for row in read_rows(folder):
            if row.split == split:
                chosen.append((folder, row))
            elif row.image_sha256:
                elsewhere[row.image_sha256] = f"{folder}: {row.name} ({row.split or 'no split'})"
    for folder, row in chosen:
        if row.image_sha256 in elsewhere:
            raise DatasetError(
                f"{folder}: {row.name} is in {split}, the same picture in another split of "
                f"{elsewhere[row.image_sha256]}; build one dataset of both, or leave one out"
            )
    ends = tuple(f"-{name}" for name in leave_out)
    kept = [(f, row) for f, row in chosen if row.group not in leave_out and not row.group.endswith(ends)]
    if not kept:
        names = ", ".join(map(str, datasets))
        raise DatasetError(f"{names}: no frame in the split {split!r}; luxel dataset split makes splits again")
    return kept


@dataclass(frozen=True, slots=True)
class _Facts:
    """What a store's index says of a frame."""

    scene: str
    level: str
    kind: str


class BuiltStore(Store):
    """Frames of a store folder."""

    layout = StoreLayout(
        "frames",
        _Facts,
        (Plane("image.u8", np.uint8, 3), Plane("residual.u16", np.uint16), Plane("confidence.u8", np.uint8)),
    )

    def window(self, i: int, rows: slice = slice(None), columns: slice = slice(None)) -> BuiltFrame:
        """A window of frame i, the whole frame by default."""
        image, codes, confidence = self.planes(i, rows, columns)
        return BuiltFrame(np.array(image), decode_residual(codes), confidence.astype(np.float32) / np.float32(255))


def open_built(
    cache: Path,
    datasets: Sequence[Path],
    split: str,
    *,
    short_side: int,
    leave_out: Collection[str] = (),
    progress: Callable[[Iterable[Any], int], Iterable[Any]] | None = None,
) -> BuiltStore:
    """The frames of one split of built datasets as a store in `cache`; made if it is not there yet.

    short_side: of the stored frames, see `shrink_frame`. leave_out: as in `frames_of`. progress: wraps the stream of
    frames, given their number. The folder's name is a fingerprint of the frames' checksums (in the released layout: of
    file sizes and times), so a changed dataset makes another store. Raises DatasetError or ImageError.
    """
    frames = frames_of(datasets, split, leave_out=leave_out)
    settings = [_VERSION, short_side, *(_identity(folder, row) for folder, row in frames)]
    fingerprint = hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:12]
    final = cache / f"built-{split}-{fingerprint}"
    if final.is_dir():
        return BuiltStore(final)
    with writing_store(final, BuiltStore.layout) as writer:
        for folder, row in progress(frames, len(frames)) if progress else frames:
            frame = shrink_frame(BuiltFrame(*read_frame(folder, row)), short_side)
            confidence = np.rint(frame.confidence * 255).astype(np.uint8)
            facts = {"scene": row.scene_id, "level": row.level, "kind": row.kind}
            writer.add(frame.image, encode_residual(frame.residual), confidence, **facts)
    return BuiltStore(final)


def _identity(folder: Path, row: FrameRow) -> list[Any]:
    """What changes when a frame or its label does."""
    if row.image_sha256 and row.residual_sha256:
        return [row.name, row.kind, row.image_sha256, row.residual_sha256, row.confidence_sha256]
    files = [row_file(folder, row.image), row_file(folder, row.residual)]
    try:
        return [row.name, row.kind, *((f.stat().st_size, f.stat().st_mtime_ns) for f in files)]
    except OSError as error:
        raise DatasetError(
            f"{error.filename}: {error.strerror}; luxel dataset check {folder} names all problems"
        ) from error


def shrink_frame(frame: BuiltFrame, short_side: int) -> BuiltFrame:
    """A frame averaged down to a short side; smaller ones are left as they are.

    The picture's codes are averaged, not its light: lightness is linear in them, so the averaged residual is still the
    averaged reference minus the averaged picture, up to the picture's rounding.
    """
    h, w = frame.residual.shape
    scale = short_side / min(h, w)
    if scale >= 1:
        return frame
    size = (max(1, round(w * scale)), max(1, round(h * scale)))
    image, residual, confidence = (
        cv2.resize(part, size, interpolation=cv2.INTER_AREA) for part in (frame.image, frame.residual, frame.confidence)
    )
    return BuiltFrame(np.asarray(image, dtype=np.uint8), np.asarray(residual), np.asarray(confidence))


def draw_built_samples(store: BuiltStore, rng: np.random.Generator, rules: SampleRules, count: int) -> list[BuiltFrame]:
    """`count` frames drawn from a store, or windows of them, cut, mirrored and turned as `samples.draw_samples` does.

    Every frame is equally likely. `rules.camera.jpeg_share` of the pictures go through JPEG; what that does to
    lightness is taken off the residual, which stays the reference minus the picture as it is.
    """
    if rules.crop == "whole":
        first = int(rng.integers(len(store)))
        alike = of_one_size(store, first)
        chosen = [first, *(int(alike[rng.integers(len(alike))]) for _ in range(count - 1))]
        return [_cut(store, i, whole_size(*store.size(first)), rng, rules) for i in chosen]
    size = (rules.crop, rules.crop)
    return [_cut(store, int(rng.integers(len(store))), size, rng, rules) for _ in range(count)]


def _cut(store: BuiltStore, i: int, size: tuple[int, int], rng: np.random.Generator, rules: SampleRules) -> BuiltFrame:
    cut = store.window(i, *random_window(rng, store.size(i), size))
    image, residual, confidence = mirror_and_turn(rng, cut.image, cut.residual, cut.confidence)
    if rng.random() < rules.camera.jpeg_share:
        compressed = through_jpeg(image, int(rng.integers(60, 96)))
        residual = np.clip(residual + lightness(image) - lightness(compressed), -1, 1)
        image = compressed
    return BuiltFrame(image, residual, confidence)


def spread(store: BuiltStore, limit: int | None) -> Iterator[tuple[str, str, str, BuiltFrame]]:
    """Scene, kind, level and content of a store's frames: all, or `limit` of them, always the same ones."""
    chosen: Iterable[int] = range(len(store))
    if limit is not None and limit < len(store):
        chosen = sorted(int(i) for i in np.random.default_rng(0).permutation(len(store))[:limit])
    for i in chosen:
        entry = store.entries[i]
        yield entry["scene"], entry["kind"], entry["level"], store.window(i)
