"""Images that pages show, as PNG bytes: frames, fused bracket, references, heat maps."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from luxel.annotate.editing.maps import NOT_JUDGED, TaskMap
from luxel.annotate.editing.segments import Segmentation
from luxel.annotate.store.material import folder_of
from luxel.annotate.store.tables import Scene
from luxel.dataset.folder.scene_files import EVIDENCE, read_bytes_image
from luxel.dataset.folder.upkeep import settings_of
from luxel.dataset.prepare import SINGLE_FRAME_KINDS
from luxel.dataset.reference.reference import Preliminary, ZoneRules, with_shifts
from luxel.draw import heatmap
from luxel.images.writing import png_bytes
from luxel.photometry import ByteArray, FloatArray, lightness
from luxel.residual_files import encode_residual

_UNTOUCHED_BIT = 4


def thumbnail_png(pixels: ByteArray, side: int = 160) -> bytes:
    """PNG of a picture shrunk to a long side. pixels: uint8 [H, W, 3]."""
    return png_bytes(np.asarray(heatmap.fit(pixels, side), dtype=np.uint8))


def png_of_codes(made: TaskMap) -> bytes:
    """A residual map as luxel's 16-bit PNG."""
    return png_bytes(encode_residual(made.values))


def heat_png(values: npt.NDArray[np.floating], judged: npt.NDArray[np.bool_] | None = None) -> bytes:
    """A residual map in luxel's colours; grey where it is not judged. values: float [H, W]."""
    colours = heatmap.render(np.nan_to_num(values).astype(np.float32))
    if judged is not None:
        colours = np.where(judged[..., None], colours, np.uint8(119))
    return png_bytes(np.asarray(colours, dtype=np.uint8))


def zone_rules(dataset: Path, scene: Scene) -> ZoneRules:
    """The rules by which this scene's reference follows from its decisions."""
    return ZoneRules() if scene.kind in SINGLE_FRAME_KINDS else settings_of(dataset).zones


def untouched_of(dataset: Path, scene: Scene) -> npt.NDArray[np.bool_]:
    """The small light sources and true blacks that no decision moves, bool [H, W]."""
    place = folder_of(dataset, scene) / EVIDENCE
    if not place.exists():
        return np.zeros((scene.height, scene.width), dtype=bool)
    return (read_bytes_image(place)[..., 2] & _UNTOUCHED_BIT) > 0


def reference_png(
    dataset: Path, scene: Scene, fused: FloatArray, segmentation: Segmentation, shift: npt.NDArray[np.floating]
) -> bytes:
    """The reference that changes of lightness give, by the dataset's own rule. shift: [n fine segments]."""
    preliminary = Preliminary(fused, segmentation.fine, untouched_of(dataset, scene))
    made = with_shifts(preliminary, shift.astype(np.float32), zone_rules(dataset, scene))
    return png_bytes(np.rint(made.image * 255).astype(np.uint8))


def preview_arrays(dataset: Path, scene: Scene, fused: FloatArray) -> dict[str, ByteArray]:
    """What the browser needs to follow the rule while a person works: guide and free share, uint8 [H, W]."""
    guide = zone_rules(dataset, scene).guide(lightness(fused))
    free = 1 - ndimage.gaussian_filter(untouched_of(dataset, scene).astype(np.float32), 1)
    return {
        name: np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
        for name, values in (("guide", guide), ("free", free))
    }


def judged_of(made: TaskMap) -> npt.NDArray[np.bool_]:
    """Where a map says something."""
    return np.asarray(made.status != NOT_JUDGED)
