"""Names the settings whose value selects code that this project has never executed."""

from collections.abc import Iterator

from pipeline.config.sections import PipelineConfig

PREFIX = "experimental-"  # of each such value (docs/adr/0027)


def warnings(config: PipelineConfig) -> Iterator[str]:
    """Yields a warning for each setting with an experimental value."""
    values = {
        "serving.infra_check": config.serving.infra_check,
        "beam.runner": config.beam.runner,
    }
    for key, value in values.items():
        if value.startswith(PREFIX):
            yield f"{key}: this project has never executed {value} (docs/adr/0027)."
