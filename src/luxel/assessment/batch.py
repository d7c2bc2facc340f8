"""Many pictures in, one row each out, in order; interrupted runs resume where they stopped."""

import hashlib
import json
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal

import luxel
from luxel.assessment.assessor import Assessor
from luxel.assessment.head import load_head
from luxel.assessment.journal import Journal, Row, Stamp
from luxel.draw import heatmap
from luxel.draw.files import MapStyle, write_maps
from luxel.errors import LuxelError, reason_of
from luxel.images import ReadOptions
from luxel.jobs.cores import process_count, usable_cores
from luxel.jobs.find import Found, free_name, overwritten_input
from luxel.jobs.processes import TaskError, results
from luxel.residual import DEFAULT_THRESHOLD, SCORE_VERSION


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything besides the picture itself that decides a row and its files.

    weights: ONNX file, None for the shipped ones.
    outputs: kinds of `find.OUTPUT_ENDINGS` to write: "heatmap" (with legend), "tinted" (heat map over the picture, with
        legend), "overlay" (picture, heat map and tinted picture side by side), "residual" (the map at the picture's
        size, 16-bit PNG, see `luxel.residual_files`).
    full_size: the first three at the picture's size too, not at a screen's.
    limit: in (0, 1]; every pixel with |r| >= limit has the full colour in the first three.
    head: file of a fine-tuned score.
    reading: how files are read.
    """

    weights: Path | None = None
    backend: Literal["auto", "onnxruntime", "openvino"] = "auto"
    threshold: float = DEFAULT_THRESHOLD
    outputs: tuple[str, ...] = ()
    palette: str = heatmap.DEFAULT_PALETTE
    limit: float = heatmap.HEATMAP_LIMIT
    full_size: bool = False
    head: Path | None = None
    reading: ReadOptions = field(default_factory=ReadOptions)

    def assessor(self, threads: int | None = None) -> Assessor:
        """A new assessor for these settings. threads: None leaves the number to it."""
        return Assessor(
            self.weights,
            threads=threads,
            backend=self.backend,
            threshold=self.threshold,
            head=self.head,
            reading=self.reading,
        )

    @property
    def style(self) -> MapStyle:
        """How the files look."""
        return MapStyle(palette=self.palette, limit=self.limit, threshold=self.threshold, full_size=self.full_size)

    def fingerprint(self, weights_sha256: str) -> str:
        """Hash that changes when a row could: of these settings, the weights' content, luxel and its score."""
        head = None if self.head is None else load_head(self.head).sha256
        facts = asdict(self) | {
            "head": head,
            "weights": weights_sha256,
            "luxel": luxel.__version__,
            "score": SCORE_VERSION,
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


class Run:
    """One run over a list of pictures.

    `earlier`: how many rows an earlier run already has. `rows()` does the rest.
    """

    def __init__(
        self,
        pictures: Sequence[Found],
        settings: Settings,
        *,
        out: Path | None = None,
        jobs: int = 1,
        resume: bool = False,
        timeout: float | None = None,
    ) -> None:
        """Plans the run; assesses nothing yet.

        pictures: from `find`. out: folder for results.jsonl and the files of `settings.outputs`. jobs: processes;
        1 works in this one, 0 is one per usable core.
        resume: keep the rows in out/results.jsonl whose file (path, size, time) and settings
        (weights too) are unchanged and whose outputs are still there; failed pictures are tried again.
        timeout: seconds that one picture may take, in a process of its own that is ended then; None: no limit.
        Raises LuxelError for outputs or resume without `out`, outputs that would overwrite a picture, weights that
        cannot be used, a folder that cannot be written.
        """
        if out is None and (settings.outputs or resume):
            raise LuxelError("there is no folder for the files of this run; give --out DIR")
        if out is not None and (hit := overwritten_input(pictures, out, settings.outputs)):
            raise LuxelError(f"{hit}: would be overwritten, but is one of the pictures; choose another --out folder")
        self._settings = settings
        self._out = out
        self._jobs = process_count(jobs, len(pictures))
        self._timeout = timeout
        # Made before anything is written: unusable weights must not cost an earlier run's results.
        self._assessor = settings.assessor()
        fingerprint = settings.fingerprint(self._assessor.weights.sha256)
        self._journal = Journal(out, resume=resume) if out is not None else None
        self._stamps = [Stamp.of(picture.path, fingerprint, picture.name) for picture in pictures]
        self._pictures = self._named_apart(pictures)
        self._kept = {
            n: {**row, "path": str(picture.path)}
            for n, picture in enumerate(self._pictures)
            if (row := self._standing(self._stamps[n]))
        }
        self.earlier = len(self._kept)

    def rows(self) -> Generator[Row]:
        """One row per picture, in the order of the pictures, each as soon as it and all before it are done.

        A picture that cannot be assessed gives a row with `error`; the run continues. Rows reach results.jsonl as they
        come, whatever their order, and are put in order there at the end. Raises LuxelError when the run cannot
        continue: weights that fail, a disk that is full.
        """
        todo = [n for n in range(len(self._pictures)) if n not in self._kept]
        ready = dict(self._kept)
        following = 0
        try:
            for place, row in self._assessed([self._pictures[n] for n in todo]):
                index = todo[place]
                if self._journal is not None:
                    self._journal.append(self._stamps[index], row)
                ready[index] = row
                while following in ready:
                    yield ready.pop(following)
                    following += 1
            while following in ready:
                yield ready.pop(following)
                following += 1
            if self._journal is not None:
                self._journal.finish([stamp.file for stamp in self._stamps])
        finally:
            if self._journal is not None:
                self._journal.close()

    def _assessed(self, pictures: list[Found]) -> Iterator[tuple[int, Row]]:
        if not pictures or (self._timeout is None and (self._jobs == 1 or len(pictures) < 2)):
            for n, picture in enumerate(pictures):
                yield n, assess_one(picture, self._settings, self._assessor, self._out)
            return
        jobs = min(self._jobs, len(pictures))
        start = partial(_in_worker, self._settings, self._out, max(1, usable_cores() // jobs))
        for n, result in results(pictures, start, jobs=jobs, timeout=self._timeout):
            yield n, _failure(pictures[n], result.reason) if isinstance(result, TaskError) else result

    def _standing(self, stamp: Stamp) -> Row | None:
        """The earlier row of a picture if nothing that decides it has changed."""
        entry = self._journal.earlier(stamp.file) if self._journal is not None else None
        if entry is None or self._out is None or entry[0] != stamp:
            return None
        row = entry[1]
        written = row.get("outputs", {}).values()
        return row if not row["error"] and all((self._out / file).exists() for file in written) else None

    def _named_apart(self, pictures: Sequence[Found]) -> list[Found]:
        """The pictures, under output names that no other picture's earlier row in this folder holds.

        A picture with an earlier row keeps the name it had there.
        """
        if self._journal is None:
            return list(pictures)
        taken = {stamp.name.lower() for stamp in self._journal.stamps()}
        named = []
        for n, picture in enumerate(pictures):
            entry = self._journal.earlier(self._stamps[n].file)
            name = free_name(picture.name, taken) if entry is None else entry[0].name
            named.append(replace(picture, name=name))
            self._stamps[n] = replace(self._stamps[n], name=name)
        return named


def assess_one(picture: Found, settings: Settings, assessor: Assessor, out: Path | None) -> Row:
    """The row of one picture; writes its files into `out`.

    picture: from `find`.
    settings: which files, and how they look.
    assessor: what assesses.
    out: folder of the files; None writes none.
    Returns `path`, the values of `Assessment.to_dict`, `outputs` (kind -> file relative to `out`, "/" between) and
    `error` (None, or one line when the picture cannot be assessed or its files not be written; then no values).
    Raises LuxelError when nothing can be assessed any more (weights) or written (`out`).
    """
    try:
        assessment = assessor.assess(picture.path, full_size=bool(settings.outputs))
        files = {} if out is None else {kind: picture.output(out, kind) for kind in settings.outputs}
        write_maps(files, assessment.image, assessment.residual, style=settings.style, caption=assessment.caption())
    except Exception as error:
        return _failure(picture, reason_of(error, picture.path))
    outputs = {kind: picture.output(Path(), kind).as_posix() for kind in files}
    return {**assessment.to_dict(), "path": str(picture.path), "outputs": outputs, "error": None}


def _in_worker(settings: Settings, out: Path | None, threads: int) -> Callable[[Found], Row]:
    """Called once in each worker process: its own assessor, with its share of the cores."""
    return partial(assess_one, settings=settings, assessor=settings.assessor(threads), out=out)


def _failure(picture: Found, reason: str) -> Row:
    return {"path": str(picture.path), "outputs": {}, "error": reason}
