"""The one writer of heat maps, overlays and residual files, for Python and the command line alike."""

import errno
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from luxel import images
from luxel.draw import heatmap
from luxel.errors import ImageError, LuxelError
from luxel.photometry import ByteArray
from luxel.residual import DEFAULT_THRESHOLD
from luxel.residual_files import encode_residual

_OF_THE_DISK = {
    getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EROFS", "EIO", "EACCES", "EPERM") if hasattr(errno, name)
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MapStyle:
    """How maps are drawn.

    palette: one of `luxel.draw.heatmap.PALETTES`.
    limit: in (0, 1], in lightness; every pixel with |r| >= limit has the full colour.
    threshold: in [0, 1], in lightness; overlays tint only pixels with |r| > threshold, and the legend marks it.
    full_size: draw at the image's size; otherwise at a screen's.
    """

    palette: str = heatmap.DEFAULT_PALETTE
    limit: float = heatmap.HEATMAP_LIMIT
    threshold: float = DEFAULT_THRESHOLD
    full_size: bool = False


def write_maps(
    files: Mapping[str, Path],
    image: npt.NDArray[Any],
    residual: npt.NDArray[np.float32],
    *,
    style: MapStyle | None = None,
    caption: str = "",
) -> None:
    """Writes pictures of a residual map, each atomically; folders are made if needed.

    files: kind -> file. "heatmap": map with legend. "tinted": the image tinted beyond the threshold, with legend.
        "overlay": image, heat map and tinted image side by side. "residual": the map itself, 16-bit PNG
        (`luxel.residual_files`), always at full size.
    image: [H, W, 3] sRGB-encoded, uint8, full-scale uint16 or float in [0, 1].
    residual: [H, W] float in [-1, 1], in lightness; r < 0 overexposed, r > 0 underexposed.
    style: None for the defaults of `MapStyle`.
    caption: a line under the overlay.
    Raises ImageError when a file cannot have its name or size, LuxelError when nothing can be written there (disk full,
    no permission), ValueError for an unknown kind or palette or a limit outside (0, 1]. Then none of `files` is new.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_maps({"heatmap": Path(folder, "a.jpg")}, np.zeros((8, 8, 3), np.uint8), np.ones((8, 8), np.float32))
    ...     sorted(file.name for file in Path(folder).iterdir())
    ['a.jpg']
    """
    if unknown := set(files) - set(MAP_KINDS):
        raise ValueError(f"no kind of map {sorted(unknown)[0]!r}; choose from {', '.join(MAP_KINDS)}")
    chosen = style or MapStyle()
    written: list[Path] = []
    try:
        for kind, file in files.items():
            write_drawing(file, MAP_KINDS[kind](image, residual, chosen, caption))
            written.append(file)
    except Exception:
        for file in written:
            file.unlink(missing_ok=True)
        raise


def write_drawing(file: Path, pixels: npt.NDArray[Any]) -> None:
    """Writes a drawn image atomically, in the format of its suffix; folders are made if needed.

    file: where. pixels: [H, W, 3] uint8 sRGB, or [H, W] uint16.
    Raises ImageError when the file cannot have its name or size, LuxelError when nothing can be written there.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _failure(f"{file.parent}: cannot be made", error) from error
    try:
        images.write(file, pixels)
    except ImageError as error:
        if not isinstance(error.__cause__, OSError):
            raise
        raise _failure(f"{file}: cannot be written", error.__cause__) from error


def _failure(what: str, error: OSError) -> LuxelError:
    """ImageError where the fault is the name of this one file, LuxelError where no file can be written."""
    kind = LuxelError if error.errno in _OF_THE_DISK else ImageError
    return kind(f"{what} ({error.strerror or error}); choose another --out folder")


def _heatmap(image: npt.NDArray[Any], residual: npt.NDArray[np.float32], style: MapStyle, _: str) -> ByteArray:
    drawn = heatmap.render(heatmap.fit(residual, _long_side(style)), palette=style.palette, limit=style.limit)
    return heatmap.with_legend(drawn, palette=style.palette, limit=style.limit, threshold=style.threshold)


def _tinted(image: npt.NDArray[Any], residual: npt.NDArray[np.float32], style: MapStyle, _: str) -> ByteArray:
    small, values = (heatmap.fit(array, _long_side(style)) for array in (image, residual))
    drawn = heatmap.overlay(small, values, palette=style.palette, limit=style.limit, threshold=style.threshold)
    return heatmap.with_legend(drawn, palette=style.palette, limit=style.limit, threshold=style.threshold)


def _overlay(image: npt.NDArray[Any], residual: npt.NDArray[np.float32], style: MapStyle, caption: str) -> ByteArray:
    return heatmap.side_by_side(
        image,
        residual,
        palette=style.palette,
        limit=style.limit,
        threshold=style.threshold,
        caption=caption,
        long_side=None if style.full_size else heatmap.PANEL_LONG_SIDE,
    )


def _long_side(style: MapStyle) -> int | None:
    return None if style.full_size else heatmap.SHOWN_LONG_SIDE


# JPEG for what is looked at: a 1600-pixel heat map takes 0.055 s and 0.9 MB, as PNG 0.23 s and 2.3 MB, full size 0.3 s
# against 1.1 s (two cores, 12 megapixels). The exact values go into the residual PNG.
MAP_KINDS: dict[str, Callable[[npt.NDArray[Any], npt.NDArray[np.float32], MapStyle, str], npt.NDArray[Any]]] = {
    "heatmap": _heatmap,
    "tinted": _tinted,
    "overlay": _overlay,
    "residual": lambda image, residual, style, caption: encode_residual(residual),
}
"""Kind -> how it is drawn of (image, residual, style, caption)."""
