"""What users did with the lists of the last day, for Prometheus.

The lists and the events of the day are read again each time, in a thread beside the
requests. If that takes long, it is done so rarely that it takes a tenth of the time.
"""

import asyncio
import logging
import time
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import GaugeMetricFamily

from pipeline.event_log.store import EventStoreError
from pipeline.kept_days import DAY_SECONDS
from pipeline.list_log.files import NoListsError, existing_files
from pipeline.online.figures import ALL, Online
from pipeline.online.measure import measure
from pipeline.online.rates import Rate
from pipeline.online.settings import settings_of

_log = logging.getLogger(__name__)
ONLINE_SECONDS = 60.0  # between two looks
_SHARE = 0.1  # of the time that measuring may take
_COUNTS = {
    "lists": "Lists of the last day whose attribution window is over.",
    "impressions": "Items in these lists.",
    "clicks": "Impressions that an event followed.",
}
_RATES = {
    "ctr": "Clicks per impression.",
    "conversion": "Share of the lists that a conversion followed.",
    "ndcg": "Mean nDCG of the lists with a click.",
}
_LABELS = ["version", "model"]


class OnlineGauges:
    """Gauges of each version; without lists and events, they have no values."""

    def __init__(self, out: Path, registry: CollectorRegistry):
        """Starts without values.

        Args:
            out: Folder of the runs.
            registry: Registry of the server's metrics.
        """
        self._out, self._problem, self._not_before = out, "", 0.0
        self._measured: Online | None = None
        registry.register(self)

    async def look(self) -> None:
        """Measures, unless the last time took too long."""
        started = time.monotonic()
        if started < self._not_before:
            return
        try:
            self._measured = await asyncio.to_thread(self._measure)
        except NoListsError:  # most servers log none
            self._measured = None
        except EventStoreError as error:
            self._measured = None
            self._report(str(error))
        else:
            self._report("; ".join(self._measured.damaged))
        ended = time.monotonic()
        self._not_before = ended + (ended - started) / _SHARE

    def _measure(self) -> Online:
        existing_files(self._out)
        settings, _ = settings_of(self._out)
        now = time.time()
        since = int(now) - settings.window - DAY_SECONDS
        return measure(self._out, settings.window, settings.conversions, now, since)

    def _report(self, problem: str) -> None:
        """Logs a problem once, until another one occurs."""
        if problem and problem != self._problem:
            _log.warning("What users did with lists: %s", problem)
        self._problem = problem

    def collect(self) -> Iterator[Metric]:
        """Yields the gauges; ``prometheus_client`` calls this for each scrape."""
        measured = self._measured
        versions = measured.versions if measured else []
        for name, text in _COUNTS.items():
            gauge = _gauge(name, text, _LABELS)
            for each in versions:
                count = getattr(each.slices[ALL], name)
                gauge.add_metric([str(each.version), each.model], count)
            yield gauge
        for name, text in _RATES.items():
            gauge = _gauge(name, text, _LABELS)
            bounds = _gauge(
                f"{name}_bound", f"95 % interval: {text}", [*_LABELS, "bound"]
            )
            for each in versions:
                rate: Rate | None = getattr(each.slices[ALL], name)
                labels = [str(each.version), each.model]
                if rate and rate.value is not None:
                    gauge.add_metric(labels, rate.value)
                if rate and rate.interval:
                    for bound, end in zip(
                        ("lower", "upper"), rate.interval, strict=True
                    ):
                        bounds.add_metric([*labels, bound], end)
            yield gauge
            yield bounds
        coverage = _gauge("coverage", "Share of the catalogue that was shown.", _LABELS)
        for each in versions:
            if each.coverage is not None:
                coverage.add_metric([str(each.version), each.model], each.coverage)
        yield coverage
        damaged = _gauge("damaged_files", "Files of lists that could not be read.", [])
        damaged.add_metric([], len(measured.damaged) if measured else 0)
        yield damaged


def _gauge(name: str, text: str, labels: list[str]) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"marquee_online_{name}", text, labels=labels)
