"""The clean aperture of an AVIF picture: the part of the coded pixels that is the picture; its decoder gives all."""

import struct


def clean_aperture(stated: bytes, width: int, height: int) -> tuple[slice, slice] | None:
    """Rows and columns of the clean aperture; None where the property is too short.

    stated: content of the clap property of the picture.
    width, height: of the decoded picture, before any turn.
    Source: ISO/IEC 14496-12, 12.1.4. Raises ValueError if it lies outside the picture.
    """
    if len(stated) < 32:
        return None
    wide_n, wide_d, high_n, high_d, right_n, right_d, down_n, down_d = struct.unpack_from(">IIIIiIiI", stated)
    if 0 in (wide_d, high_d, right_d, down_d):
        raise ValueError("its fractions divide by zero")
    wide, high = round(wide_n / wide_d), round(high_n / high_d)
    left = round((width - wide) / 2 + right_n / right_d)
    top = round((height - high) / 2 + down_n / down_d)
    if wide < 1 or high < 1 or left < 0 or top < 0 or left + wide > width or top + high > height:
        raise ValueError(f"{wide} x {high} at {left}, {top} lies outside {width} x {height}")
    return slice(top, top + high), slice(left, left + wide)
