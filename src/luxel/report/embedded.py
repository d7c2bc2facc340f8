"""The rating inside a picture: stars given in the camera, or written there by a program that keeps no sidecars.

Cameras and programs write xmp:Rating into the XMP packet of JPEG, DNG and other files; older ones and Windows write the
tags Rating (0x4746) and RatingPercent (0x4749) beside the EXIF.
"""

import math
from pathlib import Path

from luxel.errors import ImageError
from luxel.images.header import read_header
from luxel.report.xmp import UNRATED, Sidecar, SidecarError, read

_RATING, _RATING_PERCENT = 0x4746, 0x4749


def embedded_rating(picture: Path) -> Sidecar:
    """The rating that a picture holds, as if it stood in a sidecar; UNRATED where it holds none.

    picture: of any format; nothing is decoded. A file that is not an image has no rating.
    Raises SidecarError for an XMP packet that cannot be read, in which there may be one.
    """
    try:
        header = read_header(picture)
    except ImageError:
        return UNRATED
    packet = (header.xmp or b"").strip(b"\0 \t\r\n")
    if packet:
        try:
            found = read(packet)
        except SidecarError as error:
            raise SidecarError(f"the XMP inside {picture.name} {error}") from error
        if found.rating:
            return found
    stars, percent = header.first.get(_RATING), header.first.get(_RATING_PERCENT)
    if isinstance(stars, int) and 1 <= stars <= 5:
        return Sidecar(stars, ours=False)
    if isinstance(percent, int) and 1 <= percent <= 100:
        # 1, 25, 50, 75 and 99 are one to five stars.
        return Sidecar(min(5, 1 + math.floor(percent / 25 + 0.5)), ours=False)
    return UNRATED
