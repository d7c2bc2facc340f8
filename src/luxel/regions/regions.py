"""Regions of a picture, and what a residual map says about each: "sky: 37 % overexposed".

Regions come from a label picture (one number per pixel), from COCO JSON (polygons or run lengths), from superpixels or
from a segmentation network; all end as a mapping from name to mask, bool [H, W]. Needs NumPy and Pillow only.
"""

import json
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from luxel.errors import RegionsError
from luxel.photometry import Mask
from luxel.regions.coco import coco_masks
from luxel.residual import DEFAULT_THRESHOLD, over_area, people_score, score_of, under_area

MAX_MEGAPIXELS = 200.0
"""Largest label picture that is read (10^6 pixels)."""

ASPECT_TOLERANCE = 0.02
"""How far the aspect ratio of regions may be from that of the map (rounding of small masks) to be scaled onto it."""

_STRIP_ROWS = 256


class LabelRegions(Mapping[str, Mask]):
    """Regions that do not overlap, kept as one label image: a mapping name -> bool [H, W], made when asked for.

    labels: [H, W] integers.
    names: label -> name; labels without a name belong to no region, labels of one name to one region.

    >>> regions = LabelRegions(np.array([[1, 1, 2]]), {1: "sky", 2: "face"})
    >>> list(regions), regions["sky"].tolist()
    (['sky', 'face'], [[True, True, False]])
    """

    def __init__(self, labels: npt.NDArray[Any], names: Mapping[int, str]) -> None:
        self.labels = labels
        self.names = dict(names)
        self._by_name: dict[str, list[int]] = {}
        for label, name in self.names.items():
            self._by_name.setdefault(name, []).append(label)

    def __getitem__(self, name: str) -> Mask:
        return np.isin(self.labels, self._by_name[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)

    def labels_of(self, name: str) -> list[int]:
        """The labels of a region.

        name: of the region.
        """
        return self._by_name[name]


@dataclass(frozen=True, slots=True)
class RegionStatistics:
    """What a map says about one region. All values but the area are None if it has no pixels.

    name: of the region.
    area: its share of the image, in [0, 1].
    over: share of its pixels with r < -threshold, in [0, 1].
    under: share of its pixels with r > threshold, in [0, 1].
    mean: mean of r, in [-1, 1], in lightness.
    mean_abs: mean of |r|, in [0, 1], in lightness.
    score: holistic score of the region alone, in [0, 10].
    """

    name: str
    area: float
    over: float | None
    under: float | None
    mean: float | None
    mean_abs: float | None
    score: float | None

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        return asdict(self)

    def sentence(self) -> str:
        """One line for people: "sky: 37 % overexposed"."""
        if self.over is None or self.under is None:
            return f"{self.name}: not in this picture"
        shares = (("overexposed", self.over), ("underexposed", self.under))
        faults = [f"{100 * share:.0f} % {word}" for word, share in shares if share >= 0.005]
        return f"{self.name}: {', '.join(faults) or 'well exposed'}"


def statistics(
    residual: npt.ArrayLike,
    regions: Mapping[str, Mask],
    *,
    over: float = DEFAULT_THRESHOLD,
    under: float = DEFAULT_THRESHOLD,
) -> list[RegionStatistics]:
    """Statistics of a map for every region, in the order of the regions.

    residual: [H, W] in [-1, 1], in lightness.
    regions: name -> bool [H, W].
    over: |r| above which a pixel counts as overexposed, in lightness.
    under: |r| above which a pixel counts as underexposed, in lightness.
    Raises RegionsError where a mask has another size than the map.

    >>> regions = LabelRegions(np.array([[1, 1, 2]]), {1: "sky", 2: "face"})
    >>> [found.sentence() for found in statistics([[-0.5, 0.0, 0.0]], regions)]
    ['sky: 50 % overexposed', 'face: well exposed']
    """
    values = np.asarray(residual, dtype=np.float32)
    if isinstance(regions, LabelRegions):
        return _of_labels(values, regions, over, under)
    found = []
    for name, mask in regions.items():
        if mask.shape != values.shape:
            raise RegionsError(f"region {name!r} is {_size(mask)} but the map {_size(values)}; fit it first")
        found.append(_of_pixels(name, values[mask], values.size, over, under))
    return found


def read_regions(
    path: str | Path,
    shape: tuple[int, int],
    *,
    picture: str | Path | None = None,
    names: str | Path | None = None,
    warn: Callable[[str], None] = lambda message: None,
) -> Mapping[str, Mask]:
    """Regions from a file, fitted to a map: a mapping name -> bool [H, W].

    path: a label image (.png, .tif, .bmp, .gif with one channel or a palette; its numbers are the labels), or COCO JSON
        (.json).
    shape: (height, width) of the map in pixels; regions of another size and the same aspect ratio are scaled to it,
        nearest neighbour.
    picture: which image of COCO JSON, by file name or its stem; not needed where it holds one.
    names: JSON or TOML with label -> name, or a list of names from label 0; without it, a file of the label image's
    name
        that ends in .json or .toml; without that either, labels from 1 are "region 1", "region 2" ...; 0 means no
        region.
    warn: called with one line for each shape of COCO JSON that is left out, see `coco_masks`.
    Raises RegionsError: missing, damaged, several channels, no names that occur, another aspect ratio, no such image in
    the JSON, an annotation that cannot be read.

    >>> import tempfile
    >>> from luxel import images
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     images.write(f"{folder}/labels.png", np.array([[1, 1, 2, 2]], np.uint8))
    ...     sorted(read_regions(f"{folder}/labels.png", (2, 8)))
    ['region 1', 'region 2']
    """
    path = Path(path)
    if not path.is_file():
        raise RegionsError(f"{path}: no such region file; give a label picture or COCO JSON")
    if path.suffix.lower() == ".json":
        if names is not None:
            raise RegionsError(f"{path}: COCO JSON has its own names; remove {names}")
        masks = coco_masks(path, picture, warn=warn)
        return {name: np.asarray(fit_labels(mask, shape, path), dtype=np.bool_) for name, mask in masks.items()}
    labels = _label_picture(path)
    named = _names(names, path)
    present = [int(label) for label in np.unique(labels)]
    if named is None:
        named = {label: f"region {label}" for label in present if label > 0}
        if not named:
            raise RegionsError(f"{path}: every pixel is 0, which means no region; number regions from 1 or give names")
    elif not any(label in named for label in present):
        listed = ", ".join(map(str, present[:8]))
        raise RegionsError(
            f"{path}: its labels ({listed}) have no names; the names are for {', '.join(map(str, named))}"
        )
    return LabelRegions(fit_labels(labels, shape, path), named)


def label_regions(labels: npt.NDArray[Any], shape: tuple[int, int], *, prefix: str = "block") -> LabelRegions:
    """Regions from numbered blocks such as superpixels, scaled to a map: "block 0", "block 1" ...

    labels: [h, w] integers >= 0.
    shape: (height, width) of the map in pixels.
    prefix: first word of the names.
    Raises RegionsError for another aspect ratio.

    >>> list(label_regions(np.array([[0, 1]]), (2, 4)))
    ['block 0', 'block 1']
    """
    names = {int(label): f"{prefix} {label}" for label in np.unique(labels)}
    return LabelRegions(fit_labels(labels, shape, prefix), names)


def fit_labels(labels: npt.NDArray[Any], shape: tuple[int, int], place: str | Path) -> npt.NDArray[Any]:
    """Labels or a mask at the size of a map, nearest neighbour: the array itself if it fits, else the same type [H, W].

    labels: [h, w], any type.
    shape: (height, width) of the map in pixels.
    place: where they are from, for the message.
    Raises RegionsError for another aspect ratio.

    >>> fit_labels(np.array([[1, 2]]), (2, 4), "labels.png").tolist()
    [[1, 1, 2, 2], [1, 1, 2, 2]]
    """
    height, width = labels.shape
    if (height, width) == shape:
        return labels
    # A mask of few pixels is off by rounding alone, so one pixel of it is always forgiven.
    allowed = max(ASPECT_TOLERANCE, 1.0 / min(height, width))
    if abs(width * shape[0] / (height * shape[1]) - 1.0) > allowed:
        raise RegionsError(
            f"{place}: regions of {_size(labels)} do not belong to a picture of {shape[1]} x {shape[0]}; "
            "make them from the upright picture"
        )
    rows = (np.arange(shape[0]) * 2 + 1) * height // (2 * shape[0])
    columns = (np.arange(shape[1]) * 2 + 1) * width // (2 * shape[1])
    return np.asarray(labels[rows[:, None], columns])


def _of_pixels(name: str, values: npt.NDArray[np.float32], total: int, over: float, under: float) -> RegionStatistics:
    if values.size == 0:
        return RegionStatistics(name, 0.0, None, None, None, None, None)
    return RegionStatistics(
        name,
        values.size / total,
        over_area(values, over),
        under_area(values, under),
        float(np.mean(values, dtype=np.float64)),
        float(np.mean(np.abs(values), dtype=np.float64)),
        people_score(values),
    )


def _of_labels(
    values: npt.NDArray[np.float32], regions: LabelRegions, over: float, under: float
) -> list[RegionStatistics]:
    """The same for labels, in one pass however many regions there are."""
    labels = regions.labels
    if labels.shape != values.shape:
        raise RegionsError(f"regions are {_size(labels)} but the map {_size(values)}; fit them first")
    top = max(regions.names, default=0) + 1
    counts, too_bright, too_dark, total, dark, bright = np.zeros((6, top + 1))
    for first in range(0, len(values), _STRIP_ROWS):
        strip, r = labels[first : first + _STRIP_ROWS].ravel(), values[first : first + _STRIP_ROWS].ravel()
        # Labels above every named one share one bin that nobody asks for.
        bins = np.where((strip >= 0) & (strip < top), strip, top)
        counts += np.bincount(bins, minlength=top + 1)
        weighed = ((too_bright, r < -over), (too_dark, r > under), (total, r))
        for sums, weights in (*weighed, (dark, np.maximum(r, 0)), (bright, np.maximum(-r, 0))):
            sums += np.bincount(bins, weights, minlength=top + 1)
    found = []
    for name in regions:
        of = regions.labels_of(name)
        pixels = counts[of].sum()
        if pixels == 0:
            found.append(RegionStatistics(name, 0.0, None, None, None, None, None))
            continue
        mean_dark, mean_bright = float(dark[of].sum() / pixels), float(bright[of].sum() / pixels)
        found.append(
            RegionStatistics(
                name,
                area=float(pixels / values.size),
                over=float(too_bright[of].sum() / pixels),
                under=float(too_dark[of].sum() / pixels),
                mean=float(total[of].sum() / pixels),
                mean_abs=mean_dark + mean_bright,
                score=score_of(mean_dark, mean_bright),
            )
        )
    return found


def _label_picture(path: Path) -> npt.NDArray[Any]:
    """The numbers of a label picture, [H, W] integers, as stored: no colour conversion of any kind."""
    try:
        with Image.open(path) as picture:
            width, height = picture.size
            if width * height > MAX_MEGAPIXELS * 1e6:
                raise RegionsError(f"{path}: {width} x {height} is over {MAX_MEGAPIXELS:g} megapixels; make it smaller")
            if picture.mode not in ("1", "L", "P", "I", "I;16", "I;16B", "I;16L"):
                raise RegionsError(
                    f"{path}: a label picture has one channel of numbers, this one is {picture.mode}; "
                    "save it as grey or palette PNG"
                )
            labels = np.asarray(picture)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise RegionsError(f"{path}: not a label picture that can be read: {' '.join(str(error).split())}") from error
    return labels.astype(np.int32)


def _names(given: str | Path | None, beside: Path) -> dict[int, str] | None:
    """Label -> name from a file, or None if there is none."""
    candidates = [Path(given)] if given is not None else [beside.with_suffix(s) for s in (".json", ".toml")]
    path = next((candidate for candidate in candidates if candidate.is_file()), None)
    if path is None:
        if given is not None:
            raise RegionsError(f"{given}: no such file of names")
        return None
    try:
        text = path.read_text(encoding="utf-8")
        data = tomllib.loads(text) if path.suffix.lower() == ".toml" else json.loads(text)
    except (OSError, ValueError) as error:
        raise RegionsError(f"{path}: names cannot be read: {' '.join(str(error).split())}") from error
    if isinstance(data, list):
        data = dict(enumerate(data))
    try:
        named = {int(label): name for label, name in data.items()}
    except (AttributeError, ValueError):
        named = {}
    if not named or not all(isinstance(name, str) and name.strip() for name in named.values()) or min(named) < 0:
        raise RegionsError(f'{path}: names look like {{"1": "sky", "2": "face"}}, numbers from 0 to names')
    return named


def _size(array: npt.NDArray[Any]) -> str:
    return f"{array.shape[1]} x {array.shape[0]}" if array.ndim == 2 else str(array.shape)
