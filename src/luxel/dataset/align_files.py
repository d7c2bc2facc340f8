"""The align stage alone: a bracket's frames, aligned, as files, with how each was placed."""

import math
from dataclasses import dataclass
from pathlib import Path

from luxel import images
from luxel.dataset.align import align
from luxel.dataset.develop import develop_frame, shrink_frame
from luxel.dataset.scan import SceneSource
from luxel.errors import DatasetError, LuxelError


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignedFrame:
    """What became of one frame. file: its name, "" for the whole bracket. dropped: why it, or the bracket, is left out.

    anchor: the others were placed on it. motion, error_before, error_after: pixels, ssim: as in `align.Placement`; None
    where nothing could be measured.
    """

    scene_id: str
    file: str
    anchor: bool = False
    motion: float | None = None
    error_before: float | None = None
    error_after: float | None = None
    ssim: float | None = None
    dropped: str = ""


def align_to_files(source: SceneSource, out: Path, *, short_side: int) -> list[AlignedFrame]:
    """Aligns a bracket and writes OUT/SCENE/FRAME.png; returns one row per frame.

    short_side: of the frames, in pixels. A bracket that cannot be aligned is a row with the reason. Raises DatasetError
    when `out` cannot be written.
    """
    place = out / source.scene_id
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatasetError(f"{place}: cannot be made: {error.strerror}; choose another --out") from error
    files = [frame.file for frame in source.frames]
    try:
        found = align([shrink_frame(develop_frame(frame), short_side) for frame in source.frames])
    except LuxelError as error:
        return [AlignedFrame(scene_id=source.scene_id, file="", dropped=str(error))]
    rows = {i: AlignedFrame(scene_id=source.scene_id, file=files[i].name, dropped=why) for i, why in found.dropped}
    for placement, pixels in zip(found.placements, found.frames, strict=True):
        file = files[placement.index]
        images.write(place / f"{file.stem}.png", pixels)
        rows[placement.index] = AlignedFrame(
            scene_id=source.scene_id,
            file=file.name,
            anchor=placement.anchor,
            motion=placement.motion,
            error_before=_known(placement.error_before),
            error_after=_known(placement.error_after),
            ssim=placement.ssim_after,
        )
    return [rows[i] for i in sorted(rows)]


def _known(number: float) -> float | None:
    return None if math.isnan(number) else number
