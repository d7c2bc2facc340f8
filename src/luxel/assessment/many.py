"""Any stream of pictures in, their assessments out, in order; what goes wrong with one is a value."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from luxel.assessment.assessor import Assessment, Assessor
from luxel.assessment.inputs import stored_bytes
from luxel.errors import ImageError, reason_of
from luxel.jobs.cores import process_count, threads_each
from luxel.jobs.processes import TaskError, ordered_results

if TYPE_CHECKING:
    from luxel.assessment.inputs import ImageInput


def assess_many(
    images: "Iterable[ImageInput]",
    *,
    assessor: Assessor | None = None,
    jobs: int = 1,
    timeout: float | None = None,
    full_size: bool = False,
) -> Iterator[Assessment | ImageError]:
    """The assessment of each picture of a stream, in its order; an ImageError in its place where there is none.

    images: whatever `Assessor.assess` takes, of mixed kinds; taken as needed, a few ahead of what was yielded.
    assessor: whose options hold; None for `Assessor()`. Each process makes its own from it.
    jobs: processes; 1 without a time limit works in this one, 0 is one per usable core.
    timeout: seconds that one picture may take in its process, which is ended then; None for no limit.
    full_size: whether maps are needed at the pictures' own size (`Assessor.assess`).
    Raises LuxelError when nothing can be assessed any more (weights that fail).

    >>> import numpy as np
    >>> [type(each).__name__ for each in assess_many([np.zeros((64, 64, 3), np.uint8), b"no picture"])]
    ['Assessment', 'ImageError']
    """
    judge = Assessor() if assessor is None else assessor
    workers = process_count(jobs, 1_000_000)
    if workers == 1 and timeout is None:
        start: Callable[[], Callable[[Any], Assessment | ImageError]] = partial(_worker, judge, full_size)
    else:
        threads = judge.options["threads"] or threads_each(workers)
        start = partial(_in_process, judge.options | {"threads": threads}, full_size)
    for result in ordered_results(map(_sendable, images), start, jobs=workers, timeout=timeout):
        yield ImageError(result.reason) if isinstance(result, TaskError) else result


def _sendable(image: Any) -> Any:
    """A file object as its bytes, which a process can be given; an ImageError where it cannot be read."""
    try:
        data = stored_bytes(image)
    except ImageError as error:
        return error
    return image if data is None else data


def _in_process(options: dict[str, Any], full_size: bool) -> Callable[[Any], Assessment | ImageError]:
    return _worker(Assessor(**options), full_size)


def _worker(assessor: Assessor, full_size: bool) -> Callable[[Any], Assessment | ImageError]:
    def work(image: Any) -> Assessment | ImageError:
        if isinstance(image, ImageError):
            return image
        try:
            return assessor.assess(image, full_size=full_size)
        except ImageError as error:
            return error
        except Exception as error:
            return ImageError(reason_of(error, ""))

    return work
