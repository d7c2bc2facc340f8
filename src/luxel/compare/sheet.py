"""One picture in all its versions: pictures above, residual maps below, on one scale with a legend (paper Fig. 8)."""

import heapq
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from luxel.compare.compare import Case, Figures, Panel
from luxel.draw import heatmap
from luxel.draw.files import write_drawing
from luxel.jobs.file_list import OUTPUT_ENDINGS
from luxel.photometry import ByteArray

WIDTH = 3000
"""Pixels a sheet tends to be wide; panels shrink for many versions, to no less than `NARROWEST`."""

NARROWEST = 220

_INK, _QUIET, _PAPER, _HAIRLINE = (38, 38, 38), (96, 96, 96), (255, 255, 255), (190, 190, 190)


class Sheets:
    """Sheet files of the pictures on which the versions differ most, written as they come.

    Memory does not grow with the pictures: a sheet that is outdone is deleted again.
    """

    def __init__(
        self, folder: Path, most: int, *, palette: str = heatmap.DEFAULT_PALETTE, limit: float = heatmap.HEATMAP_LIMIT
    ) -> None:
        """folder: there already. most: sheets at most. palette, limit: as in `sheet`."""
        self._folder, self._most, self._palette, self._limit = folder, most, palette, limit
        self._kept: list[tuple[float, int, str]] = []
        self._seen = 0

    def add(self, case: Case, figures: Mapping[str, Figures], panels: Mapping[str, Panel]) -> None:
        """Draws a picture if it belongs to those that are kept. Raises what `write_drawing` raises."""
        residuals = [numbers.residual for numbers in figures.values()]
        self._seen += 1
        # Of equal ones the earlier stays, so that the choice is the same in every run.
        entry = (max(residuals) - min(residuals), -self._seen, case.name)
        full = len(self._kept) == self._most
        if not self._most or (full and entry <= self._kept[0]):
            return
        # Written first: a sheet that cannot have its name must not cost another its place.
        write_drawing(self._file(case.name), sheet(panels, figures, palette=self._palette, limit=self._limit))
        if full:
            self._file(heapq.heapreplace(self._kept, entry)[2]).unlink()
        else:
            heapq.heappush(self._kept, entry)

    def files(self) -> dict[str, Path]:
        """Picture name -> file of its sheet, the largest difference first."""
        return {name: self._file(name) for _, _, name in sorted(self._kept, reverse=True)}

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}{OUTPUT_ENDINGS['compare']}"


def sheet(
    panels: Mapping[str, Panel],
    figures: Mapping[str, Figures],
    *,
    palette: str = heatmap.DEFAULT_PALETTE,
    limit: float = heatmap.HEATMAP_LIMIT,
) -> ByteArray:
    """The sheet as uint8 [H, W, 3].

    panels, figures: version name -> what to draw and to write, in the order of the columns. palette, limit: as in
    `luxel.draw.heatmap.render`; all maps share them, and the legend shows them.
    Raises ValueError as `luxel.draw.heatmap.render` does.
    """
    largest = max(max(panel.residual.shape) for panel in panels.values())
    widest = min(max(NARROWEST, WIDTH // len(panels)), max(largest, NARROWEST))
    drawn = {name: _scaled(panel, widest) for name, panel in panels.items()}
    column = max(NARROWEST, *(panel.residual.shape[1] for panel in drawn.values()))
    tallest = max(panel.residual.shape[0] for panel in drawn.values())
    size = max(12, round(column * 0.042))
    gap, line = size, round(1.55 * size)
    row = tallest + gap
    width = len(drawn) * (column + gap) + gap
    canvas = Image.new("RGB", (width, gap + line + 2 * row + 2 * line), _PAPER)
    draw = ImageDraw.Draw(canvas)
    order = sorted(figures, key=lambda name: figures[name].order)
    for place, (name, panel) in enumerate(drawn.items()):
        left, top = gap + place * (column + gap), gap + line
        font = heatmap.font_of(size)
        draw.text((left + column / 2, top - 0.5 * size), _shortened(name, column, font), _INK, font, anchor="ms")
        for number, pixels in enumerate((panel.image, heatmap.render(panel.residual, palette=palette, limit=limit))):
            height, wide = pixels.shape[:2]
            corner = (left + (column - wide) // 2, top + number * row + (tallest - height) // 2)
            canvas.paste(Image.fromarray(pixels), corner)
            # A map that is ideal all over is as white as the paper.
            draw.rectangle((corner[0] - 1, corner[1] - 1, corner[0] + wide, corner[1] + height), outline=_HAIRLINE)
        numbers, middle = figures[name], left + column / 2
        below = top + 2 * row - gap + line
        text = f"{order.index(name) + 1}.   mean |r| {numbers.residual:.3f}   score {numbers.score:.2f}"
        draw.text((middle, below), text, _INK, heatmap.font_of(size), anchor="ms")
        text = f"over {numbers.over:.0%}   under {numbers.under:.0%}   detail {numbers.detail:.2f}"
        draw.text((middle, below + line), text, _QUIET, heatmap.font_of(size), anchor="ms")
    return heatmap.with_legend(np.asarray(canvas), palette=palette, limit=limit)


def _scaled(panel: Panel, column: int) -> Panel:
    """The panel reduced to a column's width and a height of at most one and a half times that."""
    height, width = panel.residual.shape
    side = round(max(height, width) * min(1.0, column / width, 1.5 * column / height))
    return Panel(heatmap.as_bytes(heatmap.fit(panel.image, side)), heatmap.fit(panel.residual, side))


def _shortened(text: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """The text, or its start and an ellipsis, at most `width` pixels wide."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "...") > width:
        text = text[:-1]
    return text + "..."
