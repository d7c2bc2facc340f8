"""Which enhancement leaves the least exposure residual? Pictures matched, measured and ranked (paper 5.3(1), Fig. 8).

An original and any number of enhanced versions of it, or folders of them, each go through the same network on their
own. The lower the mean absolute residual, the closer a version is to ideal exposure. A version that lost detail is
ranked last whatever its residual, because a uniform grey picture leaves next to none (`luxel.compare.detail`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from luxel import images
from luxel.assessment.assessor import Assessment, Assessor
from luxel.compare.detail import MIN_DETAIL, kept_detail, reduced, same_scene
from luxel.draw import heatmap
from luxel.errors import LuxelError, reason_of
from luxel.jobs.file_list import free_name
from luxel.jobs.find import find
from luxel.jobs.processes import TaskError, ordered_results
from luxel.photometry import Float64Array, FloatArray
from luxel.residual import DEFAULT_THRESHOLD

ORIGINAL = "original"
"""Name of the first version, the one that was not enhanced."""

RESAMPLES = 10_000
COVERAGE = 0.95

LOST_DETAIL = "lost detail"
NO_MATCH = "pictures do not match"
"""Why a version is ranked last."""

FEW = 10
"""Pictures below which a bootstrap interval is said to be rough."""

PANEL_SIDE = 640
"""Long side in pixels of the pictures and maps kept for drawing."""


@dataclass(frozen=True, slots=True)
class Case:
    """One image in all its versions.

    name: of the image.
    files: version name -> file, the original first.
    """

    name: str
    files: dict[str, Path]


@dataclass(frozen=True, slots=True)
class Matching:
    """What is compared with what.

    versions: names, the original first.
    cases: the images that every version has.
    unmatched: one line each for files that some version lacks; they take no part.
    """

    versions: tuple[str, ...]
    cases: tuple[Case, ...]
    unmatched: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Figures:
    """One version of one image.

    residual: mean absolute residual, in [0, 1], in lightness.
    over: share of pixels with r < -threshold, in [0, 1].
    under: share of pixels with r > threshold, in [0, 1].
    score: in [0, 10].
    detail: share of the original's detail that is kept, in [0, 1].
    matches: whether it can show the same scene as the original.
    """

    residual: float
    over: float
    under: float
    score: float
    detail: float = 1.0
    matches: bool = True

    @property
    def order(self) -> tuple[bool, float]:
        """Sorts versions of a picture, the best first: those that lost detail come last."""
        return self.detail < MIN_DETAIL, self.residual


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """What is drawn of a version, reduced.

    image: uint8 [h, w, 3], sRGB-encoded.
    residual: float32 [h, w] in [-1, 1], in lightness.
    """

    image: npt.NDArray[np.uint8]
    residual: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean over images and its bootstrap interval.

    mean: over the images.
    low: lower end of the interval; None where one image allows none.
    high: upper end of the interval; None where one image allows none.
    """

    mean: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Rank:
    """A version's place among all, by mean absolute residual; those that lost detail come last.

    version: its name.
    residual: mean absolute residual over the images, in lightness.
    over: mean share of overexposed pixels.
    under: mean share of underexposed pixels.
    score: mean score, in [0, 10].
    detail: mean share of the original's detail that is kept.
    change: residual minus that of the original, paired by image; None for the original itself.
    better: images on which it beats the original and keeps its detail; None for the original itself.
    first: share of bootstrap samples in which it has the lowest residual of the versions that keep detail; None for one
        image.
    lost: images on which it keeps less than MIN_DETAIL.
    reason: why it is ranked last; None if it is not.
    """

    version: str
    residual: Interval
    over: Interval
    under: Interval
    score: Interval
    detail: Interval
    change: Interval | None
    better: int | None
    first: float | None
    lost: int
    reason: str | None


