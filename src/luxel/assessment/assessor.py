"""A picture in, its assessment out: residual map, score, over- and underexposed shares, one EV recommendation.

The network sees the picture at a bounded working size and the map comes back at full size through edge-aware
upsampling, so that cost and memory hardly depend on megapixels. Where no full-size map is asked for, the picture is
decoded at reduced size and the numbers are taken there. Needs NumPy, Pillow and ONNX Runtime only.
"""

import base64
import io
import os
import warnings
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from luxel.assessment.ev import Bound, advice_text, recommended_ev
from luxel.assessment.head import Head, load_head
from luxel.assessment.inputs import array_of, as_file, stored_bytes
from luxel.assessment.runtime import MIN_SIDE, Backend, Device, load, predict, predict_batch
from luxel.assessment.weights import WeightsInfo, describe, locate
from luxel.errors import ImageError, LuxelError, WeightsError
from luxel.filters.guided import guided_upsample
from luxel.filters.shrink import GRID, block_means, block_side, shrink, working_shape
from luxel.images.picture import ReadOptions
from luxel.photometry import FloatArray, lightness
from luxel.residual import DEFAULT_THRESHOLD, score_of
from luxel.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from luxel.assessment.inputs import ImageInput
    from luxel.images import Picture

WORKING_SIZE = 256
"""Short side in pixels at which the network sees a picture: the size it was trained at."""

MIN_PIXELS = MIN_SIDE**2
"""Pixels below which a picture is rejected: there is no scene in it to judge."""

RANGE_TOLERANCE = 1e-3
"""How far a float picture may leave [0, 1] by rounding (a quarter of an 8-bit step); it is clipped there."""

