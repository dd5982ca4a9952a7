"""The part of a run's record about the spans of a retraining."""

import dataclasses

import msgspec


@dataclasses.dataclass(frozen=True)
class Window:
    """The spans of one retraining.

    Attributes:
        names: Of the spans to learn from, the oldest first.
        new: Those that no retraining has taken in.
        late: Those of them that are older than one that was taken in.
        too_late: Spans that came when the window had left their time behind; left out.
        unfinished: Spans whose writer has not said that they are whole; left out.
        empty: Whole spans without a file; left out.
        missing: Between which two spans there is a gap, in words.
        gone: Spans of the window that were taken in once and are not there any more.
        fingerprints: Name → hash of the bytes, of every span in ``names``.
    """

    names: tuple[str, ...]
    new: tuple[str, ...]
    late: tuple[str, ...]
    too_late: tuple[str, ...]
    unfinished: tuple[str, ...]
    empty: tuple[str, ...]
    missing: tuple[str, ...]
    gone: tuple[str, ...]
    fingerprints: dict[str, str]


class Overlap(msgspec.Struct, frozen=True):
    """Ratings that occur in two spans.

    Attributes:
        spans: Names of the older and the newer span.
        ratings: Number of ratings that occur in both.
    """

    spans: tuple[str, str]
    ratings: int


class Distance(msgspec.Struct, frozen=True, kw_only=True):
    """The distance of one feature's distributions in two spans.

    Attributes:
        feature: Name of the feature.
        value: The measured distance.
        threshold: The largest distance that is allowed.
        is_drift: Whether the distance exceeds the threshold.
        distance: TensorFlow Metadata's name of the distance.
    """

    feature: str
    value: float
    threshold: float
    is_drift: bool
    distance: str = ""


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """The newest span compared with the one that the live model learned from.

    Attributes:
        live_span: Name of the live model's newest span.
        not_compared: Why the spans were not compared; empty if they were.
        measured: The distance of each feature.
        span: Name of the newest span.
    """

    live_span: str
    not_compared: str
    measured: list[Distance]
    span: str = ""


@dataclasses.dataclass(frozen=True)
class Spans(Window):
    """The spans of a retraining.

    Attributes:
        overlaps: Spans that have ratings in common.
        drift: Drift of the newest span; None if the step did not run.
    """

    overlaps: tuple[Overlap, ...] = ()
    drift: Drift | None = None