@dataclass(slots=True)
class Comparison:
    """The figures of all versions of all images.

    versions: names, the original first.
    threshold: |r| above which a pixel counts as over- or underexposed.
    figures: case name -> version -> figures.
    left_out: one line on each image that could not be read.
    unlike: one line on each image that does not show the same scene as its original, and takes part all the same.
    """

    versions: tuple[str, ...]
    threshold: float
    figures: dict[str, dict[str, Figures]] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    unlike: list[str] = field(default_factory=list)

    def values(self, name: str) -> Float64Array:
        """One figure of all images and versions, float64 [images, versions].

        name: a field of `Figures`.
        """
        return np.array([[getattr(row[v], name) for v in self.versions] for row in self.figures.values()], np.float64)


def match(original: Path, enhanced: Sequence[Path]) -> Matching:
    """Pairs up versions of images: files as they are given, folders by file name without its ending.

    original: a file (one image), or a folder.
    enhanced: files, or one folder per method, as the original.
    Raises LuxelError when they are mixed or missing, when two files of a folder share a name, or nothing matches.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("a.png", "b.png"):
    ...         images.write(f"{folder}/{name}", np.zeros((64, 64, 3), np.uint8))
    ...     match(Path(folder, "a.png"), [Path(folder, "b.png")]).versions
    ('original', 'b')
    """
    places = [original, *enhanced]
    if not enhanced:
        raise LuxelError(f"{original}: nothing to compare it with; give enhanced pictures, or folders of them")
    for place in places:
        if not place.exists():
            raise LuxelError(f"{place}: no such file or folder")
    folders = [place.is_dir() for place in places]
    if any(folders) != all(folders):
        odd = places[folders.index(not folders[0])]
        raise LuxelError(f"{odd}: files and folders are mixed; give one picture and files, or folders only")
    versions = _version_names(enhanced, of_folders=folders[0])
    if not folders[0]:
        return Matching(versions, (Case(original.stem, dict(zip(versions, places, strict=True))),))
    by_version = {version: _by_stem(place) for version, place in zip(versions, places, strict=True)}
    common = [stem for stem in by_version[ORIGINAL] if all(stem in files for files in by_version.values())]
    everything = list(dict.fromkeys(stem for files in by_version.values() for stem in files))
    unmatched = []
    for stem in everything:
        lacking = [version for version, files in by_version.items() if stem not in files]
        if lacking:
            name = next(files[stem].name for files in by_version.values() if stem in files)
            unmatched.append(
                f"{name}: left out, because {' and '.join(lacking)} {'lacks' if len(lacking) == 1 else 'lack'} it"
            )
    if not common:
        raise LuxelError(f"{original}: no picture has the same name in all {len(places)} folders; names must match")
    cases = tuple(Case(stem, {v: files[stem] for v, files in by_version.items()}) for stem in common)
    return Matching(versions, cases, tuple(unmatched))


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """One image in all its versions.

    figures: version name -> its figures.
    panels: version name -> what is drawn of it.
    """

    figures: dict[str, Figures]
    panels: dict[str, Panel]


