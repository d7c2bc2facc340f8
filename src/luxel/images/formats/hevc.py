"""The colour that an HEVC bitstream states in its sequence parameter set: HEIC may state it nowhere else."""

from luxel.images.formats.bits import BitReader

_PARAMETER_SET = 33  # nal_unit_type of a sequence parameter set
_EXTENDED_SAR = 255
_MAX_SETS = 64


def colour_codes(configuration: bytes) -> tuple[int, int] | None:
    """Code points of primaries and transfer (ITU-T H.273), or None where the parameter sets state none.

    configuration: content of an hvcC box. Source: ISO/IEC 14496-15, 8.3.3.1; ITU-T H.265, 7.3.2.2 and E.2.1.
    """
    try:
        position = 23
        for _ in range(configuration[22]):
            kind, count = configuration[position] & 63, int.from_bytes(configuration[position + 1 : position + 3])
            position += 3
            for _ in range(count):
                size = int.from_bytes(configuration[position : position + 2])
                unit = configuration[position + 2 : position + 2 + size]
                position += 2 + size
                if kind == _PARAMETER_SET:
                    # A 3 after two zeros was put in so that no start code arises.
                    codes = _parameter_set(BitReader(unit[2:].replace(b"\0\0\3", b"\0\0")))
                    if codes is not None:
                        return codes
    except (ValueError, IndexError):
        return None
    return None


def _parameter_set(bits: BitReader) -> tuple[int, int] | None:
    ue = bits.exp_golomb
    bits(4)
    layers = bits(3)
    bits(1)
    _profile(bits, layers)
    ue()
    if ue() == 3:  # 4:4:4 may be three planes of grey
        bits(1)
    ue(), ue()
    if bits(1):  # conformance window
        ue(), ue(), ue(), ue()
    ue(), ue()  # depths
    count_bits = ue() + 4
    for _ in range(1 if not bits(1) else layers + 1):
        ue(), ue(), ue()
    for _ in range(6):  # block sizes and depths of the trees
        ue()
    if bits(1) and bits(1):
        _scaling_lists(bits)
    bits(2)
    if bits(1):  # samples as they are
        bits(8)
        ue(), ue()
        bits(1)
    _reference_sets(bits)
    if bits(1):  # long-term references
        for _ in range(_few(ue())):
            bits(min(count_bits, 16) + 1)
    bits(2)
    return _usability(bits) if bits(1) else None


def _profile(bits: BitReader, layers: int) -> None:
    bits(96)
    present = [(bits(1), bits(1)) for _ in range(layers)]
    if layers:
        bits(2 * (8 - layers))
    for profile, level in present:
        bits(88 * profile + 8 * level)


def _scaling_lists(bits: BitReader) -> None:
    for size in range(4):
        for _ in range(0, 6, 3 if size == 3 else 1):
            if not bits(1):
                bits.exp_golomb()
                continue
            for _ in range(min(64, 1 << (4 + 2 * size)) + (size > 1)):
                bits.exp_golomb()


def _reference_sets(bits: BitReader) -> None:
    ue = bits.exp_golomb
    size = 0
    for number in range(_few(ue())):
        if number and bits(1):  # from the set before
            bits(1)
            ue()
            kept = 0
            for _ in range(size + 1):
                used = bits(1)
                kept += bool(used or bits(1))
            size = kept
            continue
        size = _few(ue()) + _few(ue())
        for _ in range(size):
            ue()
            bits(1)


def _usability(bits: BitReader) -> tuple[int, int] | None:
    """Video usability information, as far as the colour."""
    if bits(1) and bits(8) == _EXTENDED_SAR:
        bits(32)
    if bits(1):  # overscan
        bits(1)
    if not bits(1):
        return None
    bits(4)
    return (bits(8), bits(8)) if bits(1) else None


def _few(count: int) -> int:
    if count > _MAX_SETS:
        raise ValueError(f"{count} is more than a parameter set may have")
    return count
