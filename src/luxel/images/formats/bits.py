"""Numbers of any length from the bits of a bitstream header."""


class BitReader:
    """Reads numbers from bytes, the highest bit first. Raises ValueError at the end.

    >>> bits = BitReader(bytes([0b101_00100]))
    >>> bits(3), bits.exp_golomb()
    (5, 3)
    """

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data)
        self._left = 8 * len(data)

    def __call__(self, count: int) -> int:
        """The next so many bits as a number >= 0."""
        if count > self._left:
            raise ValueError("the header ends early")
        self._left -= count
        return self._value >> self._left & ((1 << count) - 1)

    def exp_golomb(self) -> int:
        """An unsigned Exp-Golomb code, ue(v) of ITU-T H.265, 9.2; a signed one, se(v), has the same bits."""
        zeros = 0
        while not self(1):
            zeros += 1
        return (1 << zeros) - 1 + self(zeros)
