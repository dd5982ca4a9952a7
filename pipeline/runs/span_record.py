"""The part of a run's record about the spans of a retraining."""

import dataclasses

import msgspec

from components.ratings_example_gen.spans import Overlap


@dataclasses.dataclass(frozen=True)
class Window:
    """The spans that one retraining learns from.

    Attributes:
        names: Names of the spans, the oldest first.
        new: Spans that no earlier retraining included.
        late: New spans that are older than one that was included before.
        too_late: Spans that arrived when the window had passed them; left out.
        unfinished: Spans that are not marked as complete; left out.
        empty: Complete spans without a file; left out.
        missing: Descriptions of gaps between spans.
        gone: Spans in the window that were included before and no longer exist.
        fingerprints: Name → hash of the bytes, for every span in ``names``.
        held: Spans that drift has stopped; left out until they are accepted.
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
    held: tuple[str, ...] = ()


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
    """The spans of a retraining, and what the run found out about them.

    Attributes:
        overlaps: Spans that have ratings in common.
        drift: Drift of the newest span; None if the step did not run.
    """

    overlaps: tuple[Overlap, ...] = ()
    drift: Drift | None = None
