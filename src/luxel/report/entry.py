"""One picture as a report shows it: figures, small pictures and a low-resolution map, all ready to embed."""

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from luxel.assessment.assessor import WORKING_SIZE, Assessment, Assessor
from luxel.assessment.batch import Settings
from luxel.criteria import Criteria, Verdict, load
from luxel.draw import heatmap
from luxel.errors import ImageError, reason_of
from luxel.filters.shrink import block_side
from luxel.images.header import read_header
from luxel.jobs.file_list import Found
from luxel.photometry import lightness
from luxel.zones import zone_histogram

THUMBNAIL_SIDE = 256
"""Long side in pixels of the pictures of the contact sheet."""

PREVIEW_SIDE = 800
"""Long side in pixels of the picture that opens on a click."""

MAP_SIDE = 256
"""Long side in pixels of the embedded map, about the size at which the network saw the picture."""

MAP_STEP = 0.02
"""Residual per code of the embedded map: what the page reads out is right to half of it."""

MAP_ZERO = 50
"""Code of residual 0; 0 is -1 and 100 is +1."""

LIGHTNESS_BINS = 64
RESIDUAL_BINS = 50

_STATISTICS_SIDE = 1600  # histograms of a reduced picture: the same to the eye, without a float copy of 50 megapixels


@dataclass(frozen=True, slots=True)
class Entry:
    """What the page needs for one picture.

    facts: plain JSON values: path (relative to the folder, "/" between), width, height, score, over, under, ev,
    notes, lightness and residual (histograms, per mille), zones (shares), verdict; or path and error.
    thumbnail, preview: WebP. residual: lossless grey WebP of map codes, see `MAP_STEP`. Empty where there is an error.
    """

    facts: dict[str, Any]
    thumbnail: bytes = b""
    preview: bytes = b""
    residual: bytes = b""

    def embedded(self) -> tuple[bytes, bytes, bytes]:
        """Thumbnail, preview and map in base64."""
        return base64.b64encode(self.thumbnail), base64.b64encode(self.preview), base64.b64encode(self.residual)


@dataclass(frozen=True, slots=True)
class Look:
    """What decides an entry besides the picture. folder: paths are shown relative to it. criteria: name or file."""

    folder: Path
    settings: Settings
    criteria: str | None = None
    preview_side: int = PREVIEW_SIDE

    def worker(self, threads: int | None = None) -> Callable[[Found], Entry]:
        """The function that makes entries, with its own assessor. threads: None leaves the number to it.

        Raises LuxelError for weights or criteria that cannot be used.
        """
        rules = None if self.criteria is None else load(self.criteria)
        return partial(_entry, look=self, assessor=self.settings.assessor(threads), rules=rules)

    def shown(self, picture: Path) -> str:
        """A picture's path relative to the folder, "/" between; its name if it lies elsewhere."""
        relative = picture.relative_to(self.folder) if picture.is_relative_to(self.folder) else Path(picture.name)
        return relative.as_posix()


def failure(picture: Found, look: Look, reason: str) -> Entry:
    """The entry of a picture that could not be assessed. reason: one line without the path."""
    return Entry({"path": look.shown(picture.path), "error": reason})


def _entry(picture: Found, *, look: Look, assessor: Assessor, rules: Criteria | None) -> Entry:
    """Raises LuxelError only when no picture can be assessed any more (weights)."""
    try:
        assessment = assessor.assess(picture.path, full_size=not _is_reduced_enough(picture.path, look.preview_side))
        return _of(assessment, picture, look, rules)
    except Exception as error:
        return failure(picture, look, reason_of(error, picture.path))


def _is_reduced_enough(path: Path, side: int) -> bool:
    """Whether an image decoded at reduced size is still as large as the preview.

    side: long side of the preview, in pixels.
    """
    try:
        header = read_header(path)
    except ImageError:
        return False  # the reader says what is wrong with it
    height, width = header.height, header.width
    if not height or not width:
        return False
    return max(height, width) // block_side(height, width, WORKING_SIZE) >= side


def _of(assessment: Assessment, picture: Found, look: Look, rules: Criteria | None) -> Entry:
    height, width = assessment.size
    small = heatmap.as_bytes(heatmap.fit(assessment.image, _STATISTICS_SIDE))
    facts: dict[str, Any] = {
        "path": look.shown(picture.path),
        "width": width,
        "height": height,
        "score": round(assessment.score, 3),
        "over": round(assessment.over, 4),
        "under": round(assessment.under, 4),
        "ev": None if assessment.ev is None else round(assessment.ev, 2),
        "ev_bound": assessment.ev_bound,
        "notes": list(assessment.notes),
        "lightness": _per_mille(lightness(small), LIGHTNESS_BINS, 0.0, 1.0),
        "residual": _per_mille(heatmap.fit(assessment.residual, _STATISTICS_SIDE), RESIDUAL_BINS, -1.0, 1.0),
        "zones": [round(float(share), 4) for share in zone_histogram(small / np.float32(255))],
    }
    if rules is not None:
        facts["verdict"] = _verdict(rules.score(assessment.residual, image=assessment.image))
    codes = np.rint(heatmap.fit(assessment.residual, MAP_SIDE) / MAP_STEP) + MAP_ZERO
    return Entry(
        facts,
        thumbnail=_webp(heatmap.fit(small, THUMBNAIL_SIDE), quality=70),
        preview=_webp(heatmap.fit(small, look.preview_side), quality=75),
        residual=_webp(np.clip(codes, 0, 2 * MAP_ZERO).astype(np.uint8)),
    )


def _verdict(verdict: Verdict) -> dict[str, Any]:
    """score: None where a region is missing. text: one line. why: the numbers behind it, lines for people."""
    return {"score": verdict.score, "text": str(verdict), "why": verdict.explain()}


def _per_mille(values: npt.NDArray[np.float32], bins: int, low: float, high: float) -> list[int]:
    """Histogram in per mille of all pixels, rounded up so that no occupied bin looks empty."""
    # Clipped, because a rounding hair above `high` would not be counted.
    counts, _ = np.histogram(np.clip(values, low, high), bins=bins, range=(low, high))
    return [int(n) for n in np.ceil(1000 * counts / values.size)]


def _webp(pixels: npt.NDArray[np.uint8], quality: int | None = None) -> bytes:
    """WebP bytes of [H, W, 3] or [H, W]. quality: lossy, 0 to 100; None is lossless."""
    buffer = io.BytesIO()
    image = Image.fromarray(pixels)
    if quality is None:
        image.save(buffer, "WEBP", lossless=True, quality=60, method=4)
    else:
        image.save(buffer, "WEBP", quality=quality, method=3)
    return buffer.getvalue()