_STRIP_ROWS = 64
_NOTEBOOK_SIDE = 640


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Assessment:
    """What luxel says about one image.

    residual: [H, W] float32 in [-1, 1], r > 0 underexposed, r < 0 overexposed, at the image's own (upright) size; or
        smaller, of the size of `image`, after `assess(..., full_size=False)`.
    image: [H, W, 3] the image assessed, sRGB-encoded, uint8, uint16 or float in [0, 1]; a given array itself, not a
        copy, unless it was reduced.
    score: in [0, 10], on the scale of the people who scored IEA40K (`luxel.residual.people_score`).
    mean_abs_residual: mean |r|, in [0, 1]; the paper's score without fine-tuning is 10 (1 - mean |r|).
    over: share of pixels with r < -threshold, in [0, 1].
    under: share of pixels with r > +threshold, in [0, 1].
    ev: stops of one global compensation that brings the image closest to ideal by the map and newly clips no more
        than a small share of it (`luxel.assessment.ev`), in [-6, 6]; None where nothing can be said.
    threshold: |r| above which a pixel counted as over- or underexposed, in lightness.
    weights: name and SHA-256 of the network's weights.
    path: the file, if it was one.
    notes: what reading did to it (orientation, colour profile, ...).
    ev_bound: whether `ev` is exact or a bound (`luxel.assessment.ev.Advice`).
    ev_reason: why `ev` is a bound or None.
    head: whose score this is; None for `luxel.residual.people_score`.
    full_size: (height, width) of the image where `residual` and `image` are smaller; else None.

    >>> import luxel
    >>> assessment = luxel.assess(np.full((64, 96, 3), 30, np.uint8))
    >>> assessment.residual.shape, assessment.under > 0.9, assessment.to_row()["width"]
    ((64, 96), True, 96)
    """

    residual: FloatArray = field(repr=False)
    image: npt.NDArray[Any] = field(repr=False)
    score: float
    mean_abs_residual: float
    over: float
    under: float
    ev: float | None
    threshold: float
    weights: WeightsInfo
    path: Path | None = None
    notes: tuple[str, ...] = ()
    ev_bound: Bound = "exact"
    ev_reason: str | None = None
    head: Head | None = None
    full_size: tuple[int, int] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the picture in pixels; `residual` and `image` may have fewer."""
        height, width = self.residual.shape if self.full_size is None else self.full_size
        return height, width

    def to_dict(self) -> dict[str, Any]:
        """Everything but the arrays, as plain JSON values."""
        height, width = self.size
        return {
            "path": None if self.path is None else str(self.path),
            "width": width,
            "height": height,
            "score": self.score,
            "mean_abs_residual": self.mean_abs_residual,
            "over": self.over,
            "under": self.under,
            "ev": self.ev,
            "ev_bound": self.ev_bound,
            "ev_reason": self.ev_reason,
            "threshold": self.threshold,
            "weights": {"name": self.weights.name, "sha256": self.weights.sha256},
            "head": None if self.head is None else {"name": self.head.name, "sha256": self.head.sha256},
            "notes": list(self.notes),
        }

    def to_row(self) -> dict[str, Any]:
        """The values of `to_dict` as one flat row for pandas or pyarrow: text, numbers and None only.

        Weights and head become weights_name, weights_sha256, head_name, head_sha256; notes are joined by "; ".
        """
        row = self.to_dict()
        for part in ("weights", "head"):
            facts = row.pop(part) or {}
            row |= {f"{part}_{fact}": facts.get(fact) for fact in ("name", "sha256")}
        return row | {"notes": "; ".join(self.notes)}

    def __repr__(self) -> str:
        height, width = self.size
        name = "array" if self.path is None else printable(self.path.name)
        return f"<Assessment of {name}, {width} x {height}: {' '.join(self.caption().split())}>"

    def _repr_png_(self) -> bytes:
        """The heat map with legend, at notebook size."""
        from luxel.draw import heatmap

        buffer = io.BytesIO()
        drawn = heatmap.with_legend(heatmap.render(heatmap.fit(self.residual, _NOTEBOOK_SIDE)))
        Image.fromarray(drawn).save(buffer, "PNG")
        return buffer.getvalue()

    def _repr_html_(self) -> str:
        """The figures and the heat map, for a notebook."""
        data = base64.b64encode(self._repr_png_()).decode("ascii")
        return f'<figure><figcaption>{escape(repr(self))}</figcaption><img src="data:image/png;base64,{data}"></figure>'

    def heatmap(self, palette: str = "red-blue", *, limit: float = 0.5) -> npt.NDArray[np.uint8]:
        """Heat map without legend, uint8 [H, W, 3], sRGB-encoded: red over, blue under, white ideal.

        palette: one of `luxel.draw.heatmap.PALETTES`.
        limit: in (0, 1], in lightness; every pixel with |r| >= limit has the full colour.
        Raises ValueError for an unknown palette or a limit outside (0, 1].
        """
        from luxel.draw import heatmap

        return heatmap.render(self.residual, palette=palette, limit=limit)

    def save(
        self,
        folder: str | Path,
        stem: str | None = None,
        *,
        heatmap: bool = True,
        overlay: bool = False,
        residual: bool = True,
        palette: str = "red-blue",
        limit: float = 0.5,
    ) -> list[Path]:
        """Writes the files that `luxel assess` writes; returns their paths.

        folder: created if it does not exist.
        stem: first part of the file names; None takes the picture's own, or "assessment" for an array.
        heatmap: write STEM.heatmap.jpg, with legend, at screen size.
        overlay: write STEM.overlay.jpg, image, heat map and overlay side by side, at screen size. The overlay tints
            only pixels with |r| > threshold of this assessment.
        residual: write STEM.residual.png, the map at full size in 16 bit (`luxel.residual_files`).
        palette: one of `luxel.draw.heatmap.PALETTES`.
        limit: in (0, 1], in lightness; every pixel with |r| >= limit has the full colour.
        Raises LuxelError if the folder cannot be made or the stem is not a plain file name, ImageError if a file cannot
        have its name, ValueError for an unknown palette or a limit outside (0, 1].
        """
        from luxel.draw.files import MapStyle, write_maps
        from luxel.jobs.file_list import OUTPUT_ENDINGS

        name = stem or (self.path.stem if self.path else "assessment")
        if Path(name).name != name:
            raise LuxelError(f"stem {name!r}: give a plain file name; pass its folder as folder=")
        wanted = {"residual": residual, "heatmap": heatmap, "overlay": overlay}
        files = {kind: Path(folder) / f"{name}{OUTPUT_ENDINGS[kind]}" for kind, chosen in wanted.items() if chosen}
        style = MapStyle(palette=palette, limit=limit, threshold=self.threshold)
        write_maps(files, self.image, self.residual, style=style, caption=self.caption())
        return list(files.values())

    def caption(self) -> str:
        """The figures in one line, for people."""
        return (
            f"score {self.score:.1f}     over {self.over:.0%}     under {self.under:.0%}"
            f"     advice {advice_text(self.ev, self.ev_bound)} EV"
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Prepared:
    """A picture that is ready for the network.

    pixels: [H, W, 3], what the map is brought to. small: [h, w, 3] float32 in [0, 1] at the working size. size: height
    and width of the picture itself.
    """

    pixels: npt.NDArray[Any]
    small: FloatArray
    size: tuple[int, int]
    path: Path | None
    notes: tuple[str, ...]


class Assessor:
    """Assesses any number of images with weights loaded once.

    It pickles as its options and the hash of its weights, and loads them again from their file.
    An assessor never changes once made: several threads may call it at once, with the results of calls in turn.

    weights: exported weights (.onnx); None for those that come with luxel.
    threads: processor threads for the network; None for one per core.
    backend: inference engine, or "auto".
    working_size: short side in pixels at which the network sees an image; images below it run at their own size.
    threshold: |r| above which a pixel counts as over- or underexposed, in (0, 1), in lightness.
    head: a head that `luxel train recipes/holistic.toml` wrote, whose score replaces `luxel.residual.people_score`
        (paper 5.2, "with fine-tuning"); warns if it is of other weights.
    device: what the network runs on: "cpu", or "cuda", "coreml", "directml" where ONNX Runtime has them, or "cuda" with
        torch.
    reading: how image files are read, except for its working_size: the largest size, and what stands for camera RAW.
    Raises WeightsError, MissingExtraError or LuxelError as `luxel.assessment.runtime.load` does, LuxelError for a bad
    option.

    >>> assessor = Assessor(threshold=0.25)
    >>> dark, white = np.full((64, 64, 3), 20, np.uint8), np.full((64, 64, 3), 255, np.uint8)
    >>> assessor.assess(dark).under > 0.9, assessor.assess(white).over > 0.9
    (True, True)
    """

    def __init__(
        self,
        weights: str | Path | None = None,
        *,
        threads: int | None = None,
        backend: Backend = "auto",
        working_size: int = WORKING_SIZE,
        threshold: float = DEFAULT_THRESHOLD,
        head: str | Path | None = None,
        reading: ReadOptions = ReadOptions(),
        device: Device = "cpu",
    ) -> None:
        if working_size < GRID:
            raise LuxelError(f"working_size={working_size}: give {GRID} or more; {WORKING_SIZE} is usual")
        if not 0 < threshold < 1:
            raise LuxelError(f"threshold={threshold}: give a residual between 0 and 1; {DEFAULT_THRESHOLD} is usual")
        path = locate(weights)
        self.options: dict[str, Any] = {
            "weights": None if weights is None else path.resolve(),
            "threads": threads,
            "backend": backend,
            "working_size": working_size,
            "threshold": threshold,
            "head": None if head is None else Path(head).resolve(),
            "reading": reading,
            "device": device,
        }
        self.weights = describe(path)
        self.working_size = working_size
        self.threshold = threshold
        self.reading = reading
        self.head = None if head is None else load_head(head)
        if self.head is not None and self.head.trained_on != self.weights.sha256:
            warnings.warn(
                f"{self.head.name} was trained on maps of other weights than {self.weights.name}; train it again",
                stacklevel=2,
            )
        self._network = load(path, backend=backend, threads=threads, device=device)

    @property
    def backend(self) -> str:
        """Name of the inference engine in use."""
        return self._network.backend

    def assess(self, image: "ImageInput", *, full_size: bool = True) -> Assessment:
        """The assessment of one image.

        image: path of an image file (see `luxel.images`); the content of one as bytes or a binary file object; a PIL
            image (its orientation and profile hold, alpha on white); or an array [H, W, 3], sRGB-encoded, uint8, uint16
            (full scale) or float in [0, 1]. Arrays [H, W] and [H, W, 1] are grey; [H, W, 4] has straight alpha,
            composited on white. A torch tensor is [C, H, W] with 1, 3 or 4 such channels, float in [0, 1] or uint8. Any
            size from 64 pixels and any aspect ratio.
        full_size: whether the map is needed at the image's own size. Without it, large images cost half as much or
            less: JPEG and camera RAW are decoded at reduced size, and the score and areas are taken over means of
            blocks of 2 to 8 pixels (`luxel.filters.shrink.block_side`). On photographs the score then differs by less
            than 0.02 and the areas by less than 0.01; up to twice the working size every pixel is measured. The advice
            counts newly clipped pixels at the working size in both cases.
        Raises ImageError if the image cannot be read or is not such an array; WeightsError if the network fails.
        """
        prepared = self._prepared(image, full_size)
        return self._finished(prepared, predict(self._network, prepared.small))

    def assess_batch(
        self, images: "Sequence[ImageInput]", *, full_size: bool = True
    ) -> "list[Assessment | ImageError]":
        """The assessments of several pictures, those of one working size in one call of the network.

        images: each as in `assess`. Portraits and landscapes of one aspect ratio make two batches; a graphics processor
            wants 16 or more of a kind.
        full_size: as in `assess`.

        An image that cannot be assessed is an ImageError in its place. Raises WeightsError if the network fails.

        >>> first, second = Assessor().assess_batch([np.zeros((64, 64, 3), np.uint8), b"no picture"])
        >>> first.score < 3, type(second).__name__
        (True, 'ImageError')
        """
        made: dict[int, Assessment | ImageError] = {}
        groups: dict[tuple[int, ...], list[tuple[int, _Prepared]]] = {}
        for number, image in enumerate(images):
            try:
                prepared = self._prepared(image, full_size)
            except ImageError as error:
                made[number] = error
                continue
            groups.setdefault(prepared.small.shape, []).append((number, prepared))
        for group in groups.values():
            maps = predict_batch(self._network, [prepared.small for _, prepared in group])
            for (number, prepared), residual in zip(group, maps, strict=True):
                made[number] = self._finished(prepared, residual)
        return [made[number] for number in range(len(images))]

    def _prepared(self, image: "ImageInput", full_size: bool) -> "_Prepared":
        """A picture read and reduced to the working size."""
        picture = self._read(image, None if full_size else self.working_size)
        path = Path(image) if isinstance(image, str | os.PathLike) else None
        small: FloatArray | None = None
        notes: tuple[str, ...] = ()
        if picture is None:
            pixels, place = array_of(image), "array"
        else:
            pixels, place, notes, size = picture.pixels, str(path or "picture"), picture.notes, picture.size
            if picture.blocks is not None:
                pixels, small = picture.blocks, picture.pixels
        pixels = _checked(pixels, place)
        if small is None:
            size = pixels.shape[0], pixels.shape[1]
            small = shrink(pixels, working_shape(*size, self.working_size))
            if not full_size:
                pixels = block_means(pixels, block_side(*size, self.working_size))
        np.clip(small, 0, 1, out=small)
        return _Prepared(pixels, small, size, path, notes)

    def _finished(self, prepared: "_Prepared", small_residual: FloatArray) -> Assessment:
        """The assessment of a picture whose map at the working size is known."""
        pixels, small, size = prepared.pixels, prepared.small, prepared.size
        small_residual = np.clip(small_residual, -1, 1)
        residual = small_residual
        if small.shape[:2] != pixels.shape[:2]:
            residual = guided_upsample(small_residual, lightness(small), pixels)
            np.clip(residual, -1, 1, out=residual)
        advice = recommended_ev(small, small_residual, threshold=self.threshold)
        mean_under, mean_over, under, over = _measured(residual, self.threshold)
        return Assessment(
            residual=residual,
            image=pixels,
            score=score_of(mean_under, mean_over) if self.head is None else self.head.score(residual),
            mean_abs_residual=mean_under + mean_over,
            over=over,
            under=under,
            ev=advice.ev,
            ev_bound=advice.bound,
            ev_reason=advice.reason,
            head=self.head,
            threshold=self.threshold,
            weights=self.weights,
            path=prepared.path,
            notes=prepared.notes,
            full_size=None if size == residual.shape else size,
        )

    def _read(self, image: "ImageInput", working_size: int | None) -> "Picture | None":
        """The picture of a file, of a file's bytes or of Pillow; None for arrays and tensors."""
        from luxel import images

        options = asdict(replace(self.reading, working_size=working_size))
        if isinstance(image, str | os.PathLike):
            return images.read(image, **options)
        if isinstance(image, Image.Image):
            return images.from_pillow(image, working_size=working_size)
        data = stored_bytes(image)
        if data is None:
            return None
        with as_file(data) as path:
            return images.read(path, **options)

    def __reduce__(self) -> tuple[Any, ...]:
        return _remade, (self.options, self.weights.sha256)


