"""Figures as files, PNG for the screen and PDF for print. Owner of Matplotlib."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from luxel.jobs.atomic import write_file

FORMATS = ("png", "pdf")

DPI = 150
"""Dots per inch of the PNG and of pictures inside the PDF."""

TITLE = 7
"""Size of titles, in points."""

_STYLE: dict[Any, Any] = {"font.size": 7, "axes.spines.top": False, "axes.spines.right": False}


def panels(rows: int, columns: int, *, height: float) -> tuple[Figure, npt.NDArray[Any]]:
    """An empty figure of A4's width with a grid of axes, and the axes [rows, columns].

    rows, columns: of the grid.
    height: of the figure, in inches.

    >>> figure, axes = panels(1, 2, height=2)
    >>> axes.shape
    (1, 2)
    """
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(7.5, height), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False)
    return figure, np.asarray(axes)


def show(axes: Axes, image: npt.NDArray[Any], title: str, **drawn: Any) -> Any:
    """Draws an image without axes marks; returns what a colour bar needs.

    axes: where.
    image: uint8 [h, w, 3], or numbers [h, w].
    title: one line above.
    drawn: further arguments of Matplotlib's imshow.
    """
    axes.set_axis_off()
    axes.set_title(title, fontsize=TITLE)
    return axes.imshow(image, interpolation="nearest", **drawn)


def save(figure: Figure, folder: Path, name: str) -> Sequence[Path]:
    """Writes NAME.png and NAME.pdf; returns their paths.

    figure: what `panels` gave.
    folder: exists.
    name: without an ending.
    Raises LuxelError when a file cannot be written.
    """
    written = []
    for ending in FORMATS:
        buffer = BytesIO()
        # No date in the file: the same figure is the same file.
        dates: dict[str, Any] = {"CreationDate": None} if ending == "pdf" else {}
        figure.savefig(buffer, format=ending, dpi=DPI, metadata=dates)
        path = folder / f"{name}.{ending}"
        write_file(path, buffer.getvalue())
        written.append(path)
    return written
