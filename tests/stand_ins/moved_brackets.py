"""Brackets whose frames moved by a known amount."""

import numpy as np
import numpy.typing as npt

MARGIN = 60
IDENTITY = np.eye(3)


def turn(degrees: float, x: float = 0.0, y: float = 0.0, size: int = 392) -> npt.NDArray[np.float64]:
    """A turn about the middle of the frame and a shift, from anchor to frame coordinates."""
    c, s, m = np.cos(np.radians(degrees)), np.sin(np.radians(degrees)), size / 2
    return np.array([[c, -s, m - c * m + s * m + x], [s, c, m - s * m - c * m + y], [0, 0, 1]])