def _remade(options: dict[str, Any], sha256: str) -> Assessor:
    """An assessor from its pickle. Raises WeightsError if its weights file is not the same any more."""
    assessor = Assessor(**options)
    if assessor.weights.sha256 != sha256:
        raise WeightsError(f"{assessor.weights.name}: not the weights this assessor was pickled with; make a new one")
    return assessor


def assess(
    image: "ImageInput",
    *,
    weights: str | Path | None = None,
    threads: int | None = None,
    backend: Backend = "auto",
    working_size: int = WORKING_SIZE,
    threshold: float = DEFAULT_THRESHOLD,
) -> Assessment:
    """The assessment of one image, with an assessor that is made on the first call and kept for the next.

    The last set of options is kept.

    image: a path, bytes, a binary file, a PIL image, an array or a tensor, as in `Assessor.assess`.
    weights: exported weights (.onnx); None for those that come with luxel.
    threads: processor threads for the network; None for one per core.
    backend: inference engine, or "auto".
    working_size: short side in pixels at which the network sees an image.
    threshold: |r| above which a pixel counts as over- or underexposed, in (0, 1), in lightness.
    Raises what `Assessor` and `Assessor.assess` raise.

    >>> assessment = assess(np.full((64, 64, 3), 20, np.uint8))
    >>> assessment.residual.shape, assessment.score < 5, assessment.under > 0.9
    ((64, 64), True, True)
    """
    return _assessor(weights, threads, backend, working_size, threshold).assess(image)


