"""Counts and times for Prometheus. Nothing of a picture or its sender is in them. Owner of prometheus_client."""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from luxel import __version__
from luxel.jobs.processes import TaskError
from luxel.serve.admission import Admission
from luxel.serve.work import Result

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

disable_created_metrics()  # type: ignore[no-untyped-call]  # a time beside every count, which nobody reads

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 60)


class Metrics:
    """Everything that `/metrics` shows."""

    def __init__(self, admission: Admission) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        name = "luxel_serve_{}".format
        Gauge(name("info"), "Version of luxel.", ["version"], registry=registry).labels(__version__).set(1)
        self.requests = Counter(
            name("requests"), "Requests answered.", ["route", "method", "status"], registry=registry
        )
        self.request_seconds = Histogram(
            name("request_seconds"),
            "Seconds from the head of a request to the end of its answer.",
            ["route"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.pictures = Counter(
            name("pictures"),
            "Pictures by outcome: done, unreadable, fault, timeout, died, abandoned.",
            ["outcome"],
            registry=registry,
        )
        self.picture_seconds = Histogram(
            name("picture_seconds"), "Seconds of a picture in its process.", buckets=_SECONDS, registry=registry
        )
        self.retried = Counter(name("retried"), "Pictures tried again because their process died.", registry=registry)
        gauges = {
            "queue_pictures": ("Pictures that wait or are in progress.", lambda: admission.pictures),
            "queue_limit": ("Pictures that may wait or be in progress.", lambda: admission.max_pictures),
            "buffered_bytes": ("Bytes of requests in memory.", lambda: admission.bytes),
        }
        for key, (text, value) in gauges.items():
            Gauge(name(key), text, registry=registry).set_function(value)

    def picture(self, outcome: Result | TaskError) -> None:
        """Counts what became of a picture."""
        if isinstance(outcome, TaskError):
            self.pictures.labels("fault" if outcome.kind == "error" else outcome.kind).inc()
            return
        word = "done" if outcome.error is None else "fault" if outcome.fault else "unreadable"
        self.pictures.labels(word).inc()
        self.picture_seconds.observe(outcome.seconds)

    def text(self) -> bytes:
        """All of it in the text format of Prometheus."""
        return generate_latest(self._registry)
