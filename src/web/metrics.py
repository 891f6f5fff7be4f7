"""Metrics of the service, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """In a registry of their own: several services of a process, as tests have them, do not share them."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "aifashion_requests", "Requests by route and status.", ("route", "status"), registry=self.registry
        )
        self.photos = Counter(
            "aifashion_photos", "Photos that were answered, by outcome.", ("outcome",), registry=self.registry
        )
        self.queue = Gauge("aifashion_queue_length", "Photos that wait.", registry=self.registry)
        self.batches = Histogram(
            "aifashion_batch_size",
            "Photos that were recognised at once.",
            buckets=(1, 2, 4, 8, 12, 16),
            registry=self.registry,
        )
        self.seconds = Histogram(
            "aifashion_recognition_seconds",
            "Seconds that a batch took.",
            buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
            registry=self.registry,
        )

    def text(self) -> bytes:
        """As Prometheus reads it."""
        return generate_latest(self.registry)
