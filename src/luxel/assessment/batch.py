"""Many pictures in, one row each out, in order; interrupted runs resume where they stopped."""

import hashlib
import json
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import luxel
from luxel.assessment.assessor import Assessor
from luxel.assessment.head import load_head
from luxel.assessment.journal import FILE_NAME, Journal, Row, Stamp, key_of
from luxel.assessment.runtime import Backend, Device
from luxel.draw import heatmap
from luxel.draw.files import MapStyle, write_maps
from luxel.errors import LuxelError, reason_of
from luxel.images import ReadOptions
from luxel.jobs.cores import process_count, threads_each
from luxel.jobs.file_list import FileList, Found, free_name
from luxel.jobs.find import overwritten_input
from luxel.jobs.processes import TaskError, results
from luxel.jobs.remote import fetch
from luxel.residual import DEFAULT_THRESHOLD, SCORE_VERSION


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything besides the picture itself that decides a row and its files.

    weights: ONNX file, None for the shipped ones.
    outputs: kinds of `file_list.OUTPUT_ENDINGS` to write: "heatmap" (with legend), "tinted" (heat map over the picture,
        with legend), "overlay" (picture, heat map and tinted picture side by side), "residual" (the map at the
        picture's size, 16-bit PNG, see `luxel.residual_files`).
    full_size: the first three at the picture's size too, not at a screen's.
    limit: in (0, 1]; every pixel with |r| >= limit has the full colour in the first three.
    head: file of a fine-tuned score.
    reading: how files are read.
    """

    weights: Path | None = None
    backend: Backend = "auto"
    threshold: float = DEFAULT_THRESHOLD
    outputs: tuple[str, ...] = ()
    palette: str = heatmap.DEFAULT_PALETTE
    limit: float = heatmap.HEATMAP_LIMIT
    full_size: bool = False
    head: Path | None = None
    reading: ReadOptions = field(default_factory=ReadOptions)
    device: Device = "cpu"

    def assessor(self, threads: int | None = None) -> Assessor:
        """A new assessor for these settings. threads: None leaves the number to it."""
        return Assessor(
            self.weights,
            threads=threads,
            backend=self.backend,
            threshold=self.threshold,
            head=self.head,
            reading=self.reading,
            device=self.device,
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
    """One run over a list of pictures, of any length: memory holds the pictures in work only.

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

        pictures: from `find`, which may be renamed here. out: folder for results.jsonl and the files of
        `settings.outputs`. jobs: processes; 1 works in this one, 0 is one per usable core.
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
        self._timeout = timeout
        # Made before anything is written: unusable weights must not cost an earlier run's results.
        self._assessor = settings.assessor()
        self._fingerprint = settings.fingerprint(self._assessor.weights.sha256)
        self._journal = Journal(out, resume=resume) if out is not None else None
        self._pictures = pictures if isinstance(pictures, FileList) else FileList(pictures)
        self.earlier = 0
        if resume:
            self._name_apart()
            self.earlier = sum(map(self._stands, self._pictures))
        self._jobs = process_count(jobs, len(self._pictures) - self.earlier)

    def rows(self) -> Generator[Row]:
        """One row per picture, in the order of the pictures, each as soon as it and all before it are done.

        A picture that cannot be assessed gives a row with `error`; the run continues. Rows reach results.jsonl as they
        come, whatever their order, and are put in order there at the end. Raises LuxelError when the run cannot
        continue: weights that fail, a disk that is full.
        """
        ahead = _Ahead()
        following = 0
        try:
            for place, result in self._assessed(self._to_do(ahead)):
                index, picture, stamp = ahead.in_work.pop(place)
                row = _failure(picture, result.reason) if isinstance(result, TaskError) else result
                if self._journal is not None:
                    self._journal.append(stamp, row)
                ahead.ready[index] = row
                while following < ahead.first_open():
                    yield ahead.ready.pop(following) if following in ahead.ready else self._kept(following)
                    following += 1
            for index in range(following, len(self._pictures)):
                yield self._kept(index)
            if self._journal is not None:
                self._journal.finish(map(key_of, self._pictures))
        finally:
            if self._journal is not None:
                self._journal.close()

    def _to_do(self, ahead: "_Ahead") -> Iterator[Found]:
        """The pictures without an earlier row that stands; notes them as they are handed out."""
        place = 0
        for index, picture in enumerate(self._pictures):
            stands = self.earlier > 0 and self._stands(picture)
            ahead.reached = index + 1
            if not stands:
                # Taken before the file is read: one that changes meanwhile is assessed again by the next run.
                ahead.in_work[place] = (index, picture, Stamp.of(picture, self._fingerprint))
                place += 1
                yield picture

    def _assessed(self, pictures: Iterator[Found]) -> Iterator[tuple[int, Row | TaskError]]:
        if self._timeout is None and self._jobs == 1:
            for place, picture in enumerate(pictures):
                yield place, assess_one(picture, self._settings, self._assessor, self._out)
            return
        start = partial(_in_worker, self._settings, self._out, threads_each(self._jobs))
        yield from results(pictures, start, jobs=self._jobs, timeout=self._timeout)

    def _stands(self, picture: Found) -> bool:
        """Whether a picture has an earlier row, and nothing that decides it has changed."""
        entry = self._journal.earlier(key_of(picture)) if self._journal is not None else None
        if entry is None or self._out is None or entry[0] != Stamp.of(picture, self._fingerprint):
            return False
        row = entry[1]
        return not row["error"] and all((self._out / file).exists() for file in row.get("outputs", {}).values())

    def _kept(self, index: int) -> Row:
        picture = self._pictures[index]
        entry = self._journal.earlier(key_of(picture)) if self._journal is not None else None
        if entry is None:
            raise LuxelError(f"{picture.source}: its earlier row has gone from {FILE_NAME}; run again with --resume")
        return {**entry[1], "path": picture.source}

    def _name_apart(self) -> None:
        """Gives the pictures output names that no other picture's earlier row in this folder holds.

        A picture with an earlier row keeps the name it had there.
        """
        journal, pictures = self._journal, self._pictures
        if journal is None:
            return
        for index, picture in enumerate(pictures):
            name = journal.name_of(key_of(picture))
            if name is None:
                name = picture.name
                if journal.has_name(name):
                    name = free_name(name, lambda free: journal.has_name(free) or pictures.has_name(free))
            if name != picture.name:
                pictures.rename(index, name)


@dataclass(slots=True)
class _Ahead:
    """What is known beyond the row that comes next.

    reached: how many pictures were looked at. in_work: by number of the task, a picture's place in the list, the
    picture and its stamp. ready: rows, by place, that wait for those before them.
    """

    reached: int = 0
    in_work: dict[int, tuple[int, Found, Stamp]] = field(default_factory=dict)
    ready: dict[int, Row] = field(default_factory=dict)

    def first_open(self) -> int:
        """The first place whose row is not known yet."""
        return min((index for index, _, _ in self.in_work.values()), default=self.reached)


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
    data = b""
    try:
        if picture.url is not None:
            data = fetch(picture.url)
        assessment = assessor.assess(data or picture.path, full_size=bool(settings.outputs))
        files = {} if out is None else {kind: picture.output(out, kind) for kind in settings.outputs}
        write_maps(files, assessment.image, assessment.residual, style=settings.style, caption=assessment.caption())
    except Exception as error:
        return _failure(picture, reason_of(error, picture.source).removeprefix(f"{len(data)} bytes: "))
    outputs = {kind: picture.output(Path(), kind).as_posix() for kind in files}
    return {**assessment.to_dict(), "path": picture.source, "outputs": outputs, "error": None}


def _in_worker(settings: Settings, out: Path | None, threads: int | None) -> Callable[[Found], Row]:
    """Called once in each worker process: its own assessor, with its share of the cores."""
    return partial(assess_one, settings=settings, assessor=settings.assessor(threads), out=out)


def _failure(picture: Found, reason: str) -> Row:
    return {"path": picture.source, "outputs": {}, "error": reason}
