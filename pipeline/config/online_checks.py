"""Rejects settings of online metrics that cannot be measured."""

from pipeline.config.describe import nearest_name
from pipeline.config.document import Document
from pipeline.config.online_section import MAX_DAYS
from pipeline.config.sections import PipelineConfig


def check_online(config: PipelineConfig, document: Document) -> None:
    """Rejects conversions that are not types of events, and windows that never end.

    Raises:
        ConfigError: For the first such setting.
    """
    types = config.events.types
    for name in config.online.conversions:
        if name not in types:
            nearest = nearest_name(name, types, is_key=False) if types else ""
            message = f"{name!r} is not among events.types{nearest}"
            raise document.error("online.conversions", message)
    if config.online.window > MAX_DAYS * 86_400:
        message = f"lists and events are kept for 30 days; set at most {MAX_DAYS}d"
        raise document.error("online.attribution_window", message)
