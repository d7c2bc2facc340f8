"""A folder of pictures becomes a report page."""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import luxel
from luxel.assessment import weights
from luxel.errors import LuxelError
from luxel.jobs.cores import process_count, threads_each
from luxel.jobs.file_list import Found
from luxel.jobs.lock import locked_file
from luxel.jobs.processes import TaskError, results
from luxel.report.entry import MAP_STEP, MAP_ZERO, Entry, Look, failure
from luxel.report.page import page_at
from luxel.text import printable

SUFFIXES = (".html", ".htm")


@dataclass(frozen=True, slots=True)
class Built:
    """A finished report. size: bytes of the page. facts: one dict per picture, in their order (see `Entry`)."""

    path: Path
    size: int
    facts: list[dict[str, Any]]

    @property
    def failed(self) -> int:
        """Pictures that could not be assessed; the page shows them with the reason."""
        return sum("error" in facts for facts in self.facts)


def build(
    pictures: Sequence[Found],
    out: Path,
    look: Look,
    *,
    jobs: int = 1,
    timeout: float | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> Built:
    """The page, written, of pictures that are assessed for it. One that cannot be is a row with its reason.

    pictures: from `luxel.jobs.find.find`.
    out: the page, ending in .html.
    look: how to assess and show them.
    jobs: processes; 1 without a time limit works in this one, 0 is one per usable core.
    timeout: seconds that one picture may take; None: no limit.
    progress: called with the number of pictures done after each.
    Raises LuxelError for weights or criteria that cannot be used, for another ending, and when the page cannot
    be written.
    """
    if out.suffix.lower() not in SUFFIXES:
        raise LuxelError(f"{out}: a report is a web page; give a name that ends in .html")
    info = weights.describe(weights.locate(look.settings.weights))
    folder = printable(str(look.folder.resolve().name or look.folder.resolve()))
    about = {
        "luxel": luxel.__version__,
        "folder": folder,
        "key": _key(look.folder),
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "weights": {"name": info.name, "sha256": info.sha256},
        "threshold": look.settings.threshold,
        "criteria": look.criteria and Path(look.criteria).stem,
        "map": {"step": MAP_STEP, "zero": MAP_ZERO},
    }
    facts: dict[int, dict[str, Any]] = {}
    with locked_file(out), page_at(out, title=f"{folder} – exposure report") as page:
        for done, (number, entry) in enumerate(_entries(pictures, look, jobs, timeout), start=1):
            page.add(number, entry)
            facts[number] = entry.facts
            progress(done)
        page.finish(about)
    return Built(out, out.stat().st_size, [facts[n] for n in range(len(pictures))])


def _entries(pictures: Sequence[Found], look: Look, jobs: int, timeout: float | None) -> Iterator[tuple[int, Entry]]:
    jobs = process_count(jobs, len(pictures))
    if jobs < 2 and timeout is None:
        work = look.worker()
        for number, picture in enumerate(pictures):
            yield number, work(picture)
        return
    start = partial(look.worker, threads_each(jobs))
    for number, result in results(pictures, start, jobs=jobs, timeout=timeout):
        yield number, failure(pictures[number], look, result.reason) if isinstance(result, TaskError) else result


def _key(folder: Path) -> str:
    """Under which the page keeps ratings in the browser: the same whenever the folder is reported on again.

    A hash, because a report that is passed on should not tell where the pictures lie.
    """
    return hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:16]