def compare_versions(
    matching: Matching,
    start: Callable[[], Assessor],
    *,
    threshold: float = DEFAULT_THRESHOLD,
    jobs: int = 1,
    timeout: float | None = None,
    each: Callable[[Case, dict[str, Figures], dict[str, Panel]], None] | None = None,
    progress: Callable[[str], None] = lambda name: None,
) -> Comparison:
    """Every version of every image assessed.

    An image of which a version cannot be assessed, whatever the reason, is left out for all versions, because means
    over different images do not compare.

    matching: from `match`.
    start: makes the assessor; must pickle if there are processes or a time limit.
    threshold: |r| above which a pixel counts as over- or underexposed, the assessor's.
    jobs: images at a time, each in a process of its own; 1 without a time limit works in this one.
    timeout: seconds that one version may take, in a process that is ended then; None: no limit.
    each: called after each image, with what can be drawn of it.
    progress: called with the name of each image that is done.
    Raises LuxelError when no image is left, and when no image can be assessed (weights, full disk).

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     ramp = np.linspace(0, 80, 64 * 64 * 3).reshape(64, 64, 3).astype(np.uint8)
    ...     images.write(f"{folder}/dark.png", ramp)
    ...     images.write(f"{folder}/enhanced.png", ramp * 2)
    ...     matching = match(Path(folder, "dark.png"), [Path(folder, "enhanced.png")])
    ...     [rank.version for rank in ranking(compare_versions(matching, Assessor))]
    ['enhanced', 'original']
    """
    comparison = Comparison(matching.versions, threshold)
    limit = None if timeout is None else timeout * len(matching.versions)
    results = ordered_results(matching.cases, partial(_case_worker, start), jobs=jobs, timeout=limit)
    for case, result in zip(matching.cases, results, strict=True):
        reason = f"{case.files[ORIGINAL]}: {result.reason}" if isinstance(result, TaskError) else result
        if isinstance(reason, Measured) and each is not None:
            try:
                each(case, reason.figures, reason.panels)
            except Exception as error:
                reason = f"{case.files[ORIGINAL]}: {reason_of(error, case.files[ORIGINAL])}"
        progress(case.name)
        if isinstance(reason, str):
            comparison.left_out.append(f"{reason}; {case.name} is left out")
            continue
        comparison.figures[case.name] = reason.figures
        comparison.unlike += [
            f"{case.files[version]}: {NO_MATCH}; {case.files[ORIGINAL].name} shows something else, check the file names"
            for version, numbers in reason.figures.items()
            if not numbers.matches
        ]
    if not comparison.figures:
        raise LuxelError(f"nothing to compare: {comparison.left_out[0]}")
    return comparison


def _case_worker(start: Callable[[], Assessor]) -> Callable[[Case], Measured | str]:
    """What a process begins with: the function that measures one picture, or says why it cannot."""
    assessor = start()

    def measure(case: Case) -> Measured | str:
        measured = Measured({}, {})
        before = None
        for version, path in case.files.items():
            try:
                assessment = assessor.assess(path)
                small = reduced(assessment.image)
                before = small if before is None else before  # The original comes first.
                measured.figures[version] = _figures(assessment, before, small)
                measured.panels[version] = _panel(assessment)
            except Exception as error:
                return f"{path}: {reason_of(error, path)}"
        return measured

    return measure


def ranking(comparison: Comparison) -> list[Rank]:
    """All versions, the lowest mean absolute residual first; with intervals over images where there are two or more.

    Versions that keep less than MIN_DETAIL of the detail, on average over the images, come last. The images are
    resampled, the same ones for all versions, so that hard images weigh on all alike.

    comparison: from `compare_versions`.

    >>> figures = {"a": {"original": Figures(0.3, 0, 1, 4.0), "bright": Figures(0.1, 0, 0, 7.0)}}
    >>> [rank.version for rank in ranking(Comparison(("original", "bright"), 0.2, figures))]
    ['bright', 'original']
    """
    residual = comparison.values("residual")
    counts = _resampled(len(residual))
    means = {
        name: _intervals(comparison.values(name), counts) for name in ("residual", "over", "under", "score", "detail")
    }
    changes = _intervals(residual - residual[:, :1], counts)
    lost = comparison.values("detail") < MIN_DETAIL
    reasons = _reasons(comparison)
    first = None
    if counts is not None:
        out = np.array([reason is not None for reason in reasons])
        winners = np.argmin(np.where(out, np.inf, counts @ residual), axis=1)
        first = np.bincount(winners, minlength=len(comparison.versions)) / len(winners)
    ranks = [
        Rank(
            version,
            residual=means["residual"][n],
            over=means["over"][n],
            under=means["under"][n],
            score=means["score"][n],
            detail=means["detail"][n],
            change=changes[n] if n else None,
            better=int(np.sum((residual[:, n] < residual[:, 0]) & ~lost[:, n])) if n else None,
            first=None if first is None else float(first[n]),
            lost=int(lost[:, n].sum()),
            reason=reasons[n],
        )
        for n, version in enumerate(comparison.versions)
    ]
    return sorted(ranks, key=lambda rank: (rank.reason is not None, rank.residual.mean))


