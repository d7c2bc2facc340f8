"""What a service holds: bytes in memory, and pictures that wait or are in progress. Used by the event loop only."""

from math import ceil

from starlette.exceptions import HTTPException

_LONGEST_WAIT = 60


class Admission:
    """Counts of all requests together, and their limits."""

    def __init__(self, *, max_pictures: int, max_bytes: int, workers: int) -> None:
        """workers: pictures that are in progress at once, for the advice when to retry."""
        self.max_pictures, self.max_bytes, self._workers = max_pictures, max_bytes, workers
        self.pictures = self.bytes = 0
        self._seconds = 0.1  # that a picture takes, on average over the last ones

    def took(self, seconds: float) -> None:
        """One more picture was done in so many seconds."""
        self._seconds += 0.05 * (seconds - self._seconds)

    def busy(self, why: str) -> HTTPException:
        """The answer for what cannot be taken on now. why: what there is too much of."""
        wait = min(_LONGEST_WAIT, max(1, ceil(self.pictures * self._seconds / self._workers)))
        return HTTPException(429, f"{why}; retry in {wait} s", headers={"Retry-After": str(wait)})


class Claim:
    """What one request holds. `release` gives everything back; it may be called twice."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._pictures = self._bytes = 0

    def add_bytes(self, count: int) -> None:
        """Holds more bytes. Raises HTTPException 429 when all requests together hold too many."""
        if self._admission.bytes + count > self._admission.max_bytes:
            raise self._admission.busy("too many large requests at once")
        self.keep_bytes(count)

    def keep_bytes(self, count: int) -> None:
        """Holds bytes that are there already, such as an answer's, whatever the limit is."""
        self._admission.bytes += count
        self._bytes += count

    def check_room(self, count: int = 1) -> None:
        """Raises HTTPException 429 when the queue has not so many places left."""
        if self._admission.pictures + count > self._admission.max_pictures:
            raise self._admission.busy(f"{self._admission.pictures} pictures are waiting or in progress")

    def add_pictures(self, count: int) -> None:
        """Takes places in the queue. Raises HTTPException 429 when there are not so many."""
        self.check_room(count)
        self._admission.pictures += count
        self._pictures += count

    def picture_done(self) -> None:
        """Gives one place back."""
        if self._pictures:
            self._pictures -= 1
            self._admission.pictures -= 1

    def release(self) -> None:
        """Gives back whatever is left."""
        self._admission.pictures -= self._pictures
        self._admission.bytes -= self._bytes
        self._pictures = self._bytes = 0
