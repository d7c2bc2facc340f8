"""The processes that assess, for an event loop: one awaits a result, and nobody waits for what a dead client wanted."""

import asyncio
import secrets
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from pathlib import Path

from luxel.jobs.cores import usable_cores
from luxel.jobs.processes import Pool, TaskError
from luxel.serve.admission import Admission
from luxel.serve.metrics import Metrics
from luxel.serve.options import ServiceOptions
from luxel.serve.work import Order, Result, remove_dead_scratch, start

Outcome = Result | TaskError
_ATTEMPTS = 2


class Workers:
    """Processes that are kept warm. A picture that kills one costs that picture only."""

    def __init__(
        self,
        options: ServiceOptions,
        admission: Admission,
        metrics: Metrics,
        *,
        begin: Callable[..., Callable[[Order | None], Result]] = start,
    ) -> None:
        """begin: what each process begins with, as `luxel.serve.work.start`."""
        self._admission, self._metrics = admission, metrics
        self._count = options.workers
        self._scratch = Path(tempfile.gettempdir()) / f"luxel-serve-{secrets.token_hex(8)}"
        threads = options.threads or max(1, usable_cores() // options.workers)
        self._pool: Pool[Order | None, Result] = Pool(
            partial(begin, options.settings, threads, options.criteria, self._scratch),
            workers=options.workers,
            timeout=options.timeout,
        )
        self.ready = False

    async def warm_up(self) -> None:
        """Starts every process, so that the first requests do not wait. Raises LuxelError when none can work."""
        self._scratch.mkdir(mode=0o700)  # under a name that nobody can have guessed
        started = [asyncio.wrap_future(self._pool.submit(None, timeout=600)) for _ in range(self._count)]
        for each in asyncio.as_completed(started):
            await each
            self.ready = True

    async def do(self, order: Order) -> Outcome:
        """The result of an order, which has a place in the queue.

        A process that dies over it may have been killed for another reason: the order is tried once more. Cancelled
        before a process began with it, it is never begun; later, its place stays taken until the process is free.
        Raises LuxelError when no process can work any more.
        """
        for attempt in range(_ATTEMPTS):
            outcome = await self._once(order)
            if not isinstance(outcome, TaskError):
                self._admission.took(outcome.seconds)
                break
            with suppress(OSError):
                remove_dead_scratch(self._scratch)
            if outcome.kind == "died" and attempt + 1 < _ATTEMPTS:
                self._metrics.retried.inc()
            else:
                break
        self._metrics.picture(outcome)
        return outcome

    async def _once(self, order: Order) -> Outcome:
        future = self._pool.submit(order)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            if not future.cancelled() and not future.done():
                self._keep_place(future)
            self._metrics.pictures.labels("abandoned").inc()
            raise

    def _keep_place(self, future: "Future[Outcome]") -> None:
        loop = asyncio.get_running_loop()

        def free() -> None:
            self._admission.pictures -= 1

        def done(_: object) -> None:
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(free)

        self._admission.pictures += 1
        future.add_done_callback(done)

    def close(self) -> None:
        """Ends the processes."""
        self.ready = False
        self._pool.close()
        shutil.rmtree(self._scratch, ignore_errors=True)