def remark(pictures: int) -> str:
    """What the number of images means for the intervals, in one sentence.

    pictures: how many images were compared.

    >>> remark(1)
    'One picture: there is no interval, and the order may differ on other pictures.'
    """
    if pictures == 1:
        return "One picture: there is no interval, and the order may differ on other pictures."
    rough = f"; with fewer than {FEW} pictures they are rough" if pictures < FEW else ""
    return f"Intervals: {COVERAGE:.0%} bootstrap over {pictures} pictures, the same resamples for all versions{rough}."


def _version_names(enhanced: Sequence[Path], *, of_folders: bool) -> tuple[str, ...]:
    """Names people can tell apart: folder names, or file stems; where those agree, the folder's name is put before."""
    own = [_named(place) if of_folders else place.stem for place in enhanced]
    parents = [_named(place.parent) for place in enhanced]
    # out/fec/a.png and out/smg/a.png: the folders say which is which.
    if len(set(own)) < len(own):
        own = parents if len(set(parents)) == len(own) else [f"{p}/{o}" for p, o in zip(parents, own, strict=True)]
    names = [ORIGINAL]
    for name in own:
        names.append(free_name(name, lambda free: free.lower() in map(str.lower, names)))
    return tuple(names)


def _named(folder: Path) -> str:
    """The folder's name as it was given; that of the place itself for "." and ".."."""
    return folder.name if folder.name not in ("", "..") else folder.resolve().name


def _by_stem(folder: Path) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for found in find([str(folder)], endings=images.SUFFIXES):
        stem = found.path.stem
        if stem in files:
            raise LuxelError(f"{found.path}: {files[stem].name} has the same name; keep one of them in {folder}")
        files[stem] = found.path
    return files


def _figures(assessment: Assessment, before: FloatArray, small: FloatArray) -> Figures:
    """Figures of a version. before, small: the original and the version, as `reduced` gives them."""
    return Figures(
        assessment.mean_abs_residual,
        assessment.over,
        assessment.under,
        assessment.score,
        detail=1.0 if small is before else kept_detail(before, small),
        matches=small is before or same_scene(before, small),
    )


def _reasons(comparison: Comparison) -> list[str | None]:
    """Why each version is ranked last; None for those that are not."""
    kept, matches = comparison.values("detail").mean(axis=0), comparison.values("matches").min(axis=0)
    return [
        None if share >= MIN_DETAIL else LOST_DETAIL if alike else NO_MATCH
        for share, alike in zip(kept.tolist(), matches.tolist(), strict=True)
    ]


def _panel(assessment: Assessment) -> Panel:
    return Panel(
        heatmap.as_bytes(heatmap.fit(assessment.image, PANEL_SIDE)), heatmap.fit(assessment.residual, PANEL_SIDE)
    )


def _resampled(pictures: int) -> Float64Array | None:
    """How often each picture is in each bootstrap sample, [RESAMPLES, pictures], the same in every run."""
    if pictures < 2:
        return None
    rng = np.random.default_rng(0)
    return rng.multinomial(pictures, np.full(pictures, 1.0 / pictures), size=RESAMPLES).astype(np.float64)


def _intervals(values: Float64Array, counts: Float64Array | None) -> list[Interval]:
    """Means over pictures with percentile bootstrap intervals, one per version. values: [pictures, versions]."""
    means = values.mean(axis=0)
    if counts is None:
        return [Interval(float(mean)) for mean in means]
    tail = (1.0 - COVERAGE) / 2.0
    low, high = np.quantile(counts @ values / len(values), (tail, 1.0 - tail), axis=0)
    return [Interval(float(m), float(a), float(b)) for m, a, b in zip(means, low, high, strict=True)]
