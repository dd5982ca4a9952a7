"""Metrics of the server for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Summary

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """The metrics of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "marquee_requests",
            "Requests answered, by path template and status.",
            ["path", "status"],
            registry=self.registry,
        )
        self.latency = Histogram(
            "marquee_request_seconds",
            "Seconds from the first byte of a request to the last one of its answer.",
            ["path"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.batch_rows = Histogram(
            "marquee_batch_rows",
            "Rows in a call of the model.",
            buckets=_ROWS,
            registry=self.registry,
        )
        self.queue = Gauge(
            "marquee_queue_length",
            "Requests waiting for the model.",
            registry=self.registry,
        )
        self.version = Gauge(
            "marquee_version_served",
            "Number of the version that is served; 0 if there is none.",
            registry=self.registry,
        )
        self.trial_version = Gauge(
            "marquee_version_on_trial",
            "Number of the version on trial; 0 if there is none.",
            registry=self.registry,
        )
        self.arm_lists = Gauge(
            "marquee_trial_lists",
            "Lists of a trial's arm, as logged.",
            ["arm"],
            registry=self.registry,
        )
        self.arm_followed = Gauge(
            "marquee_trial_followed",
            "Share of the lists of a trial's arm that an event followed.",
            ["arm"],
            registry=self.registry,
        )
        self.trial_damaged_files = Gauge(
            "marquee_trial_damaged_files",
            "Files of lists that could not be read, and do not count for the trial.",
            registry=self.registry,
        )
        self.shadow_agreement = Summary(
            "marquee_shadow_agreement",
            "Share of a shown list's items that the list of the version on trial has.",
            registry=self.registry,
        )
        self.shadow_latency = Histogram(
            "marquee_shadow_seconds",
            "Seconds for a list of the version on trial that is not shown.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.load_failures = Counter(
            "marquee_load_failures",
            "Versions that could not be loaded, runs with unreadable ratings, and "
            "feeds that could not be used.",
            ["what"],
            registry=self.registry,
        )
        for what in ("version", "ratings", "feed"):
            self.load_failures.labels(what)
        self.events = Counter(
            "marquee_events",
            "Events: accepted, duplicates, refused, and those of unknown users or "
            "items.",
            ["what"],
            registry=self.registry,
        )
        self.event_failures = Counter(
            "marquee_event_failures",
            "Attempts to write events or spans that failed.",
            registry=self.registry,
        )
        self.log_share = Gauge(
            "marquee_list_log_share",
            "Share of the lists that are logged, 0 to 1.",
            registry=self.registry,
        )
        self.lists_logged = Counter(
            "marquee_lists_logged",
            "Lists in complete files of the log.",
            registry=self.registry,
        )
        self.lists_not_logged = Counter(
            "marquee_lists_not_logged",
            "Lists that should have been logged, and were not: too many at once, or "
            "the disk was full.",
            registry=self.registry,
        )
        self.feed_time = Gauge(
            "marquee_feed_written_seconds",
            "When the feed in use was written, in seconds UTC; 0 without a feed.",
            registry=self.registry,
        )
        self.feed_unknown = Gauge(
            "marquee_feed_unknown_items",
            "Items of the feed in use that the version never lists.",
            registry=self.registry,
        )
        self.items_listed = Gauge(
            "marquee_items_listed",
            "Items that lists may contain by the rules and the feed; 0 without a feed.",
            registry=self.registry,
        )
