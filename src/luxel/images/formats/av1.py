"""The colour that an AV1 bitstream states in its sequence header: AVIF may state it nowhere else."""

from luxel.images.formats.bits import BitReader

_SEQUENCE_HEADER = 1
_MAX_UNITS = 16


def colour_codes(stream: bytes) -> tuple[int, int] | None:
    """Code points of primaries and transfer (ITU-T H.273), or None where the bitstream states none.

    stream: begins with an open bitstream unit. Source: AV1 bitstream specification, 5.3 to 5.5.
    """
    try:
        for _ in range(_MAX_UNITS):
            head = stream[0]
            size, begin = len(stream) - 1, 2 if head & 4 else 1
            if head & 2:
                size, begin = _leb128(stream, begin)
            if head >> 3 & 15 == _SEQUENCE_HEADER:
                return _sequence_header(BitReader(stream[begin : begin + min(size, 256)]))
            stream = stream[begin + size :]
    except (ValueError, IndexError):
        return None
    return None


def _leb128(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for n in range(8):
        value |= (data[position + n] & 0x7F) << 7 * n
        if data[position + n] < 0x80:
            return value, position + n + 1
    raise ValueError("a size of more than eight bytes")


def _sequence_header(bits: BitReader) -> tuple[int, int] | None:
    profile, _, reduced = bits(3), bits(1), bits(1)
    if reduced:
        bits(5)
    else:
        _timing_and_operating_points(bits)
    wide, high = bits(4) + 1, bits(4) + 1
    bits(wide), bits(high)
    if not reduced and bits(1):  # frame numbers
        bits(7)
    bits(3)
    if not reduced:
        _tools(bits)
    bits(3)
    deep = bits(1)
    if profile == 2 and deep:
        bits(1)
    if profile != 1:
        bits(1)  # grey
    return (bits(8), bits(8)) if bits(1) else None


def _timing_and_operating_points(bits: BitReader) -> None:
    delay_bits = 0
    if bits(1):  # timing
        bits(64)
        if bits(1):
            zeros = 0
            while not bits(1):
                zeros += 1
            bits(zeros)
        if bits(1):  # decoder model
            delay_bits = bits(5) + 1
            bits(42)
    delays = bits(1)
    for _ in range(bits(5) + 1):
        bits(12)
        if bits(5) > 7:
            bits(1)
        if delay_bits and bits(1):
            bits(2 * delay_bits + 1)
        if delays and bits(1):
            bits(4)


def _tools(bits: BitReader) -> None:
    bits(4)
    order = bits(1)
    if order:
        bits(2)
    if (bits(1) or bits(1)) and not bits(1):  # screen content tools, then whole-pixel motion
        bits(1)
    if order:
        bits(3)
