"""The align stage alone: a bracket's frames, aligned, as files, with how each was placed."""

import math
from dataclasses import dataclass
from pathlib import Path

from luxel import images
from luxel.dataset.align.align import align
from luxel.dataset.develop import develop_bracket
from luxel.dataset.sources.scan import SceneSource
from luxel.errors import DatasetError


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignedFrame:
    """What became of one frame. file: its name, "" for the whole bracket. dropped: why it, or the bracket, is left out.

    anchor: the others were placed on it. unseen: shows too little to be compared, taken as still. motion, error_before,
    error_after: pixels, ssim: as in `align.Placement`; None where nothing could be measured.
    """

    scene_id: str
    file: str
    anchor: bool = False
    unseen: bool = False
    motion: float | None = None
    error_before: float | None = None
    error_after: float | None = None
    ssim: float | None = None
    dropped: str = ""


def align_to_files(
    source: SceneSource, out: Path, *, short_side: int, max_megapixels: float = 200.0
) -> list[AlignedFrame]:
    """Aligns a bracket and writes OUT/SCENE/FRAME.png; returns one row per frame.

    short_side: of the frames, in pixels.
    max_megapixels: larger frames are not opened, 10^6 pixels.
    A bracket that cannot be aligned is a row with the reason. Raises DatasetError when `out` cannot be written.
    """
    place = out / source.scene_id
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatasetError(f"{place}: cannot be made: {error.strerror}; choose another --out") from error
    kept, (pictures,), dropped = develop_bracket(source, [short_side], max_megapixels=max_megapixels)
    rows = {file: AlignedFrame(scene_id=source.scene_id, file=file, dropped=why) for file, why in dropped}
    try:
        found = align(pictures)
    except DatasetError as error:
        return [*rows.values(), AlignedFrame(scene_id=source.scene_id, file="", dropped=str(error))]
    files = [frame.file for frame in kept]
    for i, why in found.dropped:
        rows[files[i].name] = AlignedFrame(scene_id=source.scene_id, file=files[i].name, dropped=why)
    for placement, pixels in zip(found.placements, found.frames, strict=True):
        file = files[placement.index]
        images.write(place / f"{file.stem}.png", pixels)
        rows[file.name] = AlignedFrame(
            scene_id=source.scene_id,
            file=file.name,
            anchor=placement.anchor,
            unseen=placement.unseen,
            motion=placement.motion,
            error_before=_known(placement.error_before),
            error_after=_known(placement.error_after),
            ssim=_known(placement.ssim_after),
        )
    return [rows[frame.file.name] for frame in source.frames]


def _known(number: float) -> float | None:
    return None if math.isnan(number) else number
