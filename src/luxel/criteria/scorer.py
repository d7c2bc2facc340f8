"""Pictures or saved maps in, one row each by some criteria out, with a line for every region."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from luxel import images
from luxel.assessment.assessor import WORKING_SIZE, Assessor
from luxel.criteria import Criteria, Verdict
from luxel.errors import MissingExtraError, RegionsError, reason_of
from luxel.filters.shrink import shrink, working_shape
from luxel.jobs.find import find
from luxel.photometry import FloatArray, Mask
from luxel.regions.regions import RegionStatistics, label_regions, read_regions, statistics
from luxel.residual_files import ENDINGS, is_saved_map, read_saved_map

Regions = Mapping[str, Mask]
RegionSource = Callable[[Path, npt.NDArray[Any] | None, tuple[int, int]], Regions]
"""(file of the picture or map, the picture if known, size of the map) -> regions."""

REGION_ENDINGS = (".png", ".tif", ".bmp", ".gif", ".json")


@dataclass(frozen=True, slots=True)
class RegionScore:
    """One region of an image.

    statistics: what the map says about it.
    verdict: its score by the criteria as if it were an image; None if the criteria name regions.
    """

    statistics: RegionStatistics
    verdict: Verdict | None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        by_criteria = None if self.verdict is None else self.verdict.score
        return self.statistics.to_dict() | {"criteria_score": by_criteria}


@dataclass(frozen=True, slots=True)
class Scored:
    """One image or map: its verdict and regions, or the reason why there is none.

    path: the file.
    verdict: of the whole image; None where there is none.
    regions: one for each region that was given.
    error: why there is no verdict, in one line; None where there is one.
    """

    path: Path
    verdict: Verdict | None = None
    regions: tuple[RegionScore, ...] = ()
    error: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        row: dict[str, Any] = {"path": str(self.path), "error": self.error}
        if self.verdict is not None:
            row |= self.verdict.to_dict()
            row["regions"] = [region.to_dict() for region in self.regions]
        return row


@dataclass(frozen=True)
class Scorer:
    """Scores any number of files by one set of criteria.

    criteria: from `luxel.criteria.load`.
    make_assessor: called when the first image needs one.
    regions: where regions come from; None for none.
    maps: whether every file is a saved map; otherwise those whose name says so (`luxel.residual_files.ENDINGS`).
    answers: question -> yes or no, see `Criteria.score`.

    >>> import tempfile, luxel
    >>> from luxel.criteria import load
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/ideal.npy", np.zeros((8, 8), np.float32))
    ...     scored = Scorer(load("fig9")).score(Path(folder) / "ideal.npy")
    >>> scored.verdict.score, scored.error
    (100.0, None)
    """

    criteria: Criteria
    make_assessor: Callable[[], Assessor] = Assessor
    regions: RegionSource | None = None
    maps: bool = False
    answers: Mapping[str, bool] = field(default_factory=dict)

    @cached_property
    def _assessor(self) -> Assessor:
        return self.make_assessor()

    def score(self, path: Path) -> Scored:
        """The verdict on one file. Whatever goes wrong with it becomes `Scored.error`.

        path: an image, or a saved map.
        Raises LuxelError when no file can be scored (weights that fail).
        """
        try:
            residual, image = self._load(path)
            regions = None if self.regions is None else self.regions(path, image, residual.shape)
            verdict = self.criteria.score(residual, regions, image=image, answers=self.answers)
            found = () if regions is None else tuple(self._by_region(residual, image, regions))
        except Exception as error:
            return Scored(path, error=reason_of(error, path))
        return Scored(path, verdict, found)

    def _load(self, path: Path) -> tuple[FloatArray, npt.NDArray[Any] | None]:
        if self.maps or is_saved_map(path):
            return read_saved_map(path), None
        # Regions are drawn on the picture at its own size; whole pictures are measured on a reduced one.
        assessment = self._assessor.assess(path, full_size=self.regions is not None)
        return assessment.residual, assessment.image

    def _by_region(
        self, residual: FloatArray, image: npt.NDArray[Any] | None, regions: Regions
    ) -> Iterator[RegionScore]:
        criteria = self.criteria
        for found in statistics(residual, regions, over=criteria.over, under=criteria.under):
            verdict = None
            if not criteria.regions and found.over is not None:
                mask = regions[found.name]
                pixels = None if image is None else image[mask][None]
                verdict = criteria.score(residual[mask][None], image=pixels, answers=self.answers)
            yield RegionScore(found, verdict)


def find_files(patterns: Sequence[str], *, maps: bool, recursive: bool, warn: Callable[[str], None]) -> list[Path]:
    """The files that files, folders and globs stand for.

    patterns: files, folders and globs.
    maps: whether folders and globs give saved maps instead of images.
    recursive: whether folders are searched with their subfolders.
    warn: called with one line for what is left out, as in `luxel.jobs.find.find`.
    Raises LuxelError when there are none.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Path(folder, "a.jpg").touch()
    ...     [file.name for file in find_files([folder], maps=False, recursive=False, warn=print)]
    ['a.jpg']
    """
    if maps:
        # A glob may name maps of any name that can be read; in a folder the name must say that a file is a map.
        search = partial(find, endings=ENDINGS, glob_endings=(".png", ".npy"), what="saved map (*.residual.png, *.npy)")
    else:
        search = partial(find, endings=images.SUFFIXES)
    return [found.path for found in search(patterns, recursive=recursive, warn=warn)]


def regions_from_files(
    place: str | Path, names: str | Path | None = None, *, warn: Callable[[str], None] = lambda message: None
) -> RegionSource:
    """Regions from a file for all images (`luxel.regions.regions.read_regions`), or from a folder with one for each.

    In a folder, the regions of photo.jpg and of photo.residual.png are photo.png, photo.json or the like.

    place: the file or folder.
    names: JSON or TOML with label -> name; None for a file beside the labels, or numbers.
    warn: called with one line for what of a file is left out.
    Raises RegionsError where there is no such file or folder.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     images.write(f"{folder}/labels.png", np.array([[1, 2]], np.uint8))
    ...     source = regions_from_files(f"{folder}/labels.png")
    ...     sorted(source(Path("photo.jpg"), None, (2, 4)))
    ['region 1', 'region 2']
    """
    place = Path(place)
    if not place.exists():
        raise RegionsError(f"{place}: no such region file or folder")

    def source(path: Path, image: npt.NDArray[Any] | None, shape: tuple[int, int]) -> Regions:
        if not place.is_dir():
            return read_regions(place, shape, picture=path, names=names, warn=warn)
        stem = _stem(path)
        files = [place / f"{stem}{ending}" for ending in REGION_ENDINGS]
        own = next((file for file in files if file.is_file()), None)
        if own is None:
            raise RegionsError(f"{place}: no regions of this picture; looked for {stem}{{{','.join(REGION_ENDINGS)}}}")
        picture = path if own.suffix == ".json" else None
        return read_regions(own, shape, picture=picture, names=names, warn=warn)

    return source


def regions_from_superpixels(count: int) -> RegionSource:
    """Regions from SLIC superpixels of each image.

    count: about how many superpixels.
    Raises MissingExtraError without scikit-image.

    >>> source = regions_from_superpixels(4)
    >>> image = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    >>> len(source(Path("photo.jpg"), image, (64, 64))) > 1
    True
    """
    try:
        from luxel.dataset.reference.superpixels import blocks
    except ImportError as error:
        raise MissingExtraError("superpixels", "dataset") from error

    def source(path: Path, image: npt.NDArray[Any] | None, shape: tuple[int, int]) -> Regions:
        if image is None:
            raise RegionsError(f"{path}: superpixels need the picture, and this is a map; give the picture")
        small = np.clip(shrink(image, working_shape(image.shape[0], image.shape[1], WORKING_SIZE)), 0, 1)
        return label_regions(blocks(small, count=count), shape)

    return source


def regions_from_checkpoint(checkpoint: str) -> RegionSource:
    """Regions from a semantic segmentation network (`luxel.regions.segmentation.Segmenter`).

    checkpoint: folder or name of a transformers checkpoint.
    Raises MissingExtraError without transformers and torch; RegionsError for a checkpoint that cannot be loaded.

    >>> regions_from_checkpoint("/no/such/folder")
    Traceback (most recent call last):
    luxel.errors.RegionsError: /no/such/folder: no such folder; give one that holds a transformers checkpoint
    """
    from luxel.regions.segmentation import Segmenter

    segmenter = Segmenter(checkpoint)

    def source(path: Path, image: npt.NDArray[Any] | None, shape: tuple[int, int]) -> Regions:
        if image is None:
            raise RegionsError(f"{path}: segmentation needs the picture, and this is a map; give the picture")
        return segmenter(image)

    return source


def _stem(path: Path) -> str:
    name = path.name
    for ending in ENDINGS:
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return path.stem