@lru_cache(maxsize=1)
def _assessor(
    weights: str | Path | None, threads: int | None, backend: Backend, working_size: int, threshold: float
) -> Assessor:
    return Assessor(weights, threads=threads, backend=backend, working_size=working_size, threshold=threshold)


def _checked(image: npt.NDArray[Any], place: str) -> npt.NDArray[Any]:
    """The picture as an array that is certainly [H, W, 3] and in a known range; raises ImageError if it is not."""
    if image.ndim != 3 or image.shape[2] != 3:
        raise ImageError(f"{place} of shape {list(image.shape)}: give [H, W, 3], [H, W, 4] (alpha) or [H, W] (grey)")
    height, width = image.shape[:2]
    if height * width < MIN_PIXELS:
        raise ImageError(f"{place} of {width} x {height}: too small to judge; give {MIN_PIXELS} pixels or more")
    image = image.astype(image.dtype.newbyteorder("="), copy=False)
    if image.dtype in (np.uint8, np.uint16):
        return image
    if image.dtype.kind != "f":
        raise ImageError(f"{place} of {image.dtype}: give uint8, uint16 (full scale) or float in [0, 1]")
    darkest, brightest = float(image.min()), float(image.max())
    if np.isnan(darkest):
        raise ImageError(f"{place} holds values that are not numbers: give float in [0, 1]")
    if darkest < -RANGE_TOLERANCE or brightest > 1 + RANGE_TOLERANCE:
        raise ImageError(
            f"{place} of float in [{darkest:g}, {brightest:g}]: give [0, 1], sRGB-encoded (divide by full scale, clip)"
        )
    return image


def _measured(residual: FloatArray, threshold: float) -> tuple[float, float, float, float]:
    """Mean underexposure, mean overexposure, under and over areas (`luxel.residual`) of a map [H, W].

    Strip by strip: no temporary as large as the map.
    """
    totals = np.zeros(4)
    for top in range(0, len(residual), _STRIP_ROWS):
        strip = residual[top : top + _STRIP_ROWS]
        lacking = np.maximum(strip, 0).sum(dtype=np.float64)
        excess = lacking - strip.sum(dtype=np.float64)
        totals += (lacking, excess, np.count_nonzero(strip > threshold), np.count_nonzero(strip < -threshold))
    under_mean, over_mean, under, over = (totals / residual.size).tolist()
    return under_mean, over_mean, under, over
