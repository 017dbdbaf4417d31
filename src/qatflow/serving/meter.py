"""What Prometheus reads at `/metrics`. Counted by the event loop's thread alone, so nothing here needs a lock.

prometheus_client writes the exposition; its own histograms take a lock and several microseconds for each value, which
is as long as a small model runs. These buckets begin at 50 µs: OpenTelemetry's usual ones begin at 5 ms.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, exposition
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric

BUCKETS_S = (5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
INFER_BUCKETS_S = (5e-6, 1e-5, 2.5e-5, *BUCKETS_S)
CONTENT_TYPE = exposition.CONTENT_TYPE_LATEST.encode()


class Histogram:
    """Counts of values by bucket."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds, self.counts, self.total = bounds, [0] * (len(bounds) + 1), 0.0

    def observe(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def cumulative(self) -> list[tuple[str, float]]:
        """Return bound -> number of values up to it, as Prometheus wants them."""
        found, so_far = [], 0
        for bound, count in zip((*map(repr, self.bounds), "+Inf"), self.counts, strict=True):
            so_far += count
            found.append((bound, float(so_far)))
        return found


class Meter:
    """All figures of a server.

    Args:
        gauges: Asked at each scrape: name (without `qatflow_`) -> value, such as the recorder's and the rollout's.
    """

    def __init__(self, gauges: Callable[[], Mapping[str, float]] = dict) -> None:
        self.active = 0
        self.swaps: Counter[str] = Counter()
        self.model: dict[str, str] = {}
        self._gauges = gauges
        self._requests: defaultdict[tuple[str, str, int], Histogram] = defaultdict(lambda: Histogram(BUCKETS_S))
        self._infer: defaultdict[str, Histogram] = defaultdict(lambda: Histogram(INFER_BUCKETS_S))
        self._samples: Counter[str] = Counter()
        self._failures: Counter[tuple[str, str]] = Counter()
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request. `route` and `method` are ours, never the client's text: labels stay few."""
        self._requests[method, route, status].observe(seconds)

    def inference(self, version: str, samples: int, seconds: float) -> None:
        """Count an answered request of a model."""
        self._samples[version] += samples
        self._infer[version].observe(seconds)

    def failure(self, version: str, reason: str) -> None:
        """Count a request that got no answer; `reason` is one of a few words of ours."""
        self._failures[version, reason] += 1

    def text(self) -> bytes:
        """Return the exposition."""
        return exposition.generate_latest(self._registry)

    def collect(self) -> Iterable[Metric]:
        """Yield everything; prometheus_client calls this."""
        labels = ["http_request_method", "http_route", "http_response_status_code"]
        requests = HistogramMetricFamily("http_server_request_duration_seconds", "Time in the server.", labels=labels)
        for (method, route, status), histogram in list(self._requests.items()):
            _add(requests, [method, route, str(status)], histogram)
        infer = HistogramMetricFamily(
            "qatflow_inference_compute_infer_duration_seconds", "Time in the model.", labels=["version"]
        )
        for version, histogram in list(self._infer.items()):
            _add(infer, [version], histogram)
        yield requests
        yield infer
        yield GaugeMetricFamily("http_server_active_requests", "Requests in work.", value=self.active)
        yield self._counter("qatflow_inference_request_success", "Answered requests.", ["version"], self._answered())
        yield self._counter(
            "qatflow_inference_request_failure", "Failed requests.", ["version", "reason"], self._failures
        )
        yield self._counter("qatflow_inference_count", "Answered samples.", ["version"], self._samples)
        yield self._counter("qatflow_model_swap", "Changes of the served model.", ["outcome"], self.swaps)
        yield InfoMetricFamily("qatflow_model", "The champion.", value=self.model)
        for name, value in sorted(self._gauges().items()):
            yield GaugeMetricFamily(f"qatflow_{name}", "See docs/serving.md.", value=value)

    def _answered(self) -> dict[str, int]:
        return {version: sum(histogram.counts) for version, histogram in self._infer.items()}

    def _counter(self, name: str, says: str, labels: list[str], values: Mapping[Any, int]) -> CounterMetricFamily:
        family = CounterMetricFamily(name, says, labels=labels)
        for key, value in list(values.items()):
            family.add_metric([key] if isinstance(key, str) else list(key), value)
        return family


def _add(family: HistogramMetricFamily, labels: list[str], histogram: Histogram) -> None:
    family.add_metric(labels, histogram.cumulative(), histogram.total)
