"""Describes what happens to repeated interactions, and proposes settings for them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from components.ratings_example_gen.settings import ALL, LEAVE_LAST_OUT
from pipeline.config.lists_section import NEVER
from pipeline.config.sections import PipelineConfig

if TYPE_CHECKING:  # Beam takes seconds to import
    from components.ratings_example_gen.inspection import DataSummary

_MANY = 0.1  # share of rows; logs of ratings have few repeats, if any


def describe_repeats(config: PipelineConfig) -> str:
    """Returns the settings in use, on one line."""
    again = config.lists.recommend_again
    value = str(again).lower() if isinstance(again, bool) else again
    return f"lists.recommend_again: {value}, data.repeats: {config.data.repeats}"


def warnings_of_repeats(config: PipelineConfig) -> Iterator[str]:
    """Yields what is likely to be unintended, each with what to do about it."""
    is_again = config.lists.again_after is not None
    if config.data.repeats == ALL and not is_again:
        yield (
            "targets that a user had before are never on a list, and count as missed; "
            "set lists.recommend_again=true, or after a time"
        )
    if config.data.repeats != ALL and is_again:
        yield (
            f"with data.repeats={config.data.repeats}, no target is an item that the "
            "user had before, although lists have them; set data.repeats=all"
        )
    types = config.events.types
    is_partly = types and set(types) != set(config.events.judged_types())
    if is_partly and config.split.kind == LEAVE_LAST_OUT:
        yield (
            "with split.kind=leave_last_out, the events right before a target, such as "
            "a cart before a purchase, are in its history, and a model that reads the "
            "order only has to repeat them; set split.kind=temporal"
        )


def propose_repeats(config: PipelineConfig, summary: "DataSummary") -> str | None:
    """Returns the evidence for other settings, and these as YAML; None without any.

    Nothing is proposed as long as types of events are not configured: they are repeats
    of each other until then.
    """
    has_types = len(summary.event_types) > 1 and not config.events.types
    is_set = config.data.repeats == ALL or config.lists.recommend_again != NEVER
    share = summary.repeated_judged / max(1, summary.judged)
    if has_types or is_set or share < _MANY:
        return None
    return (
        f"# {summary.repeated_judged:,} of {summary.judged:,} rows ({share:.0%}) are "
        "of an item that the user had before\n"
        "data:\n  repeats: all\nlists:\n  recommend_again: true"
    )
