"""Rejects types of events that cannot be learned from or judged."""

from pipeline.config.describe import nearest_name
from pipeline.config.document import Document
from pipeline.config.events_section import CONTEXT, POSITIVE
from pipeline.config.sections import PipelineConfig


def check_events(config: PipelineConfig, document: Document) -> None:
    """Rejects types that do not fit each other, or settings that they replace.

    Raises:
        ConfigError: For the first such setting.
    """
    if "" in config.events.types:
        raise document.error("events.types", "a type needs a name")
    _check_judged(config, document)
    for key in ("label.threshold", "label.negative"):
        if key in document:
            message = "events.types decides what is liked and disliked; leave this out"
            raise document.error(key, message)
    columns = config.data.columns
    if columns.get("rating", "none") != "none":
        message = "the weights in events.types are the ratings; leave this out"
        raise document.error("data.columns.rating", message)
    if columns.get("event_type") == "none":
        message = "events.types needs this column; name it, or leave this out"
        raise document.error("data.columns.event_type", message)


def _check_judged(config: PipelineConfig, document: Document) -> None:
    types = config.events.types
    for name in config.events.judged:
        if name not in types:
            nearest = nearest_name(name, types, is_key=False) if types else ""
            message = f"{name!r} is not among events.types{nearest}"
            raise document.error("events.judged", message)
        if types[name].role == CONTEXT:
            message = f"the role of {name!r} is context, which is never predicted"
            raise document.error("events.judged", message)
    if POSITIVE not in config.events.roles_judged():
        key = "events.judged" if config.events.judged else "events.types"
        message = "no type with the role positive is judged, so nothing can be ranked"
        raise document.error(key, message)
