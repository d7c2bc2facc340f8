"""Colour by code points (ITU-T H.273), as AVIF, HEIC and PNG carry it beside or instead of a profile."""

from pathlib import Path

from luxel.errors import ImageError
from luxel.images.colour.spaces import BT2020, DISPLAY_P3, SRGB
from luxel.images.picture import Raster
from luxel.text import printable

_PRIMARIES = {1: SRGB, 2: SRGB, 5: SRGB, 6: SRGB, 9: BT2020, 12: DISPLAY_P3}  # 2: unspecified; 5, 6: within rounding
_LIKE_SRGB = {1, 2, 6, 13, 14, 15}  # video curves are shown as sRGB by every viewer
_HDR = {8: "linear light", 16: "PQ (HDR)", 18: "HLG (HDR)"}


def apply(raster: Raster, path: Path, primaries: int, transfer: int) -> None:
    """Set the primaries of `raster` from two code points; note what is not honoured.

    Raises ImageError for PQ, HLG and linear encodings: they need a rendering that the file does not state.
    """
    if transfer in _HDR:
        raise ImageError(
            f"{printable(path)}: {raster.format} encoded as {_HDR[transfer]} is not supported; "
            "export it as an SDR picture or as EXR"
        )
    if transfer not in _LIKE_SRGB:
        raster.notes.append(f"transfer code {transfer} treated as sRGB")
    if primaries not in _PRIMARIES:
        raster.notes.append(f"primaries code {primaries} treated as sRGB")
    raster.primaries = _PRIMARIES.get(primaries, SRGB)
