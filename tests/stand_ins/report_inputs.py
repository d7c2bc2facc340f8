"""Images and a parsed page, for the tests of the report."""

from pathlib import Path

import numpy as np

from luxel import images

EVIL = '"><img src=x onerror=document.title="owned"><script>document.title="owned"</script>.png'.replace("/", "\u2044")
GREYS = {"a_black": 0, "b_dark": 51, "c_ideal": 128, "d_bright": 204, "e_white": 255}


def write(path: Path, pixels: np.ndarray | int = 128, size: tuple[int, int] = (48, 64)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    images.write(path, np.full((*size, 3), pixels, np.uint8) if isinstance(pixels, int) else pixels)
    return path
