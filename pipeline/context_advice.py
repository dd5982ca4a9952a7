"""Describes what models read of the times of ratings."""

from collections.abc import Iterator

from pipeline.config.sections import PipelineConfig, context_timezone
from trainer_modules.registry import MODELS


def describe_context(config: PipelineConfig) -> str | None:
    """Returns the settings in use, on one line; None if models read nothing."""
    if not config.context.fields:
        return None
    fields = ", ".join(config.context.fields)
    readers = ", ".join(_readers(config)) or "no model"
    return f"context.fields: {fields} in {context_timezone(config)}, read by {readers}"


def warnings_of_context(config: PipelineConfig) -> Iterator[str]:
    """Yields what is likely to be unintended, each with what to do about it."""
    if config.context.fields and not _readers(config):
        yield (
            "no model of this configuration reads context.fields; add one that reads "
            "side features, such as fm"
        )


def _readers(config: PipelineConfig) -> list[str]:
    return [name for name in config.models if MODELS[name].reads_fields]
